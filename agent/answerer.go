package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/agent/reflector"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
)

// portPace is how long a port that is taken is left alone before it is tried again, on
// average.
const portPace = time.Minute

// answerer answers the probes of other agents. Reporting is what the agent is there for,
// so it goes on without a port that is taken, and takes it once it is free.
type answerer struct {
	config reflector.Config
	// pace is as portPace.
	pace time.Duration
	// log is of the goroutine that listens.
	log diary.Diary

	mu sync.Mutex
	// reflector is nil while there is none, and mute says then why that is so.
	reflector *reflector.Reflector
	mute      string
}

// newAnswerer opens the port where probes are answered, if it can.
func newAnswerer(ctx context.Context, address, bootID string) *answerer {
	if address == "" {
		return &answerer{mute: "-mesh-listen is empty"}
	}
	boot, err := strconv.ParseUint(bootID, 16, 64)
	if err != nil {
		return &answerer{mute: "the agent has no boot id"} // which nobody should read of, either
	}
	a := &answerer{config: reflector.Config{Address: address, Boot: boot}, pace: portPace, log: diary.Diary{}}
	a.listen(ctx)
	return a
}

// listen tries once to open the port.
func (a *answerer) listen(ctx context.Context) {
	r, err := reflector.Listen(ctx, a.config)
	if line := a.news(err, time.Now()); line != "" {
		glog.Warning(line)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reflector, a.mute = r, ""
	if err != nil {
		a.mute = err.Error()[:min(len(err.Error()), report.MaxText)]
	}
}

// news is what is worth a line in the log of an attempt; empty for nothing.
func (a *answerer) news(err error, now time.Time) string {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	switch change, out := a.log.Note("port", reason, now); change {
	case diary.Fails:
		return "Going on without answers to other agents' probes (-mesh-listen), and trying again: " + reason
	case diary.Again:
		return fmt.Sprintf("Other agents' probes are answered, after %v without a port", out.Round(time.Second))
	}
	return ""
}

// run answers until ctx ends, and then tells those who probe this agent that it leaves.
// While the port is taken it tries again and again.
func (a *answerer) run(ctx context.Context) error {
	if a.config.Address == "" {
		return nil
	}
	for a.reflector == nil {
		// From three quarters to five quarters, so that not all agents try together.
		if !wait.For(ctx, a.pace*3/4+rand.N(a.pace/2)) {
			return nil
		}
		a.listen(ctx)
	}
	return a.reflector.Run(ctx)
}

// why says why probes are not answered; it is empty while they are.
func (a *answerer) why() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mute
}

// heard are the sessions of others that are not as they should be.
func (a *answerer) heard() []report.Heard {
	a.mu.Lock()
	r := a.reflector
	a.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.Heard(time.Now())
}
