package findings

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/store"
)

// lasted is a finding that began and ended so many seconds after noon; ended 0: it lasts.
func lasted(id string, began, ended int, severity diagnose.Severity) Finding {
	h := diagnose.Held{Finding: onNode(diagnose.Loss, severity, "node-"+id), ID: id, Began: noon.Add(time.Duration(began) * time.Second)}
	h.Since = h.Began.Add(-2 * time.Second)
	if ended > 0 {
		h.Ended, h.Why = noon.Add(time.Duration(ended)*time.Second), "well"
	}
	return of(h)
}

func ids(all []Finding) string {
	var text []string
	for _, f := range all {
		text = append(text, f.ID)
	}
	return strings.Join(text, " ")
}

func TestFindingsAreToldByWhenTheyLastedPageByPage(t *testing.T) {
	k := NewKept()
	for _, f := range []Finding{
		lasted("a", 10, 20, diagnose.Warning), lasted("b", 30, 0, diagnose.Info), lasted("c", 40, 50, diagnose.Critical),
		lasted("d", 60, 0, diagnose.Critical), lasted("e", 60, 0, diagnose.Warning),
	} {
		k.keeps(t, f)
	}
	if got := ids(k.Lasting()); got != "d e b" {
		t.Errorf("those that last are %q", got)
	}
	for _, row := range []struct {
		from, to int
		limit    int
		want     string
	}{
		{0, 100, 10, "a b c d e"},
		{0, 8, 10, ""},
		{0, 9, 10, "a"},
		{20, 28, 10, ""},
		{19, 29, 10, "a b"},
		{50, 58, 10, "b"},
		{0, 100, 2, "a b | c d | e"},
		{0, 100, 5, "a b c d e"},
	} {
		q := Query{From: noon.Add(time.Duration(row.from) * time.Second), To: noon.Add(time.Duration(row.to) * time.Second), Limit: row.limit}
		var pages []string
		for more := true; more; {
			p, err := k.Page(q)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, ids(p.Items))
			q.After, more = p.Next, p.Next != ""
		}
		if got := strings.Join(pages, " | "); got != row.want {
			t.Errorf("from %d to %d, %d at a time: %q, want %q", row.from, row.to, row.limit, got, row.want)
		}
	}
	for _, after := range []string{"x", "12", "12-", "-a", "99999999999999999999-a"} {
		if _, err := k.Page(Query{After: after}); err == nil || err.Error() != "is not what it should be: the continue of an earlier answer" {
			t.Errorf("after %q: %v", after, err)
		}
	}
}

func TestWhatIsOverIsBounded(t *testing.T) {
	s := newScene(t)
	for i := range MostPast + 3 {
		s.kept.keeps(t, lasted(fmt.Sprintf("%04d", i), 10000-i, 10001-i, diagnose.Info))
	}
	s.kept.keeps(t, lasted("lasts", -100, 0, diagnose.Info))
	s.runs(time.Second)
	if n := len(s.kept.All()); n != MostPast+1 {
		t.Errorf("%d are kept", n)
	}
	for id, want := range map[string]bool{"0000": true, "0999": true, "1000": false, "1002": false, "lasts": true} {
		if _, there := s.kept.view.Get(id); there != want {
			t.Errorf("%s is kept: %t", id, there)
		}
	}
}

func TestWhatCannotBeReadIsNotThere(t *testing.T) {
	k := NewKept()
	for key, value := range map[string]string{
		"a": "{", "b": `{"id":"c","began":"2026-03-04T12:00:00Z"}`, "c": `{"id":"c"}`, "d": `{"id":"d","began":"2026-03-04T12:00:00Z","direction":"sideways"}`,
		"e/f": `{"id":"e/f","began":"2026-03-04T12:00:00Z"}`, "state": "[]",
	} {
		k.kind.Keeper.Apply(store.Entry{Key: key, Value: []byte(value), Revision: 1})
	}
	if all, state := k.All(), k.State(); len(all) != 0 || state != (State{Still: unlooked}) {
		t.Errorf("%v and %v are read", all, state)
	}
}
