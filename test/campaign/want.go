package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netchecker/netchecker/server/diagnose"
)

// want is the finding that a fault should give.
type want struct {
	kind    diagnose.Kind
	subject diagnose.Subject
	// directions are the one in which the fault is, and then those that look the same to
	// everybody; nil of a kind that has none.
	directions []diagnose.Direction
	class      string
}

func (w *want) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %v", w.kind, w.subject)
	if w.class != "" {
		fmt.Fprintf(&b, ", %s", w.class)
	}
	for i, d := range w.directions {
		fmt.Fprintf(&b, "%s%v", map[bool]string{true: ", ", false: " or "}[i == 0], d)
	}
	return b.String()
}

// fit says how well a finding fits what is wanted.
type fit int

const (
	// other: it is of something else.
	other fit = iota
	// near: it is at the place, or at a part of it, but says something else.
	near
	// among: what is wanted is one of those that it names.
	among
	exact
)

// means are the directions that a finding leaves open.
func means(d diagnose.Direction) []diagnose.Direction {
	switch d {
	case diagnose.InOrOut:
		return []diagnose.Direction{diagnose.In, diagnose.Out, diagnose.Both}
	case diagnose.InOrBoth:
		return []diagnose.Direction{diagnose.In, diagnose.Both}
	case diagnose.OutOrBoth:
		return []diagnose.Direction{diagnose.Out, diagnose.Both}
	}
	return []diagnose.Direction{d}
}

// fits says how well a finding fits.
func (w *want) fits(f *diagnose.Finding) fit {
	if f.Subject != w.subject && slices.Contains(f.Or, w.subject) {
		return among
	}
	switch {
	case f.Subject == w.subject && f.Kind == w.kind && f.Class == w.class:
		return w.directed(f)
	case f.Subject == w.subject || slices.ContainsFunc(w.subject.Names[:], func(n string) bool { return n != "" && slices.Contains(f.Subject.Names[:], n) }):
		return near
	}
	return other
}

// directed says how well the direction fits: the true one has to be among those that are
// said, and what is said besides has to look the same.
func (w *want) directed(f *diagnose.Finding) fit {
	said, wanted := means(f.Direction), w.directions
	if wanted == nil {
		wanted = []diagnose.Direction{diagnose.NoDirection}
	}
	switch {
	case !slices.Contains(said, wanted[0]):
		return near
	case len(f.Or) > 0, slices.ContainsFunc(said, func(d diagnose.Direction) bool { return !slices.Contains(wanted, d) }):
		return among
	}
	return exact
}
