package paths

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/store"
)

// waiting is how many updates may wait to be written, and their part of what is: a
// quarter of what reports have. All agents of a zone send one when it is cut off.
const waiting = 1024

// readAtOnce is how many updates are read at the same time. The others wait for their turn
// without taking a processor's, which are the reports': a goroutine that could run is
// served like all others, however many there are of its kind.
const readAtOnce = 2

// BusyError says that an update was not taken, since too many wait. The agent's next one
// says the same and more.
type BusyError struct{ Why string }

func (e *BusyError) Error() string { return e.Why }

// updates are the newest update of each pod. They are safe for use by many goroutines.
type updates struct {
	kind store.Kind
	view *store.View[fleet.Key, *Telling]
	ttl  time.Duration
	// turns has room for the updates that are being read.
	turns chan struct{}

	mu sync.Mutex
	// underway has the pods of which one is being stored.
	underway map[fleet.Key]bool
}

func newUpdates(cfg Config) *updates {
	u := &updates{ttl: cfg.TTL, turns: make(chan struct{}, readAtOnce), underway: map[fleet.Key]bool{}}
	u.view = store.NewView(podOf, decodeUpdate)
	u.kind = store.Kind{Name: "updates", Share: waiting, Keeper: u.view}
	return u
}

// Kept is the updates' row of the store's table.
func (u *updates) Kept() *store.Kind { return &u.kind }

// Kind is what intake needs to take updates in.
func (u *updates) Kind() intake.Kind {
	return intake.Kind{Name: report.UpdatesKind, Full: u.full, Keep: u.keep}
}

// podOf reads a key.
func podOf(key string) (fleet.Key, bool) {
	namespace, name, ok := strings.Cut(key, "/")
	return fleet.Key{Namespace: namespace, Name: name}, ok && namespace != "" && name != "" && !strings.Contains(name, "/")
}

// of is the newest update of an agent; nil where there is none. Those of an earlier pod
// of its name are not the agent's.
func (u *updates) of(a *fleet.Agent) *Telling {
	if t, ok := u.view.Get(a.Key); ok && a.CouldBe(t.UID) {
		return t
	}
	return nil
}

// encodeUpdate writes an update as it is stored: as the life of a report would be.
func encodeUpdate(s *intake.Sent, m *report.Mesh) []byte {
	told := report.Report{UID: s.From.UID, BootID: s.BootID, Delivery: report.Delivery{Via: s.Via}, Mesh: m}
	r := report.Record{Report: told, Booted: s.Booted.Round(0).UTC()}
	// Most take as much, and would else be copied as they grow.
	return report.AppendLife(make([]byte, 0, 2<<10), &r)
}

func decodeUpdate(key fleet.Key, e store.Entry) (*Telling, error) {
	r, err := report.DecodeLife(e.Value)
	if err != nil {
		return nil, fmt.Errorf("reading an update: %w", err)
	}
	t := reported(&fleet.Record{Key: key, Record: r})
	if t == nil {
		return nil, errors.New("reading an update: it has no boot_id, or no mesh")
	}
	return t, nil
}

// keep stores an update in the place of the pod's last one. The error is a
// *report.FieldError, a *BusyError or the store's.
func (u *updates) keep(ctx context.Context, s intake.Sent) error {
	if err := u.begin(s.From.Key); err != nil {
		return err // before it costs anything
	}
	defer u.end(s.From.Key)
	value, err := u.read(ctx, &s)
	if err != nil {
		return err
	}
	_, err = u.kind.Put(ctx, store.Op{Key: s.From.Key.String(), Value: value, TTL: u.ttl})
	if errors.Is(err, store.ErrBusy) {
		return errBusy
	}
	return err
}

// read waits for its turn, and returns an update as it is stored.
func (u *updates) read(ctx context.Context, s *intake.Sent) ([]byte, error) {
	select {
	case u.turns <- struct{}{}:
		defer func() { <-u.turns }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting until an update's turn comes: %w", context.Cause(ctx))
	}
	m, err := report.DecodeMesh(s.Body)
	if err != nil {
		return nil, report.Within("body", err)
	}
	if m.AsOf > s.Clock {
		return nil, &report.FieldError{Field: "body.as_of_ms", Reason: fmt.Sprintf("is %d; it should be at most clock_ms, which is %d", m.AsOf.Milliseconds(), s.Clock.Milliseconds())}
	}
	return encodeUpdate(s, &m), nil
}

var errBusy = &BusyError{fmt.Sprintf("%d updates are waiting to be stored, which is all that may; this one should be sent later", waiting)}

// full is begin's error for a pod of which none is under way. Who is let in has no place yet:
// a body that never arrives, as where large packets vanish, must keep no other one out.
func (u *updates) full() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.underway) >= waiting {
		return errBusy
	}
	return nil
}

// begin notes that an update of that pod is being stored, unless one is already, or as
// many as may.
func (u *updates) begin(pod fleet.Key) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.underway[pod]:
		return &BusyError{fmt.Sprintf("podname: an update of %q is being stored; the next one should be sent later", pod.Name)}
	case len(u.underway) >= waiting:
		return errBusy
	}
	u.underway[pod] = true
	return nil
}

func (u *updates) end(pod fleet.Key) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.underway, pod)
}
