package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/netchecker/netchecker/test/cluster/place"
)

// state is what has to be known of the cluster to take it down, or to change it:
// everything that was started, and what was asked for.
type state struct {
	DualStack bool          `json:"dualStack"`
	Nodes     []Node        `json:"nodes"`
	Places    []place.Place `json:"places"`
	// Processes are those in places, besides their anchors, by place and program.
	Processes map[string]place.Identity `json:"processes"`
	// Images are the archives that every node has, in the order they were loaded.
	Images []string `json:"images"`
}

func stateFile(dir string) string { return filepath.Join(dir, "state.json") }

// readState is false where there is no cluster.
func readState(dir string) (state, bool, error) {
	var s state
	text, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("reading what the cluster consists of: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, false, fmt.Errorf("reading what the cluster consists of, in %s: %w", stateFile(dir), err)
	}
	return s, true, nil
}

// write replaces the file as a whole: a crash leaves either the old or the new.
func (s state) write(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	next := stateFile(dir) + ".next"
	if err := writeSynced(next, append(text, '\n')); err != nil {
		return fmt.Errorf("writing down what the cluster consists of: %w", err)
	}
	return os.Rename(next, stateFile(dir))
}

// writeSynced returns once the disk has it, so that a rename is never there first.
func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// everything is each process that was written down.
func (s state) everything() []place.Identity {
	var all []place.Identity
	for _, p := range s.Places {
		all = append(all, p.Anchor)
	}
	for _, id := range s.Processes {
		all = append(all, id)
	}
	return all
}
