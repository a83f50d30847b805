package wait_test

import (
	"context"
	"slices"
	"sync"
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

func TestALoopRestsNowAndThen(t *testing.T) {
	var rested, counted []int
	for i := range wait.Resting(200, func() { rested = append(rested, len(counted)) }) {
		counted = append(counted, i)
	}
	if len(counted) != 200 || counted[199] != 199 || !slices.Equal(rested, []int{64, 128, 192}) {
		t.Errorf("it counted %d, and rested after %v", len(counted), rested)
	}
	rounds := 0
	for range wait.Resting(200, nil) {
		if rounds++; rounds == 70 {
			break
		}
	}
	if rounds != 70 {
		t.Errorf("a loop that was left went on for %d rounds", rounds-70)
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
