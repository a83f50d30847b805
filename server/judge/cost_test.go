package judge

import (
	"fmt"
	"testing"
	"time"
)

func TestASnapshotCostsLittle(t *testing.T) {
	const agents = 10_000
	var names []string
	for i := range agents {
		names = append(names, fmt.Sprintf("netchecker-agent-%05d", i))
	}
	w := newWorld(names...)
	for _, n := range names {
		w.hear(key(n))
	}
	j := w.judge()
	if perAgent := testing.AllocsPerRun(5, func() { j.build() }) / agents; perAgent > 0.01 {
		t.Errorf("%.3f allocations per agent: the cost of a Snapshot should not be in its garbage", perAgent)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, agents := range []int{1000, 10_000, 100_000} {
		for _, outdated := range []int{0, 1} {
			b.Run(fmt.Sprintf("agents=%d/outdated=%d%%", agents, outdated), func(b *testing.B) {
				var names []string
				for i := range agents {
					names = append(names, fmt.Sprintf("netchecker-agent-%06d", i))
				}
				w := newWorld(names...)
				for i, n := range names {
					if i%100 < outdated {
						w.hear(key(n))
					}
				}
				w.pass(time.Minute)
				for i, n := range names {
					if i%100 >= outdated {
						w.hear(key(n))
					}
				}
				j := w.judge()
				for b.Loop() {
					j.build()
				}
			})
		}
	}
}
