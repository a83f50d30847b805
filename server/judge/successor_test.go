package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// listPod makes the list know one pod, a, with that UID, first seen now; those who
// left a moment ago have the other ones.
func (w *world) listPod(uid string, left ...string) {
	w.list = &fleet.List{Source: "a made-up list"}
	w.list.Agents = []fleet.Agent{{Key: key("a"), UID: uid, Node: "node-a", FirstSeen: w.t}}
	for _, u := range left {
		w.list.Left = append(w.list.Left, fleet.Left{Agent: fleet.Agent{Key: key("a"), UID: u}, Since: w.t})
	}
}

// hearFrom stores a report that tells its pod's UID.
func (w *world) hearFrom(uid string) {
	w.hear(key("a"))
	w.records[key("a")].UID = uid
}

// wantShown holds the newest Snapshot against what is told and whether a record is
// shown.
func wantShown(t *testing.T, j *Judge, want string, shown bool) {
	t.Helper()
	s := anew(j)
	wantTold(t, s, want)
	if got := s.Records[0] != nil; got != shown {
		t.Errorf("a record is shown: %v, want %v", got, shown)
	}
}

func TestAPodThatIsMadeAnewUnderItsNameStartsAnew(t *testing.T) {
	for _, row := range []struct {
		name          string
		former, later string // what their reports tell of their UIDs
	}{
		{"whose agents tell their UIDs", "u1", "u2"},
		{"whose agents tell none", "", ""},
		{"whose first agent told none", "", "u2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld()
			w.listPod("u1")
			j := w.judge()
			w.pass(5 * time.Minute)
			w.hearFrom(row.former)
			wantShown(t, j, "ok; a reporting", true)
			w.pass(time.Second)
			w.listPod("u2")
			wantShown(t, j, "failing, or cannot_know; a starting", false)
			w.pass(time.Second)
			w.hearFrom(row.later)
			wantShown(t, j, "ok; a reporting", true)
			w.pass(31 * time.Second)
			wantShown(t, j, "failing; a outdated", true)
		})
	}
}

func TestAPodThatLeftTheListAMomentAgoIsKnownForAnEarlierOne(t *testing.T) {
	w := newWorld()
	w.listPod("u1")
	j := w.judge()
	w.pass(time.Minute)
	w.hearFrom("")
	w.list = &fleet.List{Left: []fleet.Left{{Agent: fleet.Agent{Key: key("a"), UID: "u1"}, Since: w.t}}}
	anew(j)
	w.pass(time.Second)
	w.listPod("u2", "u1")
	wantShown(t, j, "failing, or cannot_know; a starting", false)
}

func TestAReportThatIsOlderThanWhoIsKnownToHaveLeftIsAnEarlierPods(t *testing.T) {
	w := newWorld()
	w.listPod("u1")
	j := w.judge()
	w.hearFrom("")
	w.list = &fleet.List{}
	anew(j)
	w.pass(fleet.LeftFor)
	w.listPod("u2")
	wantShown(t, j, "failing, or cannot_know; a starting", false)
}

func TestAReportThatCameShortlyBeforeItsPodWasListedIsThatPods(t *testing.T) {
	// Another server's list had the pod before.
	w := newWorld("b")
	w.hear(key("b"))
	j := w.judge()
	w.hearFrom("")
	w.pass(10 * time.Second)
	w.listPod("u1")
	wantShown(t, j, "ok; a reporting", true)
}

func TestPodsThatWereThereBeforeTheServerOwnWhatWasStoredUnderTheirNames(t *testing.T) {
	w := newWorld()
	list := w.list
	w.hearFrom("")
	w.records[key("a")].Read = true
	w.list = nil // Kubernetes is away at first
	j := w.judge()
	w.pass(time.Hour)
	w.list = list
	w.listPod("u1")
	wantShown(t, j, "failing; a outdated", true)
}

func TestAReportThatTellsAnotherPodsUIDIsNotShownForThisOne(t *testing.T) {
	w := newWorld()
	w.listPod("u2")
	w.hearFrom("u1")
	j := w.judge()
	wantShown(t, j, "failing, or cannot_know; a starting", false)
	w.hearFrom("u2")
	wantShown(t, j, "ok; a reporting", true)
	// A last word of the former, kept where its pod was not listed any more.
	w.pass(time.Second)
	w.hear(fleet.UnlistedKey("default", "a"))
	w.records[fleet.UnlistedKey("default", "a")].UID = "u1"
	w.records[fleet.UnlistedKey("default", "a")].Namespace = "default"
	s := anew(j)
	if s.Records[0].UID != "u2" {
		t.Errorf("shown is the report of %s", s.Records[0].UID)
	}
}

func TestALastWordOfAPodThatTellsNoUIDIsNotItsSuccessors(t *testing.T) {
	w := newWorld()
	w.listPod("u1")
	j := w.judge()
	w.pass(time.Minute)
	w.list = &fleet.List{Left: []fleet.Left{{Agent: fleet.Agent{Key: key("a"), UID: "u1"}, Since: w.t}}}
	anew(j)
	w.hear(fleet.UnlistedKey("", "a")) // it is terminating
	w.pass(time.Second)
	w.listPod("u2", "u1")
	wantShown(t, j, "failing, or cannot_know; a starting", false)
	w.pass(time.Second)
	w.hear(fleet.UnlistedKey("", "a"))
	wantShown(t, j, "ok; a reporting", true)
}

func TestALabelFollowsItsPodsNode(t *testing.T) {
	w := newWorld("a", "b", "c")
	j := w.judge()
	for _, want := range [][]string{
		{"node-a-private_network", "node-b-private_network", "node-c-private_network"},
		{"node-a-private_network", "n9-private_network", "node-c-private_network"},
		{"node-a-private_network", "n9-host_network", "node-c-private_network"},
	} {
		if got := anew(j).Labels; !slices.Equal(got, want) {
			t.Errorf("the labels are %q, want %q", got, want)
		}
		list := &fleet.List{Agents: slices.Clone(w.list.Agents)}
		if list.Agents[1].Node == "n9" {
			list.Agents[1].Network = report.Host
		}
		list.Agents[1].Node = "n9" // it was scheduled
		w.list = list
	}
}

func TestPodsOfAnAgentsFileAreTheirNames(t *testing.T) {
	w := newWorld()
	w.listPod("")
	j := w.judge()
	w.hearFrom("")
	wantShown(t, j, "ok; a reporting", true)
	w.pass(10 * time.Second)
	w.listPod("")
	wantShown(t, j, "ok; a reporting", true)
	w.list = &fleet.List{}
	anew(j)
	w.pass(5 * time.Minute)
	w.listPod("")
	wantShown(t, j, "failing; a outdated", true)
}
