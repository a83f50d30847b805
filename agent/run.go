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
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/agent/responder"
	"github.com/netchecker/netchecker/agent/sender"
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
)

// Machine is what the agent runs on.
type Machine struct {
	collect.Surroundings
	Names probe.Names
}

// machine is the real one.
func machine() Machine {
	return Machine{Surroundings: collect.Surroundings{
		Getenv: os.Getenv, Hostname: os.Hostname, NamespaceFile: collect.NamespaceFile,
	}}
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

	metrics := responder.NewMetrics(version.Get(), s.ServerHost,
		string(sender.Accepted), string(sender.Refused), string(sender.Failed))
	send := newSender(s, m, self, metrics)
	pulse := health.NewPulse("rounds", 3*s.Interval, nil)
	live := health.New(0, pulse.Check())
	ready := health.New(0, health.Check{Name: "report", Run: send.Ready})

	group, ctx := errgroup.WithContext(ctx)
	if server := listen(s.Listen, responder.Handler(live, ready, metrics)); server != nil {
		group.Go(func() error { return server.Run(ctx) })
	}
	group.Go(func() error { send.Run(ctx); return nil })
	group.Go(func() error {
		rounds{
			schedule: newSchedule(self.PodName, s.Interval),
			begun:    pulse.Beat,
			make:     newCollector(s, m, self).Collect,
			done:     deliver(s, send, metrics),
		}.run(ctx)
		return nil
	})
	err = group.Wait()
	return errors.Join(err, live.Close(), ready.Close())
}

func newSender(s Settings, m Machine, self collect.Self, metrics *responder.Metrics) *sender.Sender {
	return sender.New(sender.Config{
		URL:      pathAt(s.ServerEndpoint, "/api/v1/agents/"+self.PodName),
		Interval: s.Interval,
		Resolver: m.Names.Resolver(),
		Observe: func(o sender.Outcome, at time.Time) {
			metrics.Report(string(o))
			if o == sender.Accepted {
				metrics.Accepted(at)
			}
		},
	})
}

func newCollector(s Settings, m Machine, self collect.Self) *collect.Collector {
	return &collect.Collector{
		Self:       self,
		Interval:   s.Interval,
		Deadline:   min(s.Interval/2, longestProbe),
		URLs:       s.URLs,
		Host:       s.ServerHost,
		Probe:      probe.HTTP{Names: m.Names}.Probe,
		Lookup:     m.Names.Lookup,
		Interfaces: collect.Interfaces,
		Uptime:     func() (uint64, error) { return collect.Uptime(collect.UptimeFile) },
		Now:        time.Now,
	}
}

// deliver hands each round to all who want it.
func deliver(s Settings, send *sender.Sender, metrics *responder.Metrics) func(collect.Round, time.Duration) {
	seen := diary{}
	return func(r collect.Round, took time.Duration) {
		send.Offer(report.Append(nil, &r.Report, padding(s, r.MTU)))
		metrics.Round(took, r.Report.NSLookup[s.ServerHost] != nil, r.Report.NetworkProbes)
		note(seen.changes(r.Findings))
	}
}

func note(fails, works []string) {
	for _, line := range fails {
		glog.Warning(line)
	}
	for _, line := range works {
		glog.Info(line)
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
	server := serve.New(serve.Config{Name: "own port", Addr: address, Flag: "-listen", Handler: handler, MaxConns: 64, DrainTimeout: drain})
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
// agent allocates little and seldom, and has no use for many cores.
func tune(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(10 << 20)
	}
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	}
}
