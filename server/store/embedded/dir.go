package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DirFor returns the data directory: the one that was asked for, or else the
// first that can be made and written of /var/lib/netchecker, the user's state
// directory, the temporary directory and /dev/shm, which Kubernetes gives to
// every pod, also to one with a read-only root.
func DirFor(asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	return firstWritable(places())
}

func places() []string {
	list := []string{"/var/lib/netchecker"}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		list = append(list, filepath.Join(state, "netchecker"))
	} else if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		list = append(list, filepath.Join(home, ".local/state/netchecker"))
	}
	// Who comes first owns what all may write, so each user has a place there.
	own := fmt.Sprintf("netchecker-%d", os.Getuid())
	return append(list, filepath.Join(os.TempDir(), own), filepath.Join("/dev/shm", own))
}

func firstWritable(list []string) (string, error) {
	var tried []string
	for _, dir := range list {
		err := writable(dir)
		if err == nil {
			return dir, nil
		}
		tried = append(tried, err.Error())
	}
	return "", fmt.Errorf("there is no place that can be written: %s", strings.Join(tried, "; "))
}

// writable makes the directory if it can, and says whether this user owns it and
// can write it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}
