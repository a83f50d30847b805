package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queueOf is a queue of kinds with these shares.
func queueOf(shares ...int) (*queue, []*Kind) {
	var kinds []*Kind
	var lanes []*lane
	for i, share := range shares {
		k := &Kind{prefix: fmt.Sprintf("%d/", i), lane: lane{share: share, bound: share}}
		kinds = append(kinds, k)
		lanes = append(lanes, &k.lane)
	}
	return newQueue(lanes...), kinds
}

// putOf is a put of the keys that are in names, with spaces between them.
func putOf(t *testing.T, k *Kind, names string) *pending {
	t.Helper()
	var ops []Op
	for _, name := range strings.Fields(names) {
		ops = append(ops, Op{Key: name, Value: []byte{1}})
	}
	p := newPending()
	if err := p.fill(k, ops); err != nil {
		t.Fatalf("a put of %q: %v", names, err)
	}
	return p
}

// names are the keys of a group, those of one put with a plus between them.
func names(group []*pending) (names []string) {
	for _, p := range group {
		var keys []string
		for _, op := range p.ops {
			keys = append(keys, op.Key)
		}
		names = append(names, strings.Join(keys, "+"))
	}
	return names
}

func add(t *testing.T, q *queue, k *Kind, names ...string) (added []*pending) {
	t.Helper()
	for _, name := range names {
		p := putOf(t, k, name)
		if err := q.add(p); err != nil {
			t.Fatalf("adding %s: %v", name, err)
		}
		added = append(added, p)
	}
	return added
}

// wantEmpty fails where the queue holds on to anything.
func wantEmpty(t *testing.T, q *queue) {
	t.Helper()
	for i, l := range q.lanes {
		if l.waiting != 0 || len(l.ready) != 0 || len(q.newest) != 0 {
			t.Errorf("lane %d still has %d keys, %d of them ready; the queue knows %d", i, l.waiting, len(l.ready), len(q.newest))
		}
	}
}

func TestPutsOfOneKeyFollowEachOther(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		puts []string
		want [][]string
	}{
		{"single keys", []string{"a", "b", "a", "a", "c"}, [][]string{{"a", "b", "c"}, {"a"}, {"a"}}},
		{"several keys", []string{"a b", "b c", "c", "d"}, [][]string{{"a+b", "d"}, {"b+c"}, {"c"}}},
		{"behind two", []string{"a", "b", "a b", "b"}, [][]string{{"a", "b"}, {"a+b"}, {"b"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			q, kinds := queueOf(10)
			add(t, q, kinds[0], test.puts...)
			for _, want := range test.want {
				group := q.take(nil)
				if got := names(group); !slices.Equal(got, want) {
					t.Fatalf("the group is %v, want %v", got, want)
				}
				q.done(group)
			}
			wantEmpty(t, q)
		})
	}
}

func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	q, kinds := queueOf(10)
	q.smaller(2)
	puts := add(t, q, kinds[0], "a", "b", "c", "d", "e f", "g h i", "j")
	puts[2].bytes = maxBytes
	for _, want := range [][]string{{"a", "b"}, {"c"}, {"d"}, {"e+f"}, {"g+h+i"}, {"j"}} {
		if got := names(q.take(nil)); !slices.Equal(got, want) {
			t.Errorf("the group is %v, want %v", got, want)
		}
	}
}

func TestAKindWhoseKeysComeInBurstsMayHaveMoreWaitingThanItsShare(t *testing.T) {
	t.Parallel()
	s := &Store{}
	s.kinds = []*Kind{{Name: "even", Share: 4}, {Name: "bursts", Share: 2, Waiting: 5}}
	q := newQueue(s.register()...)
	for _, row := range []struct{ kind, most int }{{0, 4}, {1, 5}} {
		for n := range row.most + 1 {
			err := q.add(putOf(t, s.kinds[row.kind], fmt.Sprint(n)))
			if want := n == row.most; errors.Is(err, ErrBusy) != want {
				t.Errorf("put %d of %s: %v", n+1, s.kinds[row.kind].Name, err)
			}
		}
	}
	if q.shares != 6 {
		t.Errorf("the shares are %d in all, want 6", q.shares)
	}
}

func TestEachKindHasItsShareOfTheQueueAndOfAGroup(t *testing.T) {
	t.Parallel()
	many := func(prefix string, n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprint(prefix, i))
		}
		return names
	}
	q, kinds := queueOf(30, 10)
	q.smaller(8)
	add(t, q, kinds[1], many("f", 10)...)
	if err := q.add(putOf(t, kinds[1], "one-too-many")); !errors.Is(err, ErrBusy) {
		t.Errorf("a put beyond the share: %v", err)
	}
	take := func(what string, want ...string) (group []*pending) {
		t.Helper()
		group = q.take(nil)
		if got := names(group); !slices.Equal(got, want) {
			t.Errorf("%s the group is %v, want %v", what, got, want)
		}
		return group
	}
	flood := take("of the small kind alone", "f0", "f1", "f2", "f3")
	add(t, q, kinds[0], many("r", 14)...)
	first := take("while the small kind is in another", many("r", 8)...)
	q.done(flood)
	second := take("of both kinds", "r8", "r9", "r10", "r11", "r12", "r13", "f4", "f5")
	q.done(first)
	q.done(second)
	q.done(take("of the small kind alone", "f6", "f7", "f8", "f9"))
	wantEmpty(t, q)
}

func TestAKeyBesideOneOfAnotherKindCountsInTheGroupAlone(t *testing.T) {
	t.Parallel()
	q, kinds := queueOf(3, 1)
	q.smaller(4)
	put := func(key string) *pending {
		p := newPending()
		if err := p.fill(kinds[0], []Op{{Beside: kinds[1], Key: key}, {Key: key}}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, key := range []string{"a", "b", "c"} {
		if err := q.add(put(key)); err != nil {
			t.Fatalf("adding %s: %v", key, err)
		}
	}
	if err := q.add(put("d")); !errors.Is(err, ErrBusy) {
		t.Errorf("a put beyond the share: %v", err)
	}
	var keys []string
	group := q.take(nil)
	for _, p := range group {
		keys = append(keys, p.ops[0].name, p.ops[1].name)
	}
	if want := []string{"1/a", "0/a", "1/b", "0/b"}; !slices.Equal(keys, want) {
		t.Errorf("the group has %v, want %v", keys, want)
	}
	// The other kind has its own lane all the same, and its keys their order.
	beside := add(t, q, kinds[1], "a")
	if q.done(group); !slices.Equal(kinds[1].lane.ready, beside) {
		t.Errorf("%v are ready", names(kinds[1].lane.ready))
	}
	for len(q.newest) > 0 {
		q.done(q.take(nil))
	}
	wantEmpty(t, q)
}

func TestDroppedPutMakesWayForTheNext(t *testing.T) {
	t.Parallel()
	q, kinds := queueOf(10)
	puts := add(t, q, kinds[0], "a", "a", "a", "b")
	q.drop(puts[0])
	q.drop(puts[1])
	group := q.take(nil)
	if !slices.Contains(group, puts[2]) || !slices.Contains(group, puts[3]) || len(group) != 2 {
		t.Errorf("the group is %v", names(group))
	}
	q.drop(puts[2]) // too late
	q.done(group)
	wantEmpty(t, q)
}

func TestClosedQueueAnswersWhatWaits(t *testing.T) {
	t.Parallel()
	q, kinds := queueOf(10)
	taken := add(t, q, kinds[0], "a")
	group := q.take(nil)
	waiting := add(t, q, kinds[0], "a", "b", "b c", "a c")
	q.close()
	if got := q.take(nil); len(got) != 0 {
		t.Errorf("a closed queue gives %v", names(got))
	}
	if err := q.add(putOf(t, kinds[0], "c")); !errors.Is(err, ErrUnavailable) {
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
	if len(taken[0].reply) != 0 {
		t.Error("what was taken was answered")
	}
	wantEmpty(t, q)
}

func TestPutThatEtcdWouldRefuseIsRefusedByName(t *testing.T) {
	t.Parallel()
	_, kinds := queueOf(10)
	for _, test := range []struct {
		ops  []Op
		want string
	}{
		{nil, "a put has 0 keys; it should have 1 to 128"},
		{make([]Op, 129), "a put has 129 keys; it should have 1 to 128"},
		{[]Op{{Key: "a"}, {Key: "a"}}, `the key "a" is twice in one put`},
		{[]Op{{Key: ""}}, `nothing can be kept under the key ""; it should have 1 to 1024 bytes, the first of which is no slash`},
		{[]Op{{Key: "/a"}}, `nothing can be kept under the key "/a"; it should have 1 to 1024 bytes, the first of which is no slash`},
	} {
		if err := newPending().fill(kinds[0], test.ops); err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

func TestPutsThatComeAfterASmallGroupAreWrittenTogether(t *testing.T) {
	many := strings.Fields("m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 m10 m11 m12 m13 m14 m15")
	type more struct {
		after time.Duration
		name  string
	}
	for _, row := range []struct {
		name string
		// first are taken; during come until they are written, or until the next group is
		// taken where they are not; then comes after.
		first, during []string
		written       bool
		after         []more
		want          []string
		within        time.Duration
	}{
		{"who puts one after the other never waits", []string{"a"}, nil, true, []more{{0, "b"}}, []string{"b"}, 0},
		{"few do while few are being written", []string{"a"}, []string{"b"}, false, []more{{time.Millisecond, "c"}}, []string{"b", "c"}, gatherFor},
		{"many do not", []string{"a"}, many, false, nil, many, 0},
		{"what waits then goes when those who were answered are back", []string{"a"}, []string{"b"}, true, []more{{time.Millisecond, "c"}}, []string{"b", "c"}, time.Millisecond},
		{"or without them", []string{"a"}, []string{"b"}, true, nil, []string{"b"}, gatherFor},
		{"a large group is followed by what there is", many, []string{"b"}, false, nil, []string{"b"}, 0},
		{"and so it is once it is written", many, []string{"b"}, true, nil, []string{"b"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, kinds := queueOf(30)
				add(t, q, kinds[0], row.first...)
				group := q.take(nil)
				add(t, q, kinds[0], row.during...)
				if row.written {
					q.done(group)
				}
				began := time.Now()
				var adding sync.WaitGroup
				adding.Go(func() {
					for _, m := range row.after {
						time.Sleep(m.after)
						add(t, q, kinds[0], m.name)
					}
				})
				if got := names(q.take(nil)); !slices.Equal(got, row.want) || time.Since(began) != row.within {
					t.Errorf("%v are taken after %v, want %v after %v", got, time.Since(began), row.want, row.within)
				}
				adding.Wait()
				q.close()
			})
		})
	}
}
