package serve

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// mostSpared is how many connections are kept beyond the limit, for those whose requests
// ask for that: anybody could.
const mostSpared = 256

// keepAliveLimit counts the connections that are open. Each costs about 17 KB while it
// waits for its next request, so that the ten thousand clients of a large cluster
// would take more memory by waiting than by all that they have to say.
type keepAliveLimit struct {
	most  int64 // 0: no limit
	spare func(*http.Request) bool
	open  atomic.Int64

	mu     sync.Mutex
	spared map[net.Conn]struct{}
}

// connKey is that of a request's connection in its context.
type connKey struct{}

// remember is an http.Server's ConnContext.
func (l *keepAliveLimit) remember(ctx context.Context, conn net.Conn) context.Context {
	if l.spare == nil {
		return ctx
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// note is an http.Server's ConnState.
func (l *keepAliveLimit) note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.open.Add(-1)
		l.mu.Lock()
		delete(l.spared, conn)
		l.mu.Unlock()
	}
}

// exceeded says whether the connection of r should be closed after its answer.
func (l *keepAliveLimit) exceeded(r *http.Request) bool {
	return l.most > 0 && l.open.Load() > l.most && !l.spares(r)
}

// spares says whether the connection of r is one of those that are kept nevertheless.
func (l *keepAliveLimit) spares(r *http.Request) bool {
	if l.spare == nil || !l.spare(r) {
		return false
	}
	conn := r.Context().Value(connKey{}).(net.Conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, is := l.spared[conn]; !is && len(l.spared) == mostSpared {
		return false
	}
	l.spared[conn] = struct{}{}
	return true
}
