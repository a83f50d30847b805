// Package declared reads what people declare in YAML files: it follows a file that
// they keep, and decodes what it says so strictly that each error names the field,
// and what it should be.
package declared

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/wait"
)

// Config is what a File needs.
type Config struct {
	Path string
	// What says what the file lists, for errors and the log: "agents".
	What string
	// MaxBytes is the size of the largest file that is read.
	MaxBytes int64
	// Load takes over what the file says, or returns why it is of no use. It is called
	// once for each version.
	Load func(text []byte) error
	// Turn is called before each look at the file, with the time; it may be nil.
	Turn func(now time.Time)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Every is the time between two looks at the file: default 1 s.
	Every time.Duration
	// Settle is how long a new version must have stayed as it is, since one that is being
	// written may well be readable, and too short: default 100 ms.
	Settle time.Duration
}

// File is a file that people keep. Its methods may be called at once; Run and Look are
// those of one goroutine.
//
// The file is read again and again, and compared by what it says, so that edits
// in place, renames by editors and the symbolic links of a mounted ConfigMap are
// all noticed; what says the same is not kept in memory for that. While its newest
// version is broken, the last good one counts.
type File struct {
	cfg Config

	// seen is the hash of what was read last, tried of what was loaded last, with
	// what came of it. They are Run's alone.
	seen, tried [sha256.Size]byte
	broken      error

	mu   sync.Mutex
	asOf time.Time
	err  error // why the newest version is not in use
}

// Open reads the file, which must be a good one.
func Open(cfg Config) (*File, error) {
	f := &File{cfg: cfg}
	f.setDefaults()
	start := f.cfg.Now()
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	if err := f.load(text, sha256.Sum256(text)); err != nil {
		return nil, err
	}
	f.asOf = start
	return f, nil
}

func (f *File) setDefaults() {
	if f.cfg.Now == nil {
		f.cfg.Now = time.Now
	}
	if f.cfg.Every <= 0 {
		f.cfg.Every = time.Second
	}
	if f.cfg.Settle <= 0 {
		f.cfg.Settle = 100 * time.Millisecond
	}
}

// Run follows the file until ctx ends, then returns nil. A file that is broken or gone
// never ends it.
func (f *File) Run(ctx context.Context) error {
	next := f.cfg.Every
	for wait.For(ctx, next) {
		start := f.cfg.Now()
		if f.cfg.Turn != nil {
			f.cfg.Turn(start)
		}
		settled, err := f.Look()
		f.record(start, settled, err)
		next = f.cfg.Every
		if err == nil && !settled {
			next = f.cfg.Settle
		}
	}
	return nil
}

// Look reads the file, and loads what it says once that has settled.
func (f *File) Look() (settled bool, err error) {
	hash := sha256.New()
	if err := f.copy(hash); err != nil {
		return false, err
	}
	last := f.seen
	copy(f.seen[:], hash.Sum(nil))
	switch f.seen {
	case f.tried:
		return true, f.broken
	case last:
		return f.reload()
	}
	return false, nil
}

// reload loads what the file says, if that is still what was seen.
func (f *File) reload() (settled bool, err error) {
	text, err := f.read()
	if err != nil {
		return false, err
	}
	last, sum := f.seen, sha256.Sum256(text)
	if f.seen = sum; sum != last {
		return false, nil
	}
	return true, f.load(text, sum)
}

// load loads what the file says, whose hash is sum.
func (f *File) load(text []byte, sum [sha256.Size]byte) error {
	f.seen, f.tried, f.broken = sum, sum, nil
	if err := f.cfg.Load(text); err != nil {
		f.broken = fmt.Errorf("reading the %s from %s: %w", f.cfg.What, f.cfg.Path, err)
	}
	return f.broken
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
		glog.Warningf("Going on with the last good list of %s: %v", f.cfg.What, err)
	case err == nil && f.err != nil:
		glog.Infof("The list of %s in %s can be read again", f.cfg.What, f.cfg.Path)
	}
	f.err = err
	if err == nil && start.After(f.asOf) {
		f.asOf = start
	}
}

// read is what the file says.
func (f *File) read() ([]byte, error) {
	var text bytes.Buffer
	err := f.copy(&text)
	return text.Bytes(), err
}

// copy writes what the file says.
func (f *File) copy(to io.Writer) error {
	if err := f.copyAll(to); err != nil {
		return fmt.Errorf("reading the %s: %w", f.cfg.What, err)
	}
	return nil
}

func (f *File) copyAll(to io.Writer) error {
	info, err := os.Stat(f.cfg.Path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.cfg.Path)
	}
	file, err := os.Open(f.cfg.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := io.Copy(to, io.LimitReader(file, f.cfg.MaxBytes+1))
	if err != nil {
		return err
	}
	if size > f.cfg.MaxBytes {
		return fmt.Errorf("%s is larger than %d MiB", f.cfg.Path, f.cfg.MaxBytes>>20)
	}
	return nil
}

// AsOf is the latest moment at which the file is known to have said what was loaded. It
// never goes back.
func (f *File) AsOf() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asOf
}

// Check returns nil while what was loaded is what the file says, else the reason why
// not.
func (f *File) Check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
