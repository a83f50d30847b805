package fleet

import (
	"errors"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

func pod(namespace, name, node string, addresses ...string) Agent {
	return Agent{Key: Key{Namespace: namespace, Name: name}, Node: node, Addresses: addresses}
}

// listed has one pod alone, and one whose name two namespaces have.
var listed = &List{Agents: []Agent{
	pod("default", "alone", "n1", "10.0.0.1"),
	pod("blue", "twin", "n1", "10.0.0.2"),
	pod("green", "twin", "n2", "10.0.0.3", "fd00::3"),
	pod("red", "twin", "n2", "10.0.0.4"),
}}

// known has pods whose UIDs are known.
var known = &List{Agents: []Agent{
	{Key: Key{"default", "alone"}, UID: "u0"},
	{Key: Key{"blue", "twin"}, UID: "u1"},
	{Key: Key{"green", "twin"}, UID: "u2"},
}}

func TestAReportIsIdentified(t *testing.T) {
	for _, row := range []struct {
		name string
		list *List
		r    report.Report
		want string
	}{
		{"by name and namespace", listed, report.Report{PodName: "twin", Namespace: "green"}, "green/twin"},
		{"by name alone, where one namespace has it", listed, report.Report{PodName: "alone"}, "default/alone"},
		{"by name alone, whatever node it tells", listed, report.Report{PodName: "alone", NodeName: "n9"}, "default/alone"},
		{"by node, where several namespaces have it", listed, report.Report{PodName: "twin", NodeName: "n1"}, "blue/twin"},
		{"by address, where several are on one node", listed, report.Report{PodName: "twin", NodeName: "n2", IPs: map[string][]string{"eth0": {"10.0.0.4/24"}}}, "red/twin"},
		{"by IPv6 address", listed, report.Report{PodName: "twin", NodeName: "n2", IPs: map[string][]string{"eth0": {"fd00:0::3/64"}}}, "green/twin"},
		{"by the addresses that netchecker's agents tell", listed, report.Report{PodName: "twin", Addresses: []string{"10.0.0.2"}}, "blue/twin"},
		{"by address, where it tells a node that none is on", listed, report.Report{PodName: "twin", NodeName: "n9", Addresses: []string{"10.0.0.2"}}, "blue/twin"},
		{"by its UID, where it tells no namespace", known, report.Report{PodName: "twin", UID: "u2"}, "green/twin"},
		{"by name, where the list knows no UID", listed, report.Report{PodName: "alone", UID: "u9"}, "default/alone"},
		{"not, where the pod of that name has another UID", known, report.Report{PodName: "alone", UID: "u9"}, ""},
		{"not, where that of its namespace has another UID", known, report.Report{PodName: "twin", Namespace: "green", UID: "u1"}, ""},
		{"not, where all of that name have other UIDs", known, report.Report{PodName: "twin", UID: "u9"}, ""},
		{"not, where the name is unknown", listed, report.Report{PodName: "nobody"}, ""},
		{"not, where the namespace has no pod of that name", listed, report.Report{PodName: "alone", Namespace: "blue"}, ""},
		{"not, where the list was never read", nil, report.Report{PodName: "alone"}, ""},
	} {
		got, err := row.list.Identify(&row.r)
		switch {
		case err != nil:
			t.Errorf("%s: %v", row.name, err)
		case got == nil && row.want != "", got != nil && got.Key.String() != row.want:
			t.Errorf("%s: found %v, want %q", row.name, got, row.want)
		}
	}
}

func TestAReportThatFitsSeveralPodsIsAmbiguous(t *testing.T) {
	const want = `podname: "twin" is the name of pods in the namespaces blue and green and red, and neither nodename nor ips tell which of them reports; the report should have a namespace`
	for _, r := range []report.Report{
		{PodName: "twin"},
		{PodName: "twin", NodeName: "n2"},
		{PodName: "twin", NodeName: "n9", Addresses: []string{"10.9.9.9"}},
		{PodName: "twin", Addresses: []string{"10.0.0.3", "10.0.0.4"}},
	} {
		got, err := listed.Identify(&r)
		var ambiguous *AmbiguousError
		if !errors.As(err, &ambiguous) || err.Error() != want {
			t.Errorf("%+v: found %v, error %v", r, got, err)
		}
	}
}
