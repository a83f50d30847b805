package diagnose

import "time"

// agentsThemselves tells of those that stand still, or starve.
func (d *diagnosis) agentsThemselves() {
	stands := map[*agent]*stand{}
	for _, a := range d.agents {
		if !a.starving.IsZero() && a.ready() && !a.stood(d.now) {
			d.findings = append(d.findings, Finding{Kind: Starved, Subject: nodeSubject(a.node), Class: networkName(a), Severity: Info, Since: a.starving, Sure: true})
		}
		if a.ill > 0 {
			d.standing(a, stands)
		}
	}
	for _, a := range d.agents {
		s := stands[a]
		if s == nil || s.still < min(leastStill, len(d.nodes)-1) || s.other*9 > s.still {
			continue
		}
		a.still = d.now
		d.findings = append(d.findings, Finding{
			Kind: AgentStill, Subject: nodeSubject(a.node), Class: networkName(a), Severity: Warning, Since: s.since, Sure: true,
			For: []Count{{"paths to it", s.still, s.still}},
		})
	}
}

// stood says whether an agent stood still a moment ago: once it goes on, it says that it
// could not run, which was told already.
func (a *agent) stood(now time.Time) bool { return now.Sub(a.still) < sameWithin }

// stoodSince says whether it stood still since a time, or so little before that what it
// answered late is not told yet.
func (a *agent) stoodSince(t time.Time) bool {
	return !a.still.IsZero() && a.still.Add(2*firstDiscarded).After(t)
}

// leastStill are as many rows as show that an agent stands still.
const leastStill = 2

// stand is what shows that an agent stands still.
type stand struct {
	still, other int // rows that do, and that look otherwise
	since        time.Time
}

func (d *diagnosis) standing(a *agent, stands map[*agent]*stand) {
	for i := range a.rows {
		r := &a.rows[i]
		if r.told == unknown || !a.counts(r) {
			continue
		}
		s := stands[r.target]
		if s == nil {
			s = &stand{}
			stands[r.target] = s
		}
		if r.told != still {
			s.other++
			continue
		}
		s.still++
		if died := a.died(r); s.since.IsZero() || died.Before(s.since) {
			s.since = died
		}
	}
}

func nodeSubject(n *node) Subject { return Subject{Scope: Node, Names: [2]string{n.name}} }

// networkName is an agent's network, for people.
func networkName(a *agent) string {
	if a.host {
		return "host network"
	}
	return "pod network"
}
