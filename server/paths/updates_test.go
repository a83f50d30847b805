package paths

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

func (w *world) intake() *intake.Intake {
	return intake.New(intake.Config{Pods: roster{w.list}, Kinds: []intake.Kind{w.p.Kind()}, Now: func() time.Time { return noon.Add(91 * s) }})
}

// posted is a message as an agent posts it; more are further fields.
func posted(pod string, number int, body string, more ...string) []byte {
	return fmt.Appendf(nil, `{"podname":%q,"boot_id":%q,"clock_ms":90000,"number":%d,"body":%s%s}`, pod, boot, number, body, strings.Join(more, ""))
}

// read reads that body.
func read(body []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return body, nil }
}

// runs opens and runs a store until the test ends.
func (w *world) runs(etcd *etcdtest.Etcd) *store.Store {
	w.t.Helper()
	st, err := store.Open(store.Config{Endpoints: []string{etcd.Endpoint}, Tree: "netchecker"}, w.p.Kept())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- st.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return st
}

func TestTheNewestUpdateOfAPodTakesTheLastOnesPlace(t *testing.T) {
	etcd := etcdtest.Start(t, etcdtest.UnsafeNoFsync())
	w := newWorld(t)
	w.runs(etcd)
	in := w.intake()
	row := func(sent int) string {
		return fmt.Sprintf(`{"as_of_ms":%d,"sessions":[[1,%d,0,0,0,%d]]}`, 80_000+sent, w.id("n2-pod"), sent)
	}
	for _, m := range []struct {
		pod    string
		number int
		sent   int
		more   string
	}{{"n1-pod", 1, 5, ""}, {"n2-pod", 1, 9, ""}, {"n1-pod", 2, 7, `,"via":"server"`}} {
		if err := in.AcceptMessage(t.Context(), m.pod, report.UpdatesKind, read(posted(m.pod, m.number, row(m.sent), m.more))); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := etcd.Client(t).Get(t.Context(), "netchecker/updates/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var stored []string
	for _, kv := range answer.Kvs {
		if kv.Lease == 0 {
			t.Errorf("%s never expires", kv.Key)
		}
		stored = append(stored, fmt.Sprintf("%s v%d %s", strings.TrimPrefix(string(kv.Key), "netchecker/updates/"), kv.Version, kv.Value))
	}
	want := []string{
		`default/n1-pod v2 {"pod_uid":"uid-n1","boot_id":"` + boot + `","via":"server","mesh":` + row(7) + `,"booted":"2026-11-27T12:00:01Z"}`,
		`default/n2-pod v1 {"pod_uid":"uid-n2","boot_id":"` + boot + `","mesh":` + row(9) + `,"booted":"2026-11-27T12:00:01Z"}`,
	}
	if got := strings.Join(stored, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("stored is\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	eventually.True(t, "the watch has told it", func() bool {
		return cells(w.table(Query{By: ByNode})) == "pod-to-pod n1>n2 7/0/0 1; own-node n2>n2 9/0/0 1"
	})

	// A server that starts reads them, and which way they took.
	other := newWorld(t)
	other.runs(etcd)
	eventually.True(t, "another server has read it", func() bool { return cells(other.table(Query{By: ByNode})) == cells(w.table(Query{By: ByNode})) })
	if got := other.table(Query{Node: "n1"}).Agents; len(got) != 1 || got[0].Via != report.ViaServer {
		t.Errorf("it tells %+v", got)
	}
}

func TestAnUpdateThatMakesNoSenseIsRefusedByField(t *testing.T) {
	w := newWorld(t)
	in := w.intake()
	for _, row := range []struct{ body, want string }{
		{`{"as_of_ms":90001}`, "body.as_of_ms: is 90001; it should be at most clock_ms, which is 90000"},
		{`{"as_of_ms":1,"sessions":[[0,1]]}`, "body.sessions[0][0]: is 0; it should be the session's number, from 1, or 0 for a sum"},
		{`{"sessions":7}`, "body.sessions: found a number at byte 12, where an array should be"},
	} {
		err := in.AcceptMessage(t.Context(), "n1-pod", report.UpdatesKind, read(posted("n1-pod", 1, row.body)))
		var field *report.FieldError
		if !errors.As(err, &field) || err.Error() != row.want {
			t.Errorf("%s: %v\nwant %s", row.body, err, row.want)
		}
	}
}

func TestNoMoreUpdatesAreReadAtOnceThanMay(t *testing.T) {
	w := newWorld(t)
	for range readAtOnce {
		w.p.turns <- struct{}{} // so many are being read
	}
	sent := intake.Sent{From: *w.agent("n1-pod"), Message: report.Message{Body: []byte("{")}}
	read := make(chan error, 1)
	go func() { read <- w.p.keep(t.Context(), sent) }()
	eventually.True(t, "it is under way", func() bool {
		w.p.updates.mu.Lock()
		defer w.p.updates.mu.Unlock()
		return len(w.p.underway) == 1
	})
	ended, end := context.WithCancel(t.Context())
	end()
	sent.From = *w.agent("n2-pod")
	if err := w.p.keep(ended, sent); !errors.Is(err, context.Canceled) {
		t.Errorf("one whose sender went away as it waited: %v", err)
	}
	if len(read) != 0 {
		t.Error("it was read out of its turn")
	}
	<-w.p.turns
	var field *report.FieldError
	if err := <-read; !errors.As(err, &field) {
		t.Errorf("once its turn came: %v, want that it can't be read", err)
	}
	if len(w.p.turns) != readAtOnce-1 || len(w.p.underway) != 0 {
		t.Errorf("%d are being read in the end, and %d under way", len(w.p.turns), len(w.p.underway))
	}
}

func TestWhatCantBeReadIsNotThere(t *testing.T) {
	w := newWorld(t)
	keeper := w.p.Kept().Keeper
	const good = `{"boot_id":"1","mesh":{}}`
	for key, value := range map[string]string{
		"default/n1-pod": "{", "default/n2-pod": `{"boot_id":"1","mesh":{"sessions":7}}`, "default/n3-pod": `{"mesh":{}}`, "default/n1-host": `{"boot_id":"1"}`,
		"n3-pod": good, "a/b/c": good, "/x": good,
	} {
		keeper.Apply(store.Entry{Key: key, Value: []byte(value), Revision: 1})
	}
	if n := w.p.view.Len(); n != 0 {
		t.Errorf("%d are read", n)
	}
}

// While etcd stands still, no more updates wait than may: the rest are to come later, and
// only one of each pod.
func TestNoMoreUpdatesWaitThanMay(t *testing.T) {
	etcd := etcdtest.Start(t, etcdtest.UnsafeNoFsync())
	w := newWorld(t)
	w.list = &fleet.List{Nodes: w.list.Nodes}
	const agents = 2 * waiting
	for i := range agents {
		w.list.Agents = append(w.list.Agents, fleet.Agent{Key: fleet.Key{Namespace: "default", Name: fmt.Sprintf("pod-%04d", i)}, Node: "n1"})
	}
	st := w.runs(etcd)
	eventually.True(t, "the store is read", func() bool { return !st.Freshness().AsOf.IsZero() })
	in := w.intake()
	etcd.Pause()
	defer etcd.Resume()
	ctx, stop := context.WithCancel(t.Context())
	errs := make(chan error, agents+1)
	var sending sync.WaitGroup
	send := func(pod string) {
		sending.Go(func() { errs <- in.AcceptMessage(ctx, pod, report.UpdatesKind, read(posted(pod, 1, `{"as_of_ms":1}`))) })
	}
	for i := range agents {
		send(fmt.Sprintf("pod-%04d", i))
	}
	busy := 0
	const full = "1024 updates are waiting to be stored, which is all that may; this one should be sent later"
	refused := func(err error, want string) {
		var b *BusyError
		if !errors.As(err, &b) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		busy++
	}
	for range agents - waiting {
		refused(<-errs, full)
	}
	w.p.updates.mu.Lock()
	var one fleet.Key
	for one = range w.p.underway {
		break
	}
	w.p.updates.mu.Unlock()
	unread := func() ([]byte, error) {
		t.Error("the body of one is read that is not taken")
		return nil, nil
	}
	refused(in.AcceptMessage(ctx, one.Name, report.UpdatesKind, unread), full)
	// These were let in while there was room, and have been read since.
	another := fleet.Key{Namespace: "default", Name: "another"}
	refused(w.p.keep(ctx, intake.Sent{From: fleet.Agent{Key: another}}), full)
	refused(w.p.keep(ctx, intake.Sent{From: fleet.Agent{Key: one}}), fmt.Sprintf(`podname: an update of %q is being stored; the next one should be sent later`, one.Name))
	stop()
	sending.Wait()
	close(errs)
	for err := range errs {
		// Whether it waited for its turn, or to be written.
		if !errors.Is(err, context.Canceled) {
			t.Errorf("one that waited: %v", err)
		}
	}
	if busy != agents-waiting+3 || len(w.p.underway) != 0 {
		t.Errorf("%d were refused, and %d are noted as under way in the end", busy, len(w.p.underway))
	}
}

func TestWhatAnAgentToldLastIsKnownByItsPointerUntilItTellsMore(t *testing.T) {
	w := newWorld(t)
	const name = "n1-pod"
	told := make([]*Telling, len(w.list.Agents))
	step := func(what string, stays bool, asOf time.Duration) {
		t.Helper()
		var was *Telling
		for i := range told {
			if w.list.Agents[i].Name == name {
				was = told[i]
			}
		}
		w.p.Newest(w.list, w.recordsOf(), told)
		for i, one := range told {
			switch other := w.list.Agents[i].Name != name; {
			case other && one != nil, !other && (one == nil) != (asOf == 0):
				t.Errorf("%s: %s told %+v", what, w.list.Agents[i].Name, one)
			case !other && one != nil && (one.Mesh.AsOf != asOf || (one == was) != stays):
				t.Errorf("%s: as of %v is told, which stays: %t; want %v, %t", what, one.Mesh.AsOf, one == was, asOf, stays)
			}
		}
	}
	step("nothing was told", true, 0)
	w.reports(name, "a", 10*time.Second, sessions())
	step("a report", false, 10*time.Second)
	step("the same", true, 10*time.Second)
	w.updates(name, "a", 12*time.Second, sessions())
	step("an update", false, 12*time.Second)
	step("the same", true, 12*time.Second)
	w.reports(name, "a", 20*time.Second, sessions())
	step("another report", false, 20*time.Second)
	step("the same", true, 20*time.Second)
	delete(w.records, name)
	step("the report expired", false, 12*time.Second)
	if n := testing.AllocsPerRun(10, func() { w.p.Newest(w.list, w.recordsOf(), told) }) - testing.AllocsPerRun(10, func() { w.recordsOf() }); n > 0 {
		t.Errorf("%v allocations for what stays", n)
	}
}
