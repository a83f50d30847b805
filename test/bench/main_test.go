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
	"time"

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
		{"outage", "-only outage -outage-agents 3 -interval 1 -outage-seconds 2", []string{
			`(?m)^Reports sent while etcd is down, 3 agents +[\d.]+ /s`,
			`(?m)^All 3 agents are back after etcd was frozen +[\d.]+ s +at most 2.0 s +(met|MISSED)$`,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := lookPath("nft"); err != nil && row.name == "connections" {
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
		{"-only speed", `bench: -only: there is no part "speed"; there are reports, check, memory, connections, outage`},
		{"-sizes 1000,x", `bench: -sizes: "1000,x" should be numbers from 100, with ',' between them`},
		{"-rounds 0", "bench: -rounds is 0; it should be at least 1"},
		{"-seconds 0", "bench: -seconds and those of check, memory, connections and outage should be at least 0.1"},
		{"-pods 5", "bench: -pods is 5; it should be at least 100"},
		{"-interval 0", "bench: -interval is 0; it should be at least 1"},
		{"-interval 30 -memory-seconds 31", "bench: -memory-seconds is 31; it should be 2 more than -interval at least, so that all report"},
		{"-outage-agents 0", "bench: -outage-agents is 0; it should be at least 1"},
		{"-connections-seconds 61", "bench: -connections-seconds is 61; it should be at most 60, for which a socket stays in TIME_WAIT"},
		{"-child x", "bench: -child should be no-store or apart"},
		{"-child no-store", "bench: -child no-store takes -endpoint and -agents"},
		{"-child apart -ending x", "bench: -child apart takes -ending, one of fin, rst, agents"},
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

func TestQuartilesEncloseTheMiddleHalf(t *testing.T) {
	for _, row := range []struct {
		values       []int
		lower, upper int
	}{
		{[]int{7}, 7, 7},
		{[]int{4, 3, 2, 1}, 1, 3},
		{[]int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 3, 9},
	} {
		given := slices.Clone(row.values)
		if lower, upper := quartiles(given); lower != row.lower || upper != row.upper {
			t.Errorf("of %v: %d and %d, want %d and %d", row.values, lower, upper, row.lower, row.upper)
		}
		if !slices.Equal(given, row.values) {
			t.Errorf("%v became %v", row.values, given)
		}
	}
}

func TestTableTellsWhichTargetsWereMet(t *testing.T) {
	perPut := figure{name: "Ratio", decimals: 2, moreBetter: true, target: &target{limit: 0.65, goal: 0.8}}
	memory := figure{name: "Memory", unit: "MiB", target: &target{limit: 256, goal: 150}}
	got := table([]result{
		{figure: figure{name: "Reports", unit: "/s", moreBetter: true}, rounds: []float64{8000.4, 7000, 9000}},
		{figure: perPut, rounds: []float64{0.7}},
		{figure: perPut, rounds: []float64{0.8}},
		{figure: perPut, rounds: []float64{0.6}},
		{figure: memory, rounds: []float64{256}},
		{figure: memory, rounds: []float64{257}},
		{figure: figure{name: "Latency", decimals: 2, target: &target{limit: 1.5}}, rounds: []float64{1.25}},
	})
	want := `Figure   Measured  Target
Reports  8000 /s                                                     rounds: 8000 7000 9000
Ratio    0.70      at least 0.65, goal 0.80       met, the goal not
Ratio    0.80      at least 0.65, goal 0.80       met, the goal too
Ratio    0.60      at least 0.65, goal 0.80       MISSED
Memory   256 MiB   at most 256 MiB, goal 150 MiB  met, the goal not
Memory   257 MiB   at most 256 MiB, goal 150 MiB  MISSED
Latency  1.25      at most 1.50                   met
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
	if got := fmt.Sprint(f.name, ": ", f.shown(f.value()), ", ", f.wanted(), ", ", f.outcome()); got != "CPU of a Snapshot, 10000 agents, 1% outdated: 9.00 ms, at most 10.00 ms, met" {
		t.Error(got)
	}
	if _, err := snapshotFigures("PASS\n", []int{10_000}); err == nil {
		t.Error("output without figures should be an error")
	}
}

func TestCPUTimeCountsWorkAndNoWaiting(t *testing.T) {
	share := func(f func()) float64 {
		ms, err := cpuDuring(os.Getpid(), func() error { f(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	waiting := share(func() { time.Sleep(100 * time.Millisecond) })
	working := share(func() {
		before, _ := cpuTime(os.Getpid())
		for now := before; now < before+50*time.Millisecond; now, _ = cpuTime(os.Getpid()) {
		}
	})
	// On a busy machine the work takes longer, and a part of a second less.
	if working < 50 || waiting > working/2 {
		t.Errorf("%.1f ms/s while working, %.1f ms/s while waiting", working, waiting)
	}
	if _, err := cpuTime(1 << 22); err == nil {
		t.Error("the CPU time of a process that cannot be should be an error")
	}
}

func TestSeriesAreAddedUpByTheirLabel(t *testing.T) {
	metrics := []byte(`# TYPE a_total counter
a_total{code="200",route="report"} 7
a_total{code="503",route="report"} 0.5
a_total{code="200",route="reports"} 100
a_total_more{code="200",route="report"} 100
`)
	if got, err := sum(metrics, "a_total", `route="report"`); got != 7.5 || err != nil {
		t.Errorf("got %v, %v; want 7.5", got, err)
	}
	if _, err := sum([]byte("a_total{b=\"c\"} x\n"), "a_total", `b="c"`); err == nil || err.Error() != `reading a_total: strconv.ParseFloat: parsing "x": invalid syntax` {
		t.Errorf("got %v", err)
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
