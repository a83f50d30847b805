package judge

import (
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// known is what is remembered of an agent: of its pod, that is, and not of its name.
type known struct {
	// record is its newest, as long as that is stored.
	record *fleet.Record
	// heard is when its newest report was learned of, also after that left the store;
	// zero: never. Read and interval are what that report said.
	heard    time.Time
	read     bool
	interval time.Duration
	// after is when reports under its name that tell no UID begin to be its own: what
	// was learned of up to then is an earlier pod's. Zero: all are.
	after time.Time
}

// defaultInterval is that of agents which never said theirs: their flag's default.
const defaultInterval = time.Minute

func (k *known) patience() time.Duration {
	if k.interval == 0 {
		return defaultInterval
	}
	return k.interval
}

// memory keeps what is known of each listed agent, in the order of the list.
type memory struct {
	list   *fleet.List
	known  []known
	labels []string
	// going has when the nodes were marked for going that were: few, if any, so that
	// looking for each agent's costs nothing.
	going map[string]time.Time
	// sampling has the agents whose newest record tells of backends: few, too.
	sampling map[int]bool
}

// follow takes over a new list. It forgets the pods that left it, also where one of
// the same name has come.
func (m *memory) follow(list *fleet.List) {
	if list == m.list {
		return
	}
	was := *m
	*m = memory{list: list, known: make([]known, len(list.Agents)), labels: make([]string, len(list.Agents)), going: going(list.Nodes), sampling: map[int]bool{}}
	next := 0
	for i := range list.Agents {
		a := &list.Agents[i]
		for next < len(was.known) && was.list.Agents[next].Key.Compare(a.Key) < 0 {
			next++
		}
		var before *fleet.Agent // of that name
		if next < len(was.known) && was.list.Agents[next].Key == a.Key {
			before = &was.list.Agents[next]
		}
		switch {
		case was.list == nil: // who were there before this server are who they were
		case before != nil && before.CouldBe(a.UID):
			m.known[i] = was.known[next]
			m.noteSampling(i)
		default:
			m.known[i].after = begins(a, before != nil || left(list, a))
		}
		if before != nil && before.Node == a.Node && before.Network == a.Network {
			m.labels[i] = was.labels[next]
		} else {
			m.labels[i] = a.Label()
		}
	}
}

// going has the nodes that were marked for going, by name, and when.
func going(nodes map[string]fleet.Node) map[string]time.Time {
	since := map[string]time.Time{}
	for name, node := range nodes {
		if !node.GoingSince.IsZero() {
			since[name] = node.GoingSince
		}
	}
	return since
}

// begins is since when reports under the name of a pod that has just come are its
// own. Where no earlier pod of that name is known, there was none for so long that
// one's reports would be older; what is younger may be the pod's own, taken in before
// this server's list had it.
func begins(a *fleet.Agent, succeeds bool) time.Time {
	switch {
	case a.UID == "":
		return time.Time{}
	case succeeds:
		return a.FirstSeen
	}
	return a.FirstSeen.Add(-fleet.LeftFor)
}

// left says whether an earlier pod of a's name left the list a moment ago.
func left(list *fleet.List, a *fleet.Agent) bool {
	i, _ := slices.BinarySearchFunc(list.Left, a.Key, func(l fleet.Left, k fleet.Key) int { return l.Key.Compare(k) })
	for ; i < len(list.Left) && list.Left[i].Key == a.Key; i++ {
		if !list.Left[i].CouldBe(a.UID) {
			return true
		}
	}
	return false
}

// owns says whether a record under the name of agent i is that pod's own, and not an
// earlier one's. Most have been looked at before, and none ever changes.
func (m *memory) owns(i int, rec *fleet.Record) bool {
	if rec == m.known[i].record {
		return true
	}
	if uid := m.list.Agents[i].UID; uid != "" && rec.UID != "" {
		return uid == rec.UID
	}
	return rec.Learned.After(m.known[i].after)
}

// noteSampling notes whether the record of agent i tells of backends.
func (m *memory) noteSampling(i int) {
	if rec := m.known[i].record; rec != nil && rec.Disruption != nil {
		m.sampling[i] = true
	} else {
		delete(m.sampling, i)
	}
}

// note remembers the records, and what those that are new say.
func (m *memory) note(records []*fleet.Record) {
	for i, rec := range records {
		k := &m.known[i]
		if rec == k.record {
			continue
		}
		k.record = rec
		m.noteSampling(i)
		if rec != nil {
			k.heard, k.read, k.interval = rec.Learned, rec.Read, time.Duration(rec.ReportInterval)*time.Second
		}
	}
}
