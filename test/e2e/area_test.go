//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/sweep"
)

// area is what E2E can name: parts that belong together, in their order.
type area struct {
	name string
	// begin makes what the first part finds, whatever was there before.
	begin func(world)
	parts []part
}

// part is a test. It mends what it broke, and ends when all is well again.
type part struct {
	name string
	run  func(world)
	// swept is one of several runs, all of which make thorough asks for.
	swept bool
}

func once(name string, run func(world)) part { return part{name: name, run: run} }

// onEach is a part that is swept over what items finds once the cluster is up.
func onEach(name string, items func(world) []string, run func(world, string)) part {
	return part{name: name, swept: true, run: func(w world) {
		sweep.Each(w.T, items(w), func(t *testing.T, item string) { run(world{t, w.cluster}, item) })
	}}
}

// times is a part that is done n times.
func times(name string, n int, run func(world)) part {
	return part{name: name, swept: true, run: func(w world) {
		sweep.Times(w.T, n, func(t *testing.T, _ int) { run(world{t, w.cluster}) })
	}}
}

// oneOf is a part that is swept over others: faults of one sort, say, of which each has its
// own way to show.
func oneOf(name string, parts ...part) part {
	items := make([]string, len(parts))
	for i, p := range parts {
		items[i] = p.name
	}
	return part{name: name, swept: true, run: func(w world) {
		sweep.Each(w.T, items, func(t *testing.T, item string) { parts[slices.Index(items, item)].run(world{t, w.cluster}) })
	}}
}

// chosen are the areas that names, separated by commas or spaces, name; all for
// none. Where everything that is swept is asked for, they have these parts alone.
func chosen(all []area, names string, whole bool) ([]area, error) {
	var found []area
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' }) {
		i := slices.IndexFunc(all, func(a area) bool { return a.name == name })
		if i < 0 {
			return nil, fmt.Errorf("E2E: there is no area %q; there are %s", name, strings.Join(namesOf(all), ", "))
		}
		found = append(found, all[i])
	}
	if len(found) == 0 {
		found = slices.Clone(all)
	}
	if !whole {
		return found, nil
	}
	for i := range found {
		found[i].parts = slices.DeleteFunc(slices.Clone(found[i].parts), func(p part) bool { return !p.swept })
	}
	return slices.DeleteFunc(found, func(a area) bool { return len(a.parts) == 0 }), nil
}

func namesOf(all []area) []string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.name
	}
	return names
}

// test runs the parts until one fails: what that broke may be broken still.
func (a area) test(w world) {
	a.begin(w)
	for _, p := range a.parts {
		begun := time.Now()
		if !w.Run(p.name, func(t *testing.T) {
			w := world{t, w.cluster}
			w.Cleanup(w.complain)
			p.run(w)
		}) {
			return
		}
		w.Logf("%s: %.1f s", p.name, time.Since(begun).Seconds())
	}
}
