package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/judge"
)

// still gives one Snapshot.
type still struct{ s *judge.Snapshot }

func (s still) Snapshot() *judge.Snapshot { return s.s }

// allReport has so many agents with ordinary reports.
func allReport(tb testing.TB, agents int) *server {
	tb.Helper()
	r, err := report.Decode([]byte(contractReport))
	if err != nil {
		tb.Fatal(err)
	}
	s := &judge.Snapshot{List: &fleet.List{}, Loaded: true}
	for i := range agents {
		r.PodName = fmt.Sprintf("netchecker-agent-%06d", i)
		s.List.Agents = append(s.List.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: r.PodName}})
		s.Records = append(s.Records, &fleet.Record{Record: report.Record{Report: r, LastUpdated: time.Now()}})
	}
	return newServer(Config{Snapshots: still{s}})
}

// sent is how large the pieces were in which an answer was sent.
type sent struct {
	http.ResponseWriter
	bytes, largest int
}

func (s *sent) Write(p []byte) (int, error) {
	s.bytes += len(p)
	s.largest = max(s.largest, len(p))
	return len(p), nil
}

func TestAgentsAreSentInPiecesHoweverManyThereAre(t *testing.T) {
	s := allReport(t, 10_000)
	w := &sent{ResponseWriter: httptest.NewRecorder()}
	s.agents(w, nil)
	if w.bytes < 1<<20 || w.largest > flushAt+largeEntry {
		t.Errorf("%d bytes are sent in pieces of up to %d", w.bytes, w.largest)
	}
}

func BenchmarkAgents(b *testing.B) {
	s := allReport(b, 10_000)
	w := &sent{ResponseWriter: httptest.NewRecorder()}
	b.ReportAllocs()
	for b.Loop() {
		s.agents(w, nil)
	}
	b.ReportMetric(float64(w.bytes)/float64(b.N)/(1<<20), "MiB/answer")
}
