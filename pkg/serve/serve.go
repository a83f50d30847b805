// Package serve gives an HTTP server its life: it listens, bounds what a client
// may cost, serves until its context ends, lets the requests that are under way
// finish, and ends.
//
// Binding is a step of its own ([Server.Listen] before [Server.Run]), so that a
// process learns that its port is taken before it starts anything else. A
// listener that fails by itself is an error of Run; a context that ends is not.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/golang/glog"
	"golang.org/x/net/netutil"
)

// Config says what to serve, where, and within what bounds. A bound that is 0
// has the default given; a negative timeout means none.
type Config struct {
	// Name is what the listener is for, in errors and in the log: "API".
	Name string
	// Addr is host:port. The hosts "", 0.0.0.0 and :: mean every address of the
	// machine, of IPv6 too where it has that. Port 0 picks a free one.
	Addr string
	// Flag is the command-line flag that sets Addr, with its dash, for errors that
	// tell what to do. May be empty.
	Flag string
	// Handler answers. Its panics are logged with their stack and answered 500.
	Handler http.Handler

	// ReadHeaderTimeout is for a request's header to arrive. Default: 5 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is for a whole request to arrive. Default: 15 s.
	ReadTimeout time.Duration
	// WriteTimeout is from the end of a request's header to the end of the answer.
	// Default: 30 s. A handler may extend its own by http.ResponseController.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection is kept between requests. Default: 120 s.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds a request's header; net/http adds 4 KiB to it.
	// Default: 16 KiB. A longer one is answered 431.
	MaxHeaderBytes int
	// MaxConns is how many connections are open at once. Default: no limit.
	MaxConns int
	// ResetExcess ends connections beyond MaxConns at once by a reset. Otherwise
	// they wait to be accepted, which to their clients is a server that hangs.
	ResetExcess bool
	// KeptConns is how many connections may be open before answers tell their
	// clients to close them (Connection: close), which then make a new one for their
	// next request. Default: no limit.
	KeptConns int
	// Spare says of a request that its connection is to be kept beyond KeptConns. At
	// most 256 are. Default: none.
	Spare func(*http.Request) bool
	// DrainTimeout is for the requests under way when the context ends. Those
	// that take longer are cut; a negative one cuts all at once. Default: 10 s.
	DrainTimeout time.Duration
}

func (c Config) withDefaults() Config {
	c.ReadHeaderTimeout = cmp.Or(c.ReadHeaderTimeout, 5*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 120*time.Second)
	c.MaxHeaderBytes = cmp.Or(c.MaxHeaderBytes, 16<<10)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 10*time.Second)
	return c
}

const (
	// cutGrace is how long handlers whose connections were cut may take to notice.
	cutGrace = time.Second
	// unusedGrace is how long a client that has connected may take, when the
	// context ends, to begin its first request.
	unusedGrace = 250 * time.Millisecond
)

// Server is one listener and what is served there. It lives once.
type Server struct {
	config    Config
	guard     *guard
	unused    *unusedConns
	keepAlive *keepAliveLimit
	listener  net.Listener // nil before Listen
}

// New makes a server that is not listening yet.
func New(c Config) *Server {
	c = c.withDefaults()
	keepAlive := &keepAliveLimit{most: int64(c.KeptConns), spare: c.Spare, spared: map[net.Conn]struct{}{}}
	return &Server{
		config:    c,
		unused:    newUnusedConns(),
		keepAlive: keepAlive,
		guard:     newGuard(c.Handler, keepAlive, newThrottle(time.Now, func(line string) { glog.Errorf("%s: %s", c.Name, line) })),
	}
}

// Listen binds the address. Clients can connect from then on and are answered
// once Run runs. The error says which listener could not be had, why, and what
// to do about it.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", bindAddress(s.config.Addr))
	if err != nil {
		return listenError(s.config, err)
	}
	s.listener = l
	glog.V(1).Infof("%s: listening on %s", s.config.Name, l.Addr())
	return nil
}

// Addr is where the server listens; nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close gives up the address of a server that will not be run. Run closes by
// itself.
func (s *Server) Close() error {
	if s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// Run serves until ctx ends, then accepts no more, waits for the requests under
// way, at most DrainTimeout, and returns nil. It returns an error when the
// listener fails by itself, or when it must listen first and can't. Run may be
// called once.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	// Requests outlive ctx by the drain, and are told to end when that is over.
	base, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	server := s.httpServer(base)

	served := make(chan error, 1)
	go func() { served <- server.Serve(s.limited()) }()
	select {
	case err := <-served:
		s.cut(server, endRequests)
		return fmt.Errorf("%s: the listener on %s failed: %w", s.config.Name, s.listener.Addr(), err)
	case <-ctx.Done():
	}
	s.drain(server, endRequests)
	<-served
	return nil
}

func (s *Server) httpServer(base context.Context) *http.Server {
	noise := newThrottle(time.Now, func(line string) { glog.V(2).Infof("%s: %s", s.config.Name, line) })
	return &http.Server{
		Handler:           s.guard,
		ReadHeaderTimeout: s.config.ReadHeaderTimeout,
		ReadTimeout:       s.config.ReadTimeout,
		WriteTimeout:      s.config.WriteTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.MaxHeaderBytes,
		ErrorLog:          log.New(noise, "", 0),
		ConnState: func(conn net.Conn, state http.ConnState) {
			s.unused.note(conn, state)
			s.keepAlive.note(conn, state)
		},
		ConnContext: s.keepAlive.remember,
		BaseContext: func(net.Listener) context.Context { return base },
	}
}

func (s *Server) limited() net.Listener {
	switch most := s.config.MaxConns; {
	case most <= 0:
		return s.listener
	case s.config.ResetExcess:
		return resetting{s.listener, int64(most), &s.keepAlive.open}
	default:
		return netutil.LimitListener(s.listener, most)
	}
}

// drain lets the requests under way finish, and cuts those that do not.
func (s *Server) drain(server *http.Server, endRequests context.CancelFunc) {
	patience, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	defer cancel()
	closing := time.AfterFunc(unusedGrace, s.unused.close)
	defer closing.Stop()
	if err := server.Shutdown(patience); err == nil {
		return
	} else if !errors.Is(err, context.DeadlineExceeded) {
		// Shutdown's other errors are those of closing the listener, which is of no
		// more use anyway.
		glog.Warningf("%s: closing the listener on %s: %v", s.config.Name, s.listener.Addr(), err)
	}
	glog.Warningf("%s: %d requests did not finish within %v and are cut", s.config.Name, s.guard.underWay(), s.config.DrainTimeout)
	s.cut(server, endRequests)
}

// cut closes all connections and waits for their handlers, though not for those
// that don't notice.
func (s *Server) cut(server *http.Server, endRequests context.CancelFunc) {
	// Connections first: a handler that returns because its context ended must not
	// have that taken for an answer.
	if err := server.Close(); err != nil {
		glog.V(2).Infof("%s: closing connections: %v", s.config.Name, err)
	}
	endRequests()
	select {
	case <-s.guard.idle():
	case <-time.After(cutGrace):
		glog.Warningf("%s: %d requests go on although their connections were closed", s.config.Name, s.guard.underWay())
	}
}
