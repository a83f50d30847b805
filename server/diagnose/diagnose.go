package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/wait"
)

// unexplainedAfter is in how many evaluations in a row something has to be unexplained to
// be told so.
const unexplainedAfter = 3

// Findings are what explains all that is known now, in order: the most severe first. They
// are not held: one that is there for a moment may be a moment's guess. It should be called
// after each Observe: what is lost of something that is found to be dead is no loss of its
// own once that is over.
func (s *State) Findings(now time.Time) []Finding {
	if s.list == nil || s.in.States == nil {
		return nil
	}
	d := &diagnosis{State: s, now: now}
	d.heal()
	for _, symptom := range []symptom{deadness, holes, dialing} {
		d.bothFamilies(symptom)
	}
	d.losses()
	d.share()
	d.agentsThemselves()
	d.unexplained()
	slices.SortFunc(d.findings, func(a, b Finding) int { return a.Compare(&b) })
	return d.findings
}

// diagnosis is what is found at one moment.
type diagnosis struct {
	*State
	now      time.Time
	findings []Finding
	// odd are rows that nothing explains.
	odd []item
}

// bothFamilies looks for a symptom in each address family, and tells what is found in both
// once.
func (d *diagnosis) bothFamilies(symptom symptom) {
	four, usesFour := d.family(symptom, false)
	six, usesSix := d.family(symptom, true)
	for i := range four {
		f := &four[i]
		if j := slices.IndexFunc(six, func(o Finding) bool { return o.Key() == f.Key() }); j >= 0 {
			f.merge(&six[j])
			six = slices.Delete(six, j, j+1)
		} else if usesSix {
			f.Family = "IPv4"
		}
	}
	for i := range six {
		if usesFour {
			six[i].Family = "IPv6"
		}
	}
	d.findings = append(append(d.findings, four...), six...)
}

// merge adds what shows the same in the other family.
func (f *Finding) merge(o *Finding) {
	if o.Since.Before(f.Since) {
		f.Since = o.Since
	}
	if o.Size > 0 && (f.Size == 0 || o.Size < f.Size) {
		f.Size = o.Size
	}
	f.Sure = f.Sure && o.Sure
	for _, c := range []struct{ to, from []Count }{{f.For, o.For}, {f.Against, o.Against}} {
		for i := range c.to {
			if j := slices.IndexFunc(c.from, func(o Count) bool { return o.Of == c.to[i].Of }); j >= 0 {
				c.to[i].Bad += c.from[j].Bad
				c.to[i].All += c.from[j].All
			}
		}
	}
}

// family looks for a symptom in one family; used says whether there are any rows of it.
func (d *diagnosis) family(symptom symptom, six bool) (found []Finding, used bool) {
	family := 0
	if six {
		family = 1
	}
	used = d.ever[family] != [classes]bool{}
	e := &evaluation{State: d.State, now: d.now, six: six, symptom: symptom, board: &d.scratch.board}
	ill := slices.ContainsFunc(d.agents, func(a *agent) bool { return a.ill > 0 })
	if !ill {
		return nil, used
	}
	e.survey()
	if !e.gather() {
		return nil, used
	}
	if symptom == deadness {
		d.trouble(e)
	}
	d.fade(e)
	picks := e.cover()
	for _, p := range picks {
		if symptom == deadness && e.attachment(&p) == maybe {
			continue
		}
		d.remember(e, &p)
		f := e.finding(&p)
		if symptom != holes {
			d.note(e, &p)
		}
		found = append(found, f)
	}
	if symptom == deadness {
		found = append(found, e.ownPods(d)...)
		d.odd = append(d.odd, e.left()...)
	}
	return found, used
}

// gather fills the board; false where nothing is bad.
func (e *evaluation) gather() bool {
	e.reset(len(e.State.nodes))
	for n := range wait.Resting(len(e.agents), e.in.Rest) {
		a := e.agents[n]
		if a.ill == 0 {
			continue
		}
		for i := range a.rows {
			r := &a.rows[i]
			if r.six != e.six {
				continue
			}
			if s := e.sight(a, r); s.is == isBad {
				e.items = append(e.items, item{from: a, to: r.target, class: r.class, sight: s, since: e.since(a, r), row: r})
			}
		}
	}
	if e.symptom == deadness {
		e.overheard(func(i item) { e.items = append(e.items, i) })
	}
	if len(e.items) == 0 {
		return false
	}
	for i := range e.items {
		if it := &e.items[i]; it.class != ownNode {
			e.open(it)
		}
	}
	for n := range wait.Resting(len(e.agents), e.in.Rest) {
		a := e.agents[n]
		for i := range a.rows {
			r := &a.rows[i]
			if r.six != e.six {
				continue
			}
			if s := e.sight(a, r); s.is != nothing {
				e.add(a.node, r.target.node, r.class, s, 1)
			}
		}
	}
	for i := range e.items {
		if it := &e.items[i]; it.row == nil {
			e.add(it.from.node, it.to.node, it.class, it.sight, 1)
		}
	}
	for i := range e.tallies {
		n := 0
		for c := range between {
			n += e.tallies[i].rows[c].all()
		}
		if n > 0 {
			e.members++
		}
	}
	e.index()
	return true
}

// since is when a bad row began to be so.
func (e *evaluation) since(a *agent, r *row) time.Time {
	if e.symptom == deadness {
		return a.died(r)
	}
	return a.sickened(r)
}

// whether something holds, or that is to be known later.
type whether uint8

const (
	no whether = iota
	yes
	maybe
)

// attachment finds whether what was picked as a node's pod network is that its pods are cut
// off even from their own host.
func (e *evaluation) attachment(p *pick) whether {
	if p.layer.kind != PodNetwork || p.place.scope != Node {
		return no
	}
	own := e.tallies[p.place.a].rows[ownNode]
	switch host := p.tally.inward[hostPod]; {
	case own.good > 0, own.all() == 0, host.good > host.bad+host.late:
		return no
	case own.late > 0, host.late > host.bad:
		return maybe
	}
	p.layer = &attachments
	return yes
}

// attachments is a layer of one node.
var attachments = layer{kind: PodAttachment, needs: []class{podPod}, carries: []class{podPod, podHost, hostPod, ownNode}}

// ownPods are the nodes that do not reach their own pods, though others do.
func (e *evaluation) ownPods(d *diagnosis) (found []Finding) {
	for n := range e.tallies {
		t := &e.tallies[n]
		if own := t.rows[ownNode]; own.bad == 0 || own.good > 0 || own.late > 0 || d.isDown(e.State.nodes[n], linkSum) || t.rows[podPod].waits() || t.rows[hostPod].waits() {
			continue
		}
		p := pick{layer: &layer{kind: OwnPods, needs: []class{ownNode}, carries: []class{ownNode}}, place: place{scope: Node, a: n}, tally: *t}
		e.take(&p)
		if p.items > 0 {
			d.remember(e, &p)
			d.note(e, &p)
			found = append(found, e.finding(&p))
		}
	}
	return found
}

// trouble notes of all nodes with dead rows that they have some: what is told to be lost
// once it is over is no loss of another kind.
func (d *diagnosis) trouble(e *evaluation) {
	for i := range e.items {
		for _, n := range e.items[i].ends() {
			e.State.nodes[n].troubled = d.now
		}
	}
}

// unexplained is one finding for all dead rows that nothing explains for some time.
func (d *diagnosis) unexplained() {
	if len(d.odd) == 0 {
		d.State.odd = 0
		return
	}
	if d.State.odd++; d.State.odd < unexplainedAfter {
		return
	}
	f := Finding{Kind: Unexplained, Subject: Subject{Scope: Cluster}, Severity: Warning, Since: d.odd[0].since}
	nodes := map[*node]bool{}
	for i := range d.odd {
		nodes[d.odd[i].from.node], nodes[d.odd[i].to.node] = true, true
		if d.odd[i].since.Before(f.Since) {
			f.Since = d.odd[i].since
		}
	}
	f.For = []Count{{"paths", len(d.odd), len(d.odd)}}
	f.Detail = fmt.Sprintf("between %d nodes", len(nodes))
	d.findings = append(d.findings, f)
}
