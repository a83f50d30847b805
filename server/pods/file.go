package pods

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/declared"
	"github.com/netchecker/netchecker/server/fleet"
)

// MaxFile is the size of the largest file that is read, in bytes: a list of some
// 300,000 agents.
const MaxFile = 32 << 20

// File is a list of agents that people keep in a file. Its methods may be called
// at once; Run is called once.
type File struct {
	path    string
	now     func() time.Time
	file    *declared.File
	changed wait.Broadcast
	list    atomic.Pointer[fleet.List]
}

// NewFile reads the file at path, which must be a good one. A nil clock means
// time.Now.
func NewFile(path string, now func() time.Time) (*File, error) {
	return newFile(path, now, 0, 0)
}

func newFile(path string, now func() time.Time, every, settle time.Duration) (*File, error) {
	if now == nil {
		now = time.Now
	}
	f := &File{path: path, now: now}
	var err error
	f.file, err = declared.Open(declared.Config{
		Path: path, What: "agents", MaxBytes: MaxFile, Load: f.load, Turn: f.forget, Now: now, Every: every, Settle: settle,
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Run keeps the list current until ctx ends, then returns nil. A file that is
// broken or gone never ends it.
func (f *File) Run(ctx context.Context) error { return f.file.Run(ctx) }

// load makes the list of what the file says.
func (f *File) load(text []byte) error {
	parsed, err := parseFile(text)
	if err != nil {
		return err
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

// List is who should be reporting.
func (f *File) List() *fleet.List { return f.list.Load() }

// AsOf is the latest moment at which the file is known to have said what the list
// says. It never goes back.
func (f *File) AsOf() time.Time { return f.file.AsOf() }

// Changed is closed as the next List is there. Whoever takes it before they read the
// List misses none.
func (f *File) Changed() <-chan struct{} { return f.changed.Next() }

// Check returns nil while the list is what the file says, else the reason why not.
func (f *File) Check(ctx context.Context) error { return f.file.Check(ctx) }
