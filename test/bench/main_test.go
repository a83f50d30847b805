package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets this program be the benchmark's child too, as bin/bench is.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-child") {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	// glog writes files from a goroutine that it starts at its init and never ends.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// binaries builds what the benchmark measures.
func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"server", "agent"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "netchecker-"+program), "../../"+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building the %s: %v\n%s", program, err, out)
		}
	}
	return dir
}

func TestPartsAreMeasuredAndNothingIsLeftBehind(t *testing.T) {
	bin := binaries(t)
	for _, row := range []struct {
		name, args string
		wants      []string
	}{
		{"reports", "-only reports -rounds 2 -seconds 0.2", []string{
			`\d+ cores, go\S+, Linux \S+, data on .*, where a sync takes [\d.]+ ms`,
			`round 2 of 2: \d+ reports/s, \d+ puts/s, ratio [\d.]+; without storing \d+ reports/s`,
			`(?m)^Reports acknowledged, 64 connections +[1-9]\d* /s`,
			`(?m)^Single puts into the same etcd, 64 goroutines +[1-9]\d* /s`,
			`(?m)^Reports for each put +[\d.]+ +at least 0.65, goal 0.80 +(met|MISSED)`,
			`(?m)^Reports with storing left out +[1-9]\d* /s`,
		}},
		{"check, against another build", "-only check -rounds 2 -check-seconds 0.2 -sizes 100 -against " + other(t, bin), []string{
			`old: 100 agents, all well: check p50 [\d.]+ ms, .* reports/s came in`,
			`new: 100 agents, 1% outdated: check p50 [\d.]+ ms, .* reports/s came in`,
			`(?m)^Check by ping, p99, 100 agents, all well +[\d.]+ +[\d.]+ +[\d.]+ +at most 5.00 +(met|MISSED)$`,
			`(?m)^Check, p50, 100 agents, 1% outdated +[\d.]+ ms +[\d.]+ ms +[\d.]+$`,
			`(?m)^Server's CPU under that load, 100 agents, all well +[1-9]\d* ms/s +[1-9]\d* ms/s `,
			`(?m)^Server's CPU at rest, 100 agents +[\d.]+ ms/s +[\d.]+ ms/s `,
			`(?m)^Not judged, for there were fewer than 4 rounds: 9 of 9 figures$`,
		}},
		{"connections", "-only connections -pods 100 -interval 1 -connections-seconds 2", []string{
			`(?m)^Sockets in TIME_WAIT at the server, 100 reports/s ended by RST after 2s +0 +at most 100 +met$`,
			`(?m)^Tracked connections, 100 reports/s ended by FIN after 2s +[12]\d\d$`,
			`(?m)^Sockets in TIME_WAIT for each round of a real agent, after 2s +\d`,
		}},
		{"backends", "-only backends -rounds 1 -backends-seconds 0.5 -connections-seconds 2", []string{
			`round 1: without backends, an agent takes [\d.]+% of a core and [\d.]+ MiB`,
			`(?m)^Agent's CPU for 16 backends × 2 each second over HTTP, of a core +-?[\d.]+ % +at most 2.00 % +(met|MISSED)$`,
			`(?m)^Agent's memory for 16 backends × 2 each second over TLS +-?[\d.]+ MiB +at most 10.0 MiB +(met|MISSED)$`,
			`(?m)^Tracked connections of an agent's 16 backends × 2 each second over HTTP +\d+ *`,
		}},
		{"mesh", "-only mesh -rounds 1 -backends-seconds 0.5", []string{
			`round 1: probing in 2 families, an agent takes [\d.]+% of a core and [\d.]+ MiB`,
			`(?m)^Agent's CPU for 8 peers that probe it as well, in one family, of a core +-?[\d.]+ % +at most 1.00 % +(met|MISSED)$`,
			`(?m)^Agent's memory for 8 peers that probe it as well, in two families +-?[\d.]+ MiB +at most 20.0 MiB +(met|MISSED)$`,
		}},
		{"traffic", "-only traffic -rounds 1 -interval 1 -backends-seconds 1", []string{
			`round 1: with an MTU of 9000, a node sends [1-9]\d* bytes/s`,
			`(?m)^Bytes that a node sends for 8 peers, MTU 1500 +[1-9]\d* /s +at most 25000 /s +(met|MISSED)$`,
		}},
		{"meshed", "-only meshed -nodes 100 -rounds 1 -interval 1 -meshed-seconds 1", []string{
			`round 1: 100 nodes, agents that mesh: [\d.]+ MiB, of which [\d.]+ MiB are heap, and [1-9]\d* ms/s; check p50 [\d.]+ ms, .* ping p50 `,
			`(?m)^Making a plan, 100 nodes +[\d.]+ ms +at most 50.00 ms +met$`,
			`(?m)^Server's memory more for agents that mesh, 100 nodes +-?[\d.]+ MiB +at most 60.0 MiB +(met|MISSED)$`,
			`(?m)^Check by ping, p99, agents that mesh, 100 nodes +[\d.]+ +at most [\d.]+ +(met|MISSED)$`,
		}},
		{"outage", "-only outage -outage-agents 3 -interval 1 -outage-seconds 2", []string{
			`(?m)^Reports sent while etcd is down, 3 agents +[\d.]+ /s`,
			`(?m)^All 3 agents are back after etcd was frozen +[\d.]+ s +at most 2.0 s +(met|MISSED)$`,
		}},
		{"intervals", "-only intervals -intervals-agents 100 -interval 1 -intervals-seconds 6", []string{
			`(?m)^Reports' p99 over the 6s around a backend's failure, 100 agents +[\d.]+ ms +at most [\d.]+ ms +(met|MISSED)`,
			`(?m)^All intervals are stored after a backend's failure, 100 agents +[\d.]+ s`,
			`(?m)^All intervals are stored after its return, 100 agents +[\d.]+ s`,
		}},
		{"updates", "-only updates -updates-agents 100 -interval 1 -intervals-seconds 6", []string{
			`(?m)^Reports' p99 over the 6s around 100 updates within 1s +[\d.]+ ms +at most [\d.]+ ms +(met|MISSED)`,
			`(?m)^All are stored after 100 updates within 1s +[\d.]+ s`,
			`(?m)^Share of updates that had to be sent again +[\d.]+`,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // most of it waits
			if _, err := lookPath("nft"); err != nil && (row.name == "connections" || row.name == "backends") {
				t.Skip("the network namespace in which connections are counted takes nft")
			}
			data := t.TempDir()
			var out, errs bytes.Buffer
			args := append([]string{"-bin", bin, "-dir", data}, strings.Fields(row.args)...)
			if code := run(t.Context(), args, &out, &errs); code != 0 {
				t.Fatalf("exit status %d: %s\n%s", code, errs.String(), out.String())
			}
			for _, want := range row.wants {
				if !regexp.MustCompile(want).MatchString(out.String()) {
					t.Errorf("nothing matches %q in\n%s", want, out.String())
				}
			}
			left, err := os.ReadDir(data)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// other is a folder as make bench-against makes it, of the same binaries.
func other(t *testing.T, bin string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, file := range map[string]string{
		"netchecker-server": bin + "/netchecker-server", "netchecker-agent": bin + "/netchecker-agent", "bench": self,
	} {
		if err := os.Symlink(file, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFlagsThatAreWrongAreToldByName(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"netchecker-server", "netchecker-agent"} {
		if err := os.WriteFile(filepath.Join(bin, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ args, want string }{
		{"-only speed", `bench: -only: there is no part "speed"; there are reports, check, memory, connections, backends, mesh, traffic, meshed, outage, intervals, updates`},
		{"-sizes 1000,x", `bench: -sizes: "1000,x" should be numbers from 100, with ',' between them`},
		{"-rounds 0", "bench: -rounds is 0; it should be at least 1"},
		{"-seconds 0", "bench: -seconds and those of check, memory, connections, backends, outage and intervals, -updates-spread and -meshed-seconds should be at least 0.1"},
		{"-pods 5", "bench: -pods is 5; it should be at least 100"},
		{"-interval 0", "bench: -interval is 0; it should be at least 1"},
		{"-interval 30 -memory-seconds 31", "bench: -memory-seconds is 31; it should be 2 more than -interval at least, so that all report"},
		{"-outage-agents 0", "bench: -outage-agents is 0; it should be at least 1"},
		{"-intervals-agents 5", "bench: -intervals-agents is 5; it should be at least 100"},
		{"-updates-agents 5", "bench: -updates-agents is 5; it should be at least 100"},
		{"-connections-seconds 61", "bench: -connections-seconds is 61; it should be at most 60, for which a socket stays in TIME_WAIT"},
		{"-child x", "bench: -child should be no-store or apart"},
		{"-child no-store", "bench: -child no-store takes -endpoint and -agents"},
		{"-child apart -ending x", "bench: -child apart takes -ending, one of fin, rst, agents, samples, probes"},
		{"-against " + bin, "bench: -against: stat " + bin + "/bench: no such file or directory; make bench-against makes it"},
		{"now", `bench: no arguments are expected, got ["now"]`},
		{"-bin /nonexistent", "bench: -bin: stat /nonexistent/netchecker-server: no such file or directory; make build makes it"},
	} {
		t.Run(row.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			args := append([]string{"-bin", bin}, strings.Fields(row.args)...)
			if code := run(t.Context(), args, &out, &errs); code != 2 {
				t.Errorf("exit status %d, want 2", code)
			}
			if got := strings.TrimSpace(errs.String()); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}
