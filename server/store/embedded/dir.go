package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// DirFor returns flag, the value of -data-dir, or where that is empty the first
// of these that can be made and written: /var/lib/netchecker, netchecker in the
// user's state directory, netchecker-<uid> in the temporary directory and in
// /dev/shm, which Kubernetes gives to every pod, also to one with a read-only root.
func DirFor(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return firstWritable(candidates())
}

func candidates() []string {
	dirs := []string{"/var/lib/netchecker"}
	// The XDG Base Directory Specification names both, and demands an absolute path.
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		dirs = append(dirs, filepath.Join(state, "netchecker"))
	} else if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		dirs = append(dirs, filepath.Join(home, ".local", "state", "netchecker"))
	}
	// Everybody may write to these, so each user has a place of their own there.
	own := "netchecker-" + strconv.Itoa(os.Getuid())
	return append(dirs, filepath.Join(os.TempDir(), own), filepath.Join("/dev/shm", own))
}

func firstWritable(dirs []string) (string, error) {
	var all error
	for _, dir := range dirs {
		err := writable(dir)
		if err == nil {
			return dir, nil
		}
		all = errors.Join(all, err)
	}
	return "", fmt.Errorf("no directory for the data of the server's own etcd; -data-dir should name one that can be written:\n%w", all)
}

// writable makes dir, and a file in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// lock is the sole right to use a directory. It ends with the process.
type lock struct{ file *os.File }

// lockDir makes dir if need be. Etcd itself would wait without end for another
// one to leave the directory.
func lockDir(dir string) (*lock, error) {
	if err := writable(dir); err != nil {
		return nil, fmt.Errorf("-data-dir %s can't be written: %w", dir, cause(err))
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("-data-dir %s can't be locked: %w", dir, err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("-data-dir %s is used by another netchecker-server; each needs one of its own", dir)
	} else if err != nil {
		err = fmt.Errorf("-data-dir %s can't be locked: %w", dir, err)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lock{file}, nil
}

// cause is err without the path, which was told.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// release may be called again. Closing the file unlocks it.
func (l *lock) release() error {
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("unlocking the data directory: %w", err)
	}
	return nil
}
