package place

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Spaces are those of a place's namespaces that a process enters.
type Spaces []string

var (
	// Network leaves a process with the machine's files. Its process id is one of
	// the place's, so that it ends with the place: whoever started it may be killed
	// before that.
	Network = Spaces{"net", "pid"}
	// Everything makes it one of the place's own.
	Everything = Spaces{"net", "uts", "pid", "mnt"}
)

// within calls f on a thread of its own that has entered the spaces: processes
// and sockets that f makes are in the place. The thread ends afterwards, as it
// could not well go back.
func (p Place) within(spaces Spaces, f func() error) error {
	fds, err := p.open(spaces)
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	if err != nil {
		return fmt.Errorf("entering %s: %w", p.Name, err)
	}
	return apart(func() error { return enter(fds, f) })
}

// apart calls f on a thread that ends with it.
func apart(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		// The program's first thread never ends. While this goroutine holds it, the
		// next one gets another.
		err := apart(f)
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// open opens all before any is entered: with the mounts /proc changes.
func (p Place) open(spaces Spaces) (fds []int, err error) {
	for _, space := range spaces {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", p.Anchor.PID, space), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
	}
	// Opened first: what is alive now is what they belong to.
	if !p.Anchor.Alive() {
		return fds, os.ErrProcessDone
	}
	return fds, nil
}

func enter(fds []int, f func() error) error {
	// A thread that shares its root and working directory cannot change mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	for _, fd := range fds {
		if err := unix.Setns(fd, 0); err != nil {
			return err
		}
	}
	return f()
}

// Dial connects from the place's network. The address must be of an IP, since a
// name would be looked up in the machine's network.
func (p Place) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil && network != "unix" {
		return nil, fmt.Errorf("dialling %s from %s: it takes an IP address and a port", address, p.Name)
	}
	var conn net.Conn
	err := p.within(Spaces{"net"}, func() error {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, network, address)
		conn = c
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}
