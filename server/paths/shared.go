package paths

import (
	"cmp"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// SharedPlace is that of a row of what all agents share.
type SharedPlace struct {
	Kind report.SharedKind
	// Target is what is asked: an address with its port, or a name. Of a node port, where
	// places are zones, it is the port alone, such as ":30081": each agent asks at its own
	// node, so that there would be a row for each node.
	Target  string
	Network report.Network
	// From is the node, or the zone, of the agents that ask.
	From string
}

func (p SharedPlace) compare(o SharedPlace) int {
	return cmp.Or(
		cmp.Compare(p.Kind, o.Kind), strings.Compare(p.Target, o.Target), strings.Compare(p.From, o.From), cmp.Compare(p.Network, o.Network),
	)
}

// leftTold is for how long a name server that left is told.
const leftTold = 2 * time.Minute

// departures says of the name server at an address whether it has left, and when it was
// there last. It may be nil, where none has.
type departures func(target string) (since time.Time, left bool)

// of is the same of whatever all agents share.
func (d departures) of(s *report.Shared) (since time.Time, left bool) {
	if d == nil || s.Kind != report.DNSServer {
		return time.Time{}, false
	}
	return d(s.Target)
}

// Shared is what agents of one place and network met with as they asked something that
// all share.
type Shared struct {
	SharedPlace
	// Agents are how many ask it. For Failing of them the newest question was not well.
	Agents, Failing int
	// Sum has the sums of all since each agent's boot. Run and Message are those of the
	// agent for which it has failed the most often in a row, and Kind and Target are empty.
	Sum report.Shared
	// Pods are those that ask, at most mostPods, first those for which it fails; both in
	// the order of the list.
	Pods []string
	// Left says that it is a name server whose pod has gone, or is about to: for none of
	// them it fails, since it is not to be asked any more.
	Left bool
	// At is as of when it holds: the oldest of what it is made of.
	At time.Time
}

// share takes in what came of an agent's asking something that all share.
func (t *tabling) share(a *fleet.Agent, s *report.Shared, at time.Time) {
	since, left := t.left.of(s)
	if left && t.now.Sub(since) >= leftTold {
		return
	}
	place := SharedPlace{Kind: s.Kind, Target: t.target(s), Network: a.Network, From: t.name(a.Node)}
	row := t.shared[place]
	if row == nil {
		row = &Shared{SharedPlace: place, Left: left, At: at}
		t.shared[place] = row
	}
	one := *s
	if left {
		one.Run, one.Message = 0, ""
	}
	row.add(a, &one, at)
}

// target is what is asked, as rows of these places tell it.
func (t *tabling) target(s *report.Shared) string {
	if t.By == ByZone && s.Kind == report.NodePort {
		if _, port, err := net.SplitHostPort(s.Target); err == nil {
			return ":" + port
		}
	}
	return s.Target
}

// add adds what came of one agent's asking.
func (r *Shared) add(a *fleet.Agent, s *report.Shared, at time.Time) {
	r.name(a, s.Run > 0)
	r.Agents++
	if s.Run > 0 {
		r.Failing++
	}
	if at.Before(r.At) {
		r.At = at
	}
	sum := &r.Sum
	if s.Run > sum.Run {
		sum.Run, sum.Message = s.Run, s.Message
	}
	sum.Asked += s.Asked
	sum.Lost += s.Lost
	sum.Refused += s.Refused
	sum.Wrong += s.Wrong
	sum.Suspect += s.Suspect
	sum.RoundTrips += s.RoundTrips
}

// name notes the name of an agent that is not counted yet.
func (r *Shared) name(a *fleet.Agent, failing bool) {
	at := len(r.Pods)
	if failing {
		at = r.Failing // behind all others for which it fails
	}
	if at < mostPods {
		r.Pods = slices.Insert(r.Pods, at, a.Name)
		r.Pods = r.Pods[:min(len(r.Pods), mostPods)]
	}
}

// sharedRows are the rows in order.
func (t *tabling) sharedRows() []Shared {
	rows := make([]Shared, 0, len(t.shared))
	for _, r := range t.shared {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b Shared) int { return a.SharedPlace.compare(b.SharedPlace) })
	return rows
}
