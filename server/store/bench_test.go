package store_test

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/etcdtest"
)

const (
	benchCallers = 64
	benchPods    = 1000
)

// benchValue is about as large as the report of an original agent.
func benchValue(i int) []byte {
	v := value(pod(i), uint64(i))
	return append(v, strings.Repeat(" ", 700)...)
}

// benchLife is about as large as what such a report says of its life.
func benchLife(i int) []byte { return append(lifeOf(uint64(i)), strings.Repeat(" ", 1400)...) }

func inParallel(b *testing.B, put func(i int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range benchCallers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := put(int(n) % benchPods); err != nil {
					b.Errorf("put: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkPut is the rate of the store, for 64 callers.
func BenchmarkPut(b *testing.B) {
	etcd := etcdtest.Start(b)
	for _, inFlight := range []int{1, 2, 3, 4} {
		b.Run(strconv.Itoa(inFlight)+" in flight", func(b *testing.B) {
			s := openOn(b, etcd, func(c *setting) { c.InFlight = inFlight })
			b.ReportAllocs()
			inParallel(b, func(i int) error {
				_, err := s.Put(b.Context(), pod(i), benchValue(i), nil, time.Minute)
				return err
			})
		})
	}
}

// BenchmarkPutWithItsLife is the rate of reports that tell of about 17 sessions.
func BenchmarkPutWithItsLife(b *testing.B) {
	s := openOn(b, etcdtest.Start(b))
	b.ReportAllocs()
	inParallel(b, func(i int) error {
		_, err := s.Put(b.Context(), pod(i), benchValue(i), benchLife(i), time.Minute)
		return err
	})
}

// BenchmarkEtcdPut is the rate of etcd's own client, for as many callers.
func BenchmarkEtcdPut(b *testing.B) {
	client := etcdtest.Start(b).Client(b)
	b.ReportAllocs()
	inParallel(b, func(i int) error {
		_, err := client.Put(b.Context(), "netchecker/agents/default/"+pod(i).Name, string(benchValue(i)))
		return err
	})
}
