package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/test/eventually"
)

// bodies is an API that takes reports of up to a MiB, and patiently.
type bodies struct {
	*server
	t       *testing.T
	addr    string
	entered atomic.Int64
}

func serveBodies(t *testing.T) *bodies {
	t.Helper()
	c := newCluster(agentX)
	b := &bodies{t: t, server: newServer(Config{
		Taker: intake.New(intake.Config{Store: c, Pods: c, TTL: time.Minute, Now: time.Now}), Snapshots: fresh{c}, Observer: c,
		MaxBody: 1 << 20, BodyWithin: time.Minute, Unavailable: func(error) bool { return false },
		Health: http.NotFoundHandler(), Ready: http.NotFoundHandler(), Metrics: http.NotFoundHandler(),
	})}
	h := b.router()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.entered.Add(1)
		h.ServeHTTP(w, r)
	}))
	b.addr = strings.TrimPrefix(s.URL, "http://")
	t.Cleanup(s.Close)
	return b
}

// announce begins a report of 1 MiB, sends that many bytes of it, and no more until
// the test ends.
func (b *bodies) announce(bytes int) net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /api/v1/agents/netchecker-agent-x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n%s", strings.Repeat(" ", bytes))
	if err != nil {
		b.t.Fatal(err)
	}
	return conn
}

// report posts one of that size.
func (b *bodies) report(size int) response {
	b.t.Helper()
	const text = `{"report_interval":15,"podname":"netchecker-agent-x"}`
	return post(b.t, "http://"+b.addr, "netchecker-agent-x", text+strings.Repeat(" ", size-len(text)))
}

// left says whether that much of what large bodies share is left.
func (b *bodies) left(bytes int64) bool {
	if !b.server.bodies.TryAcquire(bytes) {
		return false
	}
	b.server.bodies.Release(bytes)
	return true
}

func TestWhoAnnouncesMuchAndSendsNothingKeepsNobodyOut(t *testing.T) {
	b := serveBodies(t)
	announced := int64(0)
	for _, upTo := range []int64{64, 1000} {
		for ; announced < upTo; announced++ {
			b.announce(0)
		}
		eventually.True(t, "all announcers are being read", func() bool { return b.entered.Load() >= upTo })
		for _, size := range []int{4 << 10, smallBody, 100 << 10, 1 << 20} {
			if a := b.report(size); a.status != 200 {
				t.Errorf("with %d of them, a report of %d bytes is answered %d %q", upTo, size, a.status, a.body)
			}
		}
	}
}

func TestABodyTakesWhatHasArrivedAndNotWhatWasAnnounced(t *testing.T) {
	b := serveBodies(t)
	const arrived, taken = 100 << 10, 128 << 10
	conn := b.announce(arrived)
	eventually.True(t, "it has arrived", func() bool { return !b.left(bodiesInFlight - taken + 1) })
	if !b.left(bodiesInFlight - taken) {
		t.Errorf("of %d bytes that have arrived, more than %d are taken", arrived, taken)
	}
	_ = conn.Close()
	eventually.True(t, "all is given back", func() bool { return b.left(bodiesInFlight) })
}

func TestLargeBodiesWaitForRoomAndSmallOnesNeedNone(t *testing.T) {
	b := serveBodies(t)
	if !b.server.bodies.TryAcquire(bodiesInFlight) {
		t.Fatal("something is taken already")
	}
	a := b.report(100 << 10)
	if a.status != 503 || a.header.Get("Retry-After") != "2" || a.body != "body: too many large ones are being read at the same time\n" {
		t.Errorf("without room a large report is answered %d %q, Retry-After %q", a.status, a.body, a.header.Get("Retry-After"))
	}
	if a := b.report(smallBody); a.status != 200 {
		t.Errorf("without room an ordinary report is answered %d %q", a.status, a.body)
	}
	time.AfterFunc(50*time.Millisecond, func() { b.server.bodies.Release(bodiesInFlight) })
	if a := b.report(100 << 10); a.status != 200 {
		t.Errorf("with room in time a large report is answered %d %q", a.status, a.body)
	}
	eventually.True(t, "all is given back", func() bool { return b.left(bodiesInFlight) })
}

func TestBuffersThatAreKeptAreSmall(t *testing.T) {
	b := newServer(Config{MaxBody: 1 << 20}).bodies
	for _, size := range []int{1, firstBuffer, smallBody, smallBody + 1, 1 << 20} {
		one := newBody(1<<20, b)
		for len(one.buf) < size {
			if len(one.buf) == cap(one.buf) {
				if err := one.grow(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			one.buf = one.buf[:min(cap(one.buf), size)]
		}
		one.free()
		if kept := cap(*one.small); kept > smallBody {
			t.Errorf("of a body of %d bytes a buffer of %d is kept", size, kept)
		}
	}
}

func TestReportsAtTheLimitAreTakenAndOneByteMoreIsNot(t *testing.T) {
	b := serveBodies(t)
	for size, want := range map[int]int{1 << 20: 400, 1<<20 + 1: 413} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(strings.Repeat(" ", size))
			if chunked {
				body = io.MultiReader(body) // of no known length
			}
			res, err := http.Post("http://"+b.addr+"/api/v1/agents/netchecker-agent-x", "application/json", body)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%d bytes, chunked %v: %d, want %d", size, chunked, res.StatusCode, want)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
