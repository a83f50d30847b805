package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/sweep"
)

const (
	testSeed = 1
	// least are the precision and recall that are asked for.
	least = 0.95
)

// judge prints the table's rows of a size, and holds the whole against what is asked for.
func judge(t *testing.T, least float64, nodes int, paired bool, entries []entry, of func(e entry) sums) {
	t.Helper()
	var table bytes.Buffer
	head(&table)
	var total sums
	for _, e := range entries {
		if e.least > nodes {
			continue
		}
		s := of(e)
		s.line(&table, e.name+beside(paired), nodes)
		s.rest(&table, 4)
		total.and(&s)
	}
	total.line(&table, "all"+beside(paired), nodes)
	t.Logf("with seed %d:\n%s", testSeed, table.String())
	named := float64(total.Right + total.Or)
	if precision := named / (named + float64(total.Wrong+total.False)); precision < least {
		t.Errorf("at %d nodes the precision is %.3f; want %v", nodes, precision, least)
	}
	if recall := named / float64(total.Faults); recall < least {
		t.Errorf("at %d nodes the recall is %.3f; want %v", nodes, recall, least)
	}
}

// sizes are those of the whole campaign, how many trials there are of each kind, and how many
// make a part.
var sizes = []struct{ nodes, count, part int }{{3, 500, 100}, {10, 500, 50}, {100, 200, 5}, {1000, 20, 1}}

// parts are those of the whole campaign: the small ones first.
func parts() (all []part) {
	for _, size := range sizes {
		for _, paired := range []bool{false, true} {
			for _, e := range kinds(paired) {
				for from := 0; from < size.count && e.least <= size.nodes; from += size.part {
					all = append(all, part{testSeed, e.name, paired, size.nodes, from, min(size.count, from+size.part)})
				}
			}
		}
	}
	return all
}

// The whole campaign, which make thorough AREA=diagnosis runs, part by part. What came of parts
// is kept beside the file of those that are finished, for the table.
func TestTheWholeCampaign(t *testing.T) {
	if !sweep.Whole() {
		t.Skip("make thorough AREA=diagnosis runs it")
	}
	book := ledger(os.Getenv("THOROUGH") + ".sums")
	entries, all, names := everything(), map[string]part{}, []string{}
	for _, p := range parts() {
		all[p.String()] = p
		names = append(names, p.String())
	}
	sweep.Each(t, names, func(t *testing.T, name string) {
		p := all[name]
		e := entries[slices.IndexFunc(entries, func(e entry) bool { return e.name == p.Kind })]
		s, _ := trials(trial{seed: p.Seed, kind: p.Kind, paired: p.Paired, nodes: p.Nodes}, e, p.From, p.Until, false)
		if err := book.write(p, &s); err != nil {
			t.Fatal(err)
		}
	})
	came, err := book.read()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		for _, paired := range []bool{false, true} {
			judge(t, least, size.nodes, paired, kinds(paired), func(e entry) (total sums) {
				for p, s := range came {
					if p.Kind == e.name && p.Paired == paired && p.Nodes == size.nodes {
						total.and(&s)
					}
				}
				return total
			})
		}
	}
}

func TestTheSameTrialTellsTheSameStory(t *testing.T) {
	tell := func() string {
		var story bytes.Buffer
		e := catalogue()[0]
		_, all := trials(trial{seed: 3, kind: e.name, nodes: 10}, e, 1, 2, true)
		all[0].tell(&story)
		return story.String()
	}
	if first, second := tell(), tell(); first != second || !strings.Contains(first, "begins: ") {
		t.Errorf("told\n%s\nand\n%s", first, second)
	}
}

func TestWhatCameOfPartsIsKept(t *testing.T) {
	book := ledger(filepath.Join(t.TempDir(), "sums"))
	p, q := part{1, "link", false, 3, 0, 10}, part{1, "link", true, 3, 0, 10}
	for _, d := range []done{{p, sums{Faults: 9}}, {q, sums{Faults: 10, Besides: map[string]int{"loss": 2}}}, {p, sums{Faults: 10}}} {
		if err := book.write(d.Part, &d.Sums); err != nil {
			t.Fatal(err)
		}
	}
	got, err := book.read()
	if err != nil || len(got) != 2 || got[p].Faults != 10 || got[q].Besides["loss"] != 2 {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestFlagsThatAreWrongAreRefused(t *testing.T) {
	for _, row := range []struct{ arg, want string }{
		{"-nodes=2", "campaign: -nodes: \"2\" should be a number from 3\n"},
		{"-kind=rain", "campaign: -kind: there is no kind \"rain\"\n"},
	} {
		var out, err bytes.Buffer
		if code := run([]string{row.arg}, &out, &err); code != 2 || err.String() != row.want {
			t.Errorf("%s: %d, %q; want %q", row.arg, code, err.String(), row.want)
		}
	}
}
