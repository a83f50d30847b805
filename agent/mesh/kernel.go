package mesh

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// Kernel is what the kernel tells of the agent's own host, in files.
type Kernel struct {
	// CPUStat has the paths where the account of the agent's cgroup may be; the first
	// that is there counts.
	CPUStat []string
	// ConntrackCount and ConntrackMax are the files of how many connections are tracked, and
	// how many can be; empty where they are not to be looked at.
	ConntrackCount, ConntrackMax string

	stat   *os.File
	opened bool
}

// RealKernel is the real one: as containers see it, of cgroups of both versions. The
// node's connections are those of an agent on its node's network.
func RealKernel(host bool) Kernel {
	k := Kernel{CPUStat: []string{"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"}}
	if host {
		k.ConntrackCount, k.ConntrackMax = "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max"
	}
	return k
}

// Throttled is for how long the cgroup was not allowed to run, altogether; 0 where nobody
// tells. The file stays open, since it is read every second.
func (k *Kernel) Throttled() time.Duration {
	if !k.opened {
		k.opened = true
		for _, path := range k.CPUStat {
			if f, err := os.Open(path); err == nil {
				k.stat = f
				break
			}
		}
	}
	if k.stat == nil {
		return 0
	}
	var buf [1024]byte
	n, err := k.stat.ReadAt(buf[:], 0)
	if n == 0 && err != nil {
		return 0
	}
	return throttledIn(buf[:n])
}

// throttledIn reads an account: throttled_usec in microseconds has version 2 of cgroups,
// throttled_time in nanoseconds version 1.
func throttledIn(stat []byte) time.Duration {
	lines := bufio.NewScanner(bytes.NewReader(stat))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		unit := map[string]time.Duration{"throttled_usec": time.Microsecond, "throttled_time": time.Nanosecond}[key]
		if n, err := strconv.ParseInt(value, 10, 64); unit > 0 && err == nil {
			return time.Duration(n) * unit
		}
	}
	return 0
}

// Conntrack is how many connections are tracked, and how many can be; 0 where that is
// not to be seen.
func (k *Kernel) Conntrack() (count, most uint64) {
	return readNumber(k.ConntrackCount), readNumber(k.ConntrackMax)
}

func readNumber(path string) uint64 {
	if path == "" {
		return 0
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63)
	if err != nil {
		return 0
	}
	return n
}

// Close closes what is open.
func (k *Kernel) Close() {
	if k.stat != nil {
		_ = k.stat.Close() // was only read
		k.stat = nil
	}
}
