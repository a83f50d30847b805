package wait_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/pkg/wait"
)

func TestForWaitsAndSaysWhetherTheContextLasted(t *testing.T) {
	began := time.Now()
	if !wait.For(t.Context(), 20*time.Millisecond) || time.Since(began) < 20*time.Millisecond {
		t.Errorf("it did not wait: %v", time.Since(began))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, d := range []time.Duration{time.Hour, 0, -1} {
		if wait.For(ended, d) {
			t.Errorf("it waited for %v although the context had ended", d)
		}
	}
}

func TestALoopRestsNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rested []int
		counted := 0
		for i := range wait.Resting(12, func() { rested = append(rested, counted); wait.Rest() }) {
			if i != counted {
				t.Errorf("it counts %d after %d", i, counted-1)
			}
			counted++
			time.Sleep(120 * time.Microsecond)
		}
		if counted != 12 || !slices.Equal(rested, []int{5, 10}) {
			t.Errorf("it counted %d rounds of 120 µs, and rested after %v", counted, rested)
		}
		rounds := 0
		for range wait.Resting(12, nil) {
			if rounds++; rounds == 7 {
				break
			}
			time.Sleep(time.Second)
		}
		if rounds != 7 {
			t.Errorf("a loop that was left went on for %d rounds", rounds-7)
		}
	})
}

func TestBroadcastWakesAllWhoWaitAndNobodyElse(t *testing.T) {
	var b wait.Broadcast
	b.Send() // nobody waits
	var woken sync.WaitGroup
	for range 3 {
		next := b.Next()
		woken.Go(func() { <-next })
	}
	b.Send()
	woken.Wait()
	select {
	case <-b.Next():
		t.Error("who came after the change was told of it")
	default:
	}
}
