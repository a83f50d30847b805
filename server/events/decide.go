package events

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/intervals"
)

const (
	// countAfter is how long an outage is known before it is told, so that the number of
	// agents who see it means something.
	countAfter = 3 * time.Second
	// endAfter is how long an outage is over before that is told: what an agent saw may be
	// on its way for that long, since its messages are seconds apart.
	endAfter = 10 * time.Second
	// newsFor is how long after its end an outage is still told, where it was not before.
	// Kubernetes forgets Events as old as that.
	newsFor = time.Hour
	// silentFor is how long nobody may have sampled before an outage is over without
	// anybody having seen its end.
	silentFor = time.Hour
	// Horizon is how far back an Announcer looks: what ended before is not told any more.
	Horizon = newsFor + silentFor
	// mostTold bounds what is remembered of a line.
	mostTold = 100
)

// told is an outage of which people were told.
type told struct {
	ID   string    `json:"id"`
	From time.Time `json:"from"`
	// To is zero until they were told that it ended.
	To time.Time `json:"to,omitzero"`
}

// history is what people were told of a line.
type history struct {
	// Before is the time before which all is told, or too old.
	Before time.Time `json:"before,omitzero"`
	Told   []told    `json:"told"`
}

// memory is what was told of all lines. It is never changed once made.
type memory struct {
	lines map[line]history
	// seen is since when an outage is known of a line that was not told yet.
	seen map[line]time.Time
}

// decision is what follows from a memory: Events, and what is remembered then.
type decision struct {
	events  []Event
	after   memory
	changed []line
}

// decide says what is to be told by now, in at most room Events; what has no room is
// decided the next time. Per line:
//
//	outage                         | told before              | is told
//	known for less than countAfter | nothing                  | nothing yet
//	going on, or ended             | nothing                  | DisruptionBegan
//	ended newsFor ago              | nothing                  | nothing any more
//	going on                       | that it began            | nothing
//	ended less than endAfter ago   | that it began            | nothing yet
//	ended, nobody sampled since    | that it began            | nothing, for silentFor
//	ended                          | that it began            | DisruptionEnded
//	as long as was told            | that it ended            | nothing
//	longer, by what came late      | that it ended            | DisruptionBegan, of the rest
func decide(list []intervals.Interval, m memory, now time.Time, room int) decision {
	d := decision{after: memory{lines: maps.Clone(m.lines), seen: map[line]time.Time{}}}
	if d.after.lines == nil {
		d.after.lines = map[line]history{}
	}
	all := outages(list)
	lines := maps.Clone(d.after.lines)
	for l := range all {
		lines[l] = d.after.lines[l]
	}
	for _, l := range slices.SortedFunc(maps.Keys(lines), line.compare) {
		known, ok := m.seen[l]
		if !ok {
			known = now
		}
		n := liner{line: l, history: lines[l].clone(), now: now, ripe: now.Sub(known) >= countAfter, room: room - len(d.events)}
		n.takeAll(all[l])
		if n.waiting {
			d.after.seen[l] = known
		}
		if n.changed {
			d.after.put(l, n.history)
			d.changed = append(d.changed, l)
			d.events = append(d.events, n.events...)
		}
	}
	return d
}

func (h history) clone() history {
	h.Told = slices.Clone(h.Told)
	return h
}

// put remembers h, or nothing where nothing was told.
func (m *memory) put(l line, h history) {
	if len(h.Told) == 0 {
		delete(m.lines, l)
	} else {
		m.lines[l] = h
	}
}

// liner decides about one line.
type liner struct {
	line
	history
	now  time.Time
	ripe bool // an outage that is known was so for long enough
	room int

	events           []Event
	changed, waiting bool
}

// takeAll decides about all outages, which are in order.
func (n *liner) takeAll(all []outage) {
	going := n.going(all)
	for i, o := range all {
		t, told := going[i]
		switch {
		case len(n.events) >= n.room:
		case told:
			n.end(o, &n.Told[t])
		default:
			n.begin(o)
		}
	}
	n.trim()
}

// going are the outages of which people were told that they began, and what was told: by
// their index, its index. What was told of one that is gone from the intervals ends here.
func (n *liner) going(all []outage) map[int]int {
	going := map[int]int{}
	for i := range n.Told {
		t := &n.Told[i]
		if !t.To.IsZero() {
			continue
		}
		// Of a long one, the first intervals may be gone already.
		at := slices.IndexFunc(all, func(o outage) bool { return o.open || t.From.Sub(o.to) < mergeWithin })
		switch {
		case at >= 0:
			going[at] = i
		case n.now.Sub(t.From) >= silentFor && len(n.events) < n.room:
			n.lose(t)
		}
	}
	return going
}

// over is the last of what was told to be over and is of that outage; nil where nothing
// is.
func (n *liner) over(o outage) *told {
	for i := len(n.Told) - 1; i >= 0; i-- {
		if t := &n.Told[i]; !t.To.IsZero() && t.isOf(o) {
			return t
		}
	}
	return nil
}

// isOf says whether t, which is over, is of that outage.
func (t *told) isOf(o outage) bool {
	return (o.open || t.From.Sub(o.to) < mergeWithin) && o.from.Sub(t.To) < mergeWithin
}

// begin tells that an outage began, or that it goes on, where people were told that it is
// over.
func (n *liner) begin(o outage) {
	from := o.from
	if over := n.over(o); over != nil {
		if o.to.Sub(over.To) < mergeWithin && !(o.open && n.now.Sub(over.To) >= mergeWithin) {
			return
		}
		from = over.To
	}
	if !o.open && (n.now.Sub(o.to) >= newsFor || !o.to.After(n.Before)) {
		return
	}
	if !n.ripe {
		n.waiting = true
		return
	}
	id := identity(from, n.backend, string(n.connection), string(n.network))
	n.Told = append(n.Told, told{ID: id, From: from})
	n.tell(Event{
		ID: id + ".began", Type: Warning, Reason: DisruptionBegan, At: from,
		Note: fmt.Sprintf("%s is disrupted since %s, from %s: %s", n.name(), clock(from), agents(o), o.message),
	})
}

// end tells that an outage is over, if it is.
func (n *liner) end(o outage, last *told) {
	if o.open || n.now.Sub(o.to) < endAfter || !o.sampledSince && n.now.Sub(o.to) < silentFor {
		return
	}
	last.To = o.to
	note := fmt.Sprintf("%s was disrupted for %s, from %s to %s, from %s",
		n.name(), o.to.Sub(last.From).Round(100*time.Millisecond), clock(last.From), clock(o.to), agents(o))
	if !o.sampledSince {
		note += "; nobody has sampled it since"
	}
	n.tell(Event{ID: last.ID + ".ended", Type: Normal, Reason: DisruptionEnded, At: o.to, Note: note})
}

// lose tells that nothing is known any more of an outage.
func (n *liner) lose(t *told) {
	t.To = t.From
	n.tell(Event{
		ID: t.ID + ".ended", Type: Normal, Reason: DisruptionEnded, At: n.now,
		Note: fmt.Sprintf("%s was disrupted since %s; when that ended is not known any more", n.name(), clock(t.From)),
	})
}

func (n *liner) tell(e Event) {
	e.Note = cut(e.Note, maxNote)
	n.events, n.changed = append(n.events, e), true
}

// trim forgets what is not needed to know what was told.
func (n *liner) trim() {
	slices.SortStableFunc(n.Told, func(a, b told) int { return a.From.Compare(b.From) })
	for len(n.Told) > 0 {
		first := n.Told[0]
		if first.To.IsZero() || len(n.Told) <= mostTold && n.now.Sub(first.To) < 2*newsFor {
			return
		}
		if first.To.After(n.Before) {
			n.Before = first.To
		}
		n.Told, n.changed = n.Told[1:], true
	}
}

// name is the line in words.
func (l line) name() string {
	over, on := "new connections", "the pod network"
	if l.connection == report.Reused {
		over = "kept connections"
	}
	if l.network == report.Host {
		on = "the host network"
	}
	return fmt.Sprintf("%s over %s on %s", l.backend, over, on)
}

func agents(o outage) string { return fmt.Sprintf("%d of %d agents", o.by, o.of) }

// clock is a time to the tenth of a second.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0Z") }
