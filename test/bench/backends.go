package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/certtest"
	"github.com/netchecker/netchecker/test/process"
)

const (
	// sampledUp has a series for each backend and kind of connection.
	sampledUp = "netchecker_agent_backend_up"
	// backendRounds are few: a round is long, and one process is much as another.
	backendRounds = 3
	// settling is for what an agent does once, as it begins to sample.
	settling = 5 * time.Second
)

// schemes are how backends are sampled, none at first, to hold the others against.
var schemes = []string{"", "http", "https"}

func backendFigures() []figure {
	figures := []figure{
		{name: "Agent's CPU without backends, of a core", unit: "%", decimals: 2},
		{name: "Agent's memory without backends", unit: "MiB", decimals: 1},
	}
	for _, row := range []struct {
		how  string
		most float64
	}{{"over HTTP", 2}, {"over TLS", 5}} {
		what := fmt.Sprintf(" for %d backends × 2 each second %s", backend.Most, row.how)
		figures = append(figures,
			figure{name: "Agent's CPU" + what + ", of a core", unit: "%", decimals: 2, target: &target{limit: row.most}},
			figure{name: "Agent's memory" + what, unit: "MiB", decimals: 1, target: &target{limit: 10}})
	}
	return figures
}

// measureBackends is the part "backends". What is tracked is a count: it is looked at
// once.
func measureBackends(ctx context.Context, s *stage) ([]result, error) {
	costs, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, round int) ([]float64, error) { return s.costs(ctx, b, round) }, nil
	})
	if err != nil {
		return nil, err
	}
	all, err := inTurn(ctx, backendFigures(), min(s.rounds, backendRounds), costs)
	if err != nil {
		return nil, err
	}
	looks, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, _ int) ([]float64, error) {
			seen, err := s.connect(ctx, b, bySamples)
			return []float64{float64(seen.Tracked)}, err
		}, nil
	})
	if err != nil {
		return nil, err
	}
	tracked := figure{name: fmt.Sprintf("Tracked connections of an agent's %d backends × 2 each second over HTTP", backend.Most)}
	more, err := inTurn(ctx, []figure{tracked}, 1, looks)
	return append(all, more...), err
}

// costs are the values of backendFigures.
func (s *stage) costs(ctx context.Context, b build, round int) (values []float64, err error) {
	var without cost
	for _, scheme := range schemes {
		c, err := s.sample(ctx, b, scheme)
		if err != nil {
			return nil, err
		}
		s.say("%s", b.of(fmt.Sprintf("round %d: %s", round+1, c)))
		values = append(values, c.cpu-without.cpu, c.memory-without.memory)
		if scheme == "" {
			without = c
		}
	}
	return values, nil
}

// cost is what an agent takes: per cent of a core, and MiB at most.
type cost struct {
	scheme      string
	cpu, memory float64
}

func (c cost) String() string {
	what := "sampling over " + c.scheme
	if c.scheme == "" {
		what = "without backends"
	}
	return fmt.Sprintf("%s, an agent takes %.2f%% of a core and %.1f MiB", what, c.cpu, c.memory)
}

// sample lets an agent sample for a while, and says what that costs.
func (s *stage) sample(ctx context.Context, b build, scheme string) (c cost, err error) {
	c.scheme = scheme
	err = s.scoped(func() error {
		agent, err := s.startSampling(ctx, b, scheme)
		if err != nil {
			return err
		}
		if !sleepUntil(ctx, time.Now().Add(settling)) {
			return ctx.Err()
		}
		perSecond, err := cpuDuring(agent.PID(), func() error {
			sleepUntil(ctx, time.Now().Add(s.sampleFor))
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		c.cpu = perSecond / 10 // of ms a second
		_, c.memory, err = resident(agent.PID())
		return err
	})
	return c, err
}

// startSampling starts an agent that is told backends of that scheme, and returns once
// all are sampled.
func (s *stage) startSampling(ctx context.Context, b build, scheme string) (*process.Process, error) {
	files, err := s.folder()
	if err != nil {
		return nil, err
	}
	list, err := s.startBackends(scheme, files)
	if err != nil {
		return nil, err
	}
	judge, err := s.startTeller(list)
	if err != nil {
		return nil, err
	}
	listen, err := freeAddress(map[string]bool{})
	if err != nil {
		return nil, err
	}
	agent, err := s.start(b.agent(), []string{"MY_POD_NAME=netchecker-agent-bench", "MY_NODE_NAME=bench"}, "-logtostderr",
		"-serverendpoint", judge, "-reportinterval", "15", "-listen", listen, "-backend-files", files, "-allow-loopback")
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return agent, agent.WaitUntil(within, func(ctx context.Context) error {
		metrics, err := scrapeOnce(ctx, listen)
		if err != nil {
			return err
		}
		up := 0.0
		for _, connection := range []report.Connection{report.New, report.Reused} {
			n, err := sum(metrics, sampledUp, fmt.Sprintf("connection=%q", connection))
			if err != nil {
				return err
			}
			up += n
		}
		if up != float64(2*len(list)) {
			return fmt.Errorf("%.0f of %d are up", up, 2*len(list))
		}
		return nil
	})
}

// startBackends serves as many as there may be, and writes the authority of their
// certificate into the folder of files.
func (s *stage) startBackends(scheme, files string) ([]backend.Backend, error) {
	if scheme == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if scheme == "https" {
		if l, err = secured(l, files); err != nil {
			return nil, err
		}
	}
	s.serveUntilEnd(l, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	list := make([]backend.Backend, backend.Most)
	for n := range list {
		list[n] = backend.Backend{Name: fmt.Sprintf("backend-%d", n), URL: scheme + "://" + addr + "/readyz", Body: "ok"}
		if scheme == "https" {
			list[n].CA = "ca.crt"
		}
	}
	return list, nil
}

// secured is l with TLS.
func secured(l net.Listener, files string) (net.Listener, error) {
	ca, err := certtest.New(files)
	if err != nil {
		return nil, err
	}
	pair, err := ca.Server("backend")
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}), nil
}

// startTeller serves as a server that takes everything in and tells agents those
// backends. It returns its address.
func (s *stage) startTeller(list []backend.Backend) (string, error) {
	data, err := backend.Encode(list)
	if err != nil {
		return "", err
	}
	reply := report.AppendReply(nil, &report.Reply{News: []report.News{{Topic: backend.Topic, Version: "1", Data: data}}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.serveUntilEnd(l, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil && r.Method == http.MethodPost && len(list) > 0 && filepath.Base(r.URL.Path) != report.IntervalsKind {
			_, _ = w.Write(reply)
		}
	})
	return l.Addr().String(), nil
}

// serveUntilEnd serves in this process until the part ends.
func (s *stage) serveUntilEnd(l net.Listener, handle http.HandlerFunc) {
	server := &http.Server{Handler: handle, ReadHeaderTimeout: readyWithin}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s.onEnd(func() error {
		err := server.Close()
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	})
}

// sampleAndLook lets an agent sample in this network namespace, and looks at what it
// leaves in the connection tracking.
func (s *stage) sampleAndLook(ctx context.Context) (seen traces, err error) {
	if _, err := s.startSampling(ctx, s.builds[0], "http"); err != nil {
		return traces{}, err
	}
	if !sleepUntil(ctx, time.Now().Add(s.connectFor)) {
		return traces{}, ctx.Err()
	}
	seen.Tracked, err = aliveTracked()
	return seen, err
}
