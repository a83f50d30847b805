package disruption

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/test/eventually"
)

// record notes what samplers tell.
type record struct {
	mu      sync.Mutex
	over    map[report.Connection][]report.Interval
	opened  map[report.Connection]*report.Interval
	samples map[report.Connection][]Observation
	refused []string
	turn    wait.Broadcast
}

func (r *record) fold(l Target, over []report.Interval, open *report.Interval, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over[l.Connection] = append(r.over[l.Connection], over...)
	if r.opened[l.Connection] = nil; open != nil {
		i := *open
		r.opened[l.Connection] = &i
	}
}

func (r *record) observe(l Target, o Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples[l.Connection] = append(r.samples[l.Connection], o)
	r.turn.Send()
}

func (r *record) refuse(_ Target, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, reason)
}

// ended are the intervals that are over, and levels what they and the open one say.
func (r *record) ended(c report.Connection) []report.Interval {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.over[c])
}

func (r *record) levels(c report.Connection) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.over[c] {
		all = append(all, says(i))
	}
	if i := r.opened[c]; i != nil {
		all = append(all, says(*i)+"…")
	}
	return all
}

func says(i report.Interval) string {
	if i.Message == "" {
		return string(i.Level)
	}
	return string(i.Level) + " " + i.Message
}

func (r *record) seen(c report.Connection) []Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.samples[c])
}

func (r *record) count(c report.Connection) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.samples[c])
}

// await returns once so many samples took their turn.
func (r *record) await(t *testing.T, c report.Connection, n int) {
	t.Helper()
	for end := time.After(eventually.Patience); ; {
		turn := r.turn.Next()
		if r.count(c) >= n {
			return
		}
		select {
		case <-turn:
		case <-end:
			t.Fatalf("%s: %d of %d samples after %v", c, r.count(c), n, eventually.Patience)
		}
	}
}

// wantEventually waits until that is what a target came to.
func (r *record) wantEventually(t *testing.T, c report.Connection, want ...string) {
	t.Helper()
	eventually.Nil(t, func() error {
		if got := r.levels(c); !slices.Equal(got, want) {
			return fmt.Errorf("%s: %q, want %q", c, got, want)
		}
		return nil
	})
}

// first is the first sample that fails.
func (r *record) first(t *testing.T, c report.Connection) Sample {
	t.Helper()
	for _, o := range r.seen(c) {
		if o.Level != report.Info {
			return o.Sample
		}
	}
	t.Fatalf("no sample over a connection that is %s failed", c)
	return Sample{}
}
