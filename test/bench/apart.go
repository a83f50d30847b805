package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// realAgents is how many report every second where agents are the real ones.
	realAgents = 20
)

// ownNetwork gives a process a network namespace, and a user namespace in which it
// may change that.
func ownNetwork() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
		Setpgid:     true,
	}
}

// tracking lets the kernel track connections, which it does where a rule asks for
// their state.
const tracking = `table inet bench {
	chain input {
		type filter hook input priority 0
		ct state new counter
	}
}
`

// openNetwork lets packets of up to mtu bytes pass in the namespace of this process, which
// must be a new one; 0: as many as lo takes.
func openNetwork(ctx context.Context, mtu int) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return fmt.Errorf("looking at the network: %w", err)
	}
	if lo.Flags&net.FlagUp != 0 {
		return fmt.Errorf("-child %s changes its network, so it should be started in a new network namespace; lo is up in this one", apart)
	}
	if err := command(ctx, "", "ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	if mtu != 0 {
		return command(ctx, "", "ip", "link", "set", "lo", "mtu", strconv.Itoa(mtu))
	}
	return command(ctx, tracking, "nft", "-f", "-")
}

// command runs a program of the system's with that input.
func command(ctx context.Context, input, name string, args ...string) error {
	path, err := lookPath(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return nil
}

// lookPath looks also where Debian keeps what not every user's PATH leads to.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, err
}

// connectApart is the child that makes connections in a network of its own. It
// writes what they left to out.
func connectApart(ctx context.Context, o options, out, progress io.Writer) (err error) {
	if err := openNetwork(ctx, o.mtu); err != nil {
		return err
	}
	s, err := newStage(o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.clear()) }()
	seen, err := s.connectAndLook(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(seen)
}

// connectAndLook makes connections to a server, and looks at what they leave.
func (s *stage) connectAndLook(ctx context.Context) (traces, error) {
	switch s.ending {
	case bySamples:
		return s.sampleAndLook(ctx)
	case byProbes:
		return s.probeAndLook(ctx)
	}
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return traces{}, err
	}
	crew := crew(s.podAgents)
	if s.ending == byAgents {
		crew = crew[:realAgents]
	}
	list, err := s.writeAgents(crew)
	if err != nil {
		return traces{}, err
	}
	srv, err := s.startServer(ctx, s.builds[0], "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
	if err != nil {
		return traces{}, err
	}
	seen := traces{}
	group, over := errgroup.WithContext(ctx)
	over, cancel := context.WithTimeout(over, s.connectFor)
	defer cancel()
	group.Go(func() error { return s.makeConnections(over, srv, crew) })
	group.Go(func() error { return seen.watch(over, srv) })
	if err := errors.Join(group.Wait(), ctx.Err()); err != nil {
		return traces{}, err
	}
	return seen, seen.read(ctx, srv)
}

// makeConnections lets the crew report until ctx ends.
func (s *stage) makeConnections(ctx context.Context, srv *server, crew []agent) error {
	if s.ending == byAgents {
		for _, a := range crew {
			if _, err := s.startAgent(s.builds[0], srv, a, 1, ""); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	}
	var header []string
	if s.ending == byFIN { // as net/http asks where a connection is not to be kept
		header = []string{"Connection: close"}
	}
	l := newLoad(srv.addr, encode(crew, srv.addr, s.interval, header...), loadWorkers, s.connections())
	defer l.close()
	for i, c := range l.conns {
		c.from, c.reset = addressOf(i), s.ending == byRST
	}
	return l.pace(ctx, s.connectionRate())
}

// watch looks at how many sockets the server holds, and how many connections are
// tracked, until ctx ends.
func (t *traces) watch(ctx context.Context, srv *server) error {
	for due := time.Now(); sleepUntil(ctx, due); due = due.Add(sampleEvery) {
		open, err := openSockets(srv.PID())
		if err != nil {
			return err
		}
		counted, err := countTracked()
		if err != nil {
			return err
		}
		t.Open, t.Counted = max(t.Open, open), max(t.Counted, counted)
	}
	return nil
}

// read looks at what is left.
func (t *traces) read(ctx context.Context, srv *server) (err error) {
	if t.AtServer, t.AtAgents, err = waitingSockets(srv.addr); err != nil {
		return err
	}
	counted, err := countTracked()
	if err != nil {
		return err
	}
	t.Counted = max(t.Counted, counted)
	if t.Tracked, err = aliveTracked(); err != nil {
		return err
	}
	metrics, err := scrapeOnce(ctx, srv.addr)
	if err != nil {
		return err
	}
	if t.Reports, err = sum(metrics, requestsTotal, `route="report"`); err != nil {
		return err
	}
	t.Pings, err = sum(metrics, requestsTotal, `route="ping"`)
	return err
}
