package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang/glog"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// lookEvery is how often etcd is asked for its size and alarms.
	lookEvery = 5 * time.Second
	// lookWithin bounds the answer.
	lookWithin = 2 * time.Second
	// healAgain and healRarely bound the pause between two attempts to make space:
	// it doubles until the space has lasted for healRarely.
	healAgain  = time.Second
	healRarely = time.Minute
	// healWithin bounds one step of an attempt. Defragmenting takes about 10 s a
	// GiB, during which etcd does not answer.
	healWithin = 2 * time.Minute
)

// space watches whether etcd has any left, and makes some where it may.
type space struct {
	etcd etcd
	own  bool
	// kick has a value when etcd refused a write.
	kick chan struct{}

	mu   sync.Mutex
	full bool
}

func newSpace(e etcd, own bool) *space {
	return &space{etcd: e, own: own, kick: make(chan struct{}, 1)}
}

// last is whether space had run out when that was last asked.
func (s *space) last() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// refused is told that etcd refused a write for want of space.
func (s *space) refused() {
	s.mu.Lock()
	s.full = true
	s.mu.Unlock()
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// look asks the member of etcd that answers next. The alarms are the same at each.
func (s *space) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	response, err := s.etcd.maintenance.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return explain(err)
	}
	full := false
	for _, e := range response.GetErrors() {
		full = full || strings.Contains(e, pb.AlarmType_NOSPACE.String())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
	if full {
		return ErrNoSpace
	}
	return nil
}

// run looks, tells, and heals where it may, until ctx ends.
func (s *space) run(ctx context.Context) {
	told := false
	var healed time.Time
	rest := healAgain
	for ctx.Err() == nil {
		err := s.look(ctx)
		told = s.tell(err, told)
		if !s.own || !errors.Is(err, ErrNoSpace) {
			s.wait(ctx)
			continue
		}
		if time.Since(healed) > healRarely {
			rest = healAgain
		}
		s.tryHeal(ctx)
		healed = time.Now()
		wait.For(ctx, rest)
		rest = min(2*rest, healRarely)
	}
}

// tell logs when space runs out and when there is some again. It returns whether
// the former was told last. Other errors are told as what keeps the views
// from being current.
func (s *space) tell(err error, told bool) bool {
	full := errors.Is(err, ErrNoSpace)
	switch {
	case full && !told:
		glog.Errorf("Reports can't be kept: %v", err)
	case err == nil && told:
		glog.Info("Etcd has space again.")
	}
	return full || told && err != nil
}

func (s *space) wait(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.kick:
	case <-ctx.Done():
	}
}

func (s *space) tryHeal(ctx context.Context) {
	began := time.Now()
	if err := s.heal(ctx); err != nil {
		glog.Errorf("Making space in etcd failed and is tried again: %v", err)
		return
	}
	glog.Infof("Made space in etcd, in %v.", time.Since(began).Round(time.Millisecond))
}

// heal drops all old revisions, gives the space back to the file system, and
// disarms the alarm.
func (s *space) heal(ctx context.Context) error {
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"compacting", s.compact},
		{"defragmenting", s.defragment},
		{"disarming the alarm", s.disarm},
	} {
		glog.Infof("Making space in etcd: %s.", step.doing)
		within, cancel := context.WithTimeout(ctx, healWithin)
		err := step.do(within)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", step.doing, explain(err))
		}
	}
	return nil
}

func (s *space) compact(ctx context.Context) error {
	response, err := s.etcd.kv.Range(ctx, &pb.RangeRequest{Key: []byte{0}, CountOnly: true})
	if err != nil {
		return err
	}
	return s.etcd.compact(ctx, response.GetHeader().GetRevision(), true)
}

func (s *space) defragment(ctx context.Context) error {
	_, err := s.etcd.maintenance.Defragment(ctx, &pb.DefragmentRequest{})
	return err
}

func (s *space) disarm(ctx context.Context) error {
	alarms, err := s.etcd.maintenance.Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_GET, Alarm: pb.AlarmType_NOSPACE})
	if err != nil {
		return err
	}
	for _, alarm := range alarms.GetAlarms() {
		request := &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE, MemberID: alarm.GetMemberID()}
		if _, err := s.etcd.maintenance.Alarm(ctx, request); err != nil {
			return err
		}
	}
	return nil
}

// compact drops the revisions before that one; they may be gone already. wait
// says to wait until their space can be used again.
func (e etcd) compact(ctx context.Context, revision int64, wait bool) error {
	_, err := e.kv.Compact(ctx, &pb.CompactionRequest{Revision: revision, Physical: wait})
	if is(err, rpctypes.ErrCompacted) {
		return nil
	}
	return err
}
