//go:build chart

package chart_test

import (
	"strings"
	"testing"
)

func TestNotesSayHowToAsk(t *testing.T) {
	const path = `/api/v1/connectivity_check?starting=ok"`
	for _, row := range []struct {
		settings []string
		want     string
	}{
		{nil, "\n\n  NODE=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type==\"InternalIP\")].address}' | sed 's/ .*//; s/.*:.*/[&]/')\n" +
			"  curl -i \"http://$NODE:31081" + path + "\n\n200: all well."},
		{[]string{"service.ipFamilies={IPv6}"}, " | sed 's/^[^ :]* //; s/ .*//; s/.*/[&]/')\n"},
		{[]string{"service.nodePort=0"}, "  curl -i \"http://$NODE:$PORT" + path + "\n\n200: all well."},
		{[]string{"service.type=ClusterIP"}, "\n\n  kubectl --namespace netchecker port-forward service/netchecker-service 8081 &\n" +
			"  curl -i --retry 5 --retry-connrefused \"http://localhost:8081" + path + "\n\n200: all well."},
		{[]string{"service.type=LoadBalancer"}, "\n\n  HOST=$(kubectl --namespace netchecker get service netchecker-service " +
			"-o jsonpath='{.status.loadBalancer.ingress[0].ip} {.status.loadBalancer.ingress[0].hostname}' | sed 's/^ *//; s/ .*//; s/.*:.*/[&]/')\n" +
			"  curl -i \"http://$HOST:8081" + path + "\n\n200: all well."},
		{[]string{"service.ipFamilies=null"}, "\n200: all well."},
		{nil, "  helm test netchecker --namespace netchecker\n\nWhere that fails, its pod stays, and says who is missing:\n\n" +
			"  kubectl --namespace netchecker logs netchecker-test\n"},
		{nil, "  kubectl label --overwrite namespace netchecker pod-security.kubernetes.io/enforce=privileged"},
		{nil, "\nWhen was which backend disrupted? The server knows for a day (docs/backends.md), and forgets it where its pod moves:\n" +
			"etcd.embedded.persistence.enabled=true or etcd.endpoints keep it.\n"},
		{[]string{"networkPolicy.enabled=true", "networkPolicy.from[0].ipBlock.cidr=10.0.0.0/8"}, "networkPolicy.from must have the nodes' addresses"},
	} {
		if notes := notesOf(t, row.settings); !strings.Contains(notes, row.want) {
			t.Errorf("%q: the notes are\n%s\nthey should have\n%s", row.settings, notes, row.want)
		}
	}
}

func TestNotesDoNotWarnOfForgettingWhereNothingIsForgotten(t *testing.T) {
	for _, settings := range [][]string{{"etcd.embedded.persistence.enabled=true"}, {"etcd.endpoints={https://a:2379}"}} {
		if notes := notesOf(t, settings); strings.Contains(notes, "forgets") {
			t.Errorf("%q: the notes are\n%s", settings, notes)
		}
	}
}

// notesOf are those of an installation with these settings.
func notesOf(t *testing.T, settings []string) string {
	t.Helper()
	args := append([]string{"install", "netchecker", "helm-chart/netchecker", "--namespace", "netchecker", "--dry-run=client"}, sets(settings)...)
	out, err := helm(t).Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	_, notes, _ := strings.Cut(out, "\nNOTES:\n")
	return notes
}
