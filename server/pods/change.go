package pods

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// maxLeft is how many of those who left are known at most. It is more than a
// rollout of 20,000 agents leaves within fleet.LeftFor, twice; where more leave,
// those who left first are forgotten first.
const maxLeft = 50_000

// podID tells a pod from all others, where its UID is known.
type podID struct {
	fleet.Key
	uid string
}

func idOf(a *fleet.Agent) podID { return podID{a.Key, a.UID} }

// samePod says whether a and b, of one name, are one pod. A file need not tell
// UIDs: where one of them is unknown, they are.
func samePod(a, b *fleet.Agent) bool {
	return a.UID == b.UID || a.UID == "" || b.UID == ""
}

// change is in what the agents of two Lists differ.
type change struct {
	came []podID
	// went is in the order of Key.Compare.
	went []fleet.Agent
	// nodes are those of all who came, went, or are on another node than before.
	nodes []string
}

// changeOf compares the agents of two Lists. It costs nothing where they are one
// slice, and little for agents whose texts are the same in memory.
func changeOf(before, after []fleet.Agent) change {
	var c change
	if len(before) == len(after) && len(after) > 0 && &before[0] == &after[0] {
		return c
	}
	for len(before) > 0 || len(after) > 0 {
		switch order := firstOf(before, after); {
		case order < 0:
			c.goes(&before[0])
			before = before[1:]
		case order > 0:
			c.comes(&after[0])
			after = after[1:]
		default:
			c.stays(&before[0], &after[0])
			before, after = before[1:], after[1:]
		}
	}
	return c
}

// firstOf says in which of two lists, which are not both empty, the next agent is:
// less than 0 for a, more for b, and 0 for both.
func firstOf(a, b []fleet.Agent) int {
	if len(a) == 0 || len(b) == 0 {
		return cmp.Compare(len(b), len(a))
	}
	return a[0].Key.Compare(b[0].Key)
}

func (c *change) comes(a *fleet.Agent) {
	c.came = append(c.came, idOf(a))
	c.nodes = append(c.nodes, a.Node)
}

func (c *change) goes(a *fleet.Agent) {
	c.went = append(c.went, *a)
	c.nodes = append(c.nodes, a.Node)
}

func (c *change) stays(was, is *fleet.Agent) {
	switch {
	case !samePod(was, is):
		c.goes(was)
		c.comes(is)
	case was.Node != is.Node:
		c.nodes = append(c.nodes, was.Node, is.Node)
	}
}

// left are those who are known to have left after c: those who were and who went
// with it, but for those who came back and those who left too long ago. It is the
// slice that was where nothing is different.
func left(was []fleet.Left, c change, now time.Time) []fleet.Left {
	returned := c.returned(was)
	over := func(l fleet.Left) bool {
		_, back := returned[idOf(&l.Agent)]
		return back || now.Sub(l.Since) >= fleet.LeftFor
	}
	is := was
	if slices.ContainsFunc(was, over) {
		is = slices.DeleteFunc(slices.Clone(was), over)
	}
	if len(c.went) > 0 {
		is = withLeft(is, c.went, now)
	}
	if len(is) > maxLeft {
		is = lastOf(is)
	}
	return is
}

// returned are those who had left and came.
func (c *change) returned(left []fleet.Left) map[podID]struct{} {
	returned := make(map[podID]struct{})
	for _, id := range c.came {
		i := sort.Search(len(left), func(i int) bool { return left[i].Key.Compare(id.Key) >= 0 })
		for ; i < len(left) && left[i].Key == id.Key; i++ {
			if idOf(&left[i].Agent) == id {
				returned[id] = struct{}{}
			}
		}
	}
	return returned
}

// withLeft are those who left, and those who went now.
func withLeft(left []fleet.Left, went []fleet.Agent, now time.Time) []fleet.Left {
	all := make([]fleet.Left, 0, len(left)+len(went))
	for _, a := range went {
		next := sort.Search(len(left), func(i int) bool { return left[i].Key.Compare(a.Key) > 0 })
		all = append(all, left[:next]...)
		all = append(all, fleet.Left{Agent: a, Since: now})
		left = left[next:]
	}
	return append(all, left...)
}

// lastOf are the maxLeft who left last. It reorders left.
func lastOf(left []fleet.Left) []fleet.Left {
	slices.SortStableFunc(left, func(a, b fleet.Left) int { return a.Since.Compare(b.Since) })
	last := slices.Clone(left[len(left)-maxLeft:])
	slices.SortStableFunc(last, func(a, b fleet.Left) int { return a.Key.Compare(b.Key) })
	return last
}

// forgetAt is when the first of those who left is to be forgotten; the zero time
// where nobody left.
func forgetAt(left []fleet.Left) time.Time {
	var first time.Time
	for i := range left {
		if since := left[i].Since; first.IsZero() || since.Before(first) {
			first = since
		}
	}
	if first.IsZero() {
		return first
	}
	return first.Add(fleet.LeftFor)
}
