package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
)

// History has what agents told of backends.
type History interface {
	// Page returns intervals; the error says what is wrong with the query's After.
	Page(intervals.Query) (intervals.Page, error)
	// Between returns those that touch [from, to), by their beginning.
	Between(from, to time.Time) []intervals.Interval
	// Sums are by backend, connection and network, SumsOfAllNetworks by the first two.
	Sums(from, to time.Time) []intervals.Sum
	SumsOfAllNetworks(from, to time.Time) []intervals.Sum
	Tests(from, to time.Time, declared []intervals.Declared) []intervals.Test
	Current() intervals.Current
	Totals() intervals.Totals
}

// Backends has what people declared.
type Backends interface {
	// Declared are those that are sampled, and Refused those that are not.
	Declared() []intervals.Declared
	Refused() []Refusal
}

// Refusal is a backend that is not sampled, and why.
type Refusal struct {
	Backend string `json:"backend"`
	Reason  string `json:"reason"`
	// Agents is how many agents were told to sample it and do not; 0 where the server
	// tells nobody.
	Agents int `json:"agents,omitempty"`
}

const (
	// atOnce is how many questions about the history are answered at a time, since each
	// looks at all of it, and may take a megabyte.
	atOnce = 8
	// turnWithin is how long one waits for its turn, and writeWithin how long its answer
	// may take to be read.
	turnWithin, writeWithin = 5 * time.Second, 30 * time.Second

	defaultLimit, maxLimit = 500, 1000
)

// inTurn answers questions about the history, atOnce at a time, and says that nothing
// is known where that was never read.
func (s *server) inTurn(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.turns <- struct{}{}:
			defer func() { <-s.turns }()
		case <-r.Context().Done():
			return
		case <-time.After(turnWithin):
			plain(w, http.StatusServiceUnavailable, "too many questions about intervals, paths and findings are being answered at the same time")
			return
		}
		if snap := s.Snapshots.Snapshot(); !snap.Loaded {
			plain(w, http.StatusServiceUnavailable, unknownHead+whyUnknown(snap))
			return
		}
		// Where the connection has no deadlines, the listener's own limits hold.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWithin))
		answer(w, r)
	}
}

// answerJSON answers with v.
func answerJSON(w http.ResponseWriter, v any) {
	a := wordJSON(v)
	if a.status != http.StatusOK {
		plain(w, a.status, string(a.body))
		return
	}
	writeJSON(w, a.body)
}

// wordJSON is the answer that is v.
func wordJSON(v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		glog.Errorf("Answering with %T: %v", v, err)
		return answer{http.StatusInternalServerError, []byte("The answer could not be written")}
	}
	return answer{http.StatusOK, body}
}

// writeJSON answers with a body that is JSON.
func writeJSON(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// shownInterval is one as it is answered.
type shownInterval struct {
	Level   report.Level `json:"level"`
	Locator string       `json:"locator"`
	Message string       `json:"message"`
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Open    bool         `json:"open,omitempty"`
	Changes uint64       `json:"changes,omitempty"`
	Failed  float64      `json:"failed_seconds,omitempty"`
}

func shown(i *intervals.Interval) shownInterval {
	return shownInterval{i.Level, i.Locator(), i.Message, i.From.UTC(), i.To.UTC(), i.Open, i.Changes, i.Failed.Seconds()}
}

// intervals lists intervals.
func (s *server) intervals(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	p := parametersOf(r, now, "from", "to", "level", "locator", "limit", "continue")
	q := intervals.Query{Limit: p.number("limit", defaultLimit, maxLimit), After: p.values.Get("continue"), Levels: p.levels()}
	q.From, q.To = p.stretch(now.Add(-intervals.Retention))
	var err error
	if q.Where, err = intervals.ParseWhere(p.values.Get("locator")); err != nil {
		p.refuse("locator", "%v", err)
	}
	page := intervals.Page{}
	if p.err == nil {
		if page, err = s.History.Page(q); err != nil {
			p.refuse("continue", "%v", err)
		}
	}
	if p.err != nil {
		plain(w, http.StatusBadRequest, p.err.Error())
		return
	}
	answer := struct {
		Items    []shownInterval `json:"items"`
		Continue string          `json:"continue,omitempty"`
	}{make([]shownInterval, len(page.Items)), page.Next}
	for i := range page.Items {
		answer.Items[i] = shown(&page.Items[i])
	}
	answerJSON(w, answer)
}

func (p *parameters) levels() (levels []report.Level) {
	text := p.values.Get("level")
	if text == "" {
		return nil
	}
	for _, name := range strings.Split(text, ",") {
		l := report.Level(name)
		if !slices.Contains([]report.Level{report.Info, report.Warning, report.Error, intervals.Unknown}, l) {
			p.refuse("level", "is %.70q; it should be Info, Warning, Error or Unknown, or several of them with ',' between", text)
		}
		levels = append(levels, l)
	}
	return levels
}

// disruption sums up a stretch of time.
func (s *server) disruption(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	p := parametersOf(r, now, "from", "to", "format")
	format := p.oneOf("format", "openshift")
	from, to := p.stretch(now.Add(-intervals.Retention))
	switch {
	case p.err != nil:
		plain(w, http.StatusBadRequest, p.err.Error())
	case format != "":
		answerJSON(w, s.likeOpenShift(from, to))
	default:
		answerJSON(w, s.summedUp(from, to))
	}
}

// summary is what a stretch of time had.
type summary struct {
	From     time.Time        `json:"from"`
	To       time.Time        `json:"to"`
	Backends []backendSummary `json:"backends"`
	Refused  []Refusal        `json:"refused"`
	Clocks   []clock          `json:"clocks"`
	// Dropped is how many intervals were deleted to make room, and Lost how many agents
	// lost that nobody took in.
	Dropped uint64 `json:"dropped_intervals"`
	Lost    uint64 `json:"lost_intervals"`
}

type backendSummary struct {
	intervals.Key
	Disrupted float64  `json:"disrupted_seconds"`
	Covered   float64  `json:"covered_seconds"`
	Samplers  int      `json:"samplers"`
	Failing   int      `json:"failing_samplers"`
	Messages  []string `json:"messages"`
	// Up is null where nothing is known of now.
	Up *float64 `json:"up"`
}

func (s *server) summedUp(from, to time.Time) summary {
	snap, current := s.Snapshots.Snapshot(), s.History.Current()
	if !snap.Known() {
		current.Up = nil
	}
	a := summary{
		From: from.UTC(), To: to.UTC(), Backends: []backendSummary{}, Refused: append([]Refusal{}, s.Backends.Refused()...), Clocks: clocksOff(snap),
		Dropped: s.History.Totals().Dropped, Lost: current.Lost,
	}
	for _, sum := range s.History.Sums(from, to) {
		b := backendSummary{
			Key: sum.Key, Disrupted: sum.Disrupted.Seconds(), Covered: sum.Covered.Seconds(),
			Samplers: sum.Samplers, Failing: sum.Failing, Messages: append([]string{}, sum.Messages...),
		}
		if up, known := current.Up[sum.Key]; known {
			b.Up = &up
		}
		a.Backends = append(a.Backends, b)
	}
	return a
}

// clock is a sampler whose wall clock is not the server's.
type clock struct {
	Pod  string `json:"pod"`
	Node string `json:"node"`
	// Ahead is how many seconds it is ahead of the server's at the least; below 0 it is
	// behind.
	Ahead float64 `json:"ahead_seconds"`
}

// clockMayDiffer is how much two clocks may without being told.
const clockMayDiffer = time.Second

// clocksOff are the samplers whose clocks differ from the server's. A report was made
// after the last sample that it tells of, and before it arrived; so by the server's
// clock it was made somewhere between.
func clocksOff(snap *judge.Snapshot) []clock {
	list := []clock{}
	for i, rec := range snap.Records {
		if rec == nil || rec.Disruption == nil || rec.HostDate.IsZero() || len(list) == maxLimit {
			continue
		}
		ahead := rec.HostDate.Sub(rec.LastUpdated)
		behind := rec.Booted.Add(rec.Disruption.AsOf).Sub(rec.HostDate)
		if behind > clockMayDiffer {
			ahead = -behind
		} else if ahead <= clockMayDiffer {
			continue
		}
		a := &snap.List.Agents[i]
		list = append(list, clock{a.Key.String(), a.Node, ahead.Round(time.Millisecond).Seconds()})
	}
	return list
}
