package serve

import (
	"net"
	"sync/atomic"
)

// resetting accepts connections, and ends at once by a reset those beyond the most
// that may be open, so that who is turned away knows it and need not wait.
type resetting struct {
	net.Listener
	most int64
	// open counts the accepted ones, each before the next is accepted (http.StateNew).
	open *atomic.Int64
}

func (l resetting) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.open.Load() < l.most {
			return conn, err
		}
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // else it ends in the ordinary way
	}
	_ = conn.Close()
}
