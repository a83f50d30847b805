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
		if s == nil || s.still < min(leastStill, len(d.nodes)-1) {
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

// leastStill are as many rows as show that an agent stands still.
const leastStill = 2

// stand is what shows that an agent stands still.
type stand struct {
	still int
	since time.Time
}

func (d *diagnosis) standing(a *agent, stands map[*agent]*stand) {
	for i := range a.rows {
		r := &a.rows[i]
		if r.told != still || !a.counts(r) {
			continue
		}
		s := stands[r.target]
		if s == nil {
			s = &stand{since: a.died(r)}
			stands[r.target] = s
		}
		s.still++
		if died := a.died(r); died.Before(s.since) {
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
