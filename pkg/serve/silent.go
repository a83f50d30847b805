package serve

import (
	"net"
	"net/http"
	"sync"
)

// silent knows the connections on which nothing was said yet: browsers open them
// ahead of need, and load balancers to see whether somebody is there. Shutdown
// would wait for their first request, up to 5 s.
type silent struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newSilent() *silent { return &silent{conns: map[net.Conn]struct{}{}} }

// note is an http.Server's ConnState.
func (s *silent) note(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.conns[conn] = struct{}{}
	} else {
		delete(s.conns, conn)
	}
}

// close closes them all.
func (s *silent) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		// Whoever opened it sees its end, which is all there is to tell.
		_ = conn.Close()
	}
}
