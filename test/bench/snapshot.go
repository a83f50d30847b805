package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// snapshotLimits are the milliseconds of CPU that a Snapshot may cost, by agents.
var snapshotLimits = map[int]float64{10_000: 10, 100_000: 100}

// measureSnapshot runs the benchmark that is next to the code. On one processor,
// so that the time that passes is the time that it costs, garbage included.
func measureSnapshot(ctx context.Context, s *stage) ([]result, error) {
	s.say("Making Snapshots: go test -bench Snapshot ./server/judge")
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "Snapshot", "-cpu", "1", "-benchtime", "0.5s", "-count", strconv.Itoa(s.rounds),
		"github.com/netchecker/netchecker/server/judge")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running the benchmark of Snapshots: %w\n%s", err, out)
	}
	return snapshotFigures(string(out), s.sizes)
}

var benchmarkLine = regexp.MustCompile(`(?m)^BenchmarkSnapshot/agents=(\d+)/outdated=(\d+)%\S*\s+\d+\s+([\d.]+) ns/op`)

// snapshotFigures reads what go test printed about the sizes that are asked for.
func snapshotFigures(output string, sizes []int) ([]result, error) {
	type cell struct {
		agents   int
		outdated string
	}
	rounds := map[cell][]float64{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(output, -1) {
		agents, err1 := strconv.Atoi(m[1])
		ns, err2 := strconv.ParseFloat(m[3], 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("a benchmark printed %q", m[0])
		}
		at := cell{agents, m[2]}
		rounds[at] = append(rounds[at], ns/1e6)
	}
	var all []result
	for _, n := range sizes {
		for _, outdated := range []string{"0", "1"} {
			costs := rounds[cell{n, outdated}]
			if len(costs) == 0 {
				continue
			}
			f := figure{name: fmt.Sprintf("CPU of a Snapshot, %d agents, %s%% outdated", n, outdated), unit: "ms", decimals: 2}
			if limit := snapshotLimits[n]; limit > 0 {
				f.target = &target{limit: limit}
			}
			all = append(all, result{figure: f, rounds: costs})
		}
	}
	if len(rounds) == 0 {
		return nil, fmt.Errorf("go test printed no figure of a Snapshot:\n%s", output)
	}
	return all, nil
}
