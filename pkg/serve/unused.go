package serve

import (
	"net"
	"net/http"
	"sync"
)

// unusedConns are the connections on which nothing was said yet: browsers open them
// ahead of need, and load balancers to see whether somebody is there. Shutdown
// would wait for their first request, up to 5 s.
type unusedConns struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newUnusedConns() *unusedConns { return &unusedConns{conns: map[net.Conn]struct{}{}} }

// note is an http.Server's ConnState.
func (u *unusedConns) note(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew {
		u.conns[conn] = struct{}{}
	} else {
		delete(u.conns, conn)
	}
}

// close closes them all.
func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for conn := range u.conns {
		// Whoever opened it sees its end, which is all there is to tell.
		_ = conn.Close()
	}
}
