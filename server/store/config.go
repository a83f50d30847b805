package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Config is what a Store needs. Only Endpoints and Tree must be given.
type Config struct {
	// Endpoints are http://host:port or https://host:port, all of them alike, or
	// host:port, which means https where a certificate file is given.
	Endpoints []string
	// CAFile has the certificates that etcd's is verified by, in PEM; empty: the
	// system's. CertFile and KeyFile are the client's own, and go together. New
	// connections use the files as they are then.
	CAFile, CertFile, KeyFile string
	// InsecureSkipVerify takes any certificate for etcd's.
	InsecureSkipVerify bool
	// Tree is the prefix of all keys.
	Tree string
	// PingTimeout is the age of the views from which on they are not current. Default
	// 5 s.
	PingTimeout time.Duration
	// WriteTimeout is within what time a Put returns. Default 2.5 s.
	WriteTimeout time.Duration
	// InFlight is how many transactions are under way at a time. Default 2.
	InFlight int
	// LeaseBucket is how much longer than its time to live a key may stay, in
	// exchange for which leases are shared. Default 30 s; keys that live for long may
	// stay a sixteenth of that longer.
	LeaseBucket time.Duration
	// Own says that the etcd is ours alone, so that it may be compacted,
	// defragmented and its alarm disarmed when it runs out of space.
	Own bool
	// Observer is told of each group written; nil: nobody is.
	Observer Observer
	// Now is the monotonic clock. Default time.Now.
	Now func() time.Time
}

// Observer is told of each transaction of puts, by several goroutines.
type Observer interface {
	Group(puts int, took time.Duration, err error)
}

func (c *Config) setDefaults() {
	if c.PingTimeout <= 0 {
		c.PingTimeout = 5 * time.Second
	}
	if c.WriteTimeout <= 0 {
		c.WriteTimeout = 2500 * time.Millisecond
	}
	if c.InFlight <= 0 {
		c.InFlight = 2
	}
	if c.LeaseBucket <= 0 {
		c.LeaseBucket = 30 * time.Second
	}
	if c.Observer == nil {
		c.Observer = noObserver{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

type noObserver struct{}

func (noObserver) Group(int, time.Duration, error) {}

const (
	// keepAlive is how long a connection may be silent before it is asked whether
	// it lives. gRPC allows no less than 10 s; etcd refuses less than 5 s, and
	// asking where no call is under way.
	keepAlive = 10 * time.Second
	// keepAliveTimeout is how long the answer, or one to data that was sent, may
	// take before the connection is given up.
	keepAliveTimeout = 3 * time.Second
	// connectWithin bounds one attempt to connect.
	connectWithin = 3 * time.Second
	// reconnectAtLeast and reconnectAtMost bound the time between attempts; gRPC's
	// own limit is two minutes.
	reconnectAtLeast = 100 * time.Millisecond
	reconnectAtMost  = 2 * time.Second
)

// connect makes the client, which connects in the background.
func connect(c *Config) (*clientv3.Client, error) {
	if strings.Trim(c.Tree, "/") == "" {
		return nil, fmt.Errorf("-etcd-tree is %q; it should be a prefix such as netchecker", c.Tree)
	}
	secure, err := secured(c)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: reconnectAtLeast, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectAtMost},
		MinConnectTimeout: connectWithin,
	})}
	if secure {
		credentials, err := newCredentials(c)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithTransportCredentials(credentials))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            c.Endpoints,
		DialKeepAliveTime:    keepAlive,
		DialKeepAliveTimeout: keepAliveTimeout,
		DialOptions:          options,
		// What matters is in the errors that the store gets and tells.
		Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("making a client of etcd at %s: %w", strings.Join(c.Endpoints, ", "), err)
	}
	return client, nil
}

// secured says whether the endpoints are spoken to over TLS.
func secured(c *Config) (bool, error) {
	if len(c.Endpoints) == 0 {
		return false, errors.New("-etcd-endpoints names no endpoint")
	}
	files := c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" || c.InsecureSkipVerify
	var first bool
	for i, e := range c.Endpoints {
		scheme, err := schemeOf(e)
		if err != nil {
			return false, err
		}
		secure := scheme == "https" || scheme == "" && files
		if i == 0 {
			first = secure
		} else if secure != first {
			return false, fmt.Errorf("-etcd-endpoints has %s and %s, one with TLS and one without; they should all be alike", c.Endpoints[0], e)
		}
	}
	if files && !first {
		return false, fmt.Errorf("-etcd-endpoints has %s, which is not encrypted, but certificate files are given; it should be https://", c.Endpoints[0])
	}
	return first, nil
}

// schemeOf returns http, https, or "" for a bare host:port.
func schemeOf(endpoint string) (string, error) {
	scheme, host := "", endpoint
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.User != nil || u.RawQuery != "" {
			return "", badEndpoint(endpoint)
		}
		scheme, host = u.Scheme, u.Host
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil || name == "" || strings.ContainsAny(name, "/ ") {
		return "", badEndpoint(endpoint)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", badEndpoint(endpoint)
	}
	return scheme, nil
}

func badEndpoint(endpoint string) error {
	return fmt.Errorf("-etcd-endpoints has %q; it should be a URL with a port, such as http://127.0.0.1:2379", endpoint)
}
