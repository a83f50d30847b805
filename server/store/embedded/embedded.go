// Package embedded runs an etcd inside the process, for a server that was given
// none. It has one member, keeps its data in a directory of its own, syncs every
// write to the disk, and listens on loopback alone, on ports that the kernel
// chooses.
//
// It does not compact itself: the leader among the servers does, which knows what
// is needed yet.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Config is what an Etcd needs.
type Config struct {
	// Dir is where the data is; see DirFor. It is made if it is not there.
	Dir string
	// QuotaBytes is how large the database may become; 0: etcd's default, 2 GiB.
	QuotaBytes int64
}

// Etcd is an etcd that runs.
type Etcd struct {
	server *embed.Etcd
	lock   *lock
	ended  chan error
	close  func()
}

// The name of the member, and the directory below Config.Dir. Changing either would leave the data
// of earlier runs behind.
const (
	memberName = "netchecker"
	dataDir    = "etcd"
)

// readyWithin bounds the start: about as long as a database of some GiB takes to
// be read from a slow disk.
const readyWithin = 2 * time.Minute

const (
	// snapshotEvery is how many entries of its log etcd holds in memory before it
	// lets go of them. Its default, 10,000, is meant for members that lag behind,
	// of which there are none; at up to 1 MiB an entry it would be far too many.
	snapshotEvery = 1000
	// catchUp is how many entries stay beyond that.
	catchUp = 100
	// walFiles bounds the log on the disk, of 64 MiB a file.
	walFiles = 2
)

// Start starts an etcd on the data in cfg.Dir, and returns when it can be read
// and written, or when ctx ends. ctx does not end it later; Close does.
func Start(ctx context.Context, cfg Config) (*Etcd, error) {
	held, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	e, err := start(ctx, cfg, held)
	if err != nil {
		return nil, errors.Join(err, held.release())
	}
	return e, nil
}

func start(ctx context.Context, cfg Config, held *lock) (*Etcd, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	quiet := new(atomic.Bool)
	server, err := embed.StartEtcd(settings(cfg, quiet))
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-server.Server.StopNotify():
		server.Close()
		return nil, errors.New("etcd ended before it was ready; its log has the cause")
	case err := <-server.Err():
		server.Close()
		return nil, fmt.Errorf("etcd failed while it started: %w", err)
	case <-ctx.Done():
		server.Close()
		return nil, fmt.Errorf("waiting until etcd is ready: %w", context.Cause(ctx))
	}
	e := &Etcd{server: server, lock: held, ended: make(chan error, 1)}
	closing, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(closing)
	}()
	e.close = sync.OnceFunc(func() {
		close(closing)
		<-watched
		quiet.Store(true)
		server.Close()
	})
	return e, nil
}

func settings(cfg Config, quiet *atomic.Bool) *embed.Config {
	c := embed.NewConfig()
	c.Name = memberName
	c.Dir = filepath.Join(cfg.Dir, dataDir)
	// The kernel chooses the ports. Nobody connects to the peer's, and the address
	// that is remembered is the same at each start.
	loopback := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{loopback}, []url.URL{loopback}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{loopback}, []url.URL{loopback}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.QuotaBackendBytes = cfg.QuotaBytes
	c.SnapshotCount, c.SnapshotCatchUpEntries = snapshotEvery, catchUp
	c.MaxWalFiles = walFiles
	c.EnableGRPCGateway = false
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newLogger(quiet))
	return c
}

// watch tells when etcd ends although nobody closed it.
func (e *Etcd) watch(closing <-chan struct{}) {
	select {
	case <-closing:
	case err := <-e.server.Err():
		e.ended <- err
	case <-e.server.Server.StopNotify():
		e.ended <- errors.New("it stopped by itself; its log has the cause")
	}
}

// Endpoint is the URL for clients.
func (e *Etcd) Endpoint() string { return "http://" + e.server.Clients[0].Addr().String() }

// Err has one error if etcd ends although nobody closed it.
func (e *Etcd) Err() <-chan error { return e.ended }

// Close ends etcd, and returns when its data may be used by another.
func (e *Etcd) Close() error {
	e.close()
	return e.lock.release()
}
