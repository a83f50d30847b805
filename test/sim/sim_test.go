package sim_test

import (
	"bytes"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/sim"
)

// mtus are those of each mode: from pod to pod, from pod to host, from host to pod, and from
// host to host.
var mtus = map[sim.Mode][4]uint64{
	sim.Overlay: {1450, 1450, 1450, 1500}, sim.Native: {1500, 1500, 1500, 1500}, sim.Underlay: {1450, 1450, 1500, 1500},
}

func (s *seen) classOf(told sim.Told, r report.Session) (i int) {
	if s.List().Agents[told.Agent].Network == report.Host {
		i += 2
	}
	if r.Host {
		i++
	}
	return i
}

func TestWhereNothingIsWrongAllIsAnswered(t *testing.T) {
	t.Parallel()
	for _, mode := range []sim.Mode{sim.Overlay, sim.Native, sim.Underlay} {
		s := look(t, small(mode))
		s.pass(time.Minute)
		s.compare(s.shows(), func(cell) string { return "" })
		for key, told := range s.newest {
			if want := 9; told.Mesh.Sessions.Len() != want {
				t.Errorf("%v has %d sessions, want %d", key, told.Mesh.Sessions.Len(), want)
			}
			for r := range told.Mesh.Sessions.All() {
				if want := mtus[mode]; r.MTU != want[s.classOf(told, r)] {
					t.Errorf("%v: %+v; want an MTU of %d", key, r, want)
				}
				if r.Sent < 40 || r.Answered()+1 < r.Sent || r.Dialed < 8 || r.There != r.MTU || r.Here != r.MTU || r.MTU == 0 {
					t.Errorf("%v: %+v", key, r)
				}
			}
			for _, r := range told.Mesh.Shared {
				if r.Asked < 6 || r.Lost+r.Refused+r.Wrong+r.Suspect > 0 || r.RoundTrips == 0 {
					t.Errorf("%v: %+v", key, r)
				}
			}
			if n := len(told.Mesh.Shared); n < 6 || n > 7 {
				t.Errorf("%v asks %d things", key, n)
			}
		}
		for _, told := range s.told {
			if !told.Report || told.Via != "" {
				t.Errorf("%v sent an update", told.Key)
			}
		}
	}
}

// where is a short way to say what a cell should show.
type where func(cell) string

// at is forward for what leads to a node, and back for what comes from it; of a cell that
// counts.
func at(node int, counts func(cell) bool, to, from string) where {
	return func(c cell) string {
		switch {
		case c.from == c.to || counts != nil && !counts(c):
			return ""
		case c.to == node:
			return to
		case c.from == node:
			return from
		}
		return ""
	}
}

func toPod(c cell) bool { return !c.toHost }

func TestAFaultShowsWhereItIsAndNowhereElse(t *testing.T) {
	t.Parallel()
	half, all := sim.Degree{Loss: 0.5}, sim.Degree{Loss: 1}
	for _, row := range []struct {
		name  string
		mode  sim.Mode
		fault sim.Fault
		want  where
	}{
		{"a link loses what comes in", sim.Overlay, sim.Fault{At: sim.Link(1, sim.In), Degree: half}, at(1, nil, "forward", "back")},
		{"a link loses what goes out", sim.Overlay, sim.Fault{At: sim.Link(1, sim.Out), Degree: half}, at(1, nil, "back", "forward")},
		{"a link loses in bursts", sim.Overlay, sim.Fault{At: sim.Link(1, sim.In), Degree: sim.Degree{Loss: 0.5, Burst: 2 * time.Second}}, at(1, nil, "forward", "back")},
		{"a link is dead", sim.Overlay, sim.Fault{At: sim.Link(1, sim.In), Degree: all}, at(1, nil, "dials lost, silent", "")},
		{"one way between two nodes", sim.Overlay, sim.Fault{At: sim.Pair(1, 3), Degree: half}, func(c cell) string {
			switch {
			case c.from == 1 && c.to == 3:
				return "forward"
			case c.from == 3 && c.to == 1:
				return "back"
			}
			return ""
		}},
		{"one way between two zones", sim.Overlay, sim.Fault{At: sim.Zones(0, 1), Degree: half}, func(c cell) string {
			switch {
			case c.from%2 == 0 && c.to%2 == 1:
				return "forward"
			case c.from%2 == 1 && c.to%2 == 0:
				return "back"
			}
			return ""
		}},
		{"encapsulation", sim.Overlay, sim.Fault{At: sim.PodNetwork(1, sim.In), Degree: half}, at(1, toPod, "forward", "back")},
		{"encapsulation between two nodes", sim.Overlay, sim.Fault{At: sim.PodPair(1, 3), Degree: all}, func(c cell) string {
			if !c.toHost && (c.from == 1 && c.to == 3 || c.from == 3 && c.to == 1) {
				return "dials lost, silent"
			}
			return ""
		}},
		{"encapsulation between pods alone", sim.Underlay, sim.Fault{At: sim.PodNetwork(1, sim.In), Degree: half},
			at(1, func(c cell) bool { return !c.fromHost && !c.toHost }, "forward", "back")},
		{"routes to a node's pods", sim.Native, sim.Fault{At: sim.PodNetwork(1, sim.In), Degree: half}, func(c cell) string {
			switch {
			case c.from == c.to:
			case c.to == 1 && !c.toHost:
				return "forward"
			case c.from == 1 && !c.fromHost:
				return "back"
			}
			return ""
		}},
		{"the pods of a node", sim.Overlay, sim.Fault{At: sim.Pods(1, sim.In), Degree: half}, func(c cell) string {
			switch {
			case c.to == 1 && !c.toHost:
				return "forward"
			case c.from == 1 && !c.fromHost:
				return "back"
			}
			return ""
		}},
		{"a host and its own pods", sim.Overlay, sim.Fault{At: sim.OwnPods(1, sim.Both), Degree: all}, func(c cell) string {
			if c.from == 1 && c.to == 1 {
				return "dials lost, silent"
			}
			return ""
		}},
		{"what pods send to hosts", sim.Overlay, sim.Fault{At: sim.Class(1, false, true, sim.Both), Degree: all},
			at(1, func(c cell) bool { return !c.fromHost && c.toHost }, "dials lost, silent", "dials lost, silent")},
		{"large packets that come in", sim.Overlay, sim.Fault{At: sim.Link(1, sim.In), Degree: sim.Degree{Loss: 1, Above: 1200}},
			at(1, nil, "hole forward", "hole back")},
		{"packets that are too large once they are encapsulated", sim.Overlay, sim.Fault{At: sim.Link(1, sim.In), Degree: sim.Degree{Loss: 1, Above: 1460}},
			at(1, func(c cell) bool { return c.fromHost || !c.toHost }, "hole forward", "hole back")},
		{"new connections", sim.Overlay, sim.Fault{At: sim.At(sim.AtTracking, 1), Degree: sim.Degree{Loss: 1, New: true}}, func(c cell) string {
			if c.from == 1 || c.to == 1 {
				return "dials lost"
			}
			return ""
		}},
		{"an agent that stands still", sim.Overlay, sim.Fault{At: sim.Agent(1, false)}, func(c cell) string {
			if c.to == 1 && !c.toHost {
				return "dials mute, silent"
			}
			return ""
		}},
	} {
		s := look(t, small(row.mode))
		s.pass(time.Minute)
		s.inject(row.fault)
		s.pass(40 * time.Second)
		without := []string{}
		if d := row.fault.Degree; d.Loss < 1 && d.Loss > 0 { // then connections may fail, or not
			without = []string{"dials lost", "dials mute", "silent", "some flows", "suspect", "hole forward", "hole back"}
		}
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			s.compare(s.shows(without...), row.want)
		})
	}
}

func TestTheSameSeedTellsTheSameByteByByte(t *testing.T) {
	t.Parallel()
	tell := func(seed uint64) []byte {
		c := small(sim.Overlay)
		c.Seed, c.Nodes, c.Background = seed, 12, 0.01
		s := look(t, c)
		s.pass(20 * time.Second)
		s.inject(
			sim.Fault{At: sim.Link(1, sim.In), Degree: sim.Degree{Loss: 0.3, Burst: time.Second}},
			sim.Fault{At: sim.At(sim.AtProcessors, 2), Degree: sim.Degree{Late: 200 * time.Millisecond, Share: 0.1}},
		)
		s.pass(40 * time.Second)
		var all []byte
		for _, told := range s.told {
			all = fmt.Appendf(all, "%v %v %v %v ", told.Key, told.At, told.Report, told.Via)
			all = report.AppendMesh(all, told.Mesh)
		}
		return all
	}
	first := tell(1)
	if !bytes.Equal(first, tell(1)) {
		t.Error("the same seed told something else")
	}
	if len(first) < 10_000 || bytes.Equal(first, tell(2)) {
		t.Errorf("another seed told the same %d bytes", len(first))
	}
}

func TestAConnectionThatIsKnownGoesOnWhereNewOnesDoNot(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.At(sim.AtTracking, 1), Degree: sim.Degree{Loss: 0.5, New: true}})
	s.pass(60 * time.Second)
	failed := false
	for c, text := range s.shows() {
		failed = failed || text == "dials lost"
		if text != "dials lost" {
			t.Errorf("%+v shows %s", c, text)
		}
	}
	if !failed {
		t.Error("all connections were made")
	}
}

func TestSomeConnectionsFailWhereOthersDoNot(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.Link(1, sim.In), Degree: sim.Degree{Loss: 1, Flows: 0.5}})
	s.pass(60 * time.Second)
	some, well := 0, 0
	s.rows(10*time.Second, func(c cell, before, now report.Session) {
		there := c.from != c.to && (c.from == 1 || c.to == 1)
		switch {
		case now.Flows == report.FlowsSome:
			some++
		case now.Silent == 0:
			well++
		}
		if !there && words(before, now) != "" {
			t.Errorf("%+v: %s", c, words(before, now))
		}
	})
	if some == 0 || well == 0 {
		t.Errorf("%d are known to fail for some, and %d are well", some, well)
	}
}

// TestAnAgentThatStoodStillGoesOn answers then what has waited, so that it came there.
func TestAnAgentThatStoodStillGoesOn(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.Agent(1, false), Until: s.Now() + 20*time.Second})
	s.pass(50 * time.Second)
	s.compare(s.shows("dials mute"), func(c cell) string {
		if c.to == 1 && !c.toHost {
			return "back"
		}
		return ""
	})
	for key, told := range s.newest {
		if stood := told.Mesh.Starved > 19*time.Second && told.Mesh.Starved < 21*time.Second; stood != (told.Agent == 1) {
			t.Errorf("%v was starved for %v", key, told.Mesh.Starved)
		}
	}
}

func TestALittleIsLostAllTheTimeBetweenNodes(t *testing.T) {
	c := small(sim.Overlay)
	c.Background = 0.02
	s := look(t, c)
	s.pass(3 * time.Minute)
	var sent, forward, back, own uint64
	s.rows(10*time.Second, func(c cell, _, now report.Session) {
		if c.from == c.to {
			own += now.Forward + now.Back
			return
		}
		sent, forward, back = sent+now.Sent, forward+now.Forward, back+now.Back
	})
	for _, lost := range []uint64{forward, back} {
		if part := float64(lost) / float64(sent); part < 0.017 || part > 0.023 {
			t.Errorf("of %d %d are lost on one way", sent, lost)
		}
	}
	if own > 0 {
		t.Errorf("%d are lost on one node", own)
	}
}

func TestWhatIsDelayedTakesThatMuchLonger(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.Link(1, sim.In), Degree: sim.Degree{Delay: 70 * time.Millisecond, Jitter: 10 * time.Millisecond}})
	s.pass(30 * time.Second)
	s.compare(s.shows(), func(cell) string { return "" })
	s.rows(10*time.Second, func(c cell, before, now report.Session) {
		mean := (now.RoundTrips - before.RoundTrips) / (now.Answered() - before.Answered())
		if late := mean > 60_000 && mean < 90_000; late != (c.from != c.to && (c.from == 1 || c.to == 1)) {
			t.Errorf("%+v takes %d µs", c, mean)
		}
	})
}

var nodes = flag.Int("nodes", 40, "how many `nodes` the cluster has that is larger than others")

// TestManyNodesAreWell is an epoch and a half, in which each agent has begun with passing
// peers, gone on with some, and ended with others.
func TestManyNodesAreWell(t *testing.T) {
	t.Parallel()
	s := look(t, sim.Config{Nodes: *nodes, Zones: 3, Interval: 15 * time.Second, Seed: 5})
	s.pass(46 * time.Second)
	s.compare(s.shows(), func(cell) string { return "" })
	zones, ended := 0, 0
	s.rows(20*time.Second, func(c cell, _, now report.Session) {
		if c.from%3 != c.to%3 {
			zones++
		}
	})
	for key, told := range s.newest {
		if n := told.Mesh.Sessions.Len(); n < 17 || n > 33 {
			t.Errorf("%v has %d sessions", key, n)
		}
		ended += told.Mesh.Ended.Len()
	}
	if len(s.newest) != 2**nodes || zones == 0 || ended == 0 {
		t.Errorf("%d agents told; %d rows between zones, %d ended", len(s.newest), zones, ended)
	}
}

func TestTheTruthIsWhatIsInjectedWhileItLasts(t *testing.T) {
	s := look(t, small(sim.Overlay))
	f := sim.Fault{At: sim.Class(1, false, true, sim.Out), Degree: sim.Degree{Loss: 0.3}, From: 5 * time.Second, Until: 8 * time.Second}
	s.inject(f)
	for second := range 12 {
		if got, want := s.Truth(), second >= 5 && second < 8; (len(got) == 1) != want || want && got[0] != f {
			t.Errorf("after %d s: %v", second, got)
		}
		s.pass(time.Second)
	}
	for _, row := range []struct {
		fault sim.Fault
		want  string
	}{
		{sim.Fault{At: sim.Link(5, sim.In)}, "there is no place link of 5, in"},
		{sim.Fault{At: sim.Pair(0, 5)}, "there is no place pair from 0 to 5"},
		{sim.Fault{At: sim.Zones(2, 1)}, "there is no place zones from 2 to 1"},
		{sim.Fault{At: sim.At(sim.AtNameServer, 2)}, "there is no place name server of 2"},
		{sim.Fault{At: sim.Agent(-1, true)}, "there is no place agent of -1 on the host network"},
		{sim.Fault{At: sim.Place{Kind: "sea"}}, "there is no place sea of 0"},
		{sim.Fault{At: f.At, Degree: sim.Degree{Loss: 1.5}}, "a fault at class from pod to host of 1, out has a part of 1.5; it should be from 0 to 1"},
		{sim.Fault{At: f.At, From: 20 * time.Second, Until: 20 * time.Second}, "a fault at class from pod to host of 1, out ends at 20s; it should be after it begins, at 20s"},
	} {
		if err := s.Inject(row.fault); err == nil || err.Error() != row.want {
			t.Errorf("got %v, want %s", err, row.want)
		}
	}
}
