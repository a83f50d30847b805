package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"github.com/golang/glog"
	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/health"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/serve"
	"github.com/netchecker/netchecker/pkg/version"
	"github.com/netchecker/netchecker/server/api"
	"github.com/netchecker/netchecker/server/backends"
	"github.com/netchecker/netchecker/server/events"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/intervals"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/leader"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/server/metrics"
	"github.com/netchecker/netchecker/server/paths"
	"github.com/netchecker/netchecker/server/pods"
	"github.com/netchecker/netchecker/server/shared"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/server/store/embedded"
	"github.com/netchecker/netchecker/server/tally"
)

const (
	// bodyWithin is how long a report may take to arrive.
	bodyWithin = 10 * time.Second
	// idleFor is how long a connection is kept between two requests: shorter than
	// the usual report intervals, whose agents would hold one each, and none of them,
	// so that no agent sends just when its connection is closed.
	idleFor = 20 * time.Second
	// keptConns is how many connections may wait for their next request: enough for
	// the agents of 500 nodes, at about 20 MB.
	keptConns = 1024
	// gcPercent trades a little CPU for memory: what a server holds lives long, and
	// what a scrape of a large cluster takes is gone at once.
	gcPercent = 50
	// loopWithin is how long the judge's loop may take to turn; liveness ends what
	// is slower.
	loopWithin = 20 * time.Second
	// lookEvery is the time between two looks at what reports say.
	lookEvery = 500 * time.Millisecond
)

// source is where the list of agents comes from.
type source interface {
	Run(context.Context) error
	List() *fleet.List
	AsOf() time.Time
	Changed() <-chan struct{}
	Check(context.Context) error
}

// run starts all parts, waits until ctx ends or one of them fails, and stops
// them: the listener first, so that what was taken in is still stored, and etcd
// last.
func run(ctx context.Context, o Options) (err error) {
	glog.Infof("netchecker-server %s", version.Get())
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	src, err := openSource(o)
	if err != nil {
		return err
	}
	book, err := openBackends(o, src)
	if err != nil {
		return err
	}
	recipient, err := openEvents(o)
	if err != nil {
		return err
	}
	if recipient != nil {
		defer recipient.Close()
	}
	facts, err := openFacts(o)
	if err != nil {
		return err
	}
	endpoints := o.endpoints()
	var etcd *embedded.Etcd
	if len(endpoints) == 0 {
		if etcd, err = startEtcd(ctx, o); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, etcd.Close()) }()
		endpoints = []string{etcd.Endpoint()}
	}
	s := newServer(o, src, book, facts, recipient)
	if s.store, err = store.Open(s.storeConfig(endpoints, etcd != nil), s.kinds()...); err != nil {
		return err
	}
	s.wire()
	return s.run(ctx, etcd)
}

// openSource opens the list of agents that the options ask for.
func openSource(o Options) (source, error) {
	if o.AgentsFile != "" {
		src, err := pods.NewFile(o.AgentsFile, time.Now)
		if err != nil {
			return nil, fmt.Errorf("-agents-file: %w", err)
		}
		return src, nil
	}
	return pods.NewKubernetes(o.Kubeconfig, seconds(o.CheckInterval))
}

// openBackends opens the declared backends.
func openBackends(o Options, src source) (*backends.Book, error) {
	book, err := backends.Open(backends.Config{
		Path: o.BackendsFile, Pods: src, PerSecond: o.BackendRateLimit, AllowLoopback: o.AllowLoopback,
	})
	if err != nil {
		return nil, fmt.Errorf("-backends-file: %w", err)
	}
	return book, nil
}

// openEvents prepares to send Events; nil where there is no cluster to send them to.
func openEvents(o Options) (*events.Recipient, error) {
	if o.AgentsFile != "" || o.Namespace == "" {
		return nil, nil
	}
	return events.NewRecipient(o.Kubeconfig, o.Namespace, o.ServiceName, identity())
}

// startEtcd starts the server's own etcd.
func startEtcd(ctx context.Context, o Options) (*embedded.Etcd, error) {
	if o.KubeProxyInit {
		glog.Warning("-kubeproxyinit: reports are not kept in Kubernetes custom resources any more; the server's own etcd keeps them")
	}
	dir, err := embedded.DirFor(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("-data-dir: %w", err)
	}
	glog.Infof("Starting the server's own etcd in %s", dir)
	etcd, err := embedded.Start(ctx, embedded.Config{Dir: dir, QuotaBytes: o.EmbeddedEtcdQuota})
	if err != nil {
		return nil, fmt.Errorf("starting the server's own etcd in %s: %w", dir, err)
	}
	return etcd, nil
}

// server is the parts and how they hang together.
type server struct {
	opts      Options
	source    source
	backends  *backends.Book
	facts     *shared.Facts
	recipient *events.Recipient // nil where there are no Events
	store     *store.Store
	judge     *judge.Judge
	tally     *tally.Tally
	history   *intervals.History
	planner   *mesh.Planner
	paths     *paths.Paths
	metrics   *metrics.Metrics
	elector   *leader.Elector
	http      *serve.Server

	// The kinds of what is kept in the store:
	reports     *store.Reports
	checkpoints *store.Checkpoints
	events      *events.Kept
	findings    *findings.Kept

	serving     health.Circuit
	loop        *health.Pulse
	live, ready *health.Set
}

func newServer(o Options, src source, book *backends.Book, facts *shared.Facts, recipient *events.Recipient) *server {
	counters := tally.New(time.Now)
	return &server{
		opts:        o,
		source:      src,
		backends:    book,
		facts:       facts,
		recipient:   recipient,
		events:      events.NewKept(),
		findings:    findings.NewKept(),
		tally:       counters,
		history:     intervals.New(time.Now),
		planner:     mesh.NewPlanner(mesh.Config{Shared: facts.Shared, AllowLoopback: o.AllowLoopback, Now: time.Now}),
		paths:       paths.New(paths.Config{TTL: seconds(o.ReportTTL), Left: facts.NameServerLeft, Now: time.Now}),
		metrics:     metrics.New(),
		loop:        health.NewPulse("judge", loopWithin, time.Now),
		reports:     store.NewReports(counters, time.Now),
		checkpoints: store.NewCheckpoints(counters),
	}
}

// kinds is the table of what is kept in the store.
func (s *server) kinds() []*store.Kind {
	return append(s.reports.Kinds(),
		s.checkpoints.Kind(),
		s.history.Kept(),
		s.events.Kind(),
		s.findings.Kind(),
		s.paths.Kept(),
		s.facts.Kept(),
	)
}

func (s *server) storeConfig(endpoints []string, own bool) store.Config {
	return store.Config{
		Endpoints:          endpoints,
		CAFile:             s.opts.EtcdCA,
		CertFile:           s.opts.EtcdCert,
		KeyFile:            s.opts.EtcdKey,
		InsecureSkipVerify: s.opts.EtcdInsecureSkipVerify,
		Tree:               s.opts.EtcdTree,
		PingTimeout:        seconds(s.opts.PingTimeout),
		Own:                own,
		Observer:           s.metrics,
		Now:                time.Now,
	}
}

// wire builds the parts that need the store.
func (s *server) wire() {
	s.judge = judge.New(judge.Config{
		Store:        records{s.store, s.reports},
		Pods:         podsView{s.source},
		Paths:        s.paths,
		Findings:     s.findings,
		FindingsFail: s.opts.FindingsFail,
		BlindAfter:   seconds(s.opts.PingTimeout),
		Grace:        seconds(s.opts.StartingGrace),
		Now:          time.Now,
	})
	s.elector = leader.New(leader.Config{Client: s.store.Client(), Prefix: s.store.LeaderPrefix(), Identity: identity()})
	s.metrics.Watch(metrics.Config{
		Snapshots: s.judge, Counter: s.tally, History: s.history, Paths: s.paths, Findings: s.findings, Store: s.storeStatus, Leading: s.elector.Leading, Now: time.Now,
	})
	// That the listener works is shown by the question, which comes in by it; one that
	// fails by itself ends the process.
	s.live = health.New(0, s.loop.Check())
	s.ready = health.New(0, s.serving.Check(), health.Check{Name: "etcd", Run: s.store.Check}, health.Check{Name: "pods", Run: s.source.Check})
	s.http = serve.New(serve.Config{
		Name: "API", Flag: "-endpoint", Addr: s.opts.Endpoint,
		ReadTimeout: bodyWithin + 5*time.Second, IdleTimeout: idleFor,
		MaxConns: s.opts.MaxConnections, KeptConns: keptConns, Spare: samples, DrainTimeout: drain(s.opts.DrainTimeout),
		Handler: api.New(api.Config{
			Taker:       s.intake(),
			Snapshots:   s.judge,
			History:     s.history,
			Backends:    declarations{s},
			Paths:       s.paths,
			Findings:    s.findings,
			Observer:    s.metrics,
			StaleAfter:  3 * seconds(s.opts.CheckInterval),
			MaxBody:     s.opts.MaxBodyBytes,
			BodyWithin:  bodyWithin,
			Now:         time.Now,
			Unavailable: store.Passing,
			Health:      s.live.Handler("/healthz"),
			Ready:       s.ready.Handler("/readyz"),
			Metrics:     s.metrics.Handler(),
		}),
	})
}

// intake is what takes in what agents send.
func (s *server) intake() *intake.Intake {
	return intake.New(intake.Config{
		Store: s.reports, Pods: s.source, TTL: seconds(s.opts.ReportTTL), Now: time.Now,
		Kinds:  []intake.Kind{s.history.Kind(), s.paths.Kind()},
		Topics: []intake.Topic{{Name: backend.Topic, News: s.backends.News}, {Name: assignment.Topic, News: s.planner.News}},
	})
}

// samples says whether r is a sample that is to be one over a kept connection: were it
// closed, agents would not see what becomes of such connections.
func samples(r *http.Request) bool {
	return r.Header.Get(backend.SampleHeader) == string(report.Reused)
}

// drain is the time for requests under way; none has to be negative for serve.
func drain(n int) time.Duration {
	if n == 0 {
		return -1
	}
	return seconds(n)
}

func (s *server) storeStatus() metrics.StoreStatus {
	st := metrics.StoreStatus{ViewAge: -1, OutOfSpace: s.store.OutOfSpace()}
	if asOf := s.store.Freshness().AsOf; !asOf.IsZero() {
		st.ViewAge = time.Since(asOf)
	}
	return st
}

// run runs the parts until ctx ends or one of them fails.
func (s *server) run(ctx context.Context, etcd *embedded.Etcd) error {
	if err := s.http.Listen(); err != nil {
		return err
	}
	// The parts behind the listener outlive it, so that requests under way can end.
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	parts, behind := errgroup.WithContext(behind)
	parts.Go(func() error { return s.store.Run(behind) })
	parts.Go(func() error { return s.source.Run(behind) })
	parts.Go(func() error { return s.backends.Run(behind) })
	parts.Go(func() error { return s.facts.Run(behind, s.reachedAt()) })
	parts.Go(func() error { s.judge.Run(behind, s.loop.Beat); return nil })
	parts.Go(func() error { return s.remember(behind) })
	// A leader resigns while the store still works, so that another takes over at
	// once.
	electing, resign := context.WithCancel(behind)
	defer resign()
	resigned := make(chan struct{})
	parts.Go(func() error {
		defer close(resigned)
		return s.elector.Run(electing, s.lead)
	})
	if etcd != nil {
		parts.Go(func() error {
			select {
			case err := <-etcd.Err():
				return fmt.Errorf("the server's own etcd ended: %w", err)
			case <-behind.Done():
				return nil
			}
		})
	}
	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	stopWatching := context.AfterFunc(behind, stopFront)
	defer stopWatching()

	glog.Infof("Serving at %s", s.http.Addr())
	parts.Go(func() error { s.enter(front); return nil })
	served := s.http.Run(front)
	resign()
	<-resigned
	stop()
	err := errors.Join(served, parts.Wait(), s.live.Close(), s.ready.Close())
	if err == nil {
		glog.Info("Ended")
	}
	return err
}

// enter lets the server be asked once it should be, until ctx ends.
func (s *server) enter(ctx context.Context) {
	self := s.reachedAt()
	j := joiner{
		snapshot: s.judge.Snapshot, serves: servesAt,
		others: func() []netip.AddrPort { return s.facts.Others(self) },
		waits: func() {
			glog.Infof("Other servers serve: this one is not ready until it knows who reports, for %v at most", joinWithin)
			s.serving.Open("other servers serve until this one knows who reports")
		},
	}
	j.wait(ctx)
	if ctx.Err() == nil {
		s.serving.Close()
		<-ctx.Done()
	}
	s.serving.Open("the server is shutting down")
}

// records is the store as the judge sees it.
type records struct {
	*store.Store
	*store.Reports
}

// podsView is the list of pods as the judge sees it.
type podsView struct{ source }

func (v podsView) Trouble() string {
	if err := v.Check(context.Background()); err != nil {
		return err.Error()
	}
	return ""
}

// declarations are the backends as the API tells of them.
type declarations struct{ *server }

func (d declarations) Declared() []intervals.Declared {
	var list []intervals.Declared
	for _, b := range d.backends.Sampled() {
		list = append(list, intervals.Declared{Name: b.Name, Allowance: seconds(b.AllowanceSeconds)})
	}
	return list
}

func (d declarations) Refused() []api.Refusal {
	var list []api.Refusal
	for _, r := range d.refusals() {
		list = append(list, api.Refusal{Backend: r.Name, Reason: r.Reason, Agents: r.Agents})
	}
	return list
}
