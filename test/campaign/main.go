package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are what the campaign can be told.
type options struct {
	seed    uint64
	nodes   []int
	kind    string
	count   int
	pairs   bool
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
	fs.BoolVar(&o.pairs, "pairs", false, "inject another fault along with each, of another kind")
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
	for _, e := range kinds(o.pairs) {
		if e.least > nodes || o.kind != "" && o.kind != e.name {
			continue
		}
		from, until := 0, o.count
		if o.number >= 0 {
			from, until = o.number, o.number+1
		}
		s, bad := trials(trial{seed: o.seed, kind: e.name, paired: o.pairs, nodes: nodes}, e, from, until, o.number >= 0)
		s.line(to, e.name+beside(o.pairs), nodes)
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
	total.line(to, "all"+beside(o.pairs), nodes)
}

// everything is all that there are trials of.
func everything() []entry { return append(usual(), brief()) }

// usual is what the fixed part of the campaign has trials of.
func usual() []entry { return append(catalogue(), peaceful()...) }

// kinds are all that there are trials of, or those beside which there may be another fault.
func kinds(paired bool) []entry {
	if !paired {
		return everything()
	}
	return slices.DeleteFunc(catalogue(), func(e entry) bool { return e.everywhere })
}

// trials runs some that are alike but for their numbers, and returns what came of them, and
// those that went wrong, or all.
func trials(like trial, e entry, from, until int, all bool) (s sums, bad []*outcome) {
	came := make([]*outcome, until-from)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range came {
		group.Go(func() error {
			t := like
			t.number = from + i
			came[i] = t.run(e)
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	for _, o := range came {
		if s.add(o); all || o.bad() {
			bad = append(bad, o)
		}
	}
	return s, bad
}
