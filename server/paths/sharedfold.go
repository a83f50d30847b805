package paths

import (
	"cmp"
	"slices"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// mostShared bounds what is remembered of what an agent asks: all of it, and as much that
// it asks no more.
const mostShared = 2 * report.MaxShared

// SharedKey is what questions to what all share are summed up by.
type SharedKey struct {
	Kind report.SharedKind
	// Network is that of the agents that ask.
	Network report.Network
}

func (k SharedKey) compare(o SharedKey) int {
	return cmp.Or(cmp.Compare(k.Kind, o.Kind), cmp.Compare(k.Network, o.Network))
}

// SharedTotal is what was told since the server started.
type SharedTotal struct {
	SharedKey
	// Asked are questions. Of them Lost were not answered, Refused were refused, and Wrong
	// were answered with something else than is right. The others were well, or are nobody's
	// fault, since the agent starved.
	Asked, Lost, Refused, Wrong uint64
}

// asks is what is summed up of what an agent asked: of all of it, or of a part.
type asks struct{ asked, lost, refused, wrong uint64 }

// asksOf is a row's. What an agent that lies could tell is bounded.
func asksOf(s *report.Shared) asks {
	if s.Asked > mostSent {
		return asks{}
	}
	return asks{s.Asked, s.Lost, s.Refused, s.Wrong}
}

// since is what a has more than o, which was told before. Where a has less, the agent had
// been told to ask it no more, and counts anew: all of a is new.
func (a asks) since(o asks) asks {
	if a.asked < o.asked || a.lost < o.lost || a.refused < o.refused || a.wrong < o.wrong {
		return a
	}
	return asks{a.asked - o.asked, a.lost - o.lost, a.refused - o.refused, a.wrong - o.wrong}
}

// well are those that did not fail.
func (a asks) well() asks { return asks{asked: a.asked - min(a.asked, a.lost+a.refused+a.wrong)} }

// share adds what is new of what an agent asked that all share.
func (f *fold) share(a *fleet.Agent, l *life, t *Telling) {
	for i := range t.Mesh.Shared {
		s := &t.Mesh.Shared[i]
		var was asks
		if k := indexOf(l.shared, s); k >= 0 {
			was = asksOf(&l.shared[k])
		}
		more := asksOf(s).since(was)
		if since, left := f.left.of(s); left && t.at().After(since) {
			more = more.well()
		}
		f.addShared(SharedKey{s.Kind, a.Network}, more)
	}
	l.remember(t.Mesh.Shared)
}

// remember keeps what was told last of each target: of those that are asked no more too,
// since they may be asked again.
func (l *life) remember(told []report.Shared) {
	var gone []report.Shared
	for i := range l.shared {
		if indexOf(told, &l.shared[i]) < 0 {
			gone = append(gone, l.shared[i])
		}
	}
	l.shared = told
	if len(gone) > 0 {
		l.shared = slices.Concat(told, gone)
		l.shared = l.shared[:min(len(l.shared), mostShared)]
	}
}

// indexOf is where in rows that of the target of s is; -1 where there is none.
func indexOf(rows []report.Shared, s *report.Shared) int {
	return slices.IndexFunc(rows, func(r report.Shared) bool { return r.Kind == s.Kind && r.Target == s.Target })
}

func (f *fold) addShared(k SharedKey, more asks) {
	if more == (asks{}) {
		return
	}
	t := f.shared[k]
	if t == nil {
		t = &SharedTotal{SharedKey: k}
		f.shared[k] = t
	}
	t.Asked += more.asked
	t.Lost += more.lost
	t.Refused += more.refused
	t.Wrong += more.wrong
}

// sortedShared are copies of the sums.
func (f *fold) sortedShared() []SharedTotal {
	all := make([]SharedTotal, 0, len(f.shared))
	for _, t := range f.shared {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b SharedTotal) int { return a.SharedKey.compare(b.SharedKey) })
	return all
}
