package store_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// relay is the network between a store and etcd.
type relay struct {
	endpoint string

	mu     sync.Mutex
	target string
	conns  []net.Conn
	// frozen connections are open and carry nothing.
	frozen map[net.Conn]bool
	all    sync.WaitGroup
}

func newRelay(t *testing.T, endpoint string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{endpoint: "http://" + l.Addr().String(), frozen: make(map[net.Conn]bool)}
	r.turn(endpoint)
	r.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.all.Go(func() { r.carry(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cut()
		r.all.Wait()
	})
	return r
}

func (r *relay) carry(near net.Conn) {
	r.mu.Lock()
	far, err := net.Dial("tcp", r.target)
	if err != nil {
		r.mu.Unlock()
		near.Close()
		return
	}
	r.conns = append(r.conns, near, far)
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.copy(far, near) })
	both.Go(func() { r.copy(near, far) })
	both.Wait()
}

func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		r.mu.Lock()
		frozen := r.frozen[from]
		r.mu.Unlock()
		if frozen {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// turn leads what comes from now on to another endpoint, and cuts what is open.
func (r *relay) turn(endpoint string) {
	r.mu.Lock()
	r.target = strings.TrimPrefix(endpoint, "http://")
	r.mu.Unlock()
	r.cut()
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// freeze lets nothing more through the connections that are open.
func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		r.frozen[c] = true
	}
}
