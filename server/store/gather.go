package store

import "time"

// gatherFor is the most that a put waits for others. Whoever reports every few seconds does
// not mind, and a transaction costs this server and etcd more than the few puts in it: of a
// thousand reports a second, those of a few milliseconds share one.
const gatherFor = 4 * time.Millisecond

// gathering is the short while after a small group was taken, and after it was written, in
// which the next one comes together. It is its queue's.
type gathering struct {
	// enough is of how many puts the next group may be taken at once; 0: of any.
	enough int
	// timer ends it.
	timer *time.Timer
}

// few is below how many puts a group is a small one.
func (q *queue) few() int { return max(1, q.ops/8) }

// gather has what follows a group of that many puts wait until enough are ready. Nothing
// waits after a larger group: there, more writers write more.
func (q *queue) gather(group, enough int) {
	if group >= q.few() {
		q.gathering.enough = 0
		return
	}
	q.gathering.enough = min(enough, q.few())
	q.gathering.timer.Reset(gatherFor)
}

// gathered ends the gathering.
func (q *queue) gathered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gathering.enough = 0
	q.wake()
}
