package intervals

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intake"
	"github.com/netchecker/netchecker/server/store"
	"github.com/netchecker/netchecker/test/etcdtest"
	"github.com/netchecker/netchecker/test/eventually"
)

type roster struct{ list *fleet.List }

func (r roster) List() *fleet.List { return r.list }

// takes is an intake of intervals from pod a alone.
func takes(h *History, now func() time.Time) *intake.Intake {
	return intake.New(intake.Config{Pods: roster{&fleet.List{Agents: []fleet.Agent{a.pod()}}}, Kinds: []intake.Kind{h.Kind()}, Now: now})
}

// posted is a message as agent a posts it.
func posted(number int, body string) []byte {
	return fmt.Appendf(nil, `{"podname":"a","boot_id":%q,"clock_ms":90000,"number":%d,"body":%s}`, a.boot, number, body)
}

// read reads that body.
func read(body []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return body, nil }
}

func TestAMessageIsStoredOnceHoweverOftenItIsSentAndWhatIsOpenIsTheNewest(t *testing.T) {
	etcd := etcdtest.Start(t, etcdtest.UnsafeNoFsync())
	now := noon.Add(90 * time.Second)
	h := New(func() time.Time { return now })
	st, err := store.Open(store.Config{Endpoints: []string{etcd.Endpoint}, Tree: "netchecker"}, h.Kept())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- st.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	in := takes(h, func() time.Time { return now })
	first := `{"as_of_ms":80000,"open":[{"id":2,"backend":"x","connection":"new","level":"Error","message":"refused","from_ms":20000}],` +
		`"sealed":[{"id":1,"backend":"x","connection":"new","level":"Info","from_ms":0,"to_ms":20000}]}`
	for _, m := range []struct {
		number int
		body   string
	}{{1, first}, {1, first}, {2, `{"as_of_ms":85000,"open":[{"id":2,"backend":"x","connection":"new","level":"Error","message":"refused","from_ms":20000}]}`}} {
		if err := in.AcceptMessage(t.Context(), "a", report.IntervalsKind, read(posted(m.number, m.body))); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := etcd.Client(t).Get(t.Context(), "netchecker/intervals/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var stored []string
	for _, kv := range answer.Kvs {
		if kv.Lease == 0 {
			t.Errorf("%s never expires", kv.Key)
		}
		stored = append(stored, fmt.Sprintf("%s v%d %s", strings.TrimPrefix(string(kv.Key), "netchecker/intervals/default/a/"+a.boot+"/"), kv.Version, kv.Value))
	}
	want := []string{
		`1 v1 {"booted":"2026-11-27T12:00:00Z","node":"node-a","network":"pod","body":{"as_of_ms":80000,"sealed":[{"id":1,"backend":"x","connection":"new","level":"Info","from_ms":0,"to_ms":20000}]}}`,
		`open v3 {"booted":"2026-11-27T12:00:00Z","node":"node-a","network":"pod","body":{"as_of_ms":85000,"open":[{"id":2,"backend":"x","connection":"new","level":"Error","message":"refused","from_ms":20000}]}}`,
	}
	if got := strings.Join(stored, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("stored is\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	w := &world{t: t, h: h, now: now}
	eventually.True(t, "the watch has told it", func() bool { return w.told() == "a new Info 0s-20s; a new Error 20s-1m25s open" })
}

func TestAMessageThatMakesNoSenseIsRefusedByField(t *testing.T) {
	h := New(time.Now)
	in := takes(h, time.Now)
	for _, row := range []struct{ body, want string }{
		{`{"as_of_ms":90001}`, "body.as_of_ms: is 90001; it should be at most clock_ms, which is 90000"},
		{`{"as_of_ms":-1}`, "body.as_of_ms: is -1; it should be a whole number from 0 to 3153600000000"},
		{`{"as_of_ms":1,"open":[{"id":1,"backend":"x","connection":"old"}]}`, `body.open[0].connection: is "old"; it should be "new" or "reused"`},
		{`{"as_of_ms":1,"sealed":[{"id":1,"backend":"x","connection":"new","level":"Info","from_ms":2,"to_ms":1}]}`, "body.sealed[0].from_ms: is 2; it should be from 0 to as_of_ms, which is 1"},
	} {
		err := in.AcceptMessage(t.Context(), "a", report.IntervalsKind, read(posted(1, row.body)))
		var field *report.FieldError
		if !errors.As(err, &field) || err.Error() != row.want {
			t.Errorf("%s: %v\nwant %s", row.body, err, row.want)
		}
	}
}

func TestAPodThatSendsMoreThanAgentsDoHasToWaitAndOthersDoNot(t *testing.T) {
	var g gate
	for i := range messagesAMinute {
		if !g.admit(a.pod().Key, noon) {
			t.Fatalf("message %d is refused", i+1)
		}
	}
	for _, row := range []struct {
		who  agent
		at   time.Duration
		want bool
	}{{a, 59 * s, false}, {b, 59 * s, true}, {a, 60 * s, true}} {
		if got := g.admit(row.who.pod().Key, noon.Add(row.at)); got != row.want {
			t.Errorf("after %v, %s: admitted %v, want %v", row.at, row.who.name, got, row.want)
		}
	}
}
