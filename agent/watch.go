package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/agent/disruption"
	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/pkg/report"
)

// watchOptions are the flags of the command watch as they were given.
type watchOptions struct {
	url, status, body, bodyRegexp, ca, token string
	interval, timeout, lasts                 time.Duration
}

// watching is the command watch: the sampler by itself, without a server.
func watching(out io.Writer) cli.Program {
	var o watchOptions
	return cli.Program{
		Name:  program + " watch",
		About: program + " watch samples a backend over new and over kept connections, and tells its intervals as they come.",
		Groups: []cli.Group{
			{Title: "Sampling", Flags: []string{"interval", "timeout", "for"}},
			{Title: "What is right", Flags: []string{"status", "body", "body-regexp"}},
			{Title: "Asking", Flags: []string{"ca", "token"}},
		},
		More: `Exit codes:
  0   no disruption
  1   disrupted, or nothing could be sampled
  2   the command line is not understood, or the URL is one that nobody may be aimed at
`,
		Argument: "URL", Take: func(url string) { o.url = url },
		AddFlags: o.addFlags,
		Start:    func(ctx context.Context) error { return o.watch(ctx, out) },
	}
}

func (o *watchOptions) addFlags(fs *flag.FlagSet) {
	fs.DurationVar(&o.interval, "interval", backend.DefaultInterval, "the `time` between two samples over each kind of connection, from 1s to 1m")
	fs.DurationVar(&o.timeout, "timeout", backend.DefaultTimeout, "the `time` that a sample may take, from 100ms to 10s")
	fs.DurationVar(&o.lasts, "for", 0, "the `time` to go on for; 0s: until Ctrl-C")
	fs.StringVar(&o.status, "status", "", "the status `codes` that are right, with ',' between them; none: 200 to 399")
	fs.StringVar(&o.body, "body", "", "a `text` that the answer's body should have")
	fs.StringVar(&o.bodyRegexp, "body-regexp", "", "a regular `expression` that it should match")
	fs.StringVar(&o.ca, "ca", "", "a `file` with certificates of authorities; none: the system's")
	fs.StringVar(&o.token, "token", "", "a `file` with a bearer token")
}

// watch watches until ctx ends or time is up, and says by its error how that went.
func (o *watchOptions) watch(ctx context.Context, out io.Writer) error {
	b, err := o.backend()
	if err != nil {
		return &cli.Exit{Code: cli.ExitUsage, Err: err}
	}
	if o.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.lasts)
		defer cancel()
	}
	boot := collect.NewBoot()
	w := newWitness(out, time.Now().Add(-boot.Clock()))
	place := disruption.Place{AllowLoopback: true, Names: probe.Names{}, Read: o.read}
	if err := disruption.Watch(ctx, b, place, disruption.Monotonic(boot.Clock), w); err != nil {
		return &cli.Exit{Code: cli.ExitUsage, Err: fmt.Errorf("%s %w", o.url, err)}
	}
	return w.conclude(o.url, boot.Clock())
}

// backend is what the flags mean. An error names the flag and what it should be.
func (o *watchOptions) backend() (backend.Backend, error) {
	b := backend.Backend{
		Name: "watched", URL: o.url, Body: o.body, BodyRegexp: o.bodyRegexp,
		IntervalMillis: o.interval.Milliseconds(), TimeoutMillis: o.timeout.Milliseconds(),
	}
	switch {
	case o.interval < time.Second || o.interval > time.Minute:
		return b, fmt.Errorf("-interval is %v; it should be from 1s to 1m", o.interval)
	case o.timeout < 100*time.Millisecond || o.timeout > 10*time.Second:
		return b, fmt.Errorf("-timeout is %v; it should be from 100ms to 10s", o.timeout)
	case o.lasts < 0:
		return b, fmt.Errorf("-for is %v; it should be how long to go on, or 0s", o.lasts)
	case strings.Contains(o.url, backend.NodeIP), strings.Contains(o.url, backend.Server):
		return b, fmt.Errorf("URL is %q; it should have a host, for which nothing stands here", o.url)
	}
	for _, text := range strings.FieldsFunc(o.status, func(r rune) bool { return r == ',' }) {
		code, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return b, fmt.Errorf("-status is %q; it should be status codes with ',' between them", o.status)
		}
		b.Status = append(b.Status, code)
	}
	for _, file := range []struct {
		flag, path string
		to         *string
	}{{"ca", o.ca, &b.CA}, {"token", o.token, &b.Token}} {
		if file.path == "" {
			continue
		}
		*file.to = file.flag
		if _, err := o.read(file.flag); err != nil {
			return b, fmt.Errorf("-%s: %w", file.flag, err)
		}
	}
	if err := b.Validate(true); err != nil {
		return b, byFlag(err)
	}
	return b, nil
}

// read reads the file of a flag.
func (o *watchOptions) read(flag string) ([]byte, error) {
	return disruption.File(map[string]string{"ca": o.ca, "token": o.token}[flag])
}

// byFlag names the flag where err names a backend's field.
func byFlag(err error) error {
	field, reason, _ := strings.Cut(err.Error(), ": ")
	if field == "url" {
		return fmt.Errorf("URL: %s", reason)
	}
	return fmt.Errorf("-%s: %s", strings.ReplaceAll(field, "bodyRegexp", "body-regexp"), reason)
}

// witness tells what it is told, and counts it.
type witness struct {
	out     io.Writer
	zero    time.Time // what the wall clock showed as the agent's showed 0
	targets map[report.Connection]*count
}

type count struct {
	levels                map[report.Level]int // samples
	connected, disruption int                  // connections, and intervals that failed
	disrupted             time.Duration
}

func newWitness(out io.Writer, zero time.Time) *witness {
	w := &witness{out: out, zero: zero, targets: map[report.Connection]*count{}}
	for _, c := range []report.Connection{report.New, report.Reused} {
		w.targets[c] = &count{levels: map[report.Level]int{}}
	}
	return w
}

// Changed implements disruption.Watcher.
func (w *witness) Changed(t disruption.Target, over []report.Interval, opened *report.Interval) {
	after := ""
	for _, i := range over {
		after = fmt.Sprintf(", after %v of %s", (i.To - i.From).Round(time.Millisecond), i.Level)
	}
	if opened == nil {
		return
	}
	if opened.Level == report.Error {
		w.targets[t.Connection].disruption++
	}
	says := opened.Message
	if says == "" {
		says = "answers as it should"
	}
	at := w.zero.Add(opened.From).UTC().Format("2006-01-02T15:04:05.000Z")
	_, _ = fmt.Fprintf(w.out, "%s  %-6s  %-7s  %s%s\n", at, t.Connection, opened.Level, says, after)
}

// Sampled implements disruption.Watcher.
func (w *witness) Sampled(t disruption.Target, o disruption.Observation) {
	c := w.targets[t.Connection]
	c.levels[o.Level]++
	c.disrupted += o.Disrupted
	if o.Connected {
		c.connected++
	}
}

// conclude prints the sums, and returns how the program should end.
func (w *witness) conclude(url string, lasted time.Duration) error {
	_, _ = fmt.Fprintf(w.out, "\n%s, for %v:\n", probe.Name(url), lasted.Round(100*time.Millisecond))
	code, sampled := cli.ExitOK, 0
	for _, connection := range []report.Connection{report.New, report.Reused} {
		c := w.targets[connection]
		good, failed := c.levels[report.Info], c.levels[report.Error]
		_, _ = fmt.Fprintf(w.out, "%-6s  good %d, failed %d, not asked %d; connections %d; disruptions %d, %v\n",
			connection, good, failed, c.levels[report.Warning], c.connected, c.disruption, c.disrupted.Round(time.Millisecond))
		if sampled += good + failed; failed > 0 {
			code = cli.ExitError
		}
	}
	switch {
	case sampled == 0:
		return errors.New("nothing could be sampled")
	case code != cli.ExitOK:
		return &cli.Exit{Code: code}
	}
	return nil
}
