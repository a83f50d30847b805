package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/test/eventually"
)

// finds is a finding about that node, which began at that second.
func finds(id string, severity diagnose.Severity, node string, began float64) *findings.Finding {
	return &findings.Finding{Sentence: node + ": dead since then", Held: diagnose.Held{ID: id, Began: at(began + 3), Finding: diagnose.Finding{
		Severity: severity, Since: at(began), Subject: diagnose.Subject{Scope: diagnose.Node, Names: [2]string{node}},
	}}}
}

// over is the same, having ended at that second.
func over(f *findings.Finding, ended float64) *findings.Finding {
	o := *f
	o.Ended, o.Why = at(ended), "well"
	return &o
}

func TestAFindingIsToldOnceAtItsBeginningAndOnceWhenItIsOverForGood(t *testing.T) {
	const began, ended = "FindingBegan: n2: dead since then", "FindingEnded: n2: dead since then; over since 12:01:00: well"
	f := finds("f", diagnose.Critical, "n2", 10)
	told := map[string]toldFinding{}
	for _, step := range []struct {
		second float64
		all    []*findings.Finding
		want   []string
		at     float64
	}{
		{12, nil, nil, 0},
		{13, []*findings.Finding{f}, []string{began}, 10},
		{14, []*findings.Finding{f}, nil, 0},
		{30, []*findings.Finding{over(f, 30)}, nil, 0},
		{45, []*findings.Finding{f}, nil, 0}, // it came again
		{60, []*findings.Finding{over(f, 60)}, nil, 0},
		{119, []*findings.Finding{over(f, 60)}, nil, 0},
		{120, []*findings.Finding{over(f, 60)}, []string{ended}, 60},
		{121, []*findings.Finding{over(f, 60)}, nil, 0},
		{300, []*findings.Finding{f}, []string{began}, 300}, // after the leader could see nothing for a while
		{400, []*findings.Finding{over(f, 320)}, []string{"FindingEnded: n2: dead since then; over since 12:05:20: well"}, 320},
		{401, []*findings.Finding{over(f, 320)}, nil, 0},
		{402, nil, nil, 0},
	} {
		events, after, _ := decideFindings(step.all, told, at(step.second), 10)
		if got := notes(events); !slices.Equal(got, step.want) {
			t.Errorf("at %v: got %q, want %q", step.second, got, step.want)
		}
		for _, e := range events {
			if !e.At.Equal(at(step.at)) || e.Node != "n2" {
				t.Errorf("at %v: it is told as of %v, at %q", step.second, e.At, e.Node)
			}
		}
		told = after
	}
	if len(told) != 0 {
		t.Errorf("what is not kept any more is remembered: %v", told)
	}
}

func TestWhatWasNotToldIsToldLaterUnlessItIsLongOver(t *testing.T) {
	f := finds("f", diagnose.Critical, "n2", 0)
	for _, row := range []struct {
		name   string
		f      *findings.Finding
		second float64
		want   int
		at     float64
	}{
		{"it was over within the last hour", over(f, 100), 3699, 1, 3699},
		{"it is over, and began within it", over(f, 100), 200, 1, 0},
		{"it was over before that", over(f, 100), 3700, 0, 0},
		{"it has lasted for two days", f, 2 * 86400, 1, 2 * 86400},
	} {
		events, _, _ := decideFindings([]*findings.Finding{row.f}, nil, at(row.second), 10)
		if len(events) != row.want || row.want > 0 && !events[0].At.Equal(at(row.at)) {
			t.Errorf("%s: %+v is told", row.name, events)
		}
	}
}

func TestAFindingIsOfItsNodeWhereItIsThatForSureAndAWarningUnlessItIsInformation(t *testing.T) {
	pair, either, info := finds("a", diagnose.Critical, "n1", 0), finds("b", diagnose.Warning, "n2", 0), finds("c", diagnose.Info, "n3", 0)
	pair.Subject = diagnose.Subject{Scope: diagnose.Pair, Names: [2]string{"n1", "n2"}}
	either.Or = []diagnose.Subject{{Scope: diagnose.Node, Names: [2]string{"n1"}}}
	events, _, _ := decideFindings([]*findings.Finding{info, either, pair}, nil, at(5), 10)
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s %s %q", e.ID, e.Type, e.Node))
	}
	if want := []string{`a.1.began Warning ""`, `b.1.began Warning ""`, `c.1.began Normal "n3"`}; !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
}

func TestFindingsWithoutRoomAreToldTheNextTime(t *testing.T) {
	var all []*findings.Finding
	for i := range 40 {
		all = append(all, finds(fmt.Sprintf("%03d", i), diagnose.Critical, "n", float64(i)))
	}
	told, turns := map[string]toldFinding{}, 0
	for n := 0; n < 40; turns++ {
		events, after, changed := decideFindings(all, told, at(100), 15)
		for _, e := range events {
			if want := fmt.Sprintf("%03d.1.began", n); e.ID != want || len(changed) != len(events) {
				t.Errorf("told is %s, want %s; %d changed", e.ID, want, len(changed))
			}
			n++
		}
		told = after
	}
	if turns != 3 {
		t.Errorf("it took %d turns", turns)
	}
	if events, _, _ := decideFindings(all, nil, at(100), -5); len(events) > 0 {
		t.Errorf("%d are told where there is no room", len(events))
	}
	if _, after, changed := decideFindings(nil, told, at(100), 15); len(changed) != mostDecided || len(after) != 40-mostDecided {
		t.Errorf("%d are forgotten at once, and %d are left", len(changed), len(after))
	}
}

// ofNode are the Events of a node, as kubectl describe node looks for them.
func (w *world) ofNode(node string) []string {
	w.t.Helper()
	list, err := w.cluster.Client().CoreV1().Events("").List(w.t.Context(), metav1.ListOptions{
		FieldSelector: "involvedObject.kind=Node,involvedObject.namespace=,involvedObject.name=" + node + ",involvedObject.uid=" + node,
	})
	w.must(err)
	var all []string
	for _, e := range list.Items {
		all = append(all, string(e.Type)+" "+e.Reason+": "+e.Message)
	}
	slices.Sort(all)
	return all
}

func TestFindingsAreEventsOfTheirNodesOnceWhoeverLeads(t *testing.T) {
	w := newWorld(t, create)
	node := w.namespace // there are no others of that name
	f, cluster := finds("f1", diagnose.Critical, node, 0), finds("f2", diagnose.Critical, "", 0)
	cluster.Subject = diagnose.Subject{Scope: diagnose.Cluster}
	w.found = []*findings.Finding{f, cluster}
	w.lead(nil).turnsTo(3)
	w.lead(nil).turnsTo(5)
	began := "Warning FindingBegan: " + node + ": dead since then"
	if got := w.ofNode(node); !slices.Equal(got, []string{began}) {
		t.Errorf("the node's events are %q", got)
	}
	w.expect("FindingBegan: : dead since then")
	w.found = []*findings.Finding{over(f, 10), cluster}
	w.now = at(60)
	w.lead(nil).turnsTo(75)
	w.lead(nil).turnsTo(77)
	if got := w.ofNode(node); !slices.Equal(got, []string{"Normal FindingEnded: " + node + ": dead since then; over since 12:00:10: well", began}) {
		t.Errorf("the node's events are %q", got)
	}
	w.expect("FindingBegan: : dead since then")
}

func TestFindingsWaitForTheAPIServerWhoeverLeads(t *testing.T) {
	w := newWorld(t)
	away, sent := true, []string(nil)
	sender := senderFunc(func(_ context.Context, e Event) error {
		if away {
			return errors.New("away")
		}
		sent = append(sent, e.ID+" at "+e.Node)
		return nil
	})
	turns := func() {
		t.Helper()
		l := w.lead(sender)
		for range 3 {
			if err := l.Turn(t.Context(), l.fence); (err != nil) != away {
				t.Fatalf("the API server is away: %t, error %v", away, err)
			}
			w.now = w.now.Add(time.Second)
		}
	}
	f := finds("f", diagnose.Critical, "n2", 0)
	w.found = []*findings.Finding{f}
	turns()
	w.now, w.found = at(100), []*findings.Finding{over(f, 30)}
	turns()
	turns()
	if len(sent) > 0 {
		t.Fatalf("sent is %q", sent)
	}
	away = false
	turns()
	turns()
	if want := []string{"f.1.began at n2", "f.1.ended at n2"}; !slices.Equal(sent, want) {
		t.Errorf("sent is %q, want %q", sent, want)
	}
}

func TestWhereEventsOfNodesMayNotBeCreatedTheyAreTheServices(t *testing.T) {
	w := newWorld(t)
	rbac := w.cluster.Client().RbacV1()
	name := metav1.ObjectMeta{Name: "events"}
	_, err := rbac.Roles(w.namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: name, Rules: []rbacv1.PolicyRule{create}}, metav1.CreateOptions{})
	w.must(err)
	_, err = rbac.RoleBindings(w.namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: name, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "events"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: w.user()}},
	}, metav1.CreateOptions{})
	w.must(err)
	w.found = []*findings.Finding{finds("f", diagnose.Critical, w.namespace, 0)}
	l := w.lead(nil)
	eventually.Nil(t, func() error { return l.Turn(t.Context(), l.fence) }) // once the rights are known
	w.expect("FindingBegan: " + w.namespace + ": dead since then")
	if got := w.ofNode(w.namespace); len(got) > 0 {
		t.Errorf("the node's events are %q", got)
	}
}

func TestWhatIsLongIsCut(t *testing.T) {
	f := finds("f", diagnose.Critical, "n", 0)
	f.Sentence = strings.Repeat("é", maxNote)
	events, _, _ := decideFindings([]*findings.Finding{f}, nil, at(5), 10)
	if n := len(events[0].Note); n > maxNote || n < maxNote-4 {
		t.Errorf("the note has %d bytes", n)
	}
}
