package diagnose

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// deadRun are as many questions in a row as fail where what all share is dead.
	deadRun = 3
	// shakyRun are as many where one of several backends is down: by chance alone, some agents
	// meet with that one a few times in a row.
	shakyRun = 20
	// settlesAfter is how long after one agent found that something fails all others know,
	// besides the time between two of their questions.
	settlesAfter = 3 * time.Second
	// recoversWithin is within what time all whom the same failed for are well again once it is.
	recoversWithin = 20 * time.Second
	// leastEvery is the least time between two questions.
	leastEvery = 5 * time.Second
)

func (t Thing) compare(o Thing) int {
	return cmp.Or(strings.Compare(string(t.Kind), string(o.Kind)), strings.Compare(t.Target, o.Target))
}

func thingOf(s *report.Shared) Thing {
	if s.Kind == report.NodePort {
		return Thing{Kind: s.Kind}
	}
	return Thing{s.Kind, s.Target}
}

// asking is what the agents of one node and network meet with.
type asking struct {
	failing, late, well int
	wrong               int // of those that fail
	since               time.Time
	message             string
}

// fails says whether it does for all of them.
func (a asking) fails() bool { return a.failing > 0 && a.well == 0 && a.late == 0 }

// asked is what all agents of a node meet with as they ask a thing, by network: pods, hosts.
type asked [2]asking

// fails says whether it does for the agents of a network that ask it, or of both.
func (a *asked) fails() bool { return a[0].fails() || a[1].fails() }

func (a *asked) sum() (s asking) {
	for _, n := range a {
		s.failing, s.late, s.well, s.wrong = s.failing+n.failing, s.late+n.late, s.well+n.well, s.wrong+n.wrong
		if n.failing > 0 && (s.since.IsZero() || n.since.Before(s.since)) {
			s.since = n.since
		}
		s.message = cmp.Or(s.message, n.message)
	}
	return s
}

// share finds which of what all share is at fault. What agents miss whose own node is down,
// or that lies there, is explained already.
//
//	where        fails                                       is well               finding
//	-----------  ------------------------------------------  --------------------  ---------
//	all          one DNS server                              another               DNSServer
//	all          DNS, or all of its servers                  Services' addresses   DNS
//	all          Services' addresses                                               Service
//	all          node ports, or the API server                                     that
//	one node     Services' addresses, and what needs them    DNS servers           Service
//	one node     the node port alone                                               NodePort
//	one node     DNS                                         Services' addresses   DNS
//	one node     the API server                              Services' addresses   KubeAPI
//	any of DNS   is answered wrongly                                               WrongDNS
func (d *diagnosis) share() {
	fails := slices.ContainsFunc(d.agents, func(a *agent) bool { return len(a.failing) > 0 })
	if !fails {
		return
	}
	s := &sharing{diagnosis: d, things: map[Thing]map[*node]*asked{}, everywhere: map[report.SharedKind]bool{}, counts: map[Thing]count{}, totals: map[report.SharedKind]asking{}}
	s.take(func(t Thing) bool { return t.Kind == report.DNSServer })
	s.count()
	servers := s.sorted()
	s.shaky = slices.ContainsFunc(servers, s.forAll) && slices.ContainsFunc(servers, func(t Thing) bool { return !s.forAll(t) })
	s.take(func(t Thing) bool { return t.Kind != report.DNSServer })
	s.count()
	s.all()
	for _, n := range d.nodes {
		s.node(n)
	}
}

// sharing is what agents of all nodes meet with.
type sharing struct {
	*diagnosis
	things map[Thing]map[*node]*asked
	// counts are the nodes for which a thing fails, and totals what all agents meet with.
	counts map[Thing]count
	totals map[report.SharedKind]asking
	// everywhere are the kinds of which a finding tells that they fail for all.
	everywhere map[report.SharedKind]bool
	// shaky says that a DNS server fails for all, so that a part of all lookups do.
	shaky bool
}

// take takes in what agents ask of some things.
func (s *sharing) take(which func(Thing) bool) {
	for _, a := range s.agents {
		if a.mesh == nil || !a.ready() || a.gone(s.now) || len(a.failing) > 0 && s.now.Sub(a.at) > overdue {
			continue
		}
		for i := range a.mesh.Shared {
			row := &a.mesh.Shared[i]
			if of := thingOf(row); row.Asked > 0 && which(of) && (s.in.Left == nil || !s.in.Left(of)) {
				s.takeRow(a, of, row)
			}
		}
	}
}

func (s *sharing) takeRow(a *agent, of Thing, row *report.Shared) {
	explained, partly := s.explained(a, of)
	if explained && !a.failing[of].wrong { // nothing but who answers explains a wrong answer
		return
	}
	if s.things[of] == nil {
		s.things[of] = map[*node]*asked{}
	}
	to := s.things[of][a.node]
	if to == nil {
		to = &asked{}
		s.things[of][a.node] = to
	}
	least := uint64(deadRun)
	if partly || s.shaky && of.Kind == report.DNS {
		least = shakyRun
	}
	to[number(a.host)].add(a, row, least)
}

// gone says whether what an agent told is too old to hold.
func (a *agent) gone(now time.Time) bool { return a.silent() && now.Sub(a.at) > outdated }

// add adds what an agent meets with, for whom least failures in a row are a failure.
func (a *asking) add(by *agent, row *report.Shared, least uint64) {
	switch {
	case row.Run == 0:
		a.well++
		return
	case row.Run < least:
		a.late++
		return
	}
	a.failing++
	f := by.failing[thingOf(row)]
	if f.wrong {
		a.wrong++
	}
	if a.since.IsZero() || f.since.Before(a.since) {
		a.since = f.since
	}
	a.message = cmp.Or(a.message, row.Message)
}

// all finds what fails for all.
func (s *sharing) all() {
	var servers, dead []Thing
	service := false
	for _, t := range s.sorted() {
		fails := s.failsForAll(t)
		if t.Kind == report.DNSServer {
			servers = append(servers, t)
			if fails {
				dead = append(dead, t)
			}
		}
		if fails {
			s.everywhere[t.Kind] = t.Kind != report.DNSServer
		}
		service = service || fails && t.Kind == report.ServiceAddress
	}
	switch {
	case service:
		s.tell(Service, Subject{Scope: Cluster}, report.ServiceAddress, nil)
	case s.everywhere[report.DNS] && len(dead) == len(servers), len(dead) > 1 && len(dead) == len(servers):
		s.nameless = s.now
		s.everywhere[report.DNSServer] = s.everywhere[report.DNSServer] || len(dead) == len(servers)
		kind := report.DNS
		if !s.everywhere[kind] {
			kind = report.DNSServer
		}
		s.tell(DNS, Subject{Scope: Cluster}, kind, nil)
	}
	mayAll := slices.ContainsFunc(servers, func(t Thing) bool { return s.counts[t].waits() })
	if !s.everywhere[report.DNS] && len(dead) < max(2, len(servers)) && !mayAll && s.nameless.Before(s.recently()) {
		for _, t := range dead {
			s.tellThing(DNSServer, t)
		}
	}
	if s.everywhere[report.NodePort] && !service {
		s.tell(NodePort, Subject{Scope: Cluster}, report.NodePort, nil)
	}
	if s.everywhere[report.KubeAPI] && !service {
		s.tell(KubeAPI, Subject{Scope: Cluster}, report.KubeAPI, nil)
	}
}

func (s *sharing) sorted() (all []Thing) {
	for t := range s.things {
		all = append(all, t)
	}
	slices.SortFunc(all, Thing.compare)
	return all
}

// failsForAll says whether a thing fails for four fifths of the nodes, of several, but for those
// whose failing is explained otherwise.
func (s *sharing) failsForAll(t Thing) bool {
	c := s.counts[t]
	return c.fits() && c.bad > 1 && int(c.bad) >= min(leastPeers, len(s.things[t]))
}

// count counts the nodes for which each thing fails, is well, and may fail soon.
func (s *sharing) count() {
	clear(s.totals)
	for t, nodes := range s.things {
		var c count
		total := s.totals[t.Kind]
		for _, a := range nodes {
			sum := a.sum()
			total = total.and(sum)
			switch {
			case a.fails():
				c.bad++
			case sum.late > 0 || sum.failing > 0:
				c.late++
			default:
				c.good++
			}
		}
		s.counts[t], s.totals[t.Kind] = c, total
		s.remember(t)
		if s.failsForAll(t) || s.recovered(t)*3 >= len(s.nodes) {
			s.failed[t] = s.now
		}
	}
	maps.DeleteFunc(s.failed, func(_ Thing, last time.Time) bool { return last.Before(s.recently()) })
}

// remember notes at which nodes a thing fails, and forgets where it did so long ago.
func (s *sharing) remember(t Thing) {
	for n, a := range s.things[t] {
		switch {
		case a.sum().failing > 0:
			if n.failed == nil {
				n.failed = map[Thing]time.Time{}
			}
			n.failed[t] = s.now
		case s.now.Sub(n.failed[t]) > recoversWithin:
			delete(n.failed, t)
		}
	}
}

// recovered counts the nodes for which a thing failed a moment ago, and does not any more: where
// they are many, what still fails for the others is no fault of theirs.
func (s *sharing) recovered(t Thing) (nodes int) {
	for n, a := range s.things[t] {
		if sum := a.sum(); !n.failed[t].IsZero() && sum.failing == 0 && sum.late == 0 {
			nodes++
		}
	}
	return nodes
}

// forAll says whether a thing fails for all, or did so a moment ago.
func (s *sharing) forAll(t Thing) bool { return !s.failed[t].IsZero() }

// node finds what fails at one node alone.
func (s *sharing) node(n *node) {
	fails := func(kind report.SharedKind) bool { return !s.everywhere[kind] && s.failsAt(n, kind) }
	subject := nodeSubject(n)
	service := fails(report.ServiceAddress)
	if service {
		n.unserved = s.now
		s.tell(Service, subject, report.ServiceAddress, n)
	}
	if s.everywhere[report.ServiceAddress] || !n.unserved.Before(s.recently()) || s.mayFailAt(n, report.ServiceAddress) {
		return
	}
	if fails(report.NodePort) {
		s.tell(NodePort, subject, report.NodePort, n)
	}
	switch {
	case s.everywhere[report.DNS] || s.everywhere[report.DNSServer]:
	case fails(report.DNS) && (fails(report.DNSServer) || !s.mayFailAt(n, report.DNSServer)):
		s.tell(DNS, subject, report.DNS, n)
	case fails(report.DNSServer):
		s.tell(DNS, subject, report.DNSServer, n)
	}
	if fails(report.KubeAPI) {
		s.tell(KubeAPI, subject, report.KubeAPI, n)
	}
}

// failsAt says whether all things of a kind fail at a node, and long enough for others to
// say that they fail there as well. Those that fail for all are left out.
func (s *sharing) failsAt(n *node, kind report.SharedKind) bool {
	some := false
	for t, nodes := range s.things {
		a := nodes[n]
		if t.Kind != kind || a == nil || s.forAll(t) {
			continue
		}
		if s.counts[t].waits() || !a.fails() {
			return false
		}
		some = true
	}
	return some && s.now.Sub(s.failsSince(n, kind)) >= s.settled()
}

// failsSince is since when things of a kind fail at a node, and others that began to so little
// before that they may be of the same fault.
func (s *sharing) failsSince(n *node, kind report.SharedKind) (since time.Time) {
	earliest := func(is func(Thing, time.Time) bool) {
		for t, nodes := range s.things {
			if a := nodes[n]; a != nil {
				if at := a.sum().since; !at.IsZero() && is(t, at) && (since.IsZero() || at.Before(since)) {
					since = at
				}
			}
		}
	}
	earliest(func(t Thing, _ time.Time) bool { return t.Kind == kind })
	together := since.Add(-s.settled())
	earliest(func(_ Thing, at time.Time) bool { return at.After(together) })
	return since
}

// settled is how long after one agent found that something fails all others know.
func (s *sharing) settled() time.Duration { return max(leastEvery, s.in.Every) + settlesAfter }

// mayFailAt says whether things of a kind may soon be found to fail at a node.
func (s *sharing) mayFailAt(n *node, kind report.SharedKind) bool {
	for t, nodes := range s.things {
		if a := nodes[n]; t.Kind == kind && a != nil && !s.forAll(t) {
			if sum := a.sum(); sum.late+sum.failing > 0 {
				return true
			}
		}
	}
	return false
}

// tell makes a finding of what agents meet with who ask things of a kind, those of one node
// or all.
func (s *sharing) tell(kind Kind, subject Subject, of report.SharedKind, at *node) {
	here := s.totals[of]
	var pods, hosts asking
	if at != nil {
		here = asking{}
		for t, nodes := range s.things {
			if a := nodes[at]; t.Kind == of && a != nil {
				here, pods, hosts = here.and(a.sum()), pods.and(a[0]), hosts.and(a[1])
			}
		}
	}
	f := finding(kind, subject, here)
	if at != nil {
		f.Since = s.failsSince(at, of)
		if total := s.totals[of]; total.all() > here.all() {
			f.Against = []Count{{"elsewhere", total.bad() - here.bad(), total.all() - here.all()}}
		}
		switch {
		case pods.failing > 0 && hosts.well > 0 && hosts.failing == 0:
			f.Class = "pod network"
		case hosts.failing > 0 && pods.well > 0 && pods.failing == 0:
			f.Class = "host network"
		}
	}
	s.findings = append(s.findings, f)
}

// tellThing makes a finding of one thing.
func (s *sharing) tellThing(kind Kind, t Thing) {
	var all asking
	for _, a := range s.things[t] {
		all = all.and(a.sum())
	}
	s.findings = append(s.findings, finding(kind, Subject{Scope: Target, Names: [2]string{t.Target}}, all))
}

func finding(kind Kind, subject Subject, a asking) Finding {
	if a.wrong*2 > a.failing && (kind == DNS || kind == DNSServer) {
		kind = WrongDNS
	}
	return Finding{
		Kind: kind, Subject: subject, Severity: Critical, Since: a.since, Sure: true, Detail: a.message,
		For: []Count{{"agents", a.failing, a.all()}},
	}
}

// all are all that are asked, and bad those that are not well.
func (a asking) all() int { return a.bad() + a.well }

func (a asking) bad() int { return a.failing + a.late }

// and adds up what two meet with.
func (a asking) and(o asking) asking {
	both := asked{a, o}
	return both.sum()
}
