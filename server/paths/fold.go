package paths

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

const (
	// mostTotals bounds the sums. What there is no room for is added to the sum of its
	// class between zones called otherZones.
	mostTotals = 2000
	// otherZones is no value that a label of Kubernetes may have.
	otherZones = "(others)"
	// forgetAfter is how long a life is remembered after its pod left the list.
	forgetAfter = time.Hour
	// mostSent is more than an agent sends in a hundred years.
	mostSent = 1 << 40
	// sweepEvery is the time between two looks for such.
	sweepEvery = time.Minute
)

// Buckets are the upper bounds of Total.Times, in seconds.
var Buckets = [...]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1}

// Key is what is summed up by.
type Key struct {
	Class Class
	// From and To are the zones of the prober and of its target; both are empty where
	// nodes have none. To is empty too of sessions that an agent summed up itself.
	From, To string
}

func (k Key) compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Class, o.Class), strings.Compare(k.From, o.From), strings.Compare(k.To, o.To))
}

// Total is what was told since the server started.
type Total struct {
	Key
	// Sent are datagrams, and Forward and Back those of them that were lost there and on
	// the way back. Unknown were lost, on either way: nothing was heard after them until
	// the session was over.
	Sent, Forward, Back, Unknown uint64
	// Answered were answered, which took Took together, in seconds. Times has how many
	// took up to each of Buckets, on average of what one telling added.
	Answered uint64
	Took     float64
	Times    [len(Buckets)]uint64
}

// row is what is summed up of a session: of the whole of it, or of a part.
type row struct{ sent, forward, back, unknown, answered, took uint64 }

// longestRoundTrip is more than an agent waits for an answer, in microseconds.
const longestRoundTrip = 60_000_000

// rowOf is a session's, which is over or not. What an agent that lies could tell is
// bounded, so that it leaves the sums fit for use.
func rowOf(s *report.Session, over bool) row {
	if s.Sent > mostSent {
		return row{}
	}
	r := row{sent: s.Sent, forward: s.Forward, back: s.Back, answered: s.Answered(), took: s.RoundTrips}
	r.took = min(r.took, r.answered*longestRoundTrip)
	if over {
		r.unknown = s.Open
	}
	return r
}

// less is what r has more than o. A sum that falls adds nothing: it is not what an agent
// tells.
func (r row) less(o row) row {
	down := func(a, b uint64) uint64 { return a - min(a, b) }
	return row{down(r.sent, o.sent), down(r.forward, o.forward), down(r.back, o.back), down(r.unknown, o.unknown), down(r.answered, o.answered), down(r.took, o.took)}
}

func (r row) and(o row) row {
	return row{r.sent + o.sent, r.forward + o.forward, r.back + o.back, r.unknown + o.unknown, r.answered + o.answered, r.took + o.took}
}

// add adds what r has.
func (t *Total) add(r row) {
	t.Sent += r.sent
	t.Forward += r.forward
	t.Back += r.back
	t.Unknown += r.unknown
	if r.answered == 0 {
		return
	}
	seconds := float64(r.took) / 1e6
	t.Answered += r.answered
	t.Took += seconds
	for i, most := range Buckets {
		if seconds/float64(r.answered) <= most {
			t.Times[i] += r.answered
		}
	}
}

// life is what was taken in of a pod's agent between two of its starts.
type life struct {
	boot   string
	booted time.Time
	asOf   time.Duration
	// running are the sessions that were not over, as they were last told; those that
	// were told no more, and not yet as over, among them.
	running report.Sessions
	summed  report.Sessions
	// shared is what came of what is asked that all share, as it was last told.
	shared []report.Shared
	// highest is the highest number of a session that was told.
	highest uint64
	// record and update were taken in already.
	record *fleet.Record
	update *Telling
	// gone is since when its pod is not in the list; zero while it is.
	gone time.Time
}

// fold has the sums, and what they were made of last.
type fold struct {
	// began is when the server started, on its wall clock: what began later is new.
	began  time.Time
	lives  map[fleet.Key]*life
	totals map[Key]*Total
	shared map[SharedKey]*SharedTotal
	left   departures
	swept  time.Time

	// rows is used again and again.
	rows []report.Session
}

func newFold(now time.Time, left departures) fold {
	return fold{began: now, swept: now, left: left, lives: map[fleet.Key]*life{}, totals: map[Key]*Total{}, shared: map[SharedKey]*SharedTotal{}}
}

// scene is what rows are read by.
type scene struct {
	list *fleet.List
	ids  map[uint64]int
}

func (s *scene) zone(a *fleet.Agent) string { return s.list.Nodes[a.Node].Zone }

// look takes in what is new of the agent at an index.
func (f *fold) look(at *scene, i int, record *fleet.Record, update *Telling) {
	a := &at.list.Agents[i]
	l := f.lives[a.Key]
	var list [2]*Telling
	tellings := list[:0]
	if l == nil || l.record != record {
		if t := reported(record); t != nil {
			tellings = append(tellings, t)
		}
	}
	if update != nil && (l == nil || l.update != update) {
		tellings = append(tellings, update)
	}
	if len(tellings) == 2 && tellings[0].newer(tellings[1]) {
		tellings[0], tellings[1] = tellings[1], tellings[0]
	}
	for _, t := range tellings {
		l = f.take(at, a, l, t)
	}
	if l != nil {
		f.lives[a.Key] = l
		l.record, l.update = record, update
	}
}

// take takes in what an agent tells, of which l is known, and returns what is known
// then.
func (f *fold) take(at *scene, a *fleet.Agent, l *life, t *Telling) *life {
	switch {
	case l == nil || l.boot != t.Boot && t.Booted.After(l.booted):
		l = &life{boot: t.Boot, booted: t.Booted}
		if !t.Booted.After(f.began) {
			f.baseline(l, t.Mesh)
			return l
		}
	case l.boot != t.Boot:
		return l // of an earlier life
	}
	f.ended(at, a, l, t.Mesh)
	if t.Mesh.AsOf > l.asOf {
		f.summed(at, a, l, t.Mesh)
		f.running(at, a, l, t.Mesh)
		f.share(a, l, t)
		l.asOf = t.Mesh.AsOf
	}
	return l
}

// baseline notes what is known of a life whose beginning was not seen.
func (f *fold) baseline(l *life, m *report.Mesh) {
	l.asOf, l.running, l.summed, l.shared = m.AsOf, m.Sessions, m.Summed, m.Shared
	for _, list := range []report.Sessions{m.Sessions, m.Ended} {
		for s := range list.All() {
			l.highest = max(l.highest, s.ID)
		}
	}
}

// ended adds what is new of the sessions that are over, each of which is told until it
// was acknowledged: of one that is not among the running ones and is no new one, all was
// added.
func (f *fold) ended(at *scene, a *fleet.Agent, l *life, m *report.Mesh) {
	if m.Ended.Len() == 0 {
		return
	}
	f.rows = slices.AppendSeq(f.rows[:0], l.running.All())
	highest, known := l.highest, len(f.rows)
	for s := range m.Ended.All() {
		i := slices.IndexFunc(f.rows, func(r report.Session) bool { return r.ID == s.ID })
		if i < 0 && s.ID <= l.highest {
			continue
		}
		was := row{}
		if i >= 0 {
			was = rowOf(&f.rows[i], false)
			f.rows = slices.Delete(f.rows, i, i+1)
		}
		highest = max(highest, s.ID)
		f.add(f.key(at, a, &s), rowOf(&s, true).less(was))
	}
	if l.highest = highest; len(f.rows) < known {
		l.running = report.SessionsOf(f.rows...)
	}
}

// summed adds what is new of the sums that an agent makes of sessions which are over and
// were not told one by one, without what was added of these while they were running.
func (f *fold) summed(at *scene, a *fleet.Agent, l *life, m *report.Mesh) {
	for s := range m.Summed.All() {
		is := rowOf(&s, true)
		for before := range l.summed.All() {
			if before.Host == s.Host && before.Six == s.Six {
				is = is.less(rowOf(&before, true))
			}
		}
		if is != (row{}) {
			is = is.less(f.vanished(l, m, s.Host, s.Six))
			f.add(Key{Class: between(a, s.Host), From: at.zone(a)}, is)
		}
	}
	l.summed = m.Summed
}

// vanished is what was added of those running sessions that m tells no more, and forgets
// them.
func (f *fold) vanished(l *life, m *report.Mesh, host, six bool) (was row) {
	f.rows = slices.AppendSeq(f.rows[:0], l.running.All())
	kept := slices.DeleteFunc(f.rows, func(r report.Session) bool {
		gone := r.Host == host && r.Six == six && !has(m.Sessions, r.ID)
		if gone {
			was = was.and(rowOf(&r, false))
		}
		return gone
	})
	l.running = report.SessionsOf(kept...)
	return was
}

func has(list report.Sessions, id uint64) bool {
	for s := range list.All() {
		if s.ID == id {
			return true
		}
	}
	return false
}

// running adds what is new of the sessions that are not over.
func (f *fold) running(at *scene, a *fleet.Agent, l *life, m *report.Mesh) {
	f.rows = slices.AppendSeq(f.rows[:0], l.running.All())
	missing := len(f.rows)
	for s := range m.Sessions.All() {
		was := row{}
		i := slices.IndexFunc(f.rows, func(r report.Session) bool { return r.ID == s.ID })
		if i >= 0 {
			was = rowOf(&f.rows[i], false)
			f.rows[i].ID = 0
			missing--
		}
		l.highest = max(l.highest, s.ID)
		f.add(f.key(at, a, &s), rowOf(&s, false).less(was))
	}
	l.running = m.Sessions
	if missing > 0 {
		// They are over, which is told later, or summed up.
		gone := slices.DeleteFunc(f.rows, func(r report.Session) bool { return r.ID == 0 })
		gone = gone[max(0, len(gone)-report.MaxEnded):]
		l.running = report.SessionsOf(append(slices.Collect(m.Sessions.All()), gone...)...)
	}
}

// key is what a session is summed up by. A target that is not in the list any more has
// no zone.
func (f *fold) key(at *scene, a *fleet.Agent, s *report.Session) Key {
	k := Key{Class: between(a, s.Host), From: at.zone(a)}
	if i, known := at.ids[s.Peer]; known {
		target := &at.list.Agents[i]
		k.Class, k.To = classOf(a, target), at.zone(target)
	}
	return k
}

func (f *fold) add(k Key, r row) {
	if r == (row{}) {
		return
	}
	t := f.totals[k]
	if t == nil {
		if len(f.totals) >= mostTotals {
			k.From, k.To = otherZones, otherZones
		}
		if t = f.totals[k]; t == nil {
			t = &Total{Key: k}
			f.totals[k] = t
		}
	}
	t.add(r)
}

// sweep forgets those whose pods left the list long ago.
func (f *fold) sweep(list *fleet.List, now time.Time) {
	if now.Sub(f.swept) < sweepEvery {
		return
	}
	f.swept = now
	for key, l := range f.lives {
		_, listed := slices.BinarySearchFunc(list.Agents, key, func(a fleet.Agent, k fleet.Key) int { return a.Key.Compare(k) })
		switch {
		case listed:
			l.gone = time.Time{}
		case l.gone.IsZero():
			l.gone, l.record, l.update = now, nil, nil
		case now.Sub(l.gone) > forgetAfter:
			delete(f.lives, key)
		}
	}
}

// sorted are copies of the sums.
func (f *fold) sorted() []Total {
	all := make([]Total, 0, len(f.totals))
	for _, t := range f.totals {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Total) int { return a.Key.compare(b.Key) })
	return all
}
