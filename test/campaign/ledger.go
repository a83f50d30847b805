package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// part is some of the trials of a kind and size: what is run at once, and not again once its
// sums are written down.
type part struct {
	Seed        uint64
	Kind        string
	Paired      bool
	Nodes       int
	From, Until int
}

func (p part) String() string {
	return fmt.Sprintf("%s%s, %d nodes, %d to %d", p.Kind, beside(p.Paired), p.Nodes, p.From, p.Until-1)
}

// beside says that there is another fault along with each.
func beside(paired bool) string {
	return map[bool]string{true: " and another"}[paired]
}

// done is a line of the ledger: what came of a part.
type done struct {
	Part part
	Sums sums
}

// ledger is the path of a file with a line of JSON for each part. Of two of the same part the
// later counts, as of one that was stopped after it was written down.
type ledger string

func (l ledger) write(p part, s *sums) (err error) {
	line, err := json.Marshal(done{p, *s})
	if err != nil {
		return fmt.Errorf("writing down what came of %v: %w", p, err)
	}
	f, err := os.OpenFile(string(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing down what came of %v: %w", p, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(append(line, '\n'))
	return err
}

// read reads what came of each part.
func (l ledger) read() (map[part]sums, error) {
	f, err := os.Open(string(l))
	if errors.Is(err, fs.ErrNotExist) {
		return map[part]sums{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what came of earlier parts: %w", err)
	}
	defer f.Close()
	all := map[part]sums{}
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all, nil // a line without an end was not written whole
		}
		if err != nil {
			return nil, fmt.Errorf("reading what came of earlier parts: %w", err)
		}
		var d done
		if err := json.Unmarshal(line, &d); err != nil {
			return nil, fmt.Errorf("reading what came of earlier parts, in %s: %w", l, err)
		}
		all[d.Part] = d.Sums
	}
}
