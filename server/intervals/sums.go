package intervals

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// maxMessages bounds the messages of a Sum.
const maxMessages = 20

// Sum is what a stretch of time had of one backend over one kind of connection, as it
// was seen from one network, or from all.
type Sum struct {
	Key
	// Disrupted is the time in which at least one sampler saw an Error, each of whose
	// intervals counts a second at least. Covered is the time in which at least one
	// sampled; gaps shorter than a second count as covered, since samples are a second
	// apart.
	Disrupted, Covered time.Duration
	// Samplers is how many sampled, and Failing how many of them saw an Error.
	Samplers, Failing int
	// Messages are those of the Errors, at most 20 different ones, in the order in which
	// they came.
	Messages []string

	// outages are the parts of Disrupted, and covered those of Covered.
	outages, covered union
	// warned is the first Warning, and warnings is how many there were.
	warned   *Interval
	warnings int
}

// summing is a Sum that is being made.
type summing struct {
	Sum
	samplers, failing map[fleet.Key]bool
}

// sum sums up [w.from, w.to), by what key gives of each interval. The sums are in the
// order of their keys.
func sum(all iter.Seq[*Interval], w span, key func(*Interval) Key) []Sum {
	sums := map[Key]*summing{}
	for i := range all {
		if !i.From.Before(w.to) {
			break
		}
		failed := i.failed(w)
		if !i.touches(w.from, w.to) && failed.length() <= 0 {
			continue
		}
		k := key(i)
		s := sums[k]
		if s == nil {
			s = &summing{Sum: Sum{Key: k}, samplers: map[fleet.Key]bool{}, failing: map[fleet.Key]bool{}}
			sums[k] = s
		}
		s.add(i, w, failed)
	}
	list := make([]Sum, 0, len(sums))
	for _, k := range slices.SortedFunc(maps.Keys(sums), Key.Compare) {
		list = append(list, sums[k].done())
	}
	return list
}

// failed is what i has of disruption in w; it may reach into w by the second that an
// Error counts at least.
func (i *Interval) failed(w span) span {
	if i.Level != report.Error {
		return span{}
	}
	return span{i.From, i.From.Add(i.outage())}.within(w)
}

func (s *summing) add(i *Interval, w, failed span) {
	if i.Level == Unknown {
		return
	}
	s.samplers[i.Pod] = true
	if i.Level == report.Warning {
		if s.warnings++; s.warned == nil {
			s.warned = i
		}
		return
	}
	s.covered.add(span{i.From, i.To}.within(w), Shortest)
	if failed.length() <= 0 {
		return
	}
	s.outages.add(failed, 0)
	s.failing[i.Pod] = true
	if len(s.Messages) < maxMessages && !slices.Contains(s.Messages, i.Message) {
		s.Messages = append(s.Messages, i.Message)
	}
}

func (s *summing) done() Sum {
	s.Disrupted, s.Covered = s.outages.length(), s.covered.length()
	s.Samplers, s.Failing = len(s.samplers), len(s.failing)
	return s.Sum
}

// allNetworks is the key of an interval without its network.
func allNetworks(i *Interval) Key { return Key{Backend: i.Backend, Connection: i.Connection} }

// Sums sums up [from, to) by backend, connection and network.
func (h *History) Sums(from, to time.Time) []Sum {
	return sum(h.timeline(h.now()).all(), span{from, to}, (*Interval).Key)
}

// SumsOfAllNetworks sums up [from, to) by backend and connection.
func (h *History) SumsOfAllNetworks(from, to time.Time) []Sum {
	return sum(h.timeline(h.now()).all(), span{from, to}, allNetworks)
}
