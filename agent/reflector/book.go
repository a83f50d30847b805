package reflector

import (
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
)

const (
	// sessionRate is how many answers a session gets in a second, and totalRate how many
	// all together do.
	sessionRate, totalRate = 10, 500
	// notMeRate is how often in a second others are told that they are wrong: enough for
	// all who probe an agent that was restarted, about 17 of them and up to 34 while their
	// plan changes, so that to none it seems that something is lost.
	notMeRate = 50
	// freshRate is how many sessions begin in a second: far more than a plan has begin, and
	// too few to push out those that go on. So many may begin at once.
	freshRate = 128
	// maxSessions bounds those that are known. One that has been silent for forgotten is
	// not any more, as is looked for every sweepEvery at the latest where others come.
	maxSessions = 1024
	forgotten   = 5 * time.Minute
	sweepEvery  = time.Minute
)

// Book is what is known of sessions, and decides what is answered: all of a Reflector but its
// sockets. Make it with NewBook. Its methods may be called by many goroutines at once.
type Book struct {
	boot uint64

	mu                  sync.Mutex
	leaving             bool
	sessions            map[Source]*session
	total, notMe, fresh bucket
	swept               time.Time
	// quiet is until when there can be nothing to tell of sessions.
	quiet time.Time
}

// session is what is known of one.
type session struct {
	from             uint64
	received         uint32
	more, unanswered uint16
	bucket           bucket
	// The first datagram that came, and the newest.
	first, last       time.Time
	firstSeq, lastSeq uint32
}

// NewBook returns the book of an agent of that boot id, 0 for one to whom all are strangers,
// that begins now.
func NewBook(boot uint64, now time.Time) *Book {
	return &Book{
		boot: boot, sessions: map[Source]*session{}, swept: now,
		total: newBucket(totalRate, now), notMe: newBucket(notMeRate, now), fresh: newBucket(freshRate, now),
	}
}

// Answer says what to answer to a question that came at a time, if anything, and in how
// many bytes.
func (b *Book) Answer(from Source, q *datagram.Datagram, at time.Time) (a datagram.Datagram, size int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.knows(q) {
		return notMe(q), datagram.Size, b.notMe.take(at)
	}
	s := b.session(from, q, at)
	if s == nil {
		return a, 0, false
	}
	if s.note(q, at); s.unanswered >= unansweredTold {
		b.quiet = time.Time{}
	}
	if !s.bucket.take(at) || !b.total.take(at) {
		return a, 0, false
	}
	return b.own(q, s.received), int(q.Reply), true
}

// Once is Answer for a question that is in no session, over a connection of its own.
func (b *Book) Once(q *datagram.Datagram, at time.Time) (a datagram.Datagram, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.knows(q) {
		return notMe(q), b.total.take(at) // the connection shows that its source is not forged
	}
	return b.own(q, 1), b.total.take(at)
}

// knows says whether who asks knows the boot id; 0 is that of nobody.
func (b *Book) knows(q *datagram.Datagram) bool { return q.Boot == b.boot && q.Boot != 0 }

func (b *Book) own(q *datagram.Datagram, received uint32) datagram.Datagram {
	kind := datagram.Answer
	if b.leaving {
		kind = datagram.Leaving
	}
	return datagram.Datagram{Kind: kind, Session: q.Session, Sequence: q.Sequence, Boot: b.boot, Received: received}
}

func notMe(q *datagram.Datagram) datagram.Datagram {
	return datagram.Datagram{Kind: datagram.NotMe, Session: q.Session, Sequence: q.Sequence}
}

// Leave has all answers say that the agent leaves, and says whether there is anybody to
// hear that.
func (b *Book) Leave(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving = true
	b.sweep(now)
	return len(b.sessions) > 0
}

// session is the one of a source. It is nil where too many begin.
func (b *Book) session(from Source, q *datagram.Datagram, at time.Time) *session {
	if s := b.sessions[from]; s != nil {
		return s
	}
	if !b.fresh.take(at) {
		return nil
	}
	if len(b.sessions) >= maxSessions || at.Sub(b.swept) >= sweepEvery {
		b.sweep(at)
	}
	if len(b.sessions) >= maxSessions {
		b.evict()
	}
	s := &session{from: q.From, first: at, last: at, firstSeq: q.Sequence, lastSeq: q.Sequence, bucket: newBucket(sessionRate, at)}
	b.sessions[from] = s
	return s
}

// sweep forgets sessions that have been silent for long.
func (b *Book) sweep(now time.Time) {
	b.swept = now
	for from, s := range b.sessions {
		if now.Sub(s.last) > forgotten {
			delete(b.sessions, from)
		}
	}
}

// evict forgets the one that has been silent for longest.
func (b *Book) evict() {
	var oldest *session
	var of Source
	for from, s := range b.sessions {
		if oldest == nil || s.last.Before(oldest.last) {
			oldest, of = s, from
		}
	}
	delete(b.sessions, of)
}

// note notes a question.
func (s *session) note(q *datagram.Datagram, at time.Time) {
	s.received++
	if at.After(s.last) {
		s.last = at
	}
	if int32(q.Sequence-s.lastSeq) >= 0 { // else one that was overtaken, and says nothing new
		s.lastSeq, s.more, s.unanswered = q.Sequence, q.More, q.Unanswered
	}
}
