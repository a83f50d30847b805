package fleet

import (
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestAgentIsLabelledByNodeAndNetwork(t *testing.T) {
	for _, row := range []struct {
		network report.Network
		want    string
	}{
		{report.Host, "n1-host_network"},
		{report.Pod, "n1-private_network"},
	} {
		a := Agent{Node: "n1", Network: row.network}
		if got := a.Label(); got != row.want {
			t.Errorf("network %q: label %q, want %q", row.network, got, row.want)
		}
	}
}

func TestPodsOfOneNameAreToldApartByNamespaceAndOthersAreNot(t *testing.T) {
	l := &List{Agents: []Agent{
		{Key: Key{"default", "a"}},
		{Key: Key{"blue", "b"}}, {Key: Key{"green", "b"}},
		{Key: Key{"default", "c"}},
	}}
	for i, want := range []string{"a", "blue/b", "green/b", "c"} {
		if got := l.DisplayName(i); got != want {
			t.Errorf("agent %d is called %q, want %q", i, got, want)
		}
	}
	for name, want := range map[string]int{"a": 1, "b": 2, "c": 1, "": 0, "bb": 0, "z": 0} {
		if got := len(l.Named(name)); got != want {
			t.Errorf("Named(%q) found %d agents, want %d", name, got, want)
		}
	}
}

func TestUnlistedKeyIsNoPodsKey(t *testing.T) {
	for _, ns := range []string{"", "default"} {
		k := UnlistedKey(ns, "p")
		if !k.Unlisted() || report.IsLabel(k.Namespace) {
			t.Errorf("UnlistedKey(%q) = %v: it could be mistaken for a pod", ns, k)
		}
	}
	if (Key{"default", "p"}).Unlisted() {
		t.Error("a pod's own key counts as unlisted")
	}
}
