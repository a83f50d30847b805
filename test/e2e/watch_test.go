//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// watch asks every 200 ms, and keeps what was answered.
type watch struct {
	runs []run
	stop context.CancelFunc
	done sync.WaitGroup
}

// run is a number of equal answers, one after the other.
type run struct {
	from, to time.Duration
	count    int
	answer   answer
	// err is instead of an answer.
	err string
}

func (r run) String() string {
	said := r.err
	if said == "" {
		said = r.answer.String()
	}
	return fmt.Sprintf("%5.1f s to %5.1f s, %d times: %s", r.from.Seconds(), r.to.Seconds(), r.count, said)
}

// watching asks at a NodePort, with ?starting=ok, until end is called.
func (w world) watching(at netip.AddrPort) *watch {
	ctx, stop := context.WithCancel(w.Context())
	all := &watch{stop: stop}
	begun := time.Now()
	all.done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			// An answer that does not come is not waited for: the next may.
			asking, cancel := context.WithTimeout(ctx, time.Second)
			a, err := ask(asking, w.cluster.Dial, at, "?starting=ok")
			cancel()
			if ctx.Err() == nil {
				all.add(a, err, time.Since(begun))
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	return all
}

func (all *watch) add(a answer, err error, at time.Duration) {
	said := ""
	if err != nil {
		said = err.Error()
		// The ports of our own differ each time.
		said = said[strings.LastIndex(said, ": ")+1:]
	}
	if n := len(all.runs); n > 0 {
		if last := &all.runs[n-1]; last.answer.String() == a.String() && last.err == said {
			last.to, last.count = at, last.count+1
			return
		}
	}
	all.runs = append(all.runs, run{at, at, 1, a, said})
}

// end returns all answers once nobody asks any more, and logs them as evidence.
func (all *watch) end(w world) []run {
	w.Helper()
	all.stop()
	all.done.Wait()
	for _, r := range all.runs {
		w.Log(r)
	}
	return all.runs
}

// blamesNobody fails the test where an answer named somebody as failing.
func (w world) blamesNobody(runs []run) {
	w.Helper()
	for _, r := range runs {
		if r.answer.status == http.StatusBadRequest {
			w.Errorf("it blames somebody: %s", r)
		}
	}
}

// alwaysWell fails the test unless all answers were 200.
func (w world) alwaysWell(runs []run) {
	w.Helper()
	for _, r := range runs {
		if r.err != "" || r.answer.status != http.StatusOK {
			w.Errorf("not a 200: %s", r)
		}
	}
}
