package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/netchecker/netchecker/server/fleet"
)

func named(name string) *pending {
	p := newPending()
	p.key = fleet.Key{Name: name}
	return p
}

func names(group []*pending) (names []string) {
	for _, p := range group {
		names = append(names, p.key.Name)
	}
	return names
}

func add(t *testing.T, q *queue, names ...string) (added []*pending) {
	t.Helper()
	for _, name := range names {
		p := named(name)
		if err := q.add(p); err != nil {
			t.Fatalf("adding %s: %v", name, err)
		}
		added = append(added, p)
	}
	return added
}

func TestGroupHasEachKeyOnce(t *testing.T) {
	t.Parallel()
	q := newQueue()
	puts := add(t, q, "a", "b", "a", "a", "c")
	first := q.take(nil)
	if got := names(first); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Fatalf("the first group is %v", got)
	}
	q.done(first)
	second := q.take(nil)
	if len(second) != 1 || second[0] != puts[2] {
		t.Fatalf("the second group is %v", names(second))
	}
	q.done(second)
	third := q.take(nil)
	if len(third) != 1 || third[0] != puts[3] {
		t.Fatalf("the third group is %v", names(third))
	}
	q.done(third)
	if q.size != 0 || len(q.newest) != 0 {
		t.Errorf("the queue still has %d puts of %d keys", q.size, len(q.newest))
	}
}

func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.smaller(2)
	puts := add(t, q, "a", "b", "c", "d", "e")
	puts[2].value, puts[3].value = make([]byte, maxBytes), make([]byte, 1)
	for _, want := range [][]string{{"a", "b"}, {"c"}, {"d", "e"}} {
		if got := names(q.take(nil)); !slices.Equal(got, want) {
			t.Errorf("the group is %v, want %v", got, want)
		}
	}
}

func TestDroppedPutMakesWayForTheNext(t *testing.T) {
	t.Parallel()
	q := newQueue()
	puts := add(t, q, "a", "a", "a", "b")
	q.drop(puts[0])
	q.drop(puts[1])
	group := q.take(nil)
	if !slices.Contains(group, puts[2]) || !slices.Contains(group, puts[3]) || len(group) != 2 {
		t.Errorf("the group is %v", names(group))
	}
	q.drop(puts[2]) // too late
	q.done(group)
	if q.size != 0 || len(q.newest) != 0 {
		t.Errorf("the queue still has %d puts of %d keys", q.size, len(q.newest))
	}
}

func TestClosedQueueAnswersWhatWaits(t *testing.T) {
	t.Parallel()
	q := newQueue()
	taken := add(t, q, "a")
	group := q.take(nil)
	waiting := add(t, q, "a", "b", "b", "a")
	q.close()
	if got := q.take(nil); len(got) != 0 {
		t.Errorf("a closed queue gives %v", names(got))
	}
	if err := q.add(named("c")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a closed queue takes puts: %v", err)
	}
	q.done(group)
	for i, p := range waiting {
		select {
		case r := <-p.reply:
			if !errors.Is(r.err, ErrUnavailable) {
				t.Errorf("put %d was answered %v", i, r.err)
			}
		default:
			t.Errorf("put %d was not answered", i)
		}
	}
	if len(taken[0].reply) != 0 || q.size != 0 || len(q.newest) != 0 {
		t.Errorf("the queue still has %d puts of %d keys", q.size, len(q.newest))
	}
}
