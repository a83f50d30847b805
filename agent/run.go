package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/golang/glog"
	"golang.org/x/sync/errgroup"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/agent/responder"
	"github.com/netchecker/netchecker/agent/sender"
	"github.com/netchecker/netchecker/agent/shared"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/health"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/serve"
	"github.com/netchecker/netchecker/pkg/version"
)

const (
	// longestProbe is what a probe may take, if half of the interval is not less: a
	// report that waited for one must still come long before the next is missed.
	longestProbe = 10 * time.Second
	// drain is short because whoever asks an agent asks again.
	drain = 300 * time.Millisecond
	// ownConns is how many connections the agent's own port takes; more are reset at
	// once, which tells who asked more than a connection that hangs. Each costs some
	// 17 KB.
	ownConns = 256
	// memoryLimit is what Go's memory may come to before the collector does more than
	// it is used to. What counts is 8.3 MiB as the agent begins (go_memstats_sys_bytes
	// less go_memstats_heap_released_bytes, of the process's 12.5 MiB), and 13 MiB
	// with all of ownConns open; the rest is room for what comes and goes in between.
	// A limit below what is in use does not keep it small and has its price: with 10
	// MiB and 250 connections the collector ran 311 times instead of 13 in 20 s, and
	// the agent took 64 ms of CPU for each report instead of 10.
	memoryLimit = 24 << 20
)

// Machine is what the agent runs on.
type Machine struct {
	collect.Surroundings
	Names probe.Names
	// ResolvConf is the file that says how names are looked up. It may be missing.
	ResolvConf string
}

// machine is the real one.
func machine() Machine {
	return Machine{Surroundings: collect.Surroundings{
		Getenv: os.Getenv, Hostname: os.Hostname, NamespaceFile: collect.NamespaceFile,
	}, ResolvConf: "/etc/resolv.conf"}
}

// domain is the cluster's; empty where that is not known. Kubernetes writes the file
// before a pod starts, and never again.
func (m Machine) domain() string {
	text, err := os.ReadFile(m.ResolvConf)
	if err != nil {
		return ""
	}
	return shared.DomainOf(string(text))
}

// run reports until ctx ends, and then returns nil. An error says that the agent
// can't work or can't go on.
func run(ctx context.Context, s Settings, m Machine) error {
	self, err := collect.Identify(m.Surroundings, s.Network)
	if err != nil {
		return err
	}
	tune(m.Getenv)
	introduce(self, s)

	boot := collect.NewBoot()
	metrics := responder.NewMetrics(version.Get(), s.ServerHost,
		string(sender.Accepted), string(sender.Refused), string(sender.Failed), string(sender.Dropped))
	server, err := sender.NewServer(s.ServerEndpoint, m.Names.Addresses)
	if err != nil {
		return err
	}
	defer server.Close()
	backends := newBackends(s, m, self, boot, server, metrics)
	meshing := newMeshing(ctx, s, m, self, boot, server, metrics)
	send := sender.New(sender.Config{
		Server:      server,
		URL:         pathAt(s.ServerEndpoint, "/api/v1/agents/"+self.PodName),
		Interval:    s.Interval,
		Clock:       boot.Clock,
		Subscribers: meshing.subscribe(sender.Subscribers{backend.Topic: backends.sampling}),
		Observe:     func(r *report.Report, a sender.Attempt) { observe(metrics, a); meshing.settle(r, a) },
	})
	pulse := health.NewPulse("rounds", 3*s.Interval, nil)
	live := health.New(0, pulse.Check())
	ready := health.New(0, health.Check{Name: "report", Run: send.Ready})

	group, ctx := errgroup.WithContext(ctx)
	if own := listen(s.Listen, responder.Handler(live, ready, metrics)); own != nil {
		group.Go(func() error { return own.Run(ctx) })
	}
	group.Go(func() error { send.Run(ctx); return nil })
	group.Go(func() error { return backends.run(ctx) })
	group.Go(func() error { return meshing.run(ctx) })
	group.Go(func() error {
		rounds{
			schedule: newSchedule(self.PodName, s.Interval),
			early:    meshing.early(),
			begun:    pulse.Beat,
			make:     newCollector(s, m, self, boot, backends.ledger.Report, meshing.report).Collect,
			done:     deliver(s, send, metrics),
		}.run(ctx)
		return nil
	})
	err = group.Wait()
	return errors.Join(err, live.Close(), ready.Close())
}

// observe counts what becomes of reports.
func observe(metrics *responder.Metrics, a sender.Attempt) {
	metrics.Report(string(a.Outcome))
	if a.Outcome == sender.Accepted {
		metrics.Accepted(a.At)
	}
	if a.Delivery.LookupError != "" {
		metrics.DeliveryLookupFailed()
	}
}

func newCollector(s Settings, m Machine, self collect.Self, boot collect.Boot, disruption func() *report.Disruption, mesh func() *report.Mesh) *collect.Collector {
	return &collect.Collector{
		Self:       self,
		BootID:     boot.ID,
		Interval:   s.Interval,
		Deadline:   min(s.Interval/2, longestProbe),
		URLs:       s.URLs,
		Host:       s.ServerHost,
		Probe:      probe.HTTP{Names: m.Names}.Probe,
		Lookup:     m.Names.Lookup,
		Interfaces: collect.Interfaces,
		Uptime:     func() (uint64, error) { return collect.Uptime(collect.UptimeFile) },
		Disruption: disruption,
		Mesh:       mesh,
		Now:        time.Now,
	}
}

// deliver hands each round to all who want it.
func deliver(s Settings, send *sender.Sender, metrics *responder.Metrics) func(collect.Round, time.Duration) {
	log := make(diary.Diary)
	return func(r collect.Round, took time.Duration) {
		send.Offer(&r.Report, padding(s, r.MTU))
		metrics.Round(took, r.Report.NSLookup[s.ServerHost] != nil, r.Report.NetworkProbes)
		for _, f := range r.Findings {
			note(log, f)
		}
	}
}

// note logs what is new with a finding. Why it fails may be told in other words
// each time, with other ports say, and is not looked at.
func note(log diary.Diary, f collect.Finding) {
	reason := ""
	if f.Err != nil {
		reason = "fails"
	}
	switch change, out := log.Note(f.Name, reason, time.Now()); change {
	case diary.Fails:
		glog.Warningf("Fails: %s: %v", f.Name, f.Err)
	case diary.Again:
		glog.Infof("Works again, after %v: %s", out.Round(time.Millisecond), f.Name)
	}
}

// padding is the number of zeros in a report.
func padding(s Settings, mtu int) int {
	switch {
	case !s.AutoPadding:
		return s.Padding
	case mtu == 0:
		return defaultPadding
	}
	return min(collect.PaddingOver(mtu), maxPadding)
}

// listen returns nil where there is nothing to serve, or no port to serve it on:
// reporting is what the agent is there for.
func listen(address string, handler http.Handler) *serve.Server {
	if address == "" {
		return nil
	}
	server := serve.New(serve.Config{
		Name: "own port", Addr: address, Flag: "-listen", Handler: handler,
		MaxConns: ownConns, ResetExcess: true, DrainTimeout: drain,
	})
	if err := server.Listen(); err != nil {
		glog.Errorf("Going on without /healthz, /readyz and /metrics: %v", err)
		return nil
	}
	return server
}

func introduce(self collect.Self, s Settings) {
	glog.Infof("%s %s: pod %s, node %q, namespace %q, %s network, reports to %s every %v",
		program, version.Get(), self.PodName, self.NodeName, self.Namespace, self.Network, s.ServerEndpoint, s.Interval)
	if self.NodeName == "" {
		glog.Warning("The environment variable MY_NODE_NAME is missing: the reports do not say which node they are from. Set it to the node's name (in a manifest: fieldRef spec.nodeName)")
	}
}

// tune keeps the process small, except where the environment says otherwise: an
// agent allocates little and seldom, and what it computes takes one core microseconds.
// A second one costs memory: of four agents each, 11.1 MiB at the median rather than
// 10.7 (VmHWM after 25 s).
func tune(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
