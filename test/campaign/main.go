package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are what the campaign can be told.
type options struct {
	seed    uint64
	nodes   []int
	kind    string
	count   int
	number  int
	stories int
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	fs := flag.NewFlagSet("campaign", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Uint64Var(&o.seed, "seed", 1, "what all chance follows from")
	sizes := fs.String("nodes", "3,10", "how many nodes clusters have, separated by commas")
	fs.StringVar(&o.kind, "kind", "", "the `kind` of faults; none: all, and what is no fault")
	fs.IntVar(&o.count, "count", 20, "how many trials there are of each kind and size")
	fs.IntVar(&o.number, "number", -1, "the one trial to run, whose story is told; -1: all")
	fs.IntVar(&o.stories, "stories", 0, "of how many trials of each kind that went wrong the story is told")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	for _, text := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 3 {
			return o, fmt.Errorf("-nodes: %q should be a number from 3", text)
		}
		o.nodes = append(o.nodes, n)
	}
	if o.kind != "" && !slices.ContainsFunc(everything(), func(e entry) bool { return e.name == o.kind }) {
		return o, fmt.Errorf("-kind: there is no kind %q", o.kind)
	}
	return o, nil
}

// run is main, with its exit status: 0 where the table was printed, whatever it says, and 2
// for flags that are wrong.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "campaign:", err)
		return 2
	}
	head(stdout)
	for _, nodes := range o.nodes {
		o.size(stdout, nodes)
	}
	return 0
}

// size prints the rows of clusters of one size.
func (o *options) size(to io.Writer, nodes int) {
	var total sums
	for _, e := range everything() {
		if e.least > nodes || o.kind != "" && o.kind != e.name {
			continue
		}
		from, until := 0, o.count
		if o.number >= 0 {
			from, until = o.number, o.number+1
		}
		s, bad := trials(o.seed, e, nodes, from, until, o.number >= 0)
		s.line(to, e.name, nodes)
		s.rest(to, 4)
		stories := o.stories
		if o.number >= 0 {
			stories = 1
		}
		for _, out := range bad[:min(len(bad), stories)] {
			out.tell(to)
		}
		total.and(&s)
	}
	total.line(to, "all", nodes)
}

// everything is all that there are trials of.
func everything() []entry { return append(usual(), brief()) }

// usual is what the fixed part of the campaign has trials of.
func usual() []entry { return append(catalogue(), peaceful()...) }

// trials runs some of a kind and size, and returns what came of them, and those that went
// wrong, or all.
func trials(seed uint64, e entry, nodes, from, until int, all bool) (s sums, bad []*outcome) {
	for n := from; n < until; n++ {
		o := trial{seed, []string{e.name}, nodes, n}.run([]entry{e})
		if s.add(o); all || o.bad() {
			bad = append(bad, o)
		}
	}
	return s, bad
}
