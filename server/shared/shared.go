// Package shared knows what all agents have in common, besides each other: which servers
// there are, and, where there is a cluster, what its API server says of the name service
// and of netchecker's Service. Of that replies tell agents what to ask, and by which ways
// small messages get to a server when the normal one is broken.
//
// # Servers
//
// Each server writes where it is reached, again and again, and is forgotten soon after it
// stops:
//
//	servers/<identity>  {"server":"10.244.0.7:8081","node":"192.168.0.1"}
//
// # The cluster
//
// The pods of the name service are listed by their label, since its Service hides which
// of them answers; they and netchecker's own Service are asked for every 5 s, since that is
// about how long a pod goes on answering that is to end (the lameduck time of CoreDNS).
// What is forbidden, or fails, leaves what was known before, which at first is nothing:
// agents ask nothing whose address is not known, and compare answers with nothing.
package shared

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/store"
)

// Config is what Facts need.
type Config struct {
	// Identity names this server among those that share an etcd.
	Identity string
	// Node is the address of its node; it may not be valid.
	Node netip.Addr
	// AllowLoopback lets agents be aimed at loopback addresses, for tests.
	AllowLoopback bool
	// Cluster says where there is a cluster.
	Cluster *ClusterConfig
	// Every is the time between two rounds of registering, a third of how long a server
	// is known, and Ask that between two looks at the cluster. Default 10 s and 5 s.
	Every, Ask time.Duration
}

// Facts are what is known. Run is called once; all else may be called at once.
type Facts struct {
	cfg     Config
	kind    store.Kind
	servers *store.View[string, entry]
	cluster *cluster // nil where there is none
	asked   atomic.Pointer[found]
	last    atomic.Pointer[assignment.Shared]
}

// New prepares to ask the cluster, and does not yet.
func New(cfg Config) (*Facts, error) {
	if cfg.Every == 0 {
		cfg.Every, cfg.Ask = 10*time.Second, 5*time.Second
	}
	f := &Facts{cfg: cfg, servers: store.NewView(identityOf, decodeEntry)}
	f.kind = store.Kind{Name: "servers", Share: 16, Keeper: f.servers}
	f.asked.Store(&found{})
	f.last.Store(&assignment.Shared{})
	if cfg.Cluster != nil {
		var err error
		if f.cluster, err = newCluster(*cfg.Cluster); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Kept is the servers' row of the store's table.
func (f *Facts) Kept() *store.Kind { return &f.kind }

// Shared is what agents should know, how often left out; the same as before where
// nothing is different.
func (f *Facts) Shared() *assignment.Shared { return f.last.Load() }

// Others are where the servers are reached that registered, but for the one at self.
func (f *Facts) Others(self netip.AddrPort) []netip.AddrPort {
	var others []netip.AddrPort
	for _, e := range f.servers.All() {
		if e.Server != self {
			others = append(others, e.Server)
		}
	}
	return others
}

// NameServerLeft says whether an address is that of a name server whose pod has gone, or
// is about to, and when it was there last. Agents that were told of it may ask it still,
// until their next report.
func (f *Facts) NameServerLeft(target string) (since time.Time, left bool) {
	for _, d := range f.asked.Load().left {
		if d.target == target {
			return d.since, true
		}
	}
	return time.Time{}, false
}

// NameServerNodes are the nodes that name servers are on, by what agents call these; it is
// not to be changed.
func (f *Facts) NameServerNodes() map[string]string { return f.asked.Load().nodes }

// Run registers this server at the address at which it serves, which may not be valid,
// and keeps the facts current, until ctx ends; then it returns nil.
func (f *Facts) Run(ctx context.Context, server netip.AddrPort) error {
	var parts sync.WaitGroup
	if f.allowed(server.Addr()) && server.Port() != 0 {
		parts.Go(func() { f.register(ctx, server) })
	}
	if f.cluster != nil {
		defer f.cluster.close()
		parts.Go(func() { f.ask(ctx) })
	}
	for ctx.Err() == nil {
		f.renew()
		wait.For(ctx, f.cfg.Every/10)
	}
	parts.Wait()
	return nil
}

// allowed says whether agents may be aimed at a.
func (f *Facts) allowed(a netip.Addr) bool {
	return a.IsValid() && !a.Is4In6() && a.Zone() == "" && backend.Forbidden(a, f.cfg.AllowLoopback) == ""
}

// ask asks the cluster again and again.
func (f *Facts) ask(ctx context.Context) {
	for ctx.Err() == nil {
		is := f.cluster.ask(ctx, *f.asked.Load())
		f.asked.Store(&is)
		wait.For(ctx, f.cfg.Ask)
	}
}

// renew takes in what is new.
func (f *Facts) renew() {
	is := f.made()
	if !reflect.DeepEqual(is, *f.last.Load()) {
		f.last.Store(&is)
	}
}

// made is what is known now.
func (f *Facts) made() assignment.Shared {
	a := f.asked.Load()
	s := assignment.Shared{ServicePort: a.port, NodePort: a.nodePort}
	if c := f.cfg.Cluster; c != nil {
		s.Name = c.Service + "." + c.Namespace + ".svc"
		s.KubeAPI = f.only(slices.Clone(c.KubeAPI))
	}
	s.Want = bounded(slices.DeleteFunc(slices.Clone(a.want), func(a netip.Addr) bool { return !f.allowed(a) }))
	s.DNSServers = f.only(slices.Clone(a.dns))
	servers := f.servers.All()
	slices.SortFunc(servers, func(a, b entry) int { return a.Server.Compare(b.Server) })
	for _, e := range servers {
		s.Servers = append(s.Servers, e.Server)
		if f.allowed(e.Node) && !slices.Contains(s.Nodes, e.Node) {
			s.Nodes = append(s.Nodes, e.Node)
		}
	}
	s.Servers, s.Nodes = f.only(s.Servers), bounded(s.Nodes)
	return s
}

// only are those of list that agents may be aimed at, as many as they take.
func (f *Facts) only(list []netip.AddrPort) []netip.AddrPort {
	return bounded(slices.DeleteFunc(list, func(a netip.AddrPort) bool { return !f.allowed(a.Addr()) || a.Port() == 0 }))
}

// bounded are the first of list; nil for none.
func bounded[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list[:min(len(list), assignment.MaxServers)]
}
