package disruption

import (
	"net/http"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// within says whether a and b are at most tolerance apart.
func within(a, b, tolerance time.Duration) bool { return (a - b).Abs() <= tolerance }

// oneSample is how far from something the first sample after it is: an interval, and what
// a busy machine adds.
const oneSample = 1300 * time.Millisecond

// outage breaks the site, mends it after d, and returns when, on the clock.
func outage(c Clock, d time.Duration, breaking, mending func()) (begin, end time.Duration) {
	begin = c.Now()
	breaking()
	time.Sleep(d - (c.Now() - begin))
	mending()
	return begin, c.Now()
}

func TestABackendThatIsClosedForFiveSecondsIsOneErrorForEachKindOfConnection(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newClock()
	r, _ := sampling(t, site.backend(), here(), clock)
	for _, c := range connections {
		r.wantEventually(t, c, "Info…")
	}
	begin, end := outage(clock, 5*time.Second, site.close, site.open)
	for _, c := range connections {
		r.wantEventually(t, c, "Info", "Error connecting: connection refused", "Info…")
		i := r.ended(c)[1]
		if !within(i.To-i.From, 5*time.Second, oneSample) || !within(i.From, begin, oneSample) || !within(i.To, end, oneSample) {
			t.Errorf("%s: failed from %v to %v; it was closed from %v to %v", c, i.From, i.To, begin, end)
		}
		if first := r.first(t, c); i.From != first.Start {
			t.Errorf("%s: failed from %v; the first request that did began at %v", c, i.From, first.Start)
		}
	}
}

func TestAnErrorBeginsWithTheRequestThatHungAndNotAtItsDeadline(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newClock()
	b := site.backend()
	b.TimeoutMillis = 1000
	r, _ := sampling(t, b, here(), clock)
	for _, c := range connections {
		r.wantEventually(t, c, "Info…")
	}
	begin, end := outage(clock, 3*time.Second, site.hang, func() { site.answer(http.StatusOK) })
	for _, c := range connections {
		r.wantEventually(t, c, "Info", "Error no answer in time", "Info…")
		i, first := r.ended(c)[1], r.first(t, c)
		if took := first.End - first.Start; i.From != first.Start || took < 800*time.Millisecond {
			t.Errorf("%s: failed from %v, and the first request did after %v", c, i.From, took)
		}
		if !within(i.From, begin, oneSample) || !within(i.To, end, oneSample) {
			t.Errorf("%s: failed from %v to %v; it hung from %v to %v", c, i.From, i.To, begin, end)
		}
	}
}

func TestWhereOnlyNewConnectionsAreRefusedThoseThatAreKeptDoNotFail(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newClock()
	r, _ := sampling(t, site.backend(), here(), clock)
	for _, c := range connections {
		r.wantEventually(t, c, "Info…")
	}
	outage(clock, 3*time.Second, site.refuse, site.takeAgain)
	r.wantEventually(t, report.New, "Info", "Error connecting: connection refused", "Info…")
	r.wantEventually(t, report.Reused, "Info…")
	for n, o := range r.seen(report.Reused) {
		if o.Connected != (n == 0) {
			t.Errorf("sample %d made a connection of its own: %v", n, o.Connected)
		}
	}
	for n, o := range r.seen(report.New) {
		if o.Connected != (o.Level == report.Info) {
			t.Errorf("sample %d (%s) made a connection of its own: %v", n, o.Level, o.Connected)
		}
	}
}

func TestA503AndThenARefusedConnectionAreTwoErrorsWithoutAGap(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newClock()
	r, _ := sampling(t, site.backend(), here(), clock)
	for _, c := range connections {
		r.wantEventually(t, c, "Info…")
	}
	site.answer(http.StatusServiceUnavailable)
	for _, c := range connections {
		r.wantEventually(t, c, "Info", "Error answered 503…")
	}
	site.close()
	for _, c := range connections {
		r.wantEventually(t, c, "Info", "Error answered 503", "Error connecting: connection refused…")
	}
	site.answer(http.StatusOK)
	site.open()
	for _, c := range connections {
		r.wantEventually(t, c, "Info", "Error answered 503", "Error connecting: connection refused", "Info…")
		all := r.ended(c)
		for n := range all[1:] {
			if all[n].To != all[n+1].From {
				t.Errorf("%s: %v ends the one, and %v begins the next", c, all[n].To, all[n+1].From)
			}
		}
	}
}

func TestALookupThatNobodyAnswersIsAWarningAndNoDisruption(t *testing.T) {
	t.Parallel()
	site, clock, zone := newSite(t), newClock(), &zone{}
	_, port := split(t, site.addr)
	b, p := site.backend(), here()
	b.URL, b.TimeoutMillis = "http://backend.test.:"+port+"/", 1000
	p.Names = zone.names(t)
	r, _ := sampling(t, b, p, clock)
	for _, c := range connections {
		r.wantEventually(t, c, "Info…")
	}
	outage(clock, 3*time.Second, func() { zone.silent.Store(true) }, func() { zone.silent.Store(false) })
	r.wantEventually(t, report.New, "Info", "Warning no answer of the name servers in time", "Info…")
	r.wantEventually(t, report.Reused, "Info…")
	for _, c := range connections {
		for n, o := range r.seen(c) {
			if o.Disrupted != 0 {
				t.Errorf("%s: sample %d counts %v of disruption", c, n, o.Disrupted)
			}
		}
	}
}

func TestAHealthyHourIsARecordOfItsOwnWithoutDisruption(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newStepped()
	r, stop := sampling(t, site.backend(), here(), clock)
	const hour = 3600
	for n := range hour {
		if n > 0 {
			clock.step(time.Second)
		}
		for _, c := range connections {
			r.await(t, c, n+1)
		}
	}
	stop()
	for _, c := range connections {
		r.wantEventually(t, c, "Info")
		if i := r.ended(c)[0]; i.To-i.From != (hour-1)*time.Second {
			t.Errorf("%s: from %v to %v", c, i.From, i.To)
		}
		var disrupted time.Duration
		connected := 0
		for _, o := range r.seen(c) {
			if disrupted += o.Disrupted; o.Connected {
				connected++
			}
		}
		if want := map[report.Connection]int{report.New: hour, report.Reused: 1}[c]; disrupted != 0 || connected != want {
			t.Errorf("%s: disrupted for %v; %d connections, want %d", c, disrupted, connected, want)
		}
	}
}

func TestWhatTheAgentsOwnEndCutsIsNoOutage(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newClock()
	r, stop := sampling(t, site.backend(), here(), clock)
	for _, c := range connections {
		r.wantEventually(t, c, "Info…")
	}
	arrived := make(chan struct{}, 100)
	site.handle(func(_ http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		<-req.Context().Done()
	})
	<-arrived
	<-arrived
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 500*time.Millisecond {
		t.Errorf("the end took %v", took)
	}
	for _, c := range connections {
		r.wantEventually(t, c, "Info")
		seen := r.seen(c)
		if i := r.ended(c)[0]; i.To != seen[len(seen)-1].End {
			t.Errorf("%s: ends at %v, and the last sample did at %v", c, i.To, seen[len(seen)-1].End)
		}
	}
}

func TestARequestThatIsSlowDelaysNoOtherAndKeepsItsPlace(t *testing.T) {
	t.Parallel()
	site, clock := newSite(t), newClock()
	slow := make(chan struct{}, 2)
	slow <- struct{}{}
	slow <- struct{}{}
	site.handle(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-slow:
			select {
			case <-time.After(2500 * time.Millisecond):
			case <-req.Context().Done():
			}
		default:
		}
	})
	r, _ := sampling(t, site.backend(), here(), clock)
	for _, c := range connections {
		r.await(t, c, 4)
		seen := r.seen(c)
		if took := seen[0].End - seen[0].Start; took < 2500*time.Millisecond {
			t.Errorf("%s: the slow one took %v", c, took)
		}
		for n := range seen[1:] {
			if gap := seen[n+1].Start - seen[n].Start; !within(gap, time.Second, 500*time.Millisecond) {
				t.Errorf("%s: sample %d begins %v after the one before", c, n+1, gap)
			}
		}
	}
}
