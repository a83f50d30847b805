package serve

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// bindAddress is what to hand to net.Listen for an address as people write it.
//
// 0.0.0.0 is what manifests say for "everywhere", and everywhere has IPv6 by
// now. Without a host, package net listens on both families where the machine
// has both, and on IPv4 alone where it has only that.
func bindAddress(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr // net.Listen has the better words for what is wrong
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return net.JoinHostPort(host, port)
}

// listenError says what could not be had and what to do about it. It wraps the
// operating system's own error where there is one.
func listenError(c Config, err error) error {
	where := "another address"
	if c.Flag != "" {
		where += " with " + c.Flag
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: cannot listen on %q: %w; give host:port, or %s", c.Name, c.Addr, err, where)
	}
	hint := "choose " + where
	switch errno {
	case syscall.EADDRINUSE:
		hint = fmt.Sprintf("stop what listens there (ss -ltnp shows it), or choose %s", where)
	case syscall.EACCES:
		hint = fmt.Sprintf("ports below 1024 need a privilege; choose %s", where)
	case syscall.EADDRNOTAVAIL:
		hint = fmt.Sprintf("no interface of this machine has it; choose %s", where)
	}
	return fmt.Errorf("%s: cannot listen on %s: %w; %s", c.Name, c.Addr, errno, hint)
}
