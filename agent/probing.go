package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/cli"
)

// probeOptions are the flags of the command probe as they were given.
type probeOptions struct {
	target                   string
	interval, timeout, lasts time.Duration
	count                    uint
	tcp, sizes               bool
}

// probing is the command probe: one session by itself, without a server.
func probing(out io.Writer) cli.Program {
	var o probeOptions
	return cli.Program{
		Name:  program + " probe",
		About: program + " probe asks another agent, as agents ask each other, and tells what comes of each question.",
		Groups: []cli.Group{
			{Title: "Asking", Flags: []string{"interval", "timeout", "tcp", "sizes"}},
			{Title: "Ending", Flags: []string{"count", "for"}},
		},
		More: `An agent answers "not me" to all who do not know its boot id, as nobody by hand does, and to
at most 50 questions a second. That shows that the path is well both ways. It is small, so large
packets are tried on the way there alone; to try the other way, ask from there.

Exit codes:
  0   all was answered
  1   something was not, or large packets vanish
  2   the command line is not understood, or the address is one that nobody may be aimed at
`,
		Argument: "HOST:PORT", Take: func(target string) { o.target = target },
		AddFlags: o.addFlags,
		Start:    func(ctx context.Context) error { return o.probe(ctx, out) },
	}
}

func (o *probeOptions) addFlags(fs *flag.FlagSet) {
	fs.DurationVar(&o.interval, "interval", time.Second, "the `time` between two small datagrams, from 200ms to 1m")
	fs.DurationVar(&o.timeout, "timeout", 2*time.Second, "the `time` that an answer may take, from 100ms to 10s")
	fs.BoolVar(&o.tcp, "tcp", true, "make a new TCP connection every 5 s, too")
	fs.BoolVar(&o.sizes, "sizes", true, "try every 10 s whether packets pass that are as large as the route takes, too")
	fs.UintVar(&o.count, "count", 0, "the `number` of small datagrams to end after; 0: no end")
	fs.DurationVar(&o.lasts, "for", 0, "the `time` to go on for; 0s: until Ctrl-C")
}

// probe asks until ctx ends, time is up or enough was asked, and says by its error how
// that went.
func (o *probeOptions) probe(ctx context.Context, out io.Writer) error {
	host, port, err := o.validate()
	if err != nil {
		return &cli.Exit{Code: cli.ExitUsage, Err: err}
	}
	to, err := resolve(ctx, host, port, o.timeout)
	if err != nil {
		return err
	}
	if why := backend.Forbidden(to.Addr(), true); why != "" {
		return &cli.Exit{Code: cli.ExitUsage, Err: fmt.Errorf("%s leads to %v, %s, which no agent may be aimed at", o.target, to.Addr(), why)}
	}
	if o.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.lasts)
		defer cancel()
	}
	b, err := newByHand(*o, to, out)
	if err != nil {
		return err
	}
	return b.run(ctx)
}

// validate returns what the argument means. An error names the flag and what it should be.
func (o *probeOptions) validate() (host string, port uint16, err error) {
	switch {
	case o.interval < 200*time.Millisecond || o.interval > time.Minute:
		return "", 0, fmt.Errorf("-interval is %v; it should be from 200ms to 1m", o.interval)
	case o.timeout < 100*time.Millisecond || o.timeout > 10*time.Second:
		return "", 0, fmt.Errorf("-timeout is %v; it should be from 100ms to 10s", o.timeout)
	case o.lasts < 0:
		return "", 0, fmt.Errorf("-for is %v; it should be how long to go on, or 0s", o.lasts)
	}
	host, text, err := net.SplitHostPort(o.target)
	n, notNumber := strconv.ParseUint(text, 10, 16)
	if err != nil || notNumber != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("HOST:PORT is %q; it should be the address of an agent, such as 10.244.1.5:8083 or [fd00::5]:8083", o.target)
	}
	return host, uint16(n), nil
}

// resolve looks host up, unless it is an address.
func resolve(ctx context.Context, host string, port uint16, timeout time.Duration) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a.Unmap(), port), nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := probe.Names{}.Addresses(ctx, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(found[0], port), nil
}
