package pods

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/fleet"
)

// MaxFile is the size of the largest file that is read, in bytes: a list of some
// 300,000 agents.
const MaxFile = 32 << 20

const (
	// readEvery is the time between two looks at the file.
	readEvery = time.Second
	// settle is how long a new version must have stayed as it is: one that is
	// being written may well be readable, and too short.
	settle = 100 * time.Millisecond
)

// File is a list of agents that people keep in a file. Its methods may be called
// at once; Run is called once.
//
// The file is read again and again, and compared by what it says, so that edits
// in place, renames by editors and the symbolic links of a mounted ConfigMap are
// all noticed.
type File struct {
	path          string
	now           func() time.Time
	every, settle time.Duration
	changed       wait.Broadcast
	list          atomic.Pointer[fleet.List]

	// seen is the hash of what was read last, tried of what was loaded last, with
	// what came of it. They are Run's alone.
	seen, tried [sha256.Size]byte
	broken      error

	mu   sync.Mutex
	asOf time.Time
	err  error // why the newest version is not in use
}

// NewFile reads the file at path, which must be a good one. A nil clock means
// time.Now.
func NewFile(path string, now func() time.Time) (*File, error) {
	return newFile(path, now, readEvery, settle)
}

func newFile(path string, now func() time.Time, every, settle time.Duration) (*File, error) {
	if now == nil {
		now = time.Now
	}
	f := &File{path: path, now: now, every: every, settle: settle}
	start := f.now()
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if err := f.load(text, sha256.Sum256(text)); err != nil {
		return nil, err
	}
	f.asOf = start
	return f, nil
}

// Run keeps the list current until ctx ends, then returns nil. A file that is
// broken or gone never ends it.
func (f *File) Run(ctx context.Context) error {
	next := f.every
	for wait.For(ctx, next) {
		start := f.now()
		f.forget(start)
		settled, err := f.look()
		f.record(start, settled, err)
		next = f.every
		if err == nil && !settled {
			next = f.settle
		}
	}
	return nil
}

// look reads the file, and uses what it says once that has settled.
func (f *File) look() (settled bool, err error) {
	text, err := readFile(f.path)
	if err != nil {
		return false, err
	}
	sum, last := sha256.Sum256(text), f.seen
	f.seen = sum
	switch sum {
	case f.tried:
		return true, f.broken
	case last:
		return true, f.load(text, sum)
	}
	return false, nil
}

// load makes the list of what the file says, whose hash is sum.
func (f *File) load(text []byte, sum [sha256.Size]byte) error {
	f.seen, f.tried, f.broken = sum, sum, nil
	parsed, err := parseFile(text)
	if err != nil {
		f.broken = fmt.Errorf("reading the agents from %s: %w", f.path, err)
		return f.broken
	}
	f.list.Store(parsed.list(cmp.Or(f.list.Load(), &fleet.List{}), "file "+f.path, f.now()))
	f.changed.Send()
	return nil
}

// forget makes a List without those who left too long ago, if there are any.
func (f *File) forget(now time.Time) {
	list := *f.list.Load()
	was := len(list.Left)
	if list.Left = left(list.Left, change{}, now); len(list.Left) < was {
		f.list.Store(&list)
		f.changed.Send()
	}
}

// record tells how a look went that began at start. What has not settled is no
// news yet.
func (f *File) record(start time.Time, settled bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && !settled {
		return
	}
	switch {
	case err != nil && (f.err == nil || f.err.Error() != err.Error()):
		glog.Warningf("Going on with the last good list of agents: %v", err)
	case err == nil && f.err != nil:
		glog.Infof("The list of agents in %s can be read again", f.path)
	}
	f.err = err
	if err == nil && start.After(f.asOf) {
		f.asOf = start
	}
}

// readFile is what the file at path says.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the agents: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the agents: %s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the agents: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the agents: %w", err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("reading the agents: %s is larger than %d MiB", path, MaxFile>>20)
	}
	return text, nil
}

// List is who should be reporting.
func (f *File) List() *fleet.List { return f.list.Load() }

// AsOf is the latest moment at which the file is known to have said what the list
// says. It never goes back.
func (f *File) AsOf() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asOf
}

// Changed is closed as the next List is there. Whoever takes it before they read the
// List misses none.
func (f *File) Changed() <-chan struct{} { return f.changed.Next() }

// Check returns nil while the list is what the file says, else the reason why not.
func (f *File) Check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
