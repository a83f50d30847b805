package main

import (
	"bytes"
	"context"
	"fmt"
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

func TestReportsAreMeasuredAndNothingIsLeftBehind(t *testing.T) {
	bin, data := binaries(t), t.TempDir()
	var out, errs bytes.Buffer
	args := []string{"-bin", bin, "-dir", data, "-only", "reports", "-rounds", "2", "-seconds", "0.2"}
	if code := run(t.Context(), args, &out, &errs); code != 0 {
		t.Fatalf("exit status %d: %s\n%s", code, errs.String(), out.String())
	}
	for _, want := range []string{
		`\d+ cores, go\S+, Linux \S+, data on .*, where a sync takes [\d.]+ ms`,
		`round 2 of 2: \d+ reports/s, \d+ puts/s, ratio [\d.]+; without storing \d+ reports/s`,
		`(?m)^Reports acknowledged, 64 connections +[1-9]\d* /s`,
		`(?m)^Single puts into the same etcd, 64 goroutines +[1-9]\d* /s`,
		`(?m)^Reports for each put +[\d.]+ +at least 0.65, goal 0.80 +(met|MISSED)`,
		`(?m)^Reports with storing left out +[1-9]\d* /s`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("nothing matches %q in\n%s", want, out.String())
		}
	}
	left, err := os.ReadDir(data)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestFlagsThatAreWrongAreToldByName(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"netchecker-server", "netchecker-agent"} {
		if err := os.WriteFile(filepath.Join(bin, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ args, want string }{
		{"-only speed", `bench: -only: there is no part "speed"; there are reports, check, memory`},
		{"-sizes 1000,x", `bench: -sizes: "1000,x" should be numbers from 100, with ',' between them`},
		{"-rounds 0", "bench: -rounds is 0; it should be at least 1"},
		{"-seconds 0", "bench: -seconds, -check-seconds and -memory-seconds should be at least 0.1"},
		{"-pods 5", "bench: -pods is 5; it should be at least 100"},
		{"-interval 0", "bench: -interval is 0; it should be at least 1"},
		{"-interval 30 -memory-seconds 31", "bench: -memory-seconds is 31; it should be 2 more than -interval at least, so that all report"},
		{"-child x", "bench: -child should be no-store, with -endpoint and -agents"},
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

func TestQuantileIsTheNearestRank(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[99-i] = i + 1
	}
	for _, row := range []struct {
		values []int
		q      float64
		want   int
	}{
		{nil, 0.5, 0},
		{[]int{7}, 0.99, 7},
		{[]int{3, 1, 2}, 0.5, 2},
		{[]int{4, 3, 2, 1}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred, 0, 1},
	} {
		if got := quantile(slices.Clone(row.values), row.q); got != row.want {
			t.Errorf("quantile %v of %v is %d, want %d", row.q, row.values, got, row.want)
		}
	}
}

func TestTableTellsWhichTargetsWereMet(t *testing.T) {
	got := table([]figure{
		{name: "Reports", value: 8000.4, unit: "/s", note: rounded([]float64{8000.4, 7000}, 0)},
		{name: "Ratio", value: 0.7, decimals: 2, target: atLeast(0.65, 0.8)},
		{name: "Ratio", value: 0.8, decimals: 2, target: atLeast(0.65, 0.8)},
		{name: "Ratio", value: 0.6, decimals: 2, target: atLeast(0.65, 0.8)},
		{name: "Memory", value: 256, unit: "MiB", target: atMost(256, 150)},
		{name: "Memory", value: 257, unit: "MiB", target: atMost(256, 150)},
		{name: "Latency", value: 1.25, decimals: 2, target: atMost(1.5, 0), note: "0.10 ms"},
	})
	want := `Figure   Measured  Target
Reports  8000 /s                                                     rounds: 8000 7000
Ratio    0.70      at least 0.65, goal 0.80       met, the goal not
Ratio    0.80      at least 0.65, goal 0.80       met, the goal too
Ratio    0.60      at least 0.65, goal 0.80       MISSED
Memory   256 MiB   at most 256 MiB, goal 150 MiB  met, the goal not
Memory   257 MiB   at most 256 MiB, goal 150 MiB  MISSED
Latency  1.25      at most 1.50                   met                0.10 ms
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMemoryIsReadFromTheProcessStatus(t *testing.T) {
	status := "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1536 kB\n"
	if got, err := statusMiB(status, "VmRSS"); got != 1.5 || err != nil {
		t.Errorf("got %v, %v; want 1.5", got, err)
	}
	if _, err := statusMiB(status, "VmSwap"); err == nil || err.Error() != "VmSwap is missing in a process's status" {
		t.Errorf("got %v", err)
	}
	now, peak, err := resident(os.Getpid())
	if err != nil || now < 1 || peak < now {
		t.Errorf("this process has %v MiB, and had %v, %v", now, peak, err)
	}
}

func TestCostOfASnapshotIsTheMedianOfTheRounds(t *testing.T) {
	output := `goos: linux
BenchmarkSnapshot/agents=1000/outdated=0%         	    1000	    100000 ns/op
BenchmarkSnapshot/agents=10000/outdated=1%        	     100	   9000000 ns/op
BenchmarkSnapshot/agents=10000/outdated=1%        	     100	   8000000 ns/op
BenchmarkSnapshot/agents=10000/outdated=1%        	     100	  12000000 ns/op
PASS
`
	figures, err := snapshotFigures(output, []int{10_000})
	if err != nil || len(figures) != 1 {
		t.Fatalf("got %v, %v; want one figure", figures, err)
	}
	f := figures[0]
	if got := fmt.Sprint(f.name, ": ", f.shown(f.value), ", ", f.wanted(), ", ", f.verdict()); got != "CPU of a Snapshot, 10000 agents, 1% outdated: 9.00 ms, at most 10.00 ms, met" {
		t.Error(got)
	}
	if _, err := snapshotFigures("PASS\n", []int{10_000}); err == nil {
		t.Error("output without figures should be an error")
	}
}

func TestAMetricIsReadByItsWholeName(t *testing.T) {
	if _, err := gauge([]byte("a_b 1\n"), "a"); err == nil {
		t.Error("a metric that is missing should be an error")
	}
	if v, err := gauge([]byte("# HELP a b\na 0.25\n"), "a"); v != 0.25 || err != nil {
		t.Errorf("got %v, %v; want 0.25", v, err)
	}
}
