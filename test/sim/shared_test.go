package sim_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/sim"
)

// fails are the things that a node's agents ask in vain now, or that answer what is wrong.
func (s *seen) fails() map[int]string {
	all := map[int]map[string]bool{}
	for i := range s.List().Agents {
		told := s.newest[s.List().Agents[i].Key]
		if told.Mesh == nil || s.Wall().Sub(told.At) > 20*time.Second {
			continue
		}
		n := s.node(i)
		if all[n] == nil {
			all[n] = map[string]bool{}
		}
		for _, r := range told.Mesh.Shared {
			if r.Run >= 3 {
				word := string(r.Kind)
				if r.Kind == report.DNSServer {
					word += " " + r.Target
				}
				all[n][word+": "+r.Message] = true
			}
		}
	}
	joined := map[int]string{}
	for n, w := range all {
		joined[n] = strings.Join(slices.Sorted(maps.Keys(w)), ", ")
	}
	return joined
}

// only has a text of one node alone, where each has another of its own.
func only(node int, text string) func(int) string {
	return func(n int) string {
		if n == node {
			return text
		}
		return ""
	}
}

func of(text string) func(int) string { return func(int) string { return text } }

func TestAFaultOfWhatAllShareShowsWhereItIsAsked(t *testing.T) {
	t.Parallel()
	all := sim.Degree{Loss: 1}
	const (
		no      = ": no answer"
		first   = "dns-server 10.64.1.242:53"
		second  = "dns-server 10.64.3.243:53"
		service = "service-address" + no
		wrong   = ": 10.32.0.66 was answered"
	)
	for _, row := range []struct {
		name   string
		faults []sim.Fault
		want   func(int) string
	}{
		{"Services at a node", []sim.Fault{{At: sim.At(sim.AtServices, 2), Degree: all}}, only(2, "dns"+no+", kube-api"+no+", "+service+", service-name"+no)},
		{"its port", []sim.Fault{{At: sim.At(sim.AtNodePort, 2), Degree: all}}, only(2, "node-port"+no)},
		{"names at a node", []sim.Fault{{At: sim.At(sim.AtDNS, 2), Degree: all}}, only(2, first+no+", "+second+no+", dns"+no+", service-name"+no)},
		{"the API server from a node", []sim.Fault{{At: sim.At(sim.AtAPI, 2), Degree: all}}, only(2, "kube-api"+no)},
		{"the API server", []sim.Fault{{At: sim.At(sim.AtAPIServer, 0), Degree: all}}, of("kube-api" + no)},
		{"a server of names that refuses", []sim.Fault{{At: sim.At(sim.AtNameServer, 1), Degree: sim.Degree{Refuse: true}}}, of(second + ": connection refused")},
		{"all servers of names", []sim.Fault{{At: sim.At(sim.AtNameServer, 0), Degree: all}, {At: sim.At(sim.AtNameServer, 1), Degree: all}},
			of(first + no + ", " + second + no + ", dns" + no + ", service-name" + no)},
		{"wrong answers", []sim.Fault{{At: sim.At(sim.AtNameServer, 0), Degree: sim.Degree{Wrong: true}}, {At: sim.At(sim.AtNameServer, 1), Degree: sim.Degree{Wrong: true}}},
			of(first + wrong + ", " + second + wrong + ", dns" + wrong + ", service-name" + no)},
	} {
		s := look(t, small(sim.Overlay))
		s.pass(30 * time.Second)
		s.inject(row.faults...)
		s.pass(40 * time.Second)
		got := s.fails()
		for n := range 5 {
			text := got[n]
			if len(row.faults) == 1 && row.faults[0].At.Kind == sim.AtNameServer { // the configured one is sometimes this, sometimes that
				text = strings.TrimSuffix(strings.TrimSuffix(text, ", service-name: connection refused"), ", dns: connection refused")
			}
			if text != row.want(n) {
				t.Errorf("%s: at node %d %q fails, want %q", row.name, n, text, row.want(n))
			}
		}
	}
}

// TestWhereTheServiceIsNotReachedUpdatesTakeDetours is about the agents of node 2; the server
// is on node 0.
func TestWhereTheServiceIsNotReachedUpdatesTakeDetours(t *testing.T) {
	all := sim.Degree{Loss: 1}
	for _, row := range []struct {
		name      string
		fault     sim.Fault
		pod, host report.Via
		none      bool
	}{
		{"Services are dead", sim.Fault{At: sim.At(sim.AtServices, 2), Degree: all}, report.ViaServer, report.ViaServer, false},
		{"the pod network is dead", sim.Fault{At: sim.PodNetwork(2, sim.Both), Degree: all}, report.ViaNode, report.ViaNode, false},
		{"its link is dead", sim.Fault{At: sim.Link(2, sim.Both), Degree: all}, "", "", true},
	} {
		s := look(t, small(sim.Overlay))
		s.pass(30 * time.Second)
		s.inject(row.fault)
		s.pass(30 * time.Second)
		s.told = nil
		s.pass(30 * time.Second)
		count := 0
		for _, told := range s.told {
			if s.node(told.Agent) != 2 {
				continue
			}
			count++
			if waited := told.At.Sub(told.Booted.Add(told.Mesh.AsOf)); waited > 100*time.Millisecond {
				t.Errorf("%s: %v was on its way for %v", row.name, told.Key, waited)
			}
			want := row.pod
			if s.List().Agents[told.Agent].Network == report.Host {
				want = row.host
			}
			if told.Report || told.Via != want {
				t.Errorf("%s: %v told by %q, report %t; want an update by %q", row.name, told.Key, told.Via, told.Report, want)
			}
		}
		if (count == 0) != row.none {
			t.Errorf("%s: %d were told", row.name, count)
		}
	}
}

func TestANodeThatIsOffIsSilentAndNotReadyAndBeginsAnew(t *testing.T) {
	s := look(t, small(sim.Overlay))
	s.pass(30 * time.Second)
	s.inject(sim.Fault{At: sim.At(sim.AtMachine, 1), From: s.Now(), Until: s.Now() + 60*time.Second})
	s.pass(20 * time.Second)
	s.compare(s.shows(), at(1, nil, "dials lost, silent", "dials lost, silent"))
	if r := s.List().Nodes["node-0001"].Ready; r != fleet.Ready {
		t.Errorf("after 20 s it is ready: %s", r)
	}
	s.pass(30 * time.Second)
	if r := s.List().Nodes["node-0001"].Ready; r != fleet.ReadyUnknown {
		t.Errorf("after 50 s it is ready: %s", r)
	}
	s.pass(90 * time.Second)
	s.inject()
	s.pass(30 * time.Second)
	s.compare(s.shows(), func(cell) string { return "" })
	for key, told := range s.newest {
		if b := told.Mesh.AsOf < 100*time.Second; b != (told.Agent == 1 || told.Agent == 6) {
			t.Errorf("%v, agent %d, is %v old", key, told.Agent, told.Mesh.AsOf)
		}
	}
	if r := s.List().Nodes["node-0001"].Ready; r != fleet.Ready {
		t.Errorf("at the end it is ready: %s", r)
	}
}
