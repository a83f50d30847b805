package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
)

// mostWindows bounds what a plan holds: what one assignment has, and as much that is
// still under way.
const mostWindows = 2 * assignment.MaxPeers

// target is an agent in one life, at its addresses. One that is restarted, or gets other
// addresses, is another.
type target struct {
	id, boot  uint64
	node      string
	host      bool
	port      uint16
	four, six netip.Addr // invalid where it has none
}

// address is where it is probed in one family; ok is false where it is not.
func (t target) address(six bool) (addr netip.AddrPort, ok bool) {
	a := t.four
	if six {
		a = t.six
	}
	return netip.AddrPortFrom(a, t.port), a.IsValid()
}

// families is in how many it is probed.
func (t target) families() (n int) {
	for _, six := range []bool{false, true} {
		if _, ok := t.address(six); ok {
			n++
		}
	}
	return n
}

// window is when to probe a target: [from, to), or from on where to is 0.
type window struct {
	target   target
	from, to time.Duration
}

func (w window) lasts() bool { return w.to == 0 }

func (w window) has(now time.Duration) bool { return w.from <= now && (w.lasts() || now < w.to) }

// plan is whom to probe, and when, on the agent's clock.
type plan struct {
	self    uint64
	base    string
	windows []window
}

// take adds an assignment that came now: peers of the same base to those there are, those
// of another instead of them.
//
//	told                                     becomes
//	another base                             all windows are those that are told
//	the same id, but restarted or moved      its earlier windows go
//	a window that goes on one that is held   a longer one
//	any other                                another window
func (p *plan) take(a *assignment.Assignment, now time.Duration) error {
	var told []window
	for i := range a.Peers {
		w, err := windowOf(&a.Peers[i], now)
		if err != nil {
			return fmt.Errorf("peers[%d].%w", i, err)
		}
		told = append(told, w)
	}
	if a.Base != p.base {
		p.windows = nil
	}
	p.self, p.base = a.Self, a.Base
	for _, w := range told {
		p.add(w)
	}
	p.tidy(now)
	return nil
}

func windowOf(p *assignment.Peer, now time.Duration) (window, error) {
	boot, err := strconv.ParseUint(p.Boot, 16, 64)
	if err != nil {
		return window{}, fmt.Errorf("boot: is not what it should be: 16 hexadecimal digits")
	}
	w := window{target: target{id: p.ID, boot: boot, node: p.Node, host: p.Host, port: p.Port}}
	for _, a := range p.Addresses {
		if a.Is4() {
			w.target.four = a
		} else {
			w.target.six = a
		}
	}
	w.from = now + time.Duration(p.From)*time.Millisecond
	if p.For > 0 {
		w.to = w.from + time.Duration(p.For)*time.Millisecond
	}
	return w, nil
}

func (p *plan) add(w window) {
	p.windows = slices.DeleteFunc(p.windows, func(o window) bool {
		return o.target.id == w.target.id && (o.target != w.target || o.lasts() || w.lasts())
	})
	for i := range p.windows {
		o := &p.windows[i]
		if o.target == w.target && w.from <= o.to+time.Second && o.from <= w.to+time.Second {
			o.from, o.to = min(o.from, w.from), max(o.to, w.to)
			return
		}
	}
	p.windows = append(p.windows, w)
}

// tidy forgets windows that are over, unless all are.
func (p *plan) tidy(now time.Duration) {
	if slices.ContainsFunc(p.windows, func(w window) bool { return !w.lasts() && now < w.to }) {
		p.windows = slices.DeleteFunc(p.windows, func(w window) bool { return !w.lasts() && w.to <= now })
	}
	p.windows = p.windows[:min(len(p.windows), mostWindows)]
}

// wanted are the windows that are open now. Once all are over that have an end, which
// they are where the server is away, they begin again in their order: who is probed then
// is still different from time to time, and all of those who were held.
func (p *plan) wanted(now time.Duration) (open []window) {
	shift := p.round(now)
	for _, w := range p.windows {
		if w.lasts() {
			if w.has(now) {
				open = append(open, w)
			}
			continue
		}
		w.from, w.to = w.from+shift, w.to+shift
		if w.has(now) {
			open = append(open, w)
		}
	}
	return open
}

// turn is when other windows may be open than now, if nobody tells any; never where that
// can't be.
func (p *plan) turn(now time.Duration) time.Duration {
	at, shift := time.Duration(forever), p.round(now)
	for _, w := range p.windows {
		from, to := w.from, w.from
		if !w.lasts() {
			from, to = w.from+shift, w.to+shift
		}
		for _, edge := range [...]time.Duration{from, to} {
			if edge > now {
				at = min(at, edge)
			}
		}
	}
	return at
}

// away says whether all windows are over that have an end: the server has told no more.
func (p *plan) away(now time.Duration) bool { return p.round(now) > 0 }

// round is by how much the windows that have an end are late for having begun again.
func (p *plan) round(now time.Duration) time.Duration {
	var first, last time.Duration
	for _, w := range p.windows {
		if w.lasts() {
			continue
		}
		if last == 0 || w.from < first {
			first = w.from
		}
		last = max(last, w.to)
	}
	if last == 0 || now < last {
		return 0
	}
	return (now - first) / (last - first) * (last - first)
}
