package store

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// maxOps is how many operations etcd takes in a transaction by default
	// (--max-txn-ops).
	maxOps = 128
	// maxBytes bounds the values of a transaction, well under the 1.5 MiB that
	// etcd takes in a request by default (--max-request-bytes).
	maxBytes = 1 << 20
)

// pending is a put that waits for its answer.
type pending struct {
	lane     *lane
	ops      []pendingOp
	own      int // how many of them are the lane's kind's
	bytes    int // of all values
	deadline time.Time
	reply    chan reply // has room for the one answer
	timer    *time.Timer

	// Of the queue:

	// behind is how many puts of the same keys have to be answered first.
	behind         int
	taken, dropped bool
}

// pendingOp is one key of a put.
type pendingOp struct {
	Op
	// name is the key in full, and key the same as etcd's client takes it, in a buffer
	// that is kept from one put to the next.
	name string
	key  []byte
	// next is the put of the same key that comes after this one.
	next *pending
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

// fill makes p a put of ops. A key may be in it only once.
func (p *pending) fill(k *Kind, ops []Op) error {
	p.lane, p.ops, p.own, p.bytes = &k.lane, p.ops[:0], 0, 0
	p.behind, p.taken, p.dropped = 0, false, false
	if len(ops) == 0 || len(ops) > maxOps {
		return fmt.Errorf("a put has %d keys; it should have 1 to %d", len(ops), maxOps)
	}
	for i := range ops {
		if err := ops[i].validate(); err != nil {
			return err
		}
		name := k.name(&ops[i])
		if p.index(name) >= 0 {
			return fmt.Errorf("the key %.64q is twice in one put", ops[i].Key)
		}
		p.ops = append(p.ops, pendingOp{Op: ops[i], name: name, key: append(p.buffer(i), name...)})
		p.bytes += len(ops[i].Value)
		if ops[i].Beside == nil {
			p.own++
		}
	}
	return nil
}

// buffer is the empty buffer that the put before kept for its i-th key, if there was one.
func (p *pending) buffer(i int) []byte {
	if i < cap(p.ops) {
		return p.ops[:i+1][i].key[:0]
	}
	return nil
}

// index is where p has that key, or -1.
func (p *pending) index(name string) int {
	for i := range p.ops {
		if p.ops[i].name == name {
			return i
		}
	}
	return -1
}

// lane is one kind's part of the queue; its fields are the queue's.
type lane struct {
	// share is the lane's weight in each group, and bound the most that may wait.
	share, bound int
	// waiting counts the keys of its kind between add and done, those dropped included
	// until their turn comes.
	waiting int
	// ready has the puts that no other one of the same key precedes, in the order in
	// which they came to be so.
	ready []*pending
	// most is how many keys of it the group that is being filled may still take.
	most int
	// underway is how many of its puts are being written.
	underway int
}

// queue hands out puts in groups. Those of one kind come in the order in which they
// came in, except that a put waits until those of the same keys before it were
// answered. Each group has puts of every kind that has some waiting, by its share of
// all; a kind with less than half of all shares is in one group at a time, so that a
// flood of it leaves a writer to the others.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond
	closed  bool
	lanes   []*lane
	// shares is the sum of the lanes'.
	shares int
	// newest has the last put of each key that is waiting or being written.
	newest map[string]*pending
	// ops is how many keys make a full group.
	ops int
	// ready is how many puts are in the lanes' lists of those that may be taken.
	ready     int
	gathering gathering
}

func newQueue(lanes ...*lane) *queue {
	q := &queue{lanes: lanes, newest: make(map[string]*pending), ops: maxOps}
	for _, l := range lanes {
		q.shares += l.share
	}
	q.arrived.L = &q.mu
	q.gathering.timer = time.AfterFunc(gatherFor, q.gathered)
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
	case p.lane.waiting+p.own > p.lane.bound:
		return ErrBusy
	}
	p.lane.waiting += p.own
	for i := range p.ops {
		name := p.ops[i].name
		if before := q.newest[name]; before != nil {
			before.ops[before.index(name)].next = p
			p.behind++
		}
		q.newest[name] = p
	}
	if p.behind == 0 {
		q.push(p)
	}
	return nil
}

func (q *queue) push(p *pending) {
	p.lane.ready = append(p.lane.ready, p)
	q.ready++
	q.wake()
}

// wake has a writer take what is ready, if there is enough of it.
func (q *queue) wake() {
	if q.anyOpen() && q.ready >= q.gathering.enough {
		q.arrived.Signal()
	}
}

// take waits for puts and appends a group of those that are there. The group is
// empty when the queue is closed.
func (q *queue) take(group []*pending) []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for (!q.anyOpen() || q.ready < q.gathering.enough) && !q.closed {
			q.arrived.Wait()
		}
		if q.closed {
			return group
		}
		if group = q.pop(group); len(group) > 0 {
			q.gather(len(group), q.few())
			q.wake()
			return group
		}
	}
}

// open says whether a lane has puts that may be in a group.
func (q *queue) open(l *lane) bool {
	return len(l.ready) > 0 && (l.underway == 0 || 2*l.share >= q.shares)
}

func (q *queue) anyOpen() bool { return slices.ContainsFunc(q.lanes, q.open) }

// pop fills a group: first each lane's part of it, then the rest by whoever has more,
// up to twice that part or a quarter of a group. So what waits behind the puts of
// another kind waits for few of them.
func (q *queue) pop(group []*pending) []*pending {
	room := room{ops: q.ops, bytes: maxBytes}
	var open [8]*lane
	lanes := open[:0]
	for _, l := range q.lanes {
		if q.open(l) {
			lanes = append(lanes, l)
		}
	}
	for _, l := range lanes {
		l.most = q.part(l)
		group = q.popLane(l, group, &room)
	}
	for _, l := range lanes {
		l.most += max(2*q.part(l), q.ops/4) - q.part(l)
		group = q.popLane(l, group, &room)
	}
	return group
}

// part is how many keys of a group a lane is sure of.
func (q *queue) part(l *lane) int { return max(1, q.ops*l.share/q.shares) }

// room is what a group may still take.
type room struct{ ops, bytes int }

// popLane takes puts of one lane until it has none, has had the most that it may, or
// the room is full.
func (q *queue) popLane(l *lane, group []*pending, room *room) []*pending {
	popped := 0
	// Letting go of a dropped put may make another one ready.
	for ; popped < len(l.ready) && l.most > 0 && room.ops > 0; popped++ {
		p := l.ready[popped]
		if p.dropped {
			q.release(p)
			continue
		}
		if len(group) > 0 && (len(p.ops) > room.ops || p.bytes > room.bytes) {
			break
		}
		l.most -= len(p.ops)
		room.ops -= len(p.ops)
		room.bytes -= p.bytes
		p.taken = true
		l.underway++
		group = append(group, p)
	}
	q.ready -= popped
	rest := copy(l.ready, l.ready[popped:])
	clear(l.ready[rest:])
	l.ready = l.ready[:rest]
	return group
}

// drop gives up on p, if it was not taken yet.
func (q *queue) drop(p *pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.taken {
		return
	}
	p.dropped, p.bytes = true, 0
	for i := range p.ops {
		p.ops[i].Value = nil
	}
}

// done lets go of a group that was taken, before its puts are answered.
func (q *queue) done(group []*pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gather(len(group), len(group)+q.ready)
	for _, p := range group {
		p.lane.underway--
		q.release(p)
	}
	q.wake()
}

// release lets go of p, and makes those ready that waited for it alone.
func (q *queue) release(p *pending) {
	p.lane.waiting -= p.own
	for i := range p.ops {
		next := p.ops[i].next
		p.ops[i].next = nil
		if next == nil {
			delete(q.newest, p.ops[i].name)
			continue
		}
		if next.behind--; next.behind > 0 {
			continue
		}
		if q.closed {
			q.refuse(next)
		} else {
			q.push(next)
		}
	}
}

// refuse answers p, and those that waited for it alone, that the queue is closed.
func (q *queue) refuse(p *pending) {
	p.taken = true
	q.release(p)
	p.reply <- reply{err: errClosed} // p is its caller's again
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
	q.gathering.timer.Stop()
	for _, l := range q.lanes {
		ready := l.ready
		l.ready = nil
		q.ready -= len(ready)
		for _, p := range ready {
			q.refuse(p)
		}
	}
	q.arrived.Broadcast()
}
