package api

import (
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/judge"
	"github.com/netchecker/netchecker/server/paths"
)

// Paths has what agents told of the paths between them.
type Paths interface {
	// Table is made of the newest records of a list's agents; the error is a
	// *paths.TooLargeError.
	Table(list *fleet.List, records []*fleet.Record, q paths.Query) (paths.Table, error)
}

const (
	// mostCells bounds the cells, and the rows of what all share, and so an answer to some
	// 5 MB.
	mostCells = 5000
	// fewAgents is up to how many agents are told by node where nothing else is asked
	// for: those of 30 nodes.
	fewAgents = 60
)

// The values of the parameter by.
const byNode, byZone = "node", "zone"

// mesh tells what agents measured of the paths between them.
func (s *server) mesh(w http.ResponseWriter, r *http.Request) {
	snap := s.Snapshots.Snapshot()
	if snap.List == nil {
		plain(w, http.StatusServiceUnavailable, unknownHead+whyUnknown(snap))
		return
	}
	now := s.Now()
	p := parametersOf(r, now, "by", "node")
	q := paths.Query{By: p.by(snap.List), Node: p.values.Get("node"), Most: mostCells}
	if q.Node != "" && !hasNode(snap.List, q.Node) {
		p.refuse("node", "is %.70q, which has no agents; it should be the name of a node that has", q.Node)
	}
	if p.err != nil {
		plain(w, http.StatusBadRequest, p.err.Error())
		return
	}
	a, ok := s.tables.to(r.Context(), q, s.Now, func() answer { return s.table(snap, q, p) })
	if !ok {
		return
	}
	if a.status != http.StatusOK {
		plain(w, a.status, string(a.body))
		return
	}
	writeJSON(w, a.body)
}

// table words the answer to q.
func (s *server) table(snap *judge.Snapshot, q paths.Query, p *parameters) answer {
	t, err := s.Paths.Table(snap.List, snap.Records, q)
	var large *paths.TooLargeError
	if errors.As(err, &large) {
		p.tooLarge(q.By, large)
		return answer{http.StatusBadRequest, []byte(p.err.Error())}
	}
	return wordJSON(shownMesh(q, t, s.Now()))
}

// by is what rows and columns should be: what is asked for, or what fits.
func (p *parameters) by(list *fleet.List) paths.By {
	switch text := p.values.Get("by"); text {
	case byNode:
		return paths.ByNode
	case byZone:
		return paths.ByZone
	case "":
		if len(list.Agents) <= fewAgents || p.values.Get("node") != "" {
			return paths.ByNode
		}
	default:
		p.refuse("by", "is %.70q; it should be node or zone", text)
	}
	return paths.ByZone
}

// tooLarge says what to ask for instead.
func (p *parameters) tooLarge(by paths.By, e *paths.TooLargeError) {
	if by == paths.ByZone {
		p.refuse("node", "is left out, so that there are more than %d %s to tell; it should name a node", e.Most, e.What)
		return
	}
	p.refuse("by", "has more than %d %s to tell; it should be zone, or node should name one", e.Most, e.What)
}

func hasNode(list *fleet.List, node string) bool {
	for i := range list.Agents {
		if list.Agents[i].Node == node {
			return true
		}
	}
	return false
}

// meshAnswer is what agents measured. A place is a node or a zone.
type meshAnswer struct {
	By     string       `json:"by"`
	Places []string     `json:"places"`
	Cells  []meshCell   `json:"cells"`
	Shared []meshShared `json:"shared"`
	// Agents are those of the node that was asked for; otherwise those that are mute.
	Agents []meshAgent `json:"agents"`
	// Heard is there where one node was asked for.
	Heard []meshHeard `json:"heard,omitempty"`
}

// meshCell is what agents of one place measured to another.
type meshCell struct {
	Class      string   `json:"class"`
	Family     string   `json:"family"`
	From       string   `json:"from"`
	To         string   `json:"to"`
	Sessions   int      `json:"sessions"`
	Dead       int      `json:"dead_sessions"`
	Sent       uint64   `json:"sent"`
	Answered   uint64   `json:"answered"`
	Forward    uint64   `json:"lost_forward"`
	Back       uint64   `json:"lost_back"`
	Open       uint64   `json:"unanswered"`
	Refused    uint64   `json:"refused"`
	Suspect    uint64   `json:"suspect"`
	Forbidden  uint64   `json:"forbidden,omitempty"`
	Stuck      uint64   `json:"local_errors,omitempty"`
	Silent     float64  `json:"silent_seconds"`
	Flows      string   `json:"flows,omitempty"`
	RoundTrip  *spread  `json:"round_trip_ms,omitempty"`
	TCP        meshTCP  `json:"tcp"`
	Size       meshSize `json:"size"`
	MeasuredBy []string `json:"measured_by"`
	Age        float64  `json:"age_seconds"`
}

// spread is of times that were measured, in milliseconds.
type spread struct {
	Mean     float64 `json:"mean"`
	Shortest float64 `json:"shortest"`
	Longest  float64 `json:"longest"`
}

// meshTCP is what came of new connections.
type meshTCP struct {
	Tried   uint64 `json:"tried"`
	Refused uint64 `json:"refused"`
	Lost    uint64 `json:"lost"`
	Mute    uint64 `json:"mute"`
	// InARow are those that were not well up to now.
	InARow uint64   `json:"failing_in_a_row"`
	Mean   *float64 `json:"mean_ms,omitempty"`
}

// meshSize is of packets, in bytes.
type meshSize struct {
	MTU   uint64 `json:"mtu,omitempty"`
	There uint64 `json:"passed_forward,omitempty"`
	Here  uint64 `json:"passed_back,omitempty"`
	Hole  string `json:"black_hole,omitempty"`
}

// meshShared is what agents of one place and network met with as they asked something
// that all share.
type meshShared struct {
	Kind    string `json:"kind"`
	Target  string `json:"target"`
	Network string `json:"network"`
	From    string `json:"from"`
	Left    bool   `json:"left,omitempty"`
	Agents  int    `json:"agents"`
	Failing int    `json:"failing_agents"`
	Asked   uint64 `json:"asked"`
	Lost    uint64 `json:"lost"`
	Refused uint64 `json:"refused"`
	Wrong   uint64 `json:"wrong"`
	Suspect uint64 `json:"suspect"`
	// InARow are those that were not well up to now, of the agent with the most.
	InARow     uint64   `json:"failing_in_a_row"`
	Mean       *float64 `json:"mean_ms,omitempty"`
	Message    string   `json:"message,omitempty"`
	MeasuredBy []string `json:"measured_by"`
	Age        float64  `json:"age_seconds"`
}

// meshAgent is what an agent tells of itself.
type meshAgent struct {
	Pod          string  `json:"pod"`
	Node         string  `json:"node"`
	Network      string  `json:"network"`
	Mute         string  `json:"mute,omitempty"`
	Starved      float64 `json:"starved_seconds"`
	Conntrack    uint64  `json:"conntrack,omitempty"`
	ConntrackMax uint64  `json:"conntrack_max,omitempty"`
	Via          string  `json:"via,omitempty"`
	Age          float64 `json:"age_seconds"`
}

// meshHeard is a session as the agent that is probed knows it.
type meshHeard struct {
	Pod        string  `json:"pod"`
	Node       string  `json:"node"`
	From       string  `json:"from"`
	FromNode   string  `json:"from_node"`
	Family     string  `json:"family"`
	Received   uint64  `json:"received"`
	Silent     float64 `json:"silent_seconds"`
	Unanswered uint64  `json:"unanswered"`
	Age        float64 `json:"age_seconds"`
}

func shownMesh(q paths.Query, t paths.Table, now time.Time) meshAnswer {
	a := meshAnswer{
		By: byZone, Places: append([]string{}, t.Names...), Cells: make([]meshCell, len(t.Cells)),
		Shared: make([]meshShared, len(t.Shared)), Agents: make([]meshAgent, len(t.Agents)),
	}
	if q.By == paths.ByNode {
		a.By = byNode
	}
	for i := range t.Cells {
		a.Cells[i] = shownCell(&t.Cells[i], now)
	}
	for i := range t.Shared {
		a.Shared[i] = shownShared(&t.Shared[i], now)
	}
	for i := range t.Agents {
		a.Agents[i] = shownAgent(&t.Agents[i], now)
	}
	for _, h := range t.Heard {
		a.Heard = append(a.Heard, meshHeard{
			Pod: h.Pod, Node: h.Node, From: h.From, FromNode: h.FromNode, Family: family(h.Six), Received: h.Received,
			Silent: millis(h.Silent), Unanswered: h.Unanswered, Age: age(h.At, now),
		})
	}
	return a
}

func shownCell(c *paths.Cell, now time.Time) meshCell {
	s := &c.Sum
	shown := meshCell{
		Class: c.Class.String(), Family: family(c.Six), From: c.From, To: c.To, Sessions: c.Sessions, Dead: c.Dead,
		Sent: s.Sent, Answered: s.Answered(), Forward: s.Forward, Back: s.Back, Open: s.Open, Refused: s.Refused, Suspect: s.Suspect,
		Forbidden: s.Forbidden, Stuck: s.Stuck, Silent: millis(s.Silent), Flows: flows(s.Flows),
		TCP:        meshTCP{Tried: s.Dialed, Refused: s.DialRefused, Lost: s.DialLost, Mute: s.DialMute, InARow: s.DialRun},
		Size:       meshSize{s.MTU, s.There, s.Here, hole(s.Hole)},
		MeasuredBy: c.Pods, Age: age(c.At, now),
	}
	if n := s.Answered(); n > 0 {
		shown.RoundTrip = &spread{micros(s.RoundTrips / n), micros(s.Shortest), micros(s.Longest)}
	}
	shown.TCP.Mean = mean(s.Dials, s.Dialed-min(s.Dialed, s.DialRefused+s.DialLost+s.DialMute))
	return shown
}

func shownShared(r *paths.Shared, now time.Time) meshShared {
	s := &r.Sum
	return meshShared{
		Kind: string(r.Kind), Target: r.Target, Network: string(r.Network), From: r.From, Left: r.Left, Agents: r.Agents, Failing: r.Failing,
		Asked: s.Asked, Lost: s.Lost, Refused: s.Refused, Wrong: s.Wrong, Suspect: s.Suspect, InARow: s.Run,
		Mean:    mean(s.RoundTrips, s.Asked-min(s.Asked, s.Lost+s.Refused+s.Wrong+s.Suspect)),
		Message: s.Message, MeasuredBy: r.Pods, Age: age(r.At, now),
	}
}

func shownAgent(a *paths.Self, now time.Time) meshAgent {
	return meshAgent{
		Pod: a.Pod, Node: a.Node, Network: string(a.Network), Mute: a.Mute, Starved: a.Starved.Seconds(),
		Conntrack: a.Conntrack, ConntrackMax: a.ConntrackMax, Via: string(a.Via), Age: age(a.At, now),
	}
}

// mean is that of so many times, whose sum is in microseconds, in milliseconds; nil for
// none.
func mean(sum, of uint64) *float64 {
	if of == 0 {
		return nil
	}
	m := micros(sum / of)
	return &m
}

func family(six bool) string {
	if six {
		return "ipv6"
	}
	return "ipv4"
}

// flows says whether dead sessions are dead for all flows.
func flows(f report.Flows) string {
	switch f {
	case report.FlowsSome:
		return "some"
	case report.FlowsDead:
		return "dead"
	}
	return ""
}

// hole says on which way large packets vanish.
func hole(h report.Hole) string {
	switch h {
	case report.HoleForward:
		return "forward"
	case report.HoleBack:
		return "back"
	case report.HoleBoth:
		return "both"
	}
	return ""
}

// millis are milliseconds in seconds, and micros microseconds in milliseconds.
func millis(n uint64) float64 { return float64(n) / 1000 }

func micros(n uint64) float64 { return float64(n) / 1000 }

// age is in seconds, to the tenth.
func age(at, now time.Time) float64 { return math.Round(max(0, now.Sub(at).Seconds())*10) / 10 }
