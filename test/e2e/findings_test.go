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

// Within what time faults have to be named, and be gone once they are healed: more than is
// promised, which test/campaign judges; how long it took is logged.
const namedWithin, goneWithin = time.Minute, time.Minute

// naming is what a fault is found as.
type naming []string

// as is nothing where nothing should be found.
func as(what ...string) naming { return append(naming{}, what...) }

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
func (w world) named(door netip.AddrPort, within time.Duration, want naming) {
	w.Helper()
	check := func() error {
		found, err := w.findings(door)
		if err != nil {
			return err
		}
		got := make([]string, len(found))
		for i, f := range found {
			got[i] = f.String()
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("found are %q, want %q: %+v", got, want, found)
		}
		return nil
	}
	begun := time.Now()
	eventually.Within(w, within, check)
	w.Logf("%d findings after %.1f s", len(want), time.Since(begun).Seconds())
	found, err := w.findings(door)
	w.must(err)
	critical := 0
	for _, f := range found {
		w.Log(f.Sentence)
		if f.Severity == "critical" {
			critical++
		}
	}
	w.awaitAt(door, "?starting=ok", failsBy(critical))
	for range 10 {
		w.sleep(time.Second)
		if err := check(); err != nil {
			w.Error(err)
			return
		}
	}
}
