package system_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/test/eventually"
)

// well keeps on reporting, so that a verdict is about the others.
var well = agent{name: "well", node: "node-well"}

func TestPodsAreExpectedFromTheirCreationToTheirDeletionWhateverTheRoleAllows(t *testing.T) {
	c := useCluster(t)
	for name, rules := range map[string][]rbacv1.PolicyRule{
		"watch":        {may("pods", "get", "list", "watch"), may("nodes", "get", "list", "watch")},
		"get and list": {may("pods", "get", "list")},
		"list":         {may("pods", "list")},
	} {
		t.Run(name, func(t *testing.T) {
			late := agent{name: "late", node: "node-late", host: true}
			c.create(well)
			s := serve(t, ownEtcd(t), c.allowed("netchecker-"+strings.ReplaceAll(name, " ", "-"), rules...)).ready()
			stop := keepReporting(t, s.url, well)
			s.becomes(checkPath, 200, allWell(1))
			c.create(late)
			s.becomes(checkPath, 400, starting("late"))
			s.takes(late.report(1))
			s.becomes(checkPath, 200, allWell(2))
			s.metricBecomes(`ncagent_report_count_total{agent="node-late-host_network"}`, 1)
			c.remove(late, 0)
			s.becomes(checkPath, 200, allWell(1))
			stop()
			c.remove(well, 0)
			wantUnknown(t, s.becomes(checkPath, 503, ""))
			if answer := s.check(); !strings.HasPrefix(answer.body, unknownHead+"no agent pod exists, so nobody can report") {
				t.Errorf("without pods the check is %v", answer)
			}
		})
	}
}

func TestWithoutAnyRightTheListIsNotKnownAndSaysWhy(t *testing.T) {
	c := useCluster(t)
	c.create(well)
	s := serve(t, ownEtcd(t), c.allowed("netchecker-nothing"), flags{"-starting-grace", "0"})
	eventually.Nil(t, func() error { return names(s.get("/readyz"), "[-]pods failed") })
	eventually.Nil(t, func() error { return names(s.check(), "the list of agent pods was never read") })
	eventually.Nil(t, func() error { return names(s.check(), "forbidden") })
	wantUnknown(t, s.check())
	c.Grant("netchecker-nothing", may("pods", "list"))
	s.ready()
	s.becomes(checkPath, 400, absent("well"))
}

func TestPodsThatHaveEndedOrAreEndingAreNotExpected(t *testing.T) {
	c := useCluster(t)
	gone := map[string]func(agent){
		"evicted":     func(a agent) { c.status(a, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}) },
		"failed":      func(a agent) { c.status(a, corev1.PodStatus{Phase: corev1.PodFailed}) },
		"completed":   func(a agent) { c.status(a, corev1.PodStatus{Phase: corev1.PodSucceeded}) },
		"terminating": func(a agent) { c.remove(a, 10*time.Minute) },
	}
	c.create(well)
	s := serve(t, ownEtcd(t), c.all(), flags{"-starting-grace", "0"}).ready()
	keepReporting(t, s.url, well)
	s.becomes(checkPath, 200, allWell(1))
	for name, end := range gone {
		a := agent{name: name, node: "node-" + name}
		c.create(a)
		s.becomes(checkPath, 400, absent(name))
		end(a)
		s.becomes(checkPath, 200, allWell(1))
	}
}

func TestPodsOfOneNameInTwoNamespacesAreTwo(t *testing.T) {
	c := useCluster(t)
	blue := agent{name: "twin", namespace: "blue", node: "node-blue", interval: 60}
	green := agent{name: "twin", namespace: "green", node: "node-green", interval: 60}
	c.create(blue, green)
	s := serve(t, ownEtcd(t), c.all(), flags{"-starting-grace", "0"}).ready()
	s.takes(blue.report(1))
	s.becomes(checkPath, 400, absent("green/twin"))
	s.takes(green.report(2))
	s.becomes(checkPath, 200, allWell(2))
	entries := s.agents()
	if len(entries) != 2 || entries["blue/twin"].Uptime != 1 || entries["green/twin"].Uptime != 2 {
		t.Errorf("the entries are %+v", entries)
	}
	c.remove(blue, 0)
	s.becomes(checkPath, 200, allWell(1))
	if entries := s.agents(); len(entries) != 1 || entries["twin"].Uptime != 2 {
		t.Errorf("when one is gone, the entries are %+v", entries)
	}
}

func TestTheEntryAndTheSeriesOfADeletedPodGoWithinSeconds(t *testing.T) {
	c := useCluster(t)
	gone := agent{name: "gone", node: "node-gone", interval: 60}
	c.create(well, gone)
	s := serve(t, ownEtcd(t), c.all()).ready()
	keepReporting(t, s.url, well)
	s.takes(gone.report(1))
	s.becomes(checkPath, 200, allWell(2))
	s.metricBecomes(gone.series(reportCount), 1)
	c.remove(gone, 0)
	eventually.Within(t, 10*time.Second, func() error {
		if entries := s.agents(); len(entries) != 1 {
			return fmt.Errorf("its entry is among %v", entries)
		}
		return errors.Join(wantStatus(s.get(gone.path()), 404), lacks(s.get("/metrics"), "node-gone"))
	})
}

func TestAReportLeavesEtcdWithinItsTimeToLiveAndABucket(t *testing.T) {
	sideBySide(t)
	etcd := startEtcd(t)
	direct := etcd.Client(t)
	gone := agent{name: "gone", interval: 1}
	agents := newRoster(t, well, gone)
	s := serve(t, in(etcd), agents.flag(), flags{"-report-ttl", "3"}).ready()
	s.takes(gone.report(1))
	agents.set(well)
	const ttl, bucket, slack = 3 * time.Second, 30 * time.Second, 5 * time.Second
	eventually.Within(t, ttl+bucket+slack, func() error {
		if got := stored(t, direct, gone); got != (record{}) {
			return fmt.Errorf("etcd has %+v", got)
		}
		return nil
	})
}

func lacks(a answer, text string) error {
	if strings.Contains(a.body, text) {
		return fmt.Errorf("there is %q in\n%s", text, a.body)
	}
	return nil
}

func TestAgentsOfNodesThatAreGoingArePlannedAndFailNothing(t *testing.T) {
	c := useCluster(t)
	for name, mark := range map[string]struct{ going, staying func(agent) }{
		"cordoned": {
			func(a agent) { c.cordon(a, true) },
			func(a agent) { c.cordon(a, false) },
		},
		"out of service": {
			func(a agent) {
				c.change(a, func(spec *corev1.NodeSpec) {
					spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/out-of-service", Effect: corev1.TaintEffectNoExecute}}
				})
			},
			func(a agent) { c.change(a, func(spec *corev1.NodeSpec) { spec.Taints = nil }) },
		},
		"deleted": {
			func(a agent) {
				c.must(c.Client().CoreV1().Nodes().Delete(t.Context(), a.nodeName(), metav1.DeleteOptions{}))
			},
			func(a agent) {
				_, err := c.Client().CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: a.nodeName()}}, metav1.CreateOptions{})
				c.must(err)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			silent := agent{name: "silent", node: "node-silent", interval: 3}
			c.create(well, silent)
			s := serve(t, ownEtcd(t), c.all()).ready()
			keepReporting(t, s.url, well)
			stop := keepReporting(t, s.url, silent)
			s.becomes(checkPath, 200, allWell(2))
			mark.going(silent)
			stop()
			s.becomes(checkPath, 200, `{"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null,"Planned":["silent"]}`)
			mark.staying(silent)
			s.becomes(checkPath, 400, outdated("silent"))
			c.remove(well, 0)
			c.remove(silent, 0)
		})
	}
}

func TestWhereNodesMayNotBeReadNothingIsPlanned(t *testing.T) {
	c := useCluster(t)
	silent := agent{name: "silent", node: "node-silent"}
	c.create(well, silent)
	s := serve(t, ownEtcd(t), c.allowed("netchecker-no-nodes", may("pods", "get", "list", "watch"))).ready()
	keepReporting(t, s.url, well)
	s.takes(silent.report(1))
	s.becomes(checkPath, 200, allWell(2))
	c.cordon(silent, true)
	s.becomes(checkPath, 400, outdated("silent"))
}
