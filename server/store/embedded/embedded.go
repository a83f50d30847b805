// Package embedded runs an etcd inside the process, for a server that was given
// none: one member, its data in a directory of its own, listening on loopback
// only, on ports that the system picks.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// readyWithin bounds the start: a database of some GiB takes about this long to
// be read from a slow disk.
const readyWithin = 2 * time.Minute

// Config says where the data is and how much of it there may be.
type Config struct {
	// Dir is made if it is not there, readable by this user only.
	Dir string
	// QuotaBytes bounds the database; 0 means etcd's own default, 2 GiB. Beyond it
	// etcd refuses writes until somebody makes space.
	QuotaBytes int64
}

// Etcd is one that runs. It must be closed.
type Etcd struct {
	etcd *embed.Etcd
	lock *os.File
}

// Start starts an etcd and returns when it answers, when ctx ends, or when it
// failed. A directory that can't be written, or that another process uses, is an
// error at once.
func Start(ctx context.Context, c Config) (*Etcd, error) {
	lock, err := own(c.Dir)
	if err != nil {
		return nil, err
	}
	etcd, err := start(ctx, c)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &Etcd{etcd, lock}, nil
}

// own takes the directory for this process.
func own(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "netchecker.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory can't be written: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data directory %s is in use by another server", dir)
		}
		return nil, fmt.Errorf("locking the data directory %s: %w", dir, err)
	}
	return lock, nil
}

func start(ctx context.Context, c Config) (*embed.Etcd, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	etcd, err := embed.StartEtcd(config(c))
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err = <-etcd.Err():
		err = fmt.Errorf("etcd ended while it started: %w", err)
	case <-ctx.Done():
		err = fmt.Errorf("waiting for etcd to be ready: %w", ctx.Err())
	}
	etcd.Close()
	return nil, err
}

// config is etcd's own. The ports are picked anew each time; a single member needs
// no other to find it.
func config(c Config) *embed.Config {
	anyPort := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg := embed.NewConfig()
	cfg.Name = "netchecker"
	cfg.Dir = filepath.Join(c.Dir, "etcd")
	cfg.QuotaBackendBytes = c.QuotaBytes
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{anyPort}, []url.URL{anyPort}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{anyPort}, []url.URL{anyPort}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.EnableGRPCGateway = false
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger())
	return cfg
}

// Endpoint is the URL that clients in this process use.
func (e *Etcd) Endpoint() string { return "http://" + e.etcd.Clients[0].Addr().String() }

// Err tells when etcd ended by itself.
func (e *Etcd) Err() <-chan error { return e.etcd.Err() }

// Close ends etcd, which keeps what it committed, and waits until it has.
func (e *Etcd) Close() error {
	e.etcd.Close()
	if err := e.lock.Close(); err != nil {
		return fmt.Errorf("unlocking the data directory: %w", err)
	}
	return nil
}
