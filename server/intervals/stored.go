package intervals

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// life names a pod's agent from one start to the next.
type life struct {
	pod  fleet.Key
	boot string
}

// The last parts of keys that are no numbers, and the key of the totals.
const (
	openKey   = "open"
	lastKey   = "last"
	totalsKey = "totals"
)

func (l life) key(what string) string { return l.pod.String() + "/" + l.boot + "/" + what }

func (l life) numbered(n uint64) string { return l.key(strconv.FormatUint(n, 10)) }

// parseKey reads what key wrote. The number is 0 where what is openKey or lastKey.
func parseKey(key string) (l life, what string, number uint64, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return life{}, "", 0, false
	}
	l = life{fleet.Key{Namespace: parts[0], Name: parts[1]}, parts[2]}
	if what = parts[3]; what == openKey || what == lastKey {
		return l, what, 0, true
	}
	number, err := strconv.ParseUint(what, 10, 64)
	return l, what, number, err == nil && number > 0
}

// word is what a life said at one time, and where it lived.
type word struct {
	// booted is what a server's wall clock showed as the life's clock showed zero.
	booted  time.Time
	node    string
	network report.Network
	report.Disruption
}

// at is a time of the life's clock on the wall clock.
func (w *word) at(clock time.Duration) time.Time { return w.booted.Add(clock) }

// interval is one of w's, where the life says no more of its end than w does.
func (w *word) interval(pod fleet.Key, i *report.Interval, open bool) Interval {
	to := i.To
	if open {
		to = w.AsOf
	}
	return Interval{
		Backend: i.Backend, Connection: i.Connection, Network: w.network, Node: w.node, Pod: pod,
		Level: i.Level, Message: i.Message, From: w.at(i.From), To: w.at(to), Open: open,
		Changes: i.Changes, Failed: i.Failed,
	}
}

// storedWord is a word as it is stored.
type storedWord struct {
	Booted  time.Time      `json:"booted"`
	Node    string         `json:"node"`
	Network report.Network `json:"network"`
	// Until is when that ended which a closing leaves unknown; zero while it lasts.
	Until time.Time `json:"until,omitzero"`
	// Body is a Disruption as agents send it.
	Body json.RawMessage `json:"body"`
}

func (w *word) encode(until time.Time) ([]byte, error) {
	data, err := json.Marshal(storedWord{
		Booted: w.booted.Round(0), Node: w.node, Network: w.network, Until: until.Round(0),
		Body: report.AppendDisruption(nil, &w.Disruption),
	})
	if err != nil {
		return nil, fmt.Errorf("writing intervals: %w", err)
	}
	return data, nil
}

// decodeWord reads what encode wrote.
func decodeWord(data []byte) (w word, until time.Time, err error) {
	var s storedWord
	if err := json.Unmarshal(data, &s); err != nil {
		return word{}, time.Time{}, fmt.Errorf("reading intervals: %w", err)
	}
	d, err := report.DecodeDisruption(s.Body)
	if err != nil {
		return word{}, time.Time{}, fmt.Errorf("reading intervals: %w", err)
	}
	return word{booted: s.Booted, node: s.Node, network: s.Network, Disruption: d}, s.Until, nil
}
