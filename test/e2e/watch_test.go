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
	// last ends it, by a closing, with one more question.
	last chan struct{}
	done sync.WaitGroup
	once sync.Once
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

// reports asks who reports, whoever starts and whatever is found broken besides.
const reports = "?starting=ok&findings=ok"

// watching asks at a NodePort who reports, for the first time before it returns, until
// end is called, or the test has failed.
func (w world) watching(at netip.AddrPort) *watch {
	all := &watch{last: make(chan struct{})}
	begun := time.Now()
	once := func() {
		// An answer that does not come is not waited for: the next may. A packet that
		// is lost while connecting is sent again after a second.
		ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
		defer cancel()
		a, err := ask(ctx, w.cluster.Dial, at, reports)
		if w.Context().Err() == nil {
			all.add(a, err, time.Since(begun))
		}
	}
	once()
	all.done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ended := false; !ended; {
			select {
			case <-all.last:
				ended = true
			case <-tick.C:
			}
			once()
		}
	})
	w.Cleanup(func() { all.end(w) })
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

// end asks once more, returns all answers, and logs them as evidence.
func (all *watch) end(w world) []run {
	w.Helper()
	all.once.Do(func() {
		close(all.last)
		all.done.Wait()
		for _, r := range all.runs {
			w.Log(r)
		}
	})
	return all.runs
}

// longestSilence is how long a server may be away that is replaced by another, or
// that is started again.
const longestSilence = 30 * time.Second

// blamesNobody fails the test where an answer named somebody as failing, and unless
// all was well in the beginning and in the end.
func (w world) blamesNobody(runs []run) {
	w.Helper()
	for _, r := range runs {
		if r.answer.status == http.StatusBadRequest {
			w.Errorf("it blames somebody: %s", r)
		}
		if r.err != "" && r.to-r.from > longestSilence {
			w.Errorf("it does not answer for long: %s", r)
		}
	}
	w.alwaysWell([]run{runs[0], runs[len(runs)-1]})
}

// alwaysBlind fails the test unless all answers said that nothing can be known.
func (w world) alwaysBlind(runs []run) {
	w.Helper()
	for _, r := range runs {
		if err := blind(r.answer); r.err != "" || err != nil {
			w.Errorf("%v, or %s", err, r)
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
