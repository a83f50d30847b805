package sender

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// topic is a Subscriber.
type topic struct {
	mu   sync.Mutex
	news []report.News
}

func (s *topic) Version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.news) == 0 {
		return ""
	}
	return s.news[len(s.news)-1].Version
}

func (s *topic) Take(n report.News) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = append(s.news, n)
}

// versions are those of all news that it took.
func (s *topic) versions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, n := range s.news {
		list = append(list, n.Version+string(n.Data))
	}
	return list
}

func TestNewsGoToTheSubscriberOfTheirTopicAndTheNextReportTellsItsVersion(t *testing.T) {
	srv := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			_, _ = io.WriteString(w, `{"news":{"peers":{"version":"v7","data":{"a":1}},"nobodys":{"version":"x","data":1}}}`)
		}
	})
	peers, checks := &topic{}, &topic{}
	cfg := to(t, srv)
	cfg.Subscribers = Subscribers{"peers": peers, "checks": checks}
	s := running(t, cfg)
	for n := range uint64(2) {
		s.Offer(numbered(n), 0)
		eventually.True(t, "it was accepted", s.empty)
	}
	if got := peers.versions(); !slices.Equal(got, []string{`v7{"a":1}`}) || checks.versions() != nil {
		t.Errorf("peers got %q, checks %q", got, checks.versions())
	}
	for i, want := range []map[string]string{{"peers": "", "checks": ""}, {"peers": "v7", "checks": ""}} {
		if got := srv.reports(t)[i].Understands; !maps.Equal(got, want) {
			t.Errorf("report %d understands %q, want %q", i, got, want)
		}
	}
}

func TestReplyThatIsNoReplyIsIgnoredAndTheReportIsAccepted(t *testing.T) {
	// A reply of the longest length but one byte more.
	const longest = report.MaxReply
	begin, end := `{"news":{"peers":{"version":"v1","data":"`, `"}}}`
	sized := func(n int) string { return begin + strings.Repeat("x", n-len(begin)-len(end)) + end }
	for name, c := range map[string]struct {
		body string
		took int
	}{
		"as long as may be":                 {sized(longest), 1},
		"a byte too long":                   {sized(longest + 1), 0},
		"a byte too long that says nothing": {sized(longest) + " ", 0},
		"much too long":                     {sized(20 * longest), 0},
		"no JSON":                           {"<html>", 0},
		"a topic of no name":                {`{"news":{"Peers!":{"version":"v1"}}}`, 0},
		"empty":                             {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) })
			peers := &topic{}
			cfg := to(t, srv)
			cfg.Subscribers = Subscribers{"peers": peers}
			s := running(t, cfg)
			s.Offer(numbered(1), 0)
			eventually.True(t, "it is accepted", func() bool { return s.empty() && readiness(s) == "" })
			if got := len(peers.versions()); got != c.took {
				t.Errorf("%d news were taken, want %d", got, c.took)
			}
		})
	}
}

func TestAnswerThatIsCutOffIsAnAcceptanceAllTheSame(t *testing.T) {
	srv := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = fmt.Fprint(w, `{"news":{"peers":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	var seen fates
	cfg := to(t, srv)
	cfg.Observe = seen.observe
	s := running(t, cfg)
	s.Offer(numbered(1), 0)
	eventually.True(t, "accepted", func() bool { return seen.equal("1 accepted") })
}
