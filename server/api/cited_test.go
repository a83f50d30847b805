package api

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/fleet"
)

// The outage of stores is one of agent X on n1, from 11:30:00 to 11:30:05.
func TestFindingsCiteTheDisruptionOfTheirTimeAndPlace(t *testing.T) {
	outageBegan, outageEnded := ago(30*time.Minute), ago(30*time.Minute).Add(5*time.Second)
	for _, row := range []struct {
		name         string
		scope        diagnose.Scope
		names        [2]string
		since, ended time.Time
		want         bool
	}{
		{"of that node, while it lasted", diagnose.Node, [2]string{"n1"}, outageBegan, outageEnded, true},
		{"of another", diagnose.Node, [2]string{"n2"}, outageBegan, outageEnded, false},
		{"of a pair with it", diagnose.Pair, [2]string{"n0", "n1"}, outageBegan, outageEnded, true},
		{"of all nodes", diagnose.Cluster, [2]string{}, outageBegan, outageEnded, true},
		{"of what all nodes ask", diagnose.Target, [2]string{"10.0.0.1:53"}, outageBegan, outageEnded, true},
		{"of its zone", diagnose.ZonePair, [2]string{"a", "b"}, outageBegan, outageEnded, true},
		{"of other zones", diagnose.ZonePair, [2]string{"b", "c"}, outageBegan, outageEnded, false},
		{"that lasts since then", diagnose.Node, [2]string{"n1"}, outageEnded, time.Time{}, true},
		{"a little after", diagnose.Node, [2]string{"n1"}, outageEnded.Add(about - time.Second), time.Time{}, true},
		{"after that", diagnose.Node, [2]string{"n1"}, outageEnded.Add(about + time.Second), time.Time{}, false},
		{"before that", diagnose.Node, [2]string{"n1"}, ago(time.Hour), outageBegan.Add(-about), false},
	} {
		c := newCluster(agentX)
		c.list.Nodes = map[string]fleet.Node{"n1": {Name: "n1", Zone: "a"}}
		c.stores(t)
		h := diagnose.Held{ID: "a", Began: row.since, Ended: row.ended, Finding: diagnose.Finding{
			Kind: diagnose.Underlay, Subject: diagnose.Subject{Scope: row.scope, Names: row.names}, Severity: diagnose.Critical, Since: row.since,
		}}
		c.found(t, h)
		a := get(t, c.serve(t), "/api/v1/findings", "from", "-1h30m")
		var answer struct {
			Findings []struct{ Disruption json.RawMessage }
		}
		if err := json.Unmarshal([]byte(a.body), &answer); err != nil || len(answer.Findings) != 1 {
			t.Fatalf("%s: %d %s", row.name, a.status, a.body)
		}
		want := ""
		if row.want {
			want = "[" + outage + "]"
		}
		if got := string(answer.Findings[0].Disruption); got != want {
			t.Errorf("%s: cited are %s, want %s", row.name, got, want)
		}
	}
}

func TestOfMuchDisruptionTheFirstIsCitedAndTheRestCounted(t *testing.T) {
	c := newCluster(agentX)
	list := ""
	for i := range mostCited + 3 {
		list += fmt.Sprintf(`,{"id":%d,"backend":"kube-api","connection":"new","level":"Error","message":"no","from_ms":%d,"to_ms":%d}`, i+1, i*1000, i*1000+500)
	}
	c.stored("default/netchecker-agent-x/"+bootX+"/1", `{"as_of_ms":3600000,"sealed":[`+list[1:]+`]}`)
	c.found(t, diagnose.Held{ID: "a", Began: ago(time.Hour), Finding: diagnose.Finding{
		Kind: diagnose.Underlay, Subject: diagnose.Subject{Scope: diagnose.Cluster}, Severity: diagnose.Critical, Since: ago(time.Hour),
	}})
	a := get(t, c.serve(t), "/api/v1/findings", "from", "-2h")
	var answer struct {
		Findings []struct {
			Disruption []struct{ From time.Time }
			More       int `json:"more_disruption"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || len(answer.Findings) != 1 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f := answer.Findings[0]
	if len(f.Disruption) != mostCited || !f.Disruption[0].From.Equal(ago(time.Hour)) || f.More != 3 {
		t.Errorf("cited are %+v and %d more", f.Disruption, f.More)
	}
}
