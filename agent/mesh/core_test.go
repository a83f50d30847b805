package mesh

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/report"
)

// stage is a Core without anything around it: time goes by as the test says, and what is
// sent meets what it draws.
type stage struct {
	*rand.Rand
	core *Core
	now  time.Duration
	loss float64
	// sent counts all that was asked for, and coming is what comes of it.
	sent   int
	coming []coming
	closed map[Flow]bool
}

type coming struct {
	at   time.Duration
	take func()
}

func newStage(seed uint64) *stage {
	s := &stage{Rand: rand.New(rand.NewPCG(seed, 3)), now: time.Minute, closed: map[Flow]bool{}}
	s.core = NewCore(Config{Node: "here", Clock: func() time.Duration { return s.now }}, s, idle{})
	return s
}

// idle is a Host that has nothing to tell.
type idle struct{}

func (idle) Throttled() time.Duration        { return 0 }
func (idle) Conntrack() (count, most uint64) { return 0, 0 }

// stageFlow is a Flow of a stage.
type stageFlow struct {
	*stage
	receive  Receiver
	received uint32
}

func (s *stage) Open(_ netip.AddrPort, _ probe.FlowOptions, receive Receiver) (Flow, error) {
	s.sent++
	if s.Float64() < s.loss/10 {
		return nil, probe.ErrForbidden
	}
	return &stageFlow{stage: s, receive: receive}, nil
}

func (f *stageFlow) MTU() (int, error) { return 1500, nil }

func (f *stageFlow) Close() error {
	f.closed[f] = true
	return nil
}

func (f *stageFlow) Send(q *datagram.Datagram, size int) error {
	f.sent++
	a := probe.Arrival{Datagram: *q}
	a.Kind = datagram.Answer
	var err error
	switch {
	case f.Float64() < f.loss, size > 1000 && f.loss > 0:
		return nil
	case f.Float64() < f.loss/4:
		err = probe.ErrRefused
	case f.Float64() < f.loss/4:
		a.Kind, a.Boot = datagram.NotMe, 0
	case f.Float64() < f.loss/20:
		a.Kind = datagram.Leaving
	}
	f.received++
	if a.Received = f.received; f.Float64() < f.loss {
		return nil
	}
	f.later(func() {
		if !f.closed[f] {
			f.receive(f, &a, f.now, err)
		}
	})
	return nil
}

func (s *stage) Exchange(_ netip.AddrPort, q *datagram.Datagram, done func(probe.Exchanged, error)) {
	s.sent++
	e := probe.Exchanged{Answer: *q}
	e.Answer.Kind = datagram.Answer
	var err error
	if s.Float64() < s.loss {
		err = probe.ErrUnanswered
	}
	s.later(func() { done(e, err) })
}

// later has something come within a second, most often soon.
func (s *stage) later(take func()) {
	at := s.now + time.Duration(s.Float64()*s.Float64()*s.Float64()*float64(time.Second))
	s.coming = append(s.coming, coming{at, take})
}

// come hands over what has come until a time.
func (s *stage) come(until time.Duration) {
	slices.SortStableFunc(s.coming, func(a, b coming) int { return int(a.at - b.at) })
	n := 0
	for ; n < len(s.coming) && s.coming[n].at <= until; n++ {
		s.now = s.coming[n].at
		s.coming[n].take()
	}
	s.coming = slices.Delete(s.coming, 0, n)
	s.now = until
}

func (s *stage) tell(t *testing.T, base string, peers ...assignment.Peer) {
	t.Helper()
	data, err := assignment.Encode(assigned(base, peers...))
	if err != nil || !s.core.Take(report.News{Topic: assignment.Topic, Version: base, Data: data}) {
		t.Fatal("not taken: ", err)
	}
}

// plans is what follows from the plan.
func (s *stage) plans() (all string) {
	for _, o := range s.core.sessions {
		all += fmt.Sprintln(o.id, o.state, o.until, o.kept)
	}
	return all
}

// TestWhatIsNotDueHasNothingToDo looks at each session at each beat, also where it is not
// due.
func TestWhatIsNotDueHasNothingToDo(t *testing.T) {
	for seed := range uint64(5) {
		s := newStage(seed)
		looked, passed := 0, 0
		due := s.now
		for beat := range 20 * 200 {
			if beat%1000 == 0 {
				s.tell(t, fmt.Sprint("base", beat), peer(1, -1), dual(2, -1), peer(3, 0), peer(4, 20), dual(5, 40), peer(6, 60))
			}
			if beat%200 == 0 {
				s.loss = []float64{0, 0.01, 0.3, 0.97}[s.IntN(4)]
			}
			s.come(due)
			for _, o := range s.core.sessions {
				if s.now >= o.next {
					looked++
					continue
				}
				passed++
				before, sent, bad := o.row(s.now), s.sent, o.bad
				o.look(s.now)
				if after := o.row(s.now); before != after || sent != s.sent || bad != (o.state == active && o.looks().bad()) || o.state == over {
					t.Fatalf("seed %d, at %v: session %d, due at %v, had something to do:\n%+v\n%+v", seed, s.now, o.id, o.next, before, after)
				}
			}
			if !s.core.changed && s.now < s.core.turn {
				before := s.plans()
				s.core.follow(s.now)
				if after := s.plans(); before != after {
					t.Fatalf("seed %d, at %v: the plan had something to say:\n%s\n%s", seed, s.now, before, after)
				}
			}
			due = s.core.Look(due)
		}
		if looked == 0 || passed < 3*looked {
			t.Errorf("seed %d: %d were looked at, and %d passed over", seed, looked, passed)
		}
	}
}
