package wait_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
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

func TestYieldingLetsOthersRunBeforeItsLoopIsOver(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ran atomic.Bool
	go func() { ran.Store(true) }() // on the one processor that there is
	at, rounds := -1, 0
	for i := range wait.Yielding(1000) {
		if rounds++; ran.Load() && at < 0 {
			at = i
		}
	}
	if rounds != 1000 || at < 0 || at > 100 {
		t.Errorf("of %d rounds another ran after %d", rounds, at)
	}
	for range wait.Yielding(1000) {
		rounds++
		break
	}
	if rounds != 1001 {
		t.Errorf("a loop that was left went on for %d rounds", rounds-1000)
	}
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
