package sender

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/agent/diary"
	"github.com/netchecker/netchecker/pkg/wait"
)

// rarest is the longest pause before a message is offered again to servers that do
// not know its kind.
const rarest = 5 * time.Minute

// source is what a line sends from. Its methods may be called by many goroutines
// at once.
type source interface {
	// more is closed when something new comes after this call.
	more() <-chan struct{}
	empty() bool
	// next is what to send next. It is there until it is settled. The line that
	// sends from here is the only one to ask, and only where it is not empty.
	next() parcel
}

// parcel is a message that is to be sent.
type parcel struct {
	// encode returns it as it is sent now.
	encode encoder
	// settle is told how that went.
	settle func(Attempt)
}

// line sends what comes from one source to one URL, one after the other, with a
// deadline and pauses of its own, so that lines do not hold up each other.
type line struct {
	server *Server
	url    string
	source source
	// what is sent, as the log calls it.
	what     string
	deadline time.Duration
	// firstPause is the pause after the first failure. It doubles with each further
	// one, up to longestPause.
	firstPause, longestPause time.Duration
	// pace is the least time from the end of an attempt to the next.
	pace time.Duration
	// spread is up to how long what has come waits, by chance, so that not all
	// agents tell at once what they all have seen; nil: it does not wait.
	spread func() time.Duration
	// lastTry is what there is to send, once more, what waits when the line ends.
	lastTry time.Duration
	// detours says that whatever way leads to the server will do.
	detours bool
	// outcome says what an answer's code means.
	outcome     func(code int) Outcome
	subscribers Subscribers
	log         diary.Diary
}

// run sends until ctx ends, and tries to send what waits then.
func (l *line) run(ctx context.Context) {
	failures := 0
	for l.await(ctx) && wait.For(ctx, l.holdBack()) {
		a := l.send(ctx)
		failures = countFailures(failures, a.Outcome)
		if !wait.For(ctx, l.rest(a, failures)) {
			break
		}
	}
	l.tryLast(ctx)
}

// await returns when there is something to send, or false when ctx ends before.
func (l *line) await(ctx context.Context) bool {
	for {
		more := l.source.more()
		if !l.source.empty() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-more:
		}
	}
}

// send sends what is next, once. That ctx ends in the middle of it is no failure.
func (l *line) send(ctx context.Context) Attempt {
	p := l.source.next()
	post := l.server.post
	if l.detours {
		post = l.server.postAnyWay
	}
	a := post(ctx, l.url, p.encode, l.deadline)
	a.At, a.Outcome = time.Now(), l.outcome(a.code)
	if ctx.Err() == nil || a.Outcome == Accepted {
		l.tell(a)
		p.settle(a)
	}
	return a
}

// tryLast sends what waits, in order, until something does not get there.
func (l *line) tryLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.lastTry)
	defer cancel()
	for ctx.Err() == nil && !l.source.empty() {
		if countFailures(0, l.send(ctx).Outcome) > 0 {
			return
		}
	}
}

// tell tells all who want to know what is new with an attempt.
func (l *line) tell(a Attempt) {
	switch change, out := l.log.Note("sending", a.reason(), a.At); change {
	case diary.Well:
		glog.Infof("%s get to %s", l.what, l.url)
	case diary.Fails:
		glog.Warningf("%s do not get to %s: %v", l.what, l.url, a.Err)
	case diary.Again:
		glog.Infof("%s get to %s again, after %v", l.what, l.url, out.Round(time.Millisecond))
	default:
		glog.V(2).Infof("%s to %s: %s", l.what, l.url, a)
	}
	if a.Outcome == Accepted {
		l.handOver(a)
	}
}

// handOver gives the reply to those whom it concerns.
func (l *line) handOver(a Attempt) {
	reason := ""
	if err := l.subscribers.take(a.reply); err != nil {
		reason = err.Error()
	}
	if change, _ := l.log.Note("reply", reason, a.At); change == diary.Fails {
		glog.Warningf("What %s replied is not heard: %s", l.url, reason)
	}
}

// countFailures returns how many attempts failed in a row.
func countFailures(before int, o Outcome) int {
	if o == Failed || o == Unsupported {
		return before + 1
	}
	return 0
}

// rest is how long to wait after an attempt, and so many failures in a row.
func (l *line) rest(a Attempt, failures int) time.Duration {
	if failures == 0 {
		return l.pace
	}
	longest := l.longestPause
	if a.Outcome == Unsupported {
		longest = max(longest, rarest)
	}
	return max(l.pace, pauseAfter(failures, l.firstPause, longest, a.retryAfter, rand.Float64()))
}

// holdBack is how long what has come waits: up to the spread, by chance.
func (l *line) holdBack() time.Duration {
	if l.spread == nil {
		return 0
	}
	return time.Duration(rand.Float64() * float64(l.spread()))
}
