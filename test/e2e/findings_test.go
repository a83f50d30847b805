//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// How soon faults have to be named and to be gone, by what issue and docs promise.
const (
	namedWithin = 20 * time.Second
	// holeWithin is for those of which only large packets tell.
	holeWithin = 45 * time.Second
	goneWithin = 30 * time.Second
	// rarer is how much longer it takes to name what is asked every 5 s by each agent.
	rarer = 10 * time.Second
)

// naming is what a fault is found as, and how soon.
type naming struct {
	within time.Duration
	as     []string
}

func as(within time.Duration, what ...string) naming { return naming{within, what} }

// pairOf is how a pair of nodes is named.
func pairOf(a, b string) string { return min(a, b) + " " + max(a, b) }

// finding is one as the API tells it.
type finding struct {
	ID, Kind, Direction, Severity, Sentence string
	Subject                                 struct{ Names []string }
}

// String is the kind, the subject and the direction.
func (f finding) String() string {
	return strings.TrimSpace(strings.Join(slices.Concat([]string{f.Kind}, f.Subject.Names, []string{f.Direction}), " "))
}

// findings are those that last.
func (w world) findings(door netip.AddrPort) ([]finding, error) {
	var answer struct {
		Findings []finding
		Still    string `json:"standing_still"`
	}
	if err := w.getJSON(door, "findings", &answer); err != nil {
		return nil, err
	}
	if answer.Still != "" {
		return nil, fmt.Errorf("findings stand still: %s", answer.Still)
	}
	return answer.Findings, nil
}

// named waits until just these are found, all of them within that time, and sees that
// nothing else is for some time after.
func (w world) named(door netip.AddrPort, within time.Duration, want ...string) {
	w.Helper()
	slices.Sort(want)
	check := func() error {
		found, err := w.findings(door)
		if err != nil {
			return err
		}
		got := make([]string, len(found))
		for i, f := range found {
			got[i] = f.String()
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("found are %q, want %q: %+v", got, want, found)
		}
		return nil
	}
	begun := time.Now()
	eventually.Within(w, within, check)
	w.Logf("%d findings after %.1f s", len(want), time.Since(begun).Seconds())
	found, err := w.findings(door)
	w.must(err)
	for _, f := range found {
		w.Log(f.Sentence)
	}
	for range 10 {
		w.sleep(time.Second)
		if err := check(); err != nil {
			w.Error(err)
			return
		}
	}
}
