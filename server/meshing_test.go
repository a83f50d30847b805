package main

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/judge"
)

// Silent agents are probed on, for as long as their last report is kept: what their peers
// see tells why.
func TestWhoReportsOrFellSilentIsProbed(t *testing.T) {
	states := []evaluate.State{evaluate.Reporting, evaluate.Starting, evaluate.Outdated, evaluate.Absent, evaluate.Planned}
	h := heard(&judge.Snapshot{List: &fleet.List{}, States: states})
	for i, want := range []bool{true, false, true, false, false} {
		if h.Reporting(i) != want {
			t.Errorf("one that is %v: %v, want %v", states[i], !want, want)
		}
	}
}

func TestTheAPIServerIsWhereKubernetesSaysThatPodsFindIt(t *testing.T) {
	for _, row := range []struct {
		host, port string
		want       []netip.AddrPort
	}{
		{"10.96.0.1", "443", []netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443")}},
		{"fd00::1", "443", []netip.AddrPort{netip.MustParseAddrPort("[fd00::1]:443")}},
		{"kubernetes", "443", nil},
		{"", "", nil},
	} {
		env := map[string]string{"KUBERNETES_SERVICE_HOST": row.host, "KUBERNETES_SERVICE_PORT": row.port}
		if got := kubeAPI(func(name string) string { return env[name] }); !slices.Equal(got, row.want) {
			t.Errorf("%s and %s: %v, want %v", row.host, row.port, got, row.want)
		}
	}
}

// A kind with less than half of all shares is in one transaction at a time, so that it
// leaves a writer to others: reports should not be.
func TestReportsHaveHalfOfTheQueue(t *testing.T) {
	facts, err := openFacts(Options{AgentsFile: "agents.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(Options{}, nil, nil, facts, nil)
	const otherwise = 1024
	of := map[string]int{}
	all := 0
	for _, k := range s.kinds() {
		if of[k.Name] = k.Share; k.Share == 0 {
			of[k.Name] = otherwise
		}
		all += of[k.Name]
	}
	if reports := of["agents"]; 2*reports < all || 4*of["updates"] > reports {
		t.Errorf("the shares are %v", of)
	}
}

func TestAnAddressThatIsGivenIsTheServersOwn(t *testing.T) {
	for text, want := range map[string]string{"": "invalid IP", "10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "fd00::1": "fd00::1", "x": "invalid IP"} {
		if got := address(text).String(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
