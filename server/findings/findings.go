// Package findings keeps what package diagnose finds broken: when it begins and ends, where
// all servers read it, and for how long it is remembered.
//
// # Who looks, and who tells
//
// The leader looks once a second, as a duty: a [Reign] tells a diagnose.State what all agents
// told last, has a diagnose.Hold decide what begins and ends, and writes that behind its
// fence. All servers, the leader among them, tell what the store has, so that they all say
// the same:
//
//	findings/<id>   a finding: one that lasts for good, one that is over for Retention
//	findings/state  whether anybody looks now, and what is left out; not there while
//	                nobody tells of paths
//
// What changes what a finding says is written at once; the counts of its evidence, which do
// each second, every refreshEvery at most. A finding keeps its ID from its beginning on,
// whoever leads: a successor takes over those that last, and those that may come again.
//
// # Standing still
//
// Findings stand still, and say so, while the leader does not know enough: while it can't
// see the agents, as when etcd is away, and for settleFor after that and after its reign
// began, within which each agent that saw something go bad or well meanwhile has told it.
// Nothing begins and nothing ends then. Where no agent tells of paths, nobody looks at all,
// which costs nothing.
package findings

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/store"
)

const (
	// Retention is how long a finding is kept that is over.
	Retention = 24 * time.Hour
	// MostPast is how many of them are kept.
	MostPast = 1000
	// MostLasting bounds those that last; what is beyond is counted.
	MostLasting = mostCritical + mostWarnings + mostInfo

	mostCritical, mostWarnings, mostInfo = 100, 60, 40
)

// Finding is one as it is kept.
type Finding struct {
	diagnose.Held
	// Sentence says it all to people, as the server worded it that found it.
	Sentence string `json:"sentence"`
}

// Lasts says whether it is not over.
func (f *Finding) Lasts() bool { return f.Ended.IsZero() }

// Line is its sentence, and of one that is over since when, and why.
func (f *Finding) Line() string {
	if f.Lasts() {
		return f.Sentence
	}
	return fmt.Sprintf("%s; over since %s: %s", f.Sentence, f.Ended.UTC().Format(time.TimeOnly), f.Why)
}

// of is a finding as it is held now.
func of(h diagnose.Held) Finding {
	h.Since, h.Began = h.Since.Round(0).UTC(), h.Began.Round(0).UTC()
	if !h.Ended.IsZero() {
		h.Ended = h.Ended.Round(0).UTC()
	}
	return Finding{h, h.Sentence()}
}

// compare orders by severity, and then by what and where.
func (f *Finding) compare(o *Finding) int {
	return cmp.Or(f.Held.Finding.Compare(&o.Held.Finding), strings.Compare(f.ID, o.ID))
}

// State says what the leader's looking is like.
type State struct {
	// Still says why findings stand still; empty while they don't.
	Still string `json:"still,omitempty"`
	// LeftOut is how many last that there is no room for.
	LeftOut int `json:"left_out,omitempty"`
}

// stateKey is where it is kept.
const stateKey = "state"

// Kept is the kind of what is kept. It is safe for use by many goroutines.
type Kept struct {
	kind store.Kind
	view *store.View[string, kept]
}

// kept is a finding, or the State.
type kept struct {
	*Finding
	state State
}

// NewKept returns the kind.
func NewKept() *Kept {
	k := &Kept{view: store.NewView(parse, decode)}
	// It is written by Save alone, so none ever waits.
	k.kind = store.Kind{Name: "findings", Share: 1, Keeper: k.view}
	return k
}

// Kind is its row of the store's table.
func (k *Kept) Kind() *store.Kind { return &k.kind }

func parse(key string) (string, bool) { return key, key != "" && !strings.Contains(key, "/") }

func decode(key string, e store.Entry) (is kept, err error) {
	if key == stateKey {
		if err := json.Unmarshal(e.Value, &is.state); err != nil {
			return kept{}, fmt.Errorf("reading the state of findings: %w", err)
		}
		return is, nil
	}
	is.Finding = &Finding{}
	if err := json.Unmarshal(e.Value, is.Finding); err != nil {
		return kept{}, fmt.Errorf("reading a finding: %w", err)
	}
	if is.ID != key || is.Began.IsZero() {
		return kept{}, errors.New("reading a finding: it has another id than its key, or no beginning")
	}
	return is, nil
}

// State is what the leader wrote last of its looking.
func (k *Kept) State() State {
	is, looks := k.view.Get(stateKey)
	if !looks {
		return State{Still: unlooked}
	}
	return is.state
}

// Lasting are those that last, the most severe first.
func (k *Kept) Lasting() (all []Finding) {
	for _, f := range k.All() {
		if f.Lasts() {
			all = append(all, *f)
		}
	}
	slices.SortFunc(all, func(a, b Finding) int { return a.compare(&b) })
	return all
}

// All are all that are kept, in no order. They are not to be changed.
func (k *Kept) All() (all []*Finding) {
	for _, is := range k.view.All() {
		if is.Finding != nil {
			all = append(all, is.Finding)
		}
	}
	return all
}
