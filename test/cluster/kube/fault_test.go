package kube

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestFaultsOfPacketsAreRulesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		make       func([]string) (rules, error)
		args       []string
		node, want string
	}{
		{overlayCut, []string{"node-1"}, "node-1", `table inet fault-overlay-cut
delete table inet fault-overlay-cut
table inet fault-overlay-cut {
	chain in {
		type filter hook prerouting priority -300;
		iifname "eth0" udp dport 8472 drop
	}
	chain out {
		type filter hook postrouting priority -300;
		oifname "eth0" udp dport 8472 drop
	}
}
`},
		{overlayCut, []string{"node-1", "out"}, "node-1", `table inet fault-overlay-cut
delete table inet fault-overlay-cut
table inet fault-overlay-cut {
	chain out {
		type filter hook postrouting priority -300;
		oifname "eth0" udp dport 8472 drop
	}
}
`},
		{underlayCut, []string{"node-2", "node-1"}, "wire", `table bridge fault-underlay-cut-node-1-node-2
delete table bridge fault-underlay-cut-node-1-node-2
table bridge fault-underlay-cut-node-1-node-2 {
	chain through {
		type filter hook forward priority -300;
		iifname . oifname { "node-1" . "node-2", "node-2" . "node-1" } drop
	}
}
`},
		{overlayPairCut, []string{"node-2", "node-1"}, "wire", `table bridge fault-overlay-pair-cut-node-1-node-2
delete table bridge fault-overlay-pair-cut-node-1-node-2
table bridge fault-overlay-pair-cut-node-1-node-2 {
	chain through {
		type filter hook forward priority -300;
		iifname . oifname { "node-1" . "node-2", "node-2" . "node-1" } udp dport 8472 drop
	}
}
`},
		{overlayLoss, []string{"node-1", "30", "in"}, "node-1", `table inet fault-overlay-loss
delete table inet fault-overlay-loss
table inet fault-overlay-loss {
	chain in {
		type filter hook prerouting priority -300;
		iifname "eth0" udp dport 8472 numgen random mod 100 <= 29 drop
	}
}
`},
		{hostPodsMarked, []string{"node-1"}, "node-1", `table inet fault-host-pods-cut
delete table inet fault-host-pods-cut
table inet fault-host-pods-cut {
	chain in {
		type filter hook prerouting priority -300;
		iifname "cni0" fib daddr type local meta l4proto udp drop
		iifname "cni0" fib daddr type local tcp flags & (syn | ack) == syn drop
	}
	chain own {
		type filter hook output priority -300;
		oifname "cni0" meta skuid != 0 meta mark set mark or 1048576
	}
}
`},
		{hostPodsCut, []string{"node-1"}, "node-1", `table bridge fault-host-pods-cut
delete table bridge fault-host-pods-cut
table bridge fault-host-pods-cut {
	chain own {
		type filter hook output priority -300;
		meta mark & 1048576 == 1048576 drop
	}
}
`},
		{nodePortBroken, []string{"node-1"}, "node-1", `table inet fault-nodeport-broken
delete table inet fault-nodeport-broken
table inet fault-nodeport-broken {
	chain in {
		type filter hook prerouting priority -300;
		fib daddr type local meta l4proto { tcp, udp } th dport 30000-32767 drop
	}
	chain own {
		type filter hook output priority -300;
		fib daddr type local meta l4proto { tcp, udp } th dport 30000-32767 drop
	}
}
`},
		{apiServerCut, []string{"node-1"}, "node-1", `table inet fault-apiserver-cut
delete table inet fault-apiserver-cut
table inet fault-apiserver-cut {
	chain in {
		type filter hook prerouting priority -300;
		iifname "eth0" tcp sport 6443 drop
	}
}
`},
		{func(args []string) (rules, error) { return dnsPodCut(args[0], args[1:]), nil }, []string{"node-1", "10.244.0.3", "fd00::3"}, "node-1", `table inet fault-dns-pod-cut
delete table inet fault-dns-pod-cut
table inet fault-dns-pod-cut {
	chain out {
		type filter hook postrouting priority -300;
		ip daddr 10.244.0.3 meta l4proto { tcp, udp } th dport 53 drop
		ip6 daddr fd00::3 meta l4proto { tcp, udp } th dport 53 drop
	}
}
`},
		{blackhole, []string{"node-3", "1300"}, "node-3", `table inet fault-blackhole
delete table inet fault-blackhole
table inet fault-blackhole {
	chain in {
		type filter hook prerouting priority -300;
		iifname "vxlan0" meta length > 1300 drop
	}
	chain out {
		type filter hook postrouting priority -300;
		oifname "eth0" udp dport 8472 meta length > 1350 drop
	}
}
`},
		{loss, []string{"node-1", "30"}, wire, `table bridge fault-loss-node-1
delete table bridge fault-loss-node-1
table bridge fault-loss-node-1 {
	chain through {
		type filter hook forward priority -300;
		iifname "node-1" numgen random mod 100 <= 29 drop
		oifname "node-1" numgen random mod 100 <= 29 drop
	}
}
`},
		{dnsCut, []string{"node-1"}, "node-1", `table inet fault-dns-cut
delete table inet fault-dns-cut
table inet fault-dns-cut {
	chain in {
		type filter hook prerouting priority -300;
		iifname "cni0" meta l4proto { tcp, udp } th dport 53 drop
	}
	chain own {
		type filter hook output priority -300;
		meta l4proto { tcp, udp } th dport 53 drop
	}
}
`},
	} {
		r, err := row.make(row.args)
		if err != nil || r.node != row.node {
			t.Errorf("%q: on %s, want %s, %v", row.args, r.node, row.node, err)
		}
		text(t, r.script(), row.want)
	}
}

func TestWhatWasCountedIsReadFromWhatNftLists(t *testing.T) {
	t.Parallel()
	const listed = `table inet count {
	chain in {
		type filter hook prerouting priority raw; policy accept;
		iifname "cni0" udp dport 8083 counter packets 12 bytes 900
	}

	chain own {
		type filter hook output priority raw; policy accept;
		udp dport 8083 counter packets 34 bytes 5600
	}
}
`
	if pods, host, err := countedIn(listed); pods != 12 || host != 34 || err != nil {
		t.Errorf("read %d and %d, %v", pods, host, err)
	}
	for _, said := range []string{"", strings.Split(listed, "chain own")[0], strings.ReplaceAll(listed, "counter packets", "accept")} {
		if _, _, err := countedIn(said); err == nil {
			t.Errorf("%q is taken for counters", said)
		}
	}
}

func TestFaultsAreToldWithTheirArguments(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"underlay-cut", []string{"node-1"}, "fault underlay-cut takes NODE NODE"},
		{"loss", nil, "fault loss takes NODE PERCENT"},
		{"overlay-loss", nil, "fault overlay-loss takes NODE PERCENT [in|out|both]"},
		{"dns-pod-cut", []string{"node-1"}, "fault dns-pod-cut takes no arguments"},
		{"loss", []string{"node-1", "5", "6"}, "fault loss takes NODE PERCENT"},
	} {
		if _, err := findFault(row.name, row.args); err == nil || err.Error() != row.want {
			t.Errorf("%s %q: got error %v, want %s", row.name, row.args, err, row.want)
		}
	}
}

func TestSlowNodesCableLeadsOverARelay(t *testing.T) {
	t.Parallel()
	text(t, detourScript("node-2"), `link add slow-node-2 type bridge mcast_snooping 0
link set slow-node-2 up
link set near-node-2 master br0
link set near-node-2 up
link set far-node-2 master slow-node-2
link set far-node-2 up
link set node-2 master slow-node-2
`)
	r := relay("node-2", 50)
	if r.key() != "wire/relay-node-2" {
		t.Errorf("it is written down as %s", r.key())
	}
	text(t, strings.Join(r.args, " "), "-delay=50ms near-node-2 far-node-2")
}

func TestContainersAreFoundWithTheIDOfTheOneThatRuns(t *testing.T) {
	t.Parallel()
	status := func(name, id string, runs bool) corev1.ContainerStatus {
		s := corev1.ContainerStatus{Name: name, ContainerID: id}
		if runs {
			s.State.Running = &corev1.ContainerStateRunning{}
		}
		return s
	}
	pod := func(name string, phase corev1.PodPhase, all ...corev1.ContainerStatus) corev1.Pod {
		return corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "netchecker", Name: name}, Spec: corev1.PodSpec{NodeName: "node-2"},
			Status: corev1.PodStatus{Phase: phase, ContainerStatuses: all},
		}
	}
	pods := []corev1.Pod{
		pod("server", corev1.PodRunning,
			status("server", "containerd://a", true), status("etcd", "containerd://b", true), status("old", "containerd://c", false), status("new", "", false)),
		pod("nowhere", corev1.PodPending),
		pod("test", corev1.PodSucceeded, status("etcd", "containerd://d", false)),
		pod("evicted", corev1.PodFailed, status("etcd", "containerd://e", false)),
	}
	const of = "netchecker/server"
	all := []container{{"node-2", of, "server", "a"}, {"node-2", of, "etcd", "b"}, {"node-2", of, "old", ""}, {"node-2", of, "new", ""}}
	if got := containersOf(pods, ""); !slices.Equal(got, all) {
		t.Errorf("all: got %v, want %v", got, all)
	}
	if got, want := containersOf(pods, "etcd"), all[1:2]; !slices.Equal(got, want) {
		t.Errorf("etcd: got %v, want %v", got, want)
	}
}

func TestNodeThatIsNotReadyTellsWhy(t *testing.T) {
	t.Parallel()
	node := func(conditions ...corev1.NodeCondition) *corev1.Node {
		return &corev1.Node{Status: corev1.NodeStatus{Conditions: conditions}}
	}
	for _, row := range []struct {
		node *corev1.Node
		want string
	}{
		{node(), "the node has not said whether it is Ready"},
		{node(corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Message: "no network"}), "the node is not Ready: no network"},
		{node(corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue}), ""},
	} {
		got := ""
		if err := ready(row.node); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("got %q, want %q", got, row.want)
		}
	}
}
