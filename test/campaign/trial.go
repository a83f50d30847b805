package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/test/sim"
)

func numberOf(node string) (n int) {
	_, _ = fmt.Sscanf(node, "node-%d", &n)
	return n
}

func zoneName(n int) string { return fmt.Sprintf("zone-%d", n) }

// trial is one fault, or two, in a cluster of their own. All of it follows from this.
type trial struct {
	seed uint64
	kind string
	// paired says that there is a fault of another kind besides.
	paired bool
	nodes  int
	// number tells trials from each other that are the same else.
	number int
}

func (t trial) String() string {
	paired := map[bool]string{true: " -pairs"}[t.paired]
	return fmt.Sprintf("-seed %d -nodes %d -kind %q%s -number %d", t.seed, t.nodes, t.kind, paired, t.number)
}

// chance is what the trial's is drawn from.
func (t trial) chance() *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, t)
	return rand.New(rand.NewPCG(t.seed, h.Sum64()))
}

// outcome is what came of one.
type outcome struct {
	trial    trial
	injected time.Time
	// wants are what should be named, by that of several explanations that fits best.
	wants []want
	// found says of each that was wanted whether it was, at what time after it began, and
	// how long after it was healed it was gone.
	found []found
	// wrong are what was said of another kind or direction at the place, false all else.
	wrong, false []besides
	story        []string
}

// besides is what was said that should not have been: its newest, and when that began.
type besides struct {
	diagnose.Finding
	// after says that it began after all was healed.
	after bool
}

func (b *besides) String() string {
	when := map[bool]string{false: "while it lasted", true: "after it was healed"}[b.after]
	return strings.Join(slices.DeleteFunc([]string{string(b.Kind), string(b.Subject.Scope), b.Class, b.Direction.String(), when}, func(s string) bool { return s == "" }), ", ")
}

// found is what became of one that was wanted.
type found struct {
	is          fit
	named, gone time.Duration // 0 where it never was
	late        bool          // than it should have been
	lingers     bool
	// lapsed says that it ended, or said something else, once it was right, while it lasted.
	lapsed bool
}

const (
	// warm is for how long a cluster is well before; stays for how long a fault lasts at
	// least once it is named.
	warm  = 90 * time.Second
	stays = 40 * time.Second
	// sharpens is how long it may take after that until it says all that can be known.
	sharpens = 20 * time.Second
)

// run runs it, with what is drawn of an entry, and of another one where it is paired.
func (t trial) run(e entry) *outcome {
	random := t.chance()
	entries := []entry{e}
	if t.paired {
		entries = append(entries, partner(random, e, t.nodes))
	}
	cfg := sim.Config{
		Nodes: t.nodes, Zones: 3, Mode: sim.Mode(random.IntN(3)), Interval: interval, Seed: random.Uint64(), Background: background(entries), DNS: min(2, t.nodes),
		Server: random.IntN(t.nodes), API: random.IntN(t.nodes),
	}
	s := newServer(sim.New(cfg))
	o := &outcome{trial: t}
	w := &watch{server: s, outcome: o}
	w.tell(fmt.Sprintf("%s, the server on %d, the Kubernetes API on %d", modes[cfg.Mode], cfg.Server, cfg.API))
	w.pass(warm + time.Duration(random.IntN(60))*time.Second)
	c := &cluster{chance: random, server: s, cfg: cfg}
	for n := range t.nodes {
		c.nodes = append(c.nodes, n)
	}
	gone := time.Duration(0)
	at := s.world.Now() + time.Duration(random.IntN(1000))*time.Millisecond
	drawn := c.draw(entries)
	for i, in := range drawn {
		e := &entries[i]
		for _, f := range in.faults {
			f.From = at
			what := fmt.Sprintf("%v: %v", f.At, degree(f.Degree))
			if in.lasts > 0 {
				f.Until = at + in.lasts
				what += fmt.Sprintf(", for %v", in.lasts)
			}
			w.tell(what)
			if err := s.world.Inject(f); err != nil {
				panic(fmt.Sprintf("%v: %v", t, err))
			}
		}
		if in.churn != nil {
			in.churn(s.world, at)
		}
		w.may, w.maybe = append(w.may, in.may...), append(w.maybe, in.maybe...)
		w.within, gone = max(w.within, e.within(c)), max(gone, e.gone)
	}
	o.injected = genesis(s).Add(at)
	if w.explanations = explanations(cfg, drawn); len(w.explanations[0]) == 0 {
		w.pass(w.within)
		w.heal()
		w.pass(healed)
	} else {
		w.until(w.within*3/2+stays, func() bool { return w.named(among) }, stays)
		w.until(sharpens, func() bool { return w.named(exact) }, time.Second)
		w.heal()
		w.until(gone*3/2, w.allGone, 12*time.Second)
	}
	w.judge()
	return o
}

// partner is another entry, of which something can be told beside any other fault.
func partner(random *rand.Rand, e entry, nodes int) entry {
	all := slices.DeleteFunc(catalogue(), func(o entry) bool { return o.name == e.name || o.least > nodes || o.everywhere })
	return all[random.IntN(len(all))]
}

// draw draws a fault of each entry. Of two, in a cluster of three nodes, the second is of another
// kind or class than the first.
func (c *cluster) draw(entries []entry) (drawn []injection) {
	for i := range entries {
		in := entries[i].draw(c)
		for i > 0 && len(c.nodes) <= 3 && in.wants[0].kind == drawn[0].wants[0].kind && in.wants[0].class == drawn[0].wants[0].class {
			entries[i] = partner(c.chance.(*rand.Rand), entries[0], len(c.nodes))
			in = entries[i].draw(c)
		}
		drawn = append(drawn, in)
	}
	return drawn
}

// explanations are what should be named, and of two faults all that may be in its stead, since
// it shows the same.
func explanations(cfg sim.Config, drawn []injection) [][]want {
	var wants []want
	for _, in := range drawn {
		wants = append(wants, in.wants...)
	}
	if len(drawn) < 2 {
		return [][]want{wants}
	}
	return newSearch(cfg, numbers(wants)).explain(catalogue(), [2][]sim.Fault{drawn[0].faults, drawn[1].faults}, wants)
}

// background is the largest that any of them has.
func background(entries []entry) float64 {
	most := 0.001
	for i := range entries {
		most = max(most, entries[i].background)
	}
	return most
}

// modes are names of sim.Mode.
var modes = [...]string{sim.Overlay: "overlay", sim.Native: "native routing", sim.Underlay: "underlay from hosts to pods"}

// degree says how bad a fault is.
func degree(d sim.Degree) string {
	var all []string
	for _, part := range []struct {
		is   bool
		text string
	}{
		{d.Loss > 0, fmt.Sprintf("%.3g%% lost", 100*d.Loss)}, {d.Burst > 0, fmt.Sprintf("in bursts of %v", d.Burst)},
		{d.Above > 0, fmt.Sprintf("above %d bytes", d.Above)}, {d.New, "of new connections"}, {d.TCP, "of TCP"},
		{d.Flows > 0, fmt.Sprintf("of %.3g%% of flows", 100*d.Flows)}, {d.Delay > 0, fmt.Sprintf("%v late", d.Delay)},
		{d.Wrong, "wrong"}, {d.Refuse, "refusing"}, {d.Late > 0, fmt.Sprintf("up to %v late in %.3g%% of time", d.Late, 100*d.Share)},
	} {
		if part.is {
			all = append(all, part.text)
		}
	}
	return cmp.Or(strings.Join(all, ", "), "dead")
}

func genesis(s *server) time.Time { return s.world.Wall().Add(-s.world.Now()) }

// watch watches a server's findings.
type watch struct {
	*server
	outcome *outcome
	// explanations are what should be named, one of them.
	explanations [][]want
	within       time.Duration
	may          []diagnose.Kind
	maybe        []want
	healed       time.Time
	all          []*held
}

// held is a finding with all that it said.
type held struct {
	id     string
	said   []said
	ended  time.Time
	paused bool // was over before all was healed
}

type said struct {
	at      time.Time
	finding diagnose.Finding
}

func (w *watch) pass(d time.Duration) {
	for range d / time.Second {
		w.second()
	}
}

// until lets time pass until a condition held for a while, and no longer than most.
func (w *watch) until(most time.Duration, is func() bool, lasts time.Duration) {
	held := time.Duration(0)
	for range most / time.Second {
		if held >= lasts {
			return
		}
		if w.second(); is() {
			held += time.Second
		} else {
			held = 0
		}
	}
}

func (w *watch) second() {
	events := w.server.second()
	now := w.world.Wall()
	for _, e := range events {
		i := slices.IndexFunc(w.all, func(h *held) bool { return h.id == e.Held.ID })
		if i < 0 {
			i = len(w.all)
			w.all = append(w.all, &held{id: e.Held.ID})
		}
		h := w.all[i]
		verb := [...]string{"begins", "sharpens", "ends"}[e.Change]
		w.tell(fmt.Sprintf("%s %s: %s", e.Held.ID, verb, e.Held.Sentence()))
		if h.ended = (time.Time{}); e.Change == diagnose.Ends {
			h.ended = now
			h.paused = h.paused || w.healed.IsZero()
			continue
		}
		h.said = append(h.said, said{now, e.Held.Finding})
	}
}

func (w *watch) tell(what string) {
	at := w.world.Wall().Sub(genesis(w.server)).Seconds()
	w.outcome.story = append(w.outcome.story, fmt.Sprintf("%6.1f s  %s", at, what))
}

func (w *watch) heal() {
	w.tell("healed")
	w.healed = w.world.Wall()
	w.world.Heal()
}

// best is how well what was said fits what is wanted, at its last, and when that was first.
func (h *held) best(want *want, until time.Time) (fit, time.Time) {
	var last fit
	var since time.Time
	for _, s := range h.said {
		if !until.IsZero() && s.at.After(until) {
			break
		}
		f := want.fits(&s.finding)
		if f >= among && last < among {
			since = s.at
		}
		last = f
	}
	return last, since
}

// is says whether it is of a place and kind, if it was to be found at all.
func (h *held) is(want want) bool {
	last := h.said[len(h.said)-1].finding
	return last.Kind == want.kind && (last.Subject == want.subject || slices.Contains(last.Or, want.subject))
}

// wavers says whether what was said was right, and then something else, until all was healed.
func (h *held) wavers(want *want, healed time.Time) bool {
	right := false
	for _, s := range h.said {
		if !healed.IsZero() && s.at.After(healed) {
			break
		}
		is := want.fits(&s.finding)
		if right && is < exact {
			return true
		}
		right = right || is == exact
	}
	return false
}

// of is what fits best, but for those that fit something else already.
func (w *watch) of(want *want, taken map[*held]bool) (best *held, is fit, since time.Time) {
	for _, h := range w.all {
		if taken[h] {
			continue
		}
		if f, at := h.best(want, w.healed); f > is {
			best, is, since = h, f, at
		}
	}
	return best, is, since
}

// named says whether all is named that some explanation has, at least so well.
func (w *watch) named(least fit) bool {
	return slices.ContainsFunc(w.explanations, func(wants []want) bool {
		taken := map[*held]bool{}
		for i := range wants {
			h, is, _ := w.of(&wants[i], taken)
			if is < least {
				return false
			}
			taken[h] = true
		}
		return true
	})
}

func (w *watch) allGone() bool { return len(w.hold.Held()) == 0 }

// judge says what came of it, by the explanation that fits best.
func (w *watch) judge() {
	best, most := *w.outcome, 0
	for i, wants := range w.explanations {
		o := *w.outcome
		o.wants, o.found = wants, make([]found, len(wants))
		w.judgeBy(&o)
		if points := o.points(); i == 0 || points > most {
			best, most = o, points
		}
	}
	*w.outcome = best
}

// points are the more the better it went.
func (o *outcome) points() int {
	points := -len(o.wrong) - len(o.false)
	for _, f := range o.found {
		points += int(f.is) - int(exact)
	}
	return points
}

// judgeBy says what came of it by what it wants.
func (w *watch) judgeBy(o *outcome) {
	right := map[*held]bool{}
	for i := range o.wants {
		h, is, since := w.of(&o.wants[i], right)
		f := &o.found[i]
		if f.is = is; is < among {
			continue
		}
		right[h] = true
		f.named = since.Sub(o.injected)
		f.late, f.lapsed = f.named > w.within, h.paused || h.wavers(&o.wants[i], w.healed)
		if f.lingers = h.ended.IsZero(); !f.lingers {
			f.gone = max(0, h.ended.Sub(w.healed))
		}
	}
	for _, h := range w.all {
		if right[h] || slices.ContainsFunc(w.maybe, h.is) {
			continue
		}
		if last := h.said[len(h.said)-1].finding; slices.Contains(w.may, last.Kind) {
			continue
		}
		nearest := other
		for i := range o.wants {
			is, _ := h.best(&o.wants[i], time.Time{})
			nearest = max(nearest, is)
		}
		last := h.said[len(h.said)-1].finding
		b := besides{last, !w.healed.IsZero() && h.said[0].at.After(w.healed)}
		if nearest == other {
			o.false = append(o.false, b)
		} else {
			o.wrong = append(o.wrong, b)
		}
	}
}

// bad says whether anything went otherwise than it should.
func (o *outcome) bad() bool {
	return len(o.wrong)+len(o.false) > 0 || slices.ContainsFunc(o.found, func(f found) bool { return f.is < among || f.late || f.lingers || f.lapsed })
}

// tell tells how it went, and how to see that again.
func (o *outcome) tell(to io.Writer) {
	var wants []string
	for i := range o.wants {
		wants = append(wants, o.wants[i].String())
	}
	fmt.Fprintf(to, "    go run ./test/campaign %v\n", o.trial)
	fmt.Fprintf(to, "      should be named: %s\n", cmp.Or(strings.Join(wants, "; "), "nothing"))
	for _, line := range o.story {
		fmt.Fprintf(to, "      %s\n", line)
	}
}
