package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

func TestAgentsIsAnObjectOfRecordsByPod(t *testing.T) {
	url := newCluster(agentX, fleet.Key{Namespace: "default", Name: "silent"}).serve(t)
	post(t, url, "netchecker-agent-x", contractReport)
	a := ask(t, "GET", url+"/api/v1/agents/", "")
	var got map[string]map[string]any
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	rec := got["netchecker-agent-x"]
	var keys []string
	for k := range rec {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	want := []string{"hostdate", "ips", "last_updated", "network_probes", "nodename", "nslookup", "podname", "report_interval", "uptime"}
	if a.status != 200 || len(got) != 1 || !slices.Equal(keys, want) {
		t.Errorf("%d, %d entries with the keys %v", a.status, len(got), keys)
	}
}

func TestAgentsIsExactlyTwoBracesWhenEmpty(t *testing.T) {
	url := newCluster(agentX).serve(t)
	if a := ask(t, "GET", url+"/api/v1/agents/", ""); a.status != 200 || a.body != "{}" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestAgentsOfThousandsIsOneObject(t *testing.T) {
	const many = 3000
	var keys []fleet.Key
	for i := range many {
		keys = append(keys, fleet.Key{Namespace: "default", Name: fmt.Sprintf("p%d", i)})
	}
	c := newCluster(keys...)
	for _, k := range keys {
		if _, err := c.Put(t.Context(), k, fmt.Appendf(nil, `{"podname":%q,"report_interval":15}`, k.Name), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	a := ask(t, "GET", c.serve(t)+"/api/v1/agents/", "")
	var got map[string]struct{ PodName string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got) != many {
		t.Fatalf("%d entries, error %v", len(got), err)
	}
	for name, rec := range got {
		if rec.PodName != name {
			t.Errorf("under %s there is the record of %s", name, rec.PodName)
		}
	}
}

func TestAgentsWithoutTheSlashIsARedirect(t *testing.T) {
	a := ask(t, "GET", newCluster().serve(t)+"/api/v1/agents", "")
	if a.status != 301 || a.header.Get("Location") != "/api/v1/agents/" {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
}

func TestAgentIsTheBareRecord(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	post(t, url, "netchecker-agent-x", contractReport)
	want := string(report.AppendShown(nil, &c.records[agentX].Record))
	if a := ask(t, "GET", url+"/api/v1/agents/netchecker-agent-x", ""); a.status != 200 || a.body != want {
		t.Errorf("%d %s, want %s", a.status, a.body, want)
	}
}

func TestWhatIsStoredIsNotWhatIsShown(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	post(t, url, "netchecker-agent-x", `{"report_interval":15,"podname":"netchecker-agent-x","pod_uid":"u1","boot_id":"00112233aabbccdd"}`)
	if rec := c.records[agentX]; rec == nil || rec.UID != "u1" {
		t.Fatalf("stored is %+v", rec)
	}
	for _, path := range []string{"/api/v1/agents/", "/api/v1/agents/netchecker-agent-x"} {
		a := ask(t, "GET", url+path, "")
		if a.status != 200 || !strings.Contains(a.body, `"podname":"netchecker-agent-x"`) || strings.Contains(a.body, "uid") || strings.Contains(a.body, "00112233aabbccdd") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestAgentThatIsMissingIs404WithTheOriginalsText(t *testing.T) {
	a := ask(t, "GET", newCluster(agentX).serve(t)+"/api/v1/agents/netchecker-agent-x", "")
	if a.status != 404 || a.body != "There is no such entry in the agent cache\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestAgentOfANameInTwoNamespacesNeedsOne(t *testing.T) {
	c := newCluster(fleet.Key{Namespace: "blue", Name: "twin"}, fleet.Key{Namespace: "green", Name: "twin"})
	url := c.serve(t)
	for _, ns := range []string{"blue", "green"} {
		if a := post(t, url, "twin", fmt.Sprintf(`{"report_interval":15,"podname":"twin","namespace":%q}`, ns)); a.status != 200 {
			t.Fatal(a)
		}
	}
	if a := ask(t, "GET", url+"/api/v1/agents/twin?namespace=green", ""); a.status != 200 || !strings.Contains(a.body, `"namespace":"green"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/agents/twin", ""); a.status != 409 || a.body != "namespace: should be given, because pods of this name are in blue and green; for example ?namespace=blue\n" {
		t.Errorf("%d %q", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/agents/", ""); !strings.HasPrefix(a.body, `{"blue/twin":{`) || !strings.Contains(a.body, `,"green/twin":{`) {
		t.Error(a.body)
	}
	if a := post(t, url, "twin", `{"report_interval":15,"podname":"twin"}`); a.status != 409 {
		t.Errorf("a report that fits both: %d %s", a.status, a.body)
	}
}

func TestConnectivityCheckAnswersAsTheContractSays(t *testing.T) {
	c := newCluster(agentX)
	url := c.serve(t)
	a := ask(t, "GET", url+"/api/v1/connectivity_check", "")
	if a.status != 400 || a.body != `{"Message":"Connectivity check fails. Reason: there are absent or outdated pods; look up the payload","Absent":["netchecker-agent-x"],"Outdated":null}` || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("absent: %d %s", a.status, a.body)
	}
	post(t, url, "netchecker-agent-x", contractReport)
	if a := ask(t, "GET", url+"/api/v1/connectivity_check", ""); a.status != 200 || a.body != `{"Message":"All 1 pods successfully reported back to the server","Absent":null,"Outdated":null}` {
		t.Errorf("well: %d %s", a.status, a.body)
	}
	c.list = &fleet.List{Source: "a made-up list"}
	a = ask(t, "GET", url+"/api/v1/connectivity_check", "")
	if a.status != 503 || !strings.HasPrefix(a.body, "Error occurred while checking the agents. Details: no agent pod exists") || json.Valid([]byte(a.body)) {
		t.Errorf("cannot know: %d %s", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/connectivity_check?starting=maybe", ""); a.status != 400 || a.body != "starting: is \"maybe\"; it should be ok, or be left out\n" {
		t.Errorf("a wrong parameter: %d %s", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/connectivity_check?starting=ok&findings=", ""); a.status != 503 {
		t.Errorf("an empty parameter: %d %s", a.status, a.body)
	}
	if a := ask(t, "GET", url+"/api/v1/connectivity_check?findings=no", ""); a.status != 400 || a.body != "findings: is \"no\"; it should be ok, or be left out\n" {
		t.Errorf("another: %d %s", a.status, a.body)
	}
}

func TestNothingIsShownBeforeAnythingWasRead(t *testing.T) {
	for name, spoil := range map[string]func(*cluster){
		"the list":  func(c *cluster) { c.list = nil },
		"the store": func(c *cluster) { c.asOf = time.Time{} },
	} {
		c := newCluster(agentX)
		spoil(c)
		url := c.serve(t)
		for _, path := range []string{"/api/v1/agents/", "/api/v1/agents/p", "/api/v1/connectivity_check"} {
			if a := ask(t, "GET", url+path, ""); a.status != 503 || !strings.HasPrefix(a.body, unknownHead) {
				t.Errorf("%s was never read: %s answers %d %s", name, path, a.status, a.body)
			}
		}
	}
}
