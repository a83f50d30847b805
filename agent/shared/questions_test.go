package shared

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func ports(list ...string) (all []netip.AddrPort) {
	for _, s := range list {
		all = append(all, netip.MustParseAddrPort(s))
	}
	return all
}

// told is all that a server can tell.
func told() *assignment.Shared {
	return &assignment.Shared{
		Name: "netchecker.test.", Want: []netip.Addr{addr("10.96.0.9"), addr("fd00::9")},
		DNSServers: ports("10.244.0.3:53", "10.244.0.4:53"), DNSEvery: 5000,
		ServicePort: 8081, NodePort: 31081, ServiceEvery: 6000,
		KubeAPI: ports("10.96.0.1:443"), KubeAPIEvery: 60_000,
	}
}

func TestWhatIsAskedIsWhatTheServerTells(t *testing.T) {
	pod, host := Place{Node: addr("192.168.0.1")}, Place{Host: true, Node: addr("192.168.0.1")}
	dns := []string{"dns netchecker.test. 5s", "dns-server 10.244.0.3:53 5s", "dns-server 10.244.0.4:53 5s"}
	service := []string{"service-name netchecker.test. 6s", "service-address 10.96.0.9:8081 6s", "service-address [fd00::9]:8081 6s"}
	node, api := []string{"node-port 192.168.0.1:31081 6s"}, []string{"kube-api 10.96.0.1:443 1m0s"}
	for _, row := range []struct {
		name   string
		place  Place
		change func(*assignment.Shared)
		want   []string
	}{
		{"all, from a pod", pod, func(*assignment.Shared) {}, slices.Concat(dns, service, node)},
		{"all, from a host", host, func(*assignment.Shared) {}, slices.Concat(dns, service, node, api)},
		{"where the node's address is not known", Place{}, func(*assignment.Shared) {}, slices.Concat(dns, service)},
		{"where the server may not read its Service", host, func(s *assignment.Shared) { s.Want, s.ServicePort, s.NodePort = nil, 0, 0 }, slices.Concat(dns, api)},
		{"without a name", pod, func(s *assignment.Shared) { s.Name = "" }, slices.Concat(service[1:], node)},
		{"nothing", host, func(s *assignment.Shared) { *s = assignment.Shared{} }, nil},
	} {
		s := told()
		row.change(s)
		var got []string
		for _, q := range questionsOf(s, row.place) {
			got = append(got, fmt.Sprint(q.kind, " ", q.target, " ", q.every))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", row.name, got, row.want)
		}
	}
}

func TestTheClustersDomainIsFoundInAPodsResolvConf(t *testing.T) {
	for text, want := range map[string]string{
		"nameserver 10.96.0.10\nsearch netchecker.svc.cluster.local svc.cluster.local cluster.local example.com\noptions ndots:5\n": "cluster.local",
		"search\tns.svc.kube.example  svc.kube.example kube.example":                                                                "kube.example",
		"search svc.old.example old.example\nsearch ns.svc.new.example svc.new.example new.example\n":                               "new.example",
		"search example.com\n":                       "",
		"search svc.example.com\n":                   "",
		"#search svc.cluster.local cluster.local\n":  "",
		"nameserver 192.168.0.1\ndomain example.com": "",
		"": "",
	} {
		if got := DomainOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAServiceIsLookedUpByItsFullNameWhereThatIsKnown(t *testing.T) {
	for _, row := range []struct{ name, domain, want string }{
		{"netchecker-service.ns.svc", "cluster.local", "netchecker-service.ns.svc.cluster.local."},
		{"netchecker-service.ns.svc", "", "netchecker-service.ns.svc"},
		{"netchecker.example", "cluster.local", "netchecker.example"},
		{"netchecker.example.", "cluster.local", "netchecker.example."},
	} {
		s := told()
		s.Name = row.name
		asked := 0
		for _, q := range questionsOf(s, Place{Domain: row.domain}) {
			if q.name == "" {
				continue
			}
			asked++
			if q.name != row.want || q.kind != report.DNSServer && q.target != row.name {
				t.Errorf("%+v: %v looks up %q for %q", row, q.kind, q.name, q.target)
			}
		}
		if asked != 4 {
			t.Errorf("%+v: %d look the name up", row, asked)
		}
	}
}

func TestNoMoreIsAskedThanAReportHasRoomFor(t *testing.T) {
	s := told()
	s.Want, s.DNSServers, s.KubeAPI = nil, nil, nil
	for i := range assignment.MaxServers {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		s.Want = append(s.Want, a)
		s.DNSServers, s.KubeAPI = append(s.DNSServers, netip.AddrPortFrom(a, 53)), append(s.KubeAPI, netip.AddrPortFrom(a, 443))
	}
	if n := len(questionsOf(s, Place{Host: true, Node: addr("10.0.0.1")})); n != report.MaxShared {
		t.Errorf("%d questions", n)
	}
}

func TestWhatWasNotWellIsAskedAgainAfterASecondUntilItIsDead(t *testing.T) {
	const every = 20 * time.Second
	var r record
	for i, row := range []struct {
		outcome Outcome
		suspect bool
		pause   time.Duration
		want    string // asked lost refused wrong suspect run message
	}{
		{Outcome{}, false, every, "1 0 0 0 0 0 "},
		{Outcome{lost, "no answer"}, false, time.Second, "2 1 0 0 0 1 no answer"},
		{Outcome{refused, "refused"}, false, time.Second, "3 1 1 0 0 2 refused"},
		{Outcome{wrong, "1.2.3.4 was answered"}, false, every, "4 1 1 1 0 3 1.2.3.4 was answered"},
		{Outcome{lost, "no answer"}, false, every, "5 2 1 1 0 4 no answer"},
		{Outcome{lost, "no answer"}, true, time.Second, "6 2 1 1 1 4 no answer"},
		{Outcome{}, true, every, "7 2 1 1 1 0 "},
	} {
		now := time.Duration(i) * time.Minute
		r.done(row.outcome, 3*time.Millisecond, every, now, row.suspect)
		s := r.row
		if got := fmt.Sprint(s.Asked, s.Lost, s.Refused, s.Wrong, s.Suspect, s.Run, " "+s.Message); got != row.want || r.due-now != row.pause {
			t.Errorf("%d: %q, the next after %v; want %q, %v", i, got, r.due-now, row.want, row.pause)
		}
	}
	if r.row.RoundTrips != 6000 {
		t.Errorf("those that were well took %d µs", r.row.RoundTrips)
	}
}
