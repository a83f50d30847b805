package reflector

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// maxGuests bounds the connections, and exchangeTime how long one may take.
	maxGuests    = 64
	exchangeTime = 2 * time.Second
	// acceptPace is how many are taken in a tenth of a second: so many that those who wait
	// for theirs, 4,096 as is usual, have it within a second.
	acceptPace = 500
)

// guests are the connections that there are. The oldest makes room for a new one: who has
// something to ask does it at once.
type guests struct {
	mu  sync.Mutex
	all []*net.TCPConn // oldest first
}

func newGuests() *guests { return &guests{} }

// add adds one, and resets another where there are too many.
func (g *guests) add(conn *net.TCPConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) == maxGuests {
		_ = g.all[0].SetDeadline(time.Unix(1, 0)) // its goroutine closes it
		g.all = slices.Delete(g.all, 0, 1)
	}
	g.all = append(g.all, conn)
}

func (g *guests) remove(conn *net.TCPConn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.all, conn); i >= 0 {
		g.all = slices.Delete(g.all, i, i+1)
	}
}

// accept takes connections until the listener is closed, and waits for them to end.
func (r *Reflector) accept(life context.Context, l net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	p := pace{most: acceptPace}
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait.For(life, failurePause)
			continue
		}
		guest := conn.(*net.TCPConn)
		_ = guest.SetDeadline(time.Now().Add(exchangeTime)) // before others can set one
		r.guests.add(guest)
		all.Go(func() { r.exchange(life, guest) })
		if rest := p.rest(time.Now()); rest > 0 {
			wait.For(life, rest)
		}
	}
}

// exchange answers one question. Who asked ends the connection, by a reset; so does this
// end where that does not happen in time. Either way nothing of it is left.
func (r *Reflector) exchange(life context.Context, conn *net.TCPConn) {
	defer func() { _ = conn.Close() }()
	defer r.guests.remove(conn)
	stop := context.AfterFunc(life, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.SetLinger(0); err != nil {
		return
	}
	buf := make([]byte, datagram.Size)
	if _, err := io.ReadFull(conn, buf); err != nil {
		return
	}
	q, ok := datagram.Parse(buf)
	if !ok || q.Kind != datagram.Question {
		return
	}
	came := time.Now()
	a, ok := r.book.Once(&q, came)
	if !ok {
		return
	}
	a.Took = time.Since(came)
	if _, err := conn.Write(datagram.Append(buf[:0], &a, datagram.Size)); err != nil {
		return
	}
	_, _ = conn.Read(buf)
}
