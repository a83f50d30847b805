package store

import (
	"fmt"
	"sync"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

const (
	// maxWaiting bounds the puts that wait or are being written.
	maxWaiting = 4096
	// maxOps is how many operations etcd takes in a transaction by default
	// (--max-txn-ops).
	maxOps = 128
	// maxBytes bounds the values of a transaction, well under the 1.5 MiB that
	// etcd takes in a request by default (--max-request-bytes).
	maxBytes = 1 << 20
)

// pending is a put that waits for its answer.
type pending struct {
	key      fleet.Key
	name     []byte // of the key in etcd
	value    []byte
	ttl      time.Duration
	deadline time.Time
	reply    chan reply // has room for the one answer
	timer    *time.Timer

	// Of the queue:
	taken, dropped bool
	next           *pending // the put of the same key that comes after this one
}

type reply struct {
	revision int64
	err      error
}

func newPending() *pending {
	p := &pending{reply: make(chan reply, 1), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	return p
}

// queue hands out puts in groups, in the order they came in, except that a put
// waits until the one of the same key before it was answered.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond
	closed  bool
	// size counts the puts between add and done, those dropped included until
	// their turn comes.
	size int
	// ready has the puts that no other one of the same key precedes.
	ready []*pending
	// newest has the last put of each key that is waiting or being written.
	newest map[fleet.Key]*pending
	// ops is how many puts make a full group.
	ops int
}

func newQueue() *queue {
	q := &queue{newest: make(map[fleet.Key]*pending), ops: maxOps}
	q.arrived.L = &q.mu
	return q
}

var errClosed = fmt.Errorf("%w: the server is stopping", ErrUnavailable)

// add queues p, or fails at once.
func (q *queue) add(p *pending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return errClosed
	case q.size >= maxWaiting:
		return ErrBusy
	}
	q.size++
	if before := q.newest[p.key]; before != nil {
		before.next = p
	} else {
		q.push(p)
	}
	q.newest[p.key] = p
	return nil
}

func (q *queue) push(p *pending) {
	q.ready = append(q.ready, p)
	q.arrived.Signal()
}

// take waits for puts and appends a group of those that are there. The group is
// empty when the queue is closed.
func (q *queue) take(group []*pending) []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.ready) == 0 && !q.closed {
			q.arrived.Wait()
		}
		if q.closed {
			return group
		}
		if group = q.pop(group); len(group) > 0 {
			return group
		}
	}
}

func (q *queue) pop(group []*pending) []*pending {
	popped, bytes := 0, 0
	// Letting go of a dropped put may make another one ready.
	for ; popped < len(q.ready) && len(group) < q.ops; popped++ {
		p := q.ready[popped]
		if p.dropped {
			q.release(p)
			continue
		}
		if bytes += len(p.value); bytes > maxBytes && len(group) > 0 {
			break
		}
		p.taken = true
		group = append(group, p)
	}
	rest := copy(q.ready, q.ready[popped:])
	clear(q.ready[rest:])
	q.ready = q.ready[:rest]
	if rest > 0 {
		q.arrived.Signal()
	}
	return group
}

// drop gives up on p, if it was not taken yet.
func (q *queue) drop(p *pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !p.taken {
		p.dropped, p.value = true, nil
	}
}

// done lets go of a group that was taken, before its puts are answered.
func (q *queue) done(group []*pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range group {
		q.release(p)
	}
}

// release makes the next put of the same key ready.
func (q *queue) release(p *pending) {
	q.size--
	switch {
	case p.next == nil:
		delete(q.newest, p.key)
	case q.closed:
		q.refuse(p.next)
	default:
		q.push(p.next)
	}
}

// refuse answers p, and those after it, that the queue is closed.
func (q *queue) refuse(p *pending) {
	p.taken = true
	next := p.next // p is its caller's again once it is answered
	if next == nil {
		delete(q.newest, p.key)
	}
	q.size--
	p.reply <- reply{err: errClosed}
	if next != nil {
		q.refuse(next)
	}
}

// smaller makes full groups no larger than ops.
func (q *queue) smaller(ops int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ops = max(1, min(q.ops, ops))
}

// close refuses what waits and what comes. What was taken goes on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	for _, p := range q.ready {
		q.refuse(p)
	}
	q.ready = nil
	q.arrived.Broadcast()
}
