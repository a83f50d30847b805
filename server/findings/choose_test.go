package findings

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/fleet"
)

// onNode is a finding about a node.
func onNode(kind diagnose.Kind, severity diagnose.Severity, node string) diagnose.Finding {
	return diagnose.Finding{Kind: kind, Severity: severity, Subject: diagnose.Subject{Scope: diagnose.Node, Names: [2]string{node}}}
}

func TestOfTooManyFindingsThoseThatLastAndTheMostSevereStay(t *testing.T) {
	var found []diagnose.Finding
	for i := range 500 {
		found = append(found, onNode(diagnose.Starved, diagnose.Info, fmt.Sprintf("n%03d", i)))
	}
	last := diagnose.Held{Finding: found[499]}
	found = append(found, onNode(diagnose.NodeUnreachable, diagnose.Critical, "n500"))
	some, leftOut := bounded(slices.Clone(found), []diagnose.Held{last})
	if len(some) != mostInfo+1 || leftOut != 500-mostInfo || some[0].Subject.Names[0] != "n500" || some[mostInfo].Subject.Names[0] != "n499" {
		t.Errorf("%d stay, from %v to %v, and %d are left out", len(some), some[0].Subject, some[len(some)-1].Subject, leftOut)
	}
	if some, leftOut := bounded(found[:mostInfo], nil); len(some) != mostInfo || leftOut != 0 {
		t.Errorf("%d stay of %d, and %d are left out", len(some), mostInfo, leftOut)
	}
}

func TestSubjectsAreGoneWithWhatTheyName(t *testing.T) {
	list := &fleet.List{Nodes: map[string]fleet.Node{
		"n1": {Name: "n1", Zone: "a"}, "n2": {Name: "n2", Zone: "b", Going: "cordoned"}, "n3": {Name: "n3", Going: fleet.Deleted},
	}}
	unread := &fleet.List{Agents: []fleet.Agent{{Node: "n1"}}}
	left := func(target string) (time.Time, bool) { return time.Time{}, target == "10.0.0.1:53" }
	for _, row := range []struct {
		list  *fleet.List
		scope diagnose.Scope
		names [2]string
		want  string
	}{
		{list, diagnose.Cluster, [2]string{}, ""},
		{list, diagnose.Node, [2]string{"n1"}, ""},
		{list, diagnose.Node, [2]string{"n2"}, ""},
		{list, diagnose.Node, [2]string{"n3"}, "the node n3 was deleted"},
		{list, diagnose.Node, [2]string{"n4"}, "the node n4 was deleted"},
		{list, diagnose.Pair, [2]string{"n1", "n2"}, ""},
		{list, diagnose.Pair, [2]string{"n1", "n3"}, "the node n3 was deleted"},
		{list, diagnose.ZonePair, [2]string{"a", "b"}, ""},
		{list, diagnose.ZonePair, [2]string{"a", "c"}, "the zone c has no nodes any more"},
		{list, diagnose.Target, [2]string{"10.0.0.2:53"}, ""},
		{list, diagnose.Target, [2]string{"10.0.0.1:53"}, "10.0.0.1:53 has left"},
		{unread, diagnose.Node, [2]string{"n1"}, ""},
		{unread, diagnose.Node, [2]string{"n2"}, "no agent is on n2 any more"},
	} {
		if got := gone(row.list, left)(diagnose.Subject{Scope: row.scope, Names: row.names}); got != row.want {
			t.Errorf("%s %q: %q, want %q", row.scope, row.names, got, row.want)
		}
	}
}

func TestOfANodeThatIsGoingOnlyWhatLastsAlreadyIsTold(t *testing.T) {
	now := noon
	list := &fleet.List{Nodes: map[string]fleet.Node{
		"new": {GoingSince: now.Add(-time.Minute)}, "old": {GoingSince: now.Add(-plannedFor)}, "stays": {},
	}}
	pair := onNode(diagnose.Underlay, diagnose.Critical, "")
	pair.Subject = diagnose.Subject{Scope: diagnose.Pair, Names: [2]string{"new", "stays"}}
	all := diagnose.Finding{Subject: diagnose.Subject{Scope: diagnose.Cluster}}
	found := []diagnose.Finding{onNode(diagnose.Loss, "", "new"), onNode(diagnose.Loss, "", "old"), onNode(diagnose.Loss, "", "stays"), pair, all}
	for _, row := range []struct {
		lasting []diagnose.Held
		want    []int
	}{
		{nil, []int{1, 2, 4}},
		{[]diagnose.Held{{Finding: onNode(diagnose.PodNetwork, "", "new")}}, []int{0, 1, 2, 4}},
		{[]diagnose.Held{{Finding: pair}}, []int{1, 2, 3, 4}},
	} {
		var want []diagnose.Finding
		for _, i := range row.want {
			want = append(want, found[i])
		}
		if got := unplanned(slices.Clone(found), row.lasting, list, now); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestHomesAreTheNodesOfNameServersOfTheServersAndOfTheAPIServer(t *testing.T) {
	list := &fleet.List{Agents: []fleet.Agent{
		{Node: "n1", Network: report.Host, Addresses: []string{"192.168.0.1", "fd00::1"}},
		{Node: "n2", Network: report.Host, Addresses: []string{"192.168.0.2"}},
		{Node: "n3", Network: report.Pod, Addresses: []string{"192.168.0.1"}},
	}, Nodes: map[string]fleet.Node{"n1": {}, "n2": {Labels: map[string]string{controlPlane: ""}}, "n3": {Labels: map[string]string{controlPlane: ""}}}}
	told := &assignment.Shared{
		Name: "x.y.svc", KubeAPI: []netip.AddrPort{netip.MustParseAddrPort("10.96.0.1:443")}, ServicePort: 8081, Want: []netip.Addr{netip.MustParseAddr("10.96.0.9")},
		Nodes: []netip.Addr{netip.MustParseAddr("192.168.0.2"), netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("192.168.0.9")},
	}
	got := Homes(list, told, map[string]string{"10.244.1.5:53": "n3", "10.244.2.5:53": "n1", "10.244.2.6:53": "n1"})
	both := []string{"n1", "n2"}
	want := map[diagnose.Thing][]string{
		{Kind: report.DNSServer, Target: "10.244.1.5:53"}:       {"n3"},
		{Kind: report.DNSServer, Target: "10.244.2.5:53"}:       {"n1"},
		{Kind: report.DNSServer, Target: "10.244.2.6:53"}:       {"n1"},
		{Kind: report.DNS, Target: "x.y.svc"}:                   {"n1", "n3"},
		{Kind: report.ServiceName, Target: "x.y.svc"}:           both,
		{Kind: report.ServiceAddress, Target: "10.96.0.9:8081"}: both,
		{Kind: report.NodePort}:                                 both,
		{Kind: report.KubeAPI, Target: "10.96.0.1:443"}:         {"n2", "n3"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Homes(list, &assignment.Shared{}, nil); len(got) != 0 {
		t.Errorf("nothing is known, and homes are %v", got)
	}
}
