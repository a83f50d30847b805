package sim_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/sim"
)

// BenchmarkSecond prints what a second of a cluster takes of a processor, and how many small
// datagrams that is for a second of it.
func BenchmarkSecond(b *testing.B) {
	for _, nodes := range []int{3, 10, 100, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			w := sim.New(sim.Config{Nodes: nodes, Zones: 3, Seed: 1, Background: 0.001})
			for range 45 {
				w.Step()
			}
			before, probes := cpu(b), w.Probes()
			for b.Loop() {
				w.Step()
			}
			spent := cpu(b) - before
			b.ReportMetric(float64(spent.Microseconds())/1000/float64(b.N), "CPU-ms/s")
			b.ReportMetric(float64(w.Probes()-probes)/spent.Seconds(), "probes/CPU-s")
		})
	}
}

// cpu is what this process has taken so far.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
