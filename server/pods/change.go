package pods

import (
	"cmp"
	"slices"
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
	came map[podID]struct{}
	went []fleet.Agent
	// nodes are those of all who came, went, or are on another node than before.
	nodes []string
}

// changeOf compares the agents of two Lists. It costs little for those that are the
// same in memory.
func changeOf(before, after []fleet.Agent) change {
	c := change{came: make(map[podID]struct{})}
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
	c.came[idOf(a)] = struct{}{}
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
	over := func(l fleet.Left) bool {
		_, back := c.came[idOf(&l.Agent)]
		return back || now.Sub(l.Since) >= fleet.LeftFor
	}
	if len(c.went) == 0 && !slices.ContainsFunc(was, over) {
		return was
	}
	is := make([]fleet.Left, 0, len(was)+len(c.went))
	for _, l := range was {
		if !over(l) {
			is = append(is, l)
		}
	}
	for _, a := range c.went {
		is = append(is, fleet.Left{Agent: a, Since: now})
	}
	if len(is) > maxLeft {
		slices.SortStableFunc(is, func(a, b fleet.Left) int { return a.Since.Compare(b.Since) })
		is = slices.Clone(is[len(is)-maxLeft:])
	}
	slices.SortStableFunc(is, func(a, b fleet.Left) int { return a.Key.Compare(b.Key) })
	return is
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
