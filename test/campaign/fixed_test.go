//go:build !race

// A trial runs in one goroutine: with the race detector it takes nine times as long, and
// nothing more is found.

package main

import (
	"bytes"
	"testing"
)

// leastPaired are the precision and recall that faults in pairs have reached, in clusters of
// three nodes, so that they become no less.
const leastPaired = 0.7

// The fixed part of the campaign that each run of the tests has.
func TestFaultsAreNamed(t *testing.T) {
	for _, row := range []struct {
		nodes, count int
		paired       bool
		least        float64
		entries      []entry
	}{{3, 2, false, least, usual()}, {10, 1, false, least, usual()}, {3, 1, true, leastPaired, kinds(true)}} {
		judge(t, row.least, row.nodes, row.paired, row.entries, func(e entry) sums {
			s, bad := trials(trial{seed: testSeed, kind: e.name, paired: row.paired, nodes: row.nodes}, e, 0, row.count, false)
			for _, o := range bad {
				var story bytes.Buffer
				o.tell(&story)
				t.Logf("went wrong:\n%s", story.String())
			}
			return s
		})
	}
}

// What is no fault is no finding, whoever else's fault it may be.
func TestPeaceIsNoFinding(t *testing.T) {
	for _, e := range peaceful() {
		for _, nodes := range []int{3, 10} {
			_, bad := trials(trial{seed: testSeed, kind: e.name, nodes: nodes}, e, 0, 1, false)
			for _, o := range bad {
				var story bytes.Buffer
				o.tell(&story)
				t.Errorf("found:\n%s", story.String())
			}
		}
	}
}
