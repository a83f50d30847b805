package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// build is the programs of one commit.
type build struct {
	// name tells it from the other one; empty where there is no other.
	name string
	// dir has netchecker-server and netchecker-agent.
	dir string
	// bench is that commit's benchmark: its handlers serve as the child noStore.
	bench string
}

func (b build) server() string { return filepath.Join(b.dir, "netchecker-server") }
func (b build) agent() string  { return filepath.Join(b.dir, "netchecker-agent") }

// of says which build it is that text is about.
func (b build) of(text string) string {
	if b.name == "" {
		return text
	}
	return b.name + ": " + text
}

// builds are those to measure: the one that another is held against comes first.
func (o options) builds() ([]build, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	if o.against == "" {
		return []build{{dir: o.bin, bench: self}}, nil
	}
	return []build{
		{name: "old", dir: o.against, bench: filepath.Join(o.against, "bench")},
		{name: "new", dir: o.bin, bench: self},
	}, nil
}
