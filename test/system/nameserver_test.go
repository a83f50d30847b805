package system_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/test/eventually"
)

// nameServer makes a pod of the name service that is ready.
func (c *cluster) nameServer(name, ip string) {
	c.t.Helper()
	pods := c.Client().CoreV1().Pods("kube-system")
	made, err := pods.Create(c.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "coredns", Image: "coredns"}}},
	}, metav1.CreateOptions{})
	c.must(err)
	made.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	_, err = pods.UpdateStatus(c.t.Context(), made, metav1.UpdateOptions{})
	c.must(err)
}

// Agents ask it until they are told.
func TestANameServerWhosePodIsDeletedIsToldToHaveLeftAndIsNoFailureOfDNS(t *testing.T) {
	c := useCluster(t)
	a := agent{name: "pod-1", node: "n1", interval: 60}
	c.create(a)
	c.nameServer("coredns-1", "10.244.0.3")
	s := serve(t, ownEtcd(t), c.all(), flags{"-namespace", "default"}).ready()
	eventually.Nil(t, func() error {
		answer := s.ask(a.post(fmt.Sprintf(`{"report_interval":60,"podname":%q,"nodename":"n1","boot_id":"0123456789abcdef","clock_ms":90000,"understands":{"mesh":""},"mesh":{"as_of_ms":1}}`, a.name)))
		reply, err := report.DecodeReply([]byte(answer.body))
		if err != nil || len(reply.News) == 0 {
			return fmt.Errorf("the report was answered %v, %w", answer, err)
		}
		told, err := assignment.Decode(reply.News[0].Data, false)
		if err != nil || told.Shared == nil || fmt.Sprint(told.Shared.DNSServers) != "[10.244.0.3:53]" {
			return fmt.Errorf("told %+v, %w", told, err)
		}
		return nil
	})

	number := 0
	// tells has the agent send an update, each of which is as of a millisecond later.
	tells := func(asked, lost int) {
		number++
		r := a.post(fmt.Sprintf(`{"podname":%q,"boot_id":"0123456789abcdef","clock_ms":%d,"number":%d,"body":{"as_of_ms":%d,"shared":[{"kind":"dns-server","target":"10.244.0.3:53","asked":%d,"lost":%d,"run":%d,"message":"no answer"}]}}`,
			a.name, 90_000+number, number, 90_000+number, asked, lost, lost))
		r.path += "/updates"
		s.takes(r)
	}
	becomes := func(left bool, failing int) {
		t.Helper()
		eventually.Nil(t, func() error {
			var got struct {
				Shared []struct {
					Left    bool `json:"left"`
					Failing int  `json:"failing_agents"`
				} `json:"shared"`
			}
			answer := s.get("/api/v1/mesh")
			if err := json.Unmarshal([]byte(answer.body), &got); err != nil || answer.status != http.StatusOK {
				return fmt.Errorf("%v: %w", answer, err)
			}
			if len(got.Shared) != 1 || got.Shared[0].Left != left || got.Shared[0].Failing != failing {
				return fmt.Errorf("it tells %+v, want left %t, failing %d", got.Shared, left, failing)
			}
			return nil
		})
	}
	const asked, lost = `netchecker_shared_asked_total{kind="dns-server",network="pod"}`, `netchecker_shared_failed_total{kind="dns-server",network="pod",outcome="lost"}`
	tells(10, 2)
	becomes(false, 1)
	s.metricBecomes(asked, 10)
	s.metricBecomes(lost, 2)

	grace := int64(30)
	c.must(c.Client().CoreV1().Pods("kube-system").Delete(t.Context(), "coredns-1", metav1.DeleteOptions{GracePeriodSeconds: &grace}))
	becomes(true, 0)
	tells(20, 9)
	s.metricBecomes(asked, 13) // three more were well
	s.metricBecomes(lost, 2)
}
