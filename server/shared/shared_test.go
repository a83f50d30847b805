package shared

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

func addr(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

func addrs(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, addr(a))
	}
	return all
}

func ports(list ...string) (all []netip.AddrPort) {
	for _, a := range list {
		all = append(all, netip.MustParseAddrPort(a))
	}
	return all
}

// quick makes what takes seconds take less.
func quick(cfg Config) Config {
	cfg.Every, cfg.Ask = 100*time.Millisecond, 100*time.Millisecond
	return cfg
}

// newFacts are such, of which nothing runs.
func newFacts(t *testing.T, cfg Config) *Facts {
	t.Helper()
	f, err := New(quick(cfg))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// runs runs until the test ends, or stop is called.
func runs(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = func() {
		if cancel == nil {
			return
		}
		cancel()
		cancel = nil
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// becomes waits until that is what agents are told.
func (f *Facts) becomes(t *testing.T, want assignment.Shared) {
	t.Helper()
	eventually.Nil(t, func() error {
		if got := *f.Shared(); !reflect.DeepEqual(got, want) {
			return fmt.Errorf("agents are told\n%+v, want\n%+v", got, want)
		}
		return nil
	})
}

func TestServersKnowEachOtherWhileTheyRun(t *testing.T) {
	etcd := etcdtest.Start(t, etcdtest.UnsafeNoFsync())
	// serves is a server, with a store of its own.
	serves := func(identity, server, node string) (f *Facts, stop func()) {
		f = newFacts(t, Config{Identity: identity, Node: addr(node)})
		st, err := store.Open(store.Config{Endpoints: []string{etcd.Endpoint}, Tree: "netchecker", LeaseBucket: time.Second}, f.Kept())
		if err != nil {
			t.Fatal(err)
		}
		runs(t, st.Run)
		at := netip.AddrPort{}
		if server != "" {
			at = netip.MustParseAddrPort(server)
		}
		return f, runs(t, func(ctx context.Context) error { return f.Run(ctx, at) })
	}
	a, _ := serves("a", "10.0.0.2:8081", "192.168.0.1")
	b, stop := serves("b", "10.0.0.1:8081", "192.168.0.1")
	c, _ := serves("c", "", "192.168.0.3") // nobody told it its address
	d, _ := serves("d", "127.0.0.1:8081", "")
	all := assignment.Shared{Servers: ports("10.0.0.1:8081", "10.0.0.2:8081"), Nodes: addrs("192.168.0.1")}
	for _, f := range []*Facts{a, b, c, d} {
		f.becomes(t, all)
	}
	same := a.Shared()
	stop()
	a.becomes(t, assignment.Shared{Servers: ports("10.0.0.2:8081"), Nodes: addrs("192.168.0.1")})
	if is := a.Shared(); is == same || is != a.Shared() {
		t.Error("what is told changes otherwise than with the facts")
	}
}

func TestNoMoreServersAreToldThanAgentsTakeAndNoneThatTheyMayNotBeAimedAt(t *testing.T) {
	f := newFacts(t, Config{})
	for i := range 12 {
		value := fmt.Appendf(nil, `{"server":"10.0.0.%d:8081","node":"192.168.0.%d"}`, 12-i, i)
		f.Kept().Keeper.Apply(store.Entry{Key: fmt.Sprint("s", i), Value: value, Revision: 1})
	}
	for key, value := range map[string]string{"x": "{", "y/z": `{"server":"10.0.0.0:1"}`, "m": `{"server":"169.254.169.254:80","node":"169.254.169.254"}`, "l": `{"server":"127.0.0.1:80"}`, "p": `{"server":"10.0.0.0:0"}`} {
		f.Kept().Keeper.Apply(store.Entry{Key: key, Value: []byte(value), Revision: 1})
	}
	f.renew()
	got := f.Shared()
	if len(got.Servers) != assignment.MaxServers || got.Servers[0] != netip.MustParseAddrPort("10.0.0.1:8081") || len(got.Nodes) != assignment.MaxServers {
		t.Errorf("agents are told %+v", got)
	}
}

func TestTheClusterSaysWhoAnswersForTheNameServiceAndWhereTheServiceIs(t *testing.T) {
	c := shared.For(t)
	const user = "server"
	c.Grant(user, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "services"}, Verbs: []string{"get", "list"}})
	// The API server gives the addresses of Services, which are those of its flag.
	service, err := c.Client().CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "netchecker-service"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 8081, NodePort: 31081}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	atOnce := metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	t.Cleanup(func() {
		if err := c.Client().CoreV1().Services("default").Delete(context.Background(), service.Name, atOnce); err != nil {
			t.Error(err)
		}
	})
	pod := func(namespace, name, ip string, ready corev1.ConditionStatus, port int32) {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"k8s-app": "kube-dns"}},
			Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "dns", Image: "coredns"}}},
		}
		if port != 0 {
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "dns", Protocol: corev1.ProtocolUDP, ContainerPort: port}}
		}
		made, err := c.Client().CoreV1().Pods(namespace).Create(t.Context(), p, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Client().CoreV1().Pods(namespace).Delete(context.Background(), name, atOnce); err != nil {
				t.Error(err)
			}
		})
		made.Status = corev1.PodStatus{PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}
		if _, err := c.Client().CoreV1().Pods(namespace).UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	pod("default", "dns-0", "10.244.0.9", corev1.ConditionTrue, 0) // anybody's
	pod("kube-system", "dns-b", "10.244.0.2", corev1.ConditionTrue, 0)
	pod("kube-system", "dns-a", "10.244.0.3", corev1.ConditionTrue, 1053)
	pod("kube-system", "dns-c", "10.244.0.4", corev1.ConditionFalse, 0)
	f := newFacts(t, Config{Cluster: &ClusterConfig{
		Kubeconfig: c.Kubeconfig(user), Namespace: "default", Service: "netchecker-service", KubeAPI: ports("10.96.0.1:443"),
	}})
	runs(t, func(ctx context.Context) error { return f.Run(ctx, netip.AddrPort{}) })
	want := assignment.Shared{
		Name: "netchecker-service.default.svc", KubeAPI: ports("10.96.0.1:443"), Want: addrs(service.Spec.ClusterIPs...), ServicePort: 8081, NodePort: 31081,
		DNSServers: ports("10.244.0.3:1053", "10.244.0.2:53"),
	}
	f.becomes(t, want)
	for _, name := range []string{"dns-d", "dns-e", "dns-f"} {
		pod("kube-system", name, "10.244.1."+fmt.Sprint(name[4]), corev1.ConditionTrue, 0)
	}
	want.DNSServers = ports("10.244.0.3:1053", "10.244.0.2:53", "10.244.1.100:53", "10.244.1.101:53")
	f.becomes(t, want)

	// One is deleted, which takes it until it has ended; another is not ready any more.
	pods := c.Client().CoreV1().Pods("kube-system")
	began, grace := time.Now().Add(-time.Second), int64(30)
	if err := pods.Delete(t.Context(), "dns-a", metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
	sick, err := pods.Get(t.Context(), "dns-b", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sick.Status.Conditions[0].Status = corev1.ConditionFalse
	if _, err := pods.UpdateStatus(t.Context(), sick, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	want.DNSServers = ports("10.244.1.100:53", "10.244.1.101:53", "10.244.1.102:53")
	f.becomes(t, want)
	if since, left := f.NameServerLeft("10.244.0.3:1053"); !left || since.Before(began) || since.After(time.Now()) {
		t.Errorf("of the deleted one: left %t, since %v", left, since)
	}
	nodes := map[string]string{"10.244.0.2:53": "n1", "10.244.0.4:53": "n1", "10.244.1.100:53": "n1", "10.244.1.101:53": "n1", "10.244.1.102:53": "n1"}
	if got := f.NameServerNodes(); !reflect.DeepEqual(got, nodes) {
		t.Errorf("name servers are on %v, want %v", got, nodes)
	}
	for _, there := range []string{"10.244.0.2:53", "10.244.1.100:53", "10.244.9.9:53"} {
		if _, left := f.NameServerLeft(there); left {
			t.Errorf("%s has left", there)
		}
	}
}

func TestNameServersThatLeaveAreRememberedUntilTheirAddressIsAnothers(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	var is found
	step := func(seconds int, pods []netip.AddrPort, want ...departed) {
		t.Helper()
		was := is.left
		before := slices.Clone(was)
		if is.follow(pods, at(seconds)); !slices.Equal(is.left, want) {
			t.Errorf("at %d: %v have left, want %v", seconds, is.left, want)
		}
		if !slices.Equal(was, before) {
			t.Errorf("at %d: what others read was changed", seconds)
		}
	}
	a, b := departed{"10.0.0.1:53", at(5)}, departed{"10.0.0.2:53", at(10)}
	step(0, ports("10.0.0.1:53", "10.0.0.2:53"))
	step(5, ports("10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"))
	step(10, ports("10.0.0.2:53", "10.0.0.3:53"), a)
	step(15, ports("10.0.0.3:53"), a, b)
	step(20, ports("10.0.0.3:53"), a, b)
	step(25, ports("10.0.0.3:53", "10.0.0.1:53"), b)
	for i := range 2 * mostLeft {
		is.follow([]netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 53)}, at(30+i))
	}
	if len(is.left) != mostLeft || is.left[mostLeft-1].since != at(30+2*mostLeft-2) {
		t.Errorf("%d are remembered, the last of them %v", len(is.left), is.left[len(is.left)-1])
	}
}

func TestWhereAskingIsForbiddenWhatIsKnownOtherwiseIsTold(t *testing.T) {
	c := shared.For(t)
	f := newFacts(t, Config{Cluster: &ClusterConfig{Kubeconfig: c.Kubeconfig("nobody"), Namespace: "default", Service: "forbidden", KubeAPI: ports("10.96.0.1:443", "127.0.0.1:443")}})
	before := found{want: addrs("10.96.0.9"), port: 8081}
	is := f.cluster.ask(t.Context(), before)
	if !reflect.DeepEqual(is, before) {
		t.Errorf("what was known before has become %+v", is)
	}
	for what, why := range f.cluster.told {
		if !strings.Contains(why, "forbidden") {
			t.Errorf("%s: %s", what, why)
		}
	}
	if len(f.cluster.told) != 2 {
		t.Errorf("told is %q", f.cluster.told)
	}
	f.renew()
	want := assignment.Shared{Name: "forbidden.default.svc", KubeAPI: ports("10.96.0.1:443")}
	f.becomes(t, want)
	f.cluster.close()
}
