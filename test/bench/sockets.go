package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
)

// addressOf is a loopback address of the agent's own, since a pod has one: with
// one address for all of them, the ports would run out.
func addressOf(i int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, byte(1+i>>16), byte(i>>8), byte(i))}
}

// timeWait is that state in /proc/net/tcp (TCP_TIME_WAIT of Linux).
const timeWait = "06"

// waitingSockets counts the sockets of this network namespace that are in
// TIME_WAIT on either side of the server's port.
func waitingSockets(addr string) (atServer, atClients int, err error) {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, 0, fmt.Errorf("the port of %s: %w", addr, err)
	}
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return 0, 0, fmt.Errorf("reading the sockets: %w", err)
		}
		here, there := countWaiting(table, uint16(port))
		atServer, atClients = atServer+here, atClients+there
	}
	return atServer, atClients, nil
}

// countWaiting reads lines such as (proc_pid_net(5)):
//
//	1: 0100007F:270F 0504037F:8874 06 00000000:00000000 …
func countWaiting(table []byte, port uint16) (local, remote int) {
	end := fmt.Appendf(nil, ":%04X", port)
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) < 4 || string(fields[3]) != timeWait {
			continue
		}
		switch {
		case bytes.HasSuffix(fields[1], end):
			local++
		case bytes.HasSuffix(fields[2], end):
			remote++
		}
	}
	return local, remote
}

// countTracked is how many entries the connection tracking of this network namespace
// has, expired ones too.
func countTracked() (int, error) {
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	if err != nil {
		return 0, fmt.Errorf("counting tracked connections: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// aliveTracked is how many of them have not expired. It removes the others, as who
// lists them does.
func aliveTracked() (int, error) {
	list, err := os.ReadFile("/proc/net/nf_conntrack")
	if err != nil {
		return 0, fmt.Errorf("listing tracked connections: %w", err)
	}
	return bytes.Count(list, []byte("\n")), nil
}

// sentByLo is how many bytes have left by lo in this network namespace, with the headers
// of Ethernet (proc_pid_net(5)).
func sentByLo() (float64, error) {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, fmt.Errorf("counting what lo sends: %w", err)
	}
	_, counts, _ := strings.Cut(string(text), "lo:")
	const sent = 8 // after as many counts of what was received
	fields := strings.Fields(counts)
	if len(fields) <= sent {
		return 0, fmt.Errorf("counting what lo sends: %q has no line of it", text)
	}
	return strconv.ParseFloat(fields[sent], 64)
}

// openSockets is how many sockets a process holds.
func openSockets(pid int) (int, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("counting the sockets of process %d: %w", pid, err)
	}
	n := 0
	for _, f := range files {
		// One that cannot be read was closed meanwhile.
		if to, err := os.Readlink(dir + "/" + f.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n, nil
}
