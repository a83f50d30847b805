package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// shelf is a store in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[fleet.Key]string
	// lives are those that were given with them.
	lives map[fleet.Key]string
	ttls  map[fleet.Key]time.Duration
	// listed is how many of those kept are of listed pods.
	listed int
	err    error
}

func newShelf() *shelf {
	return &shelf{kept: map[fleet.Key]string{}, lives: map[fleet.Key]string{}, ttls: map[fleet.Key]time.Duration{}}
}

func (s *shelf) Put(_ context.Context, key fleet.Key, record, life []byte, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if _, had := s.kept[key]; !had && !key.Unlisted() {
		s.listed++
	}
	s.kept[key], s.lives[key], s.ttls[key] = string(record), string(life), ttl
	return int64(len(s.kept)), nil
}

func (s *shelf) Unlisted(key fleet.Key) (count int, has bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, has = s.kept[key]
	return len(s.kept) - s.listed, has
}

// pods is a list that does not change.
type pods struct{ list *fleet.List }

func (p pods) List() *fleet.List { return p.list }

func agent(namespace, name, node string, addresses ...string) fleet.Agent {
	return fleet.Agent{Key: fleet.Key{Namespace: namespace, Name: name}, Node: node, Addresses: addresses}
}

// listed has one pod alone, and one whose name two namespaces have.
var listed = &fleet.List{Agents: []fleet.Agent{
	agent("default", "alone", "n1", "10.0.0.1"),
	agent("blue", "twin", "n1", "10.0.0.2"),
	agent("green", "twin", "n2", "10.0.0.3", "fd00::3"),
	agent("red", "twin", "n2", "10.0.0.4"),
}}

var noon = time.Date(2017, 11, 30, 14, 54, 19, 0, time.UTC)

// accept takes a report in, to which there is nothing to say.
func accept(t *testing.T, in *Intake, pod string, body []byte) error {
	reply, err := in.Accept(t.Context(), pod, body)
	if len(reply) > 0 {
		t.Errorf("the reply to %s is %q", pod, reply)
	}
	return err
}

func newIntake(s *shelf, list *fleet.List) *Intake {
	return New(Config{Store: s, Pods: pods{list}, TTL: 300 * time.Second, Now: func() time.Time { return noon }})
}

func TestAnAcceptedReportIsStoredUnderItsPodWithoutItsPadding(t *testing.T) {
	s := newShelf()
	in := newIntake(s, listed)
	body := `{"report_interval":15,"nodename":"n1","podname":"alone","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,"nslookup":null,"ips":{"eth0":["10.0.0.1/24"]},"zero_extender":[0,0,0]}`
	if err := accept(t, in, "alone", []byte(body)); err != nil {
		t.Fatal(err)
	}
	want := `{"report_interval":15,"nodename":"n1","podname":"alone","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,"last_updated":"2017-11-30T14:54:19Z","nslookup":null,"network_probes":null,"ips":{"eth0":["10.0.0.1/24"]}}`
	if got := s.kept[fleet.Key{Namespace: "default", Name: "alone"}]; got != want || len(s.kept) != 1 {
		t.Errorf("stored %v\nwant %s", s.kept, want)
	}
}

func TestReportsAreKeptForTheTTLOrThreeIntervals(t *testing.T) {
	s := newShelf()
	in := newIntake(s, listed)
	for interval, want := range map[int]time.Duration{15: 300 * time.Second, 100: 300 * time.Second, 101: 303 * time.Second, 3600: 3 * time.Hour} {
		if err := accept(t, in, "alone", fmt.Appendf(nil, `{"report_interval":%d,"podname":"alone"}`, interval)); err != nil {
			t.Fatal(err)
		}
		if got := s.ttls[fleet.Key{Namespace: "default", Name: "alone"}]; got != want {
			t.Errorf("interval %d: kept for %v, want %v", interval, got, want)
		}
	}
}

func TestARefusedReportLeavesNoTraceAndTheErrorNamesTheField(t *testing.T) {
	for _, row := range []struct{ pod, body, want string }{
		{"alone", `{"report_interval":15,"podname":"other"}`, `podname: is "other"; it should be "alone", as in the URL`},
		{"alone", `{"report_interval":15}`, "podname: is missing; it should be the name of the agent's pod"},
		{"alone", `{"report_interval":0,"podname":"alone"}`, "report_interval: is 0; it should be the seconds between two reports, from 1 to 86400"},
		{"alone", `{"report_interval":15,"podname":"alone","network":"moon"}`, `network: is "moon"; it should be "pod" or "host"`},
		{"twin", `{"report_interval":15,"podname":"twin"}`, `podname: "twin" is the name of pods`},
		{"alone", `[]`, "body: "},
	} {
		s := newShelf()
		err := accept(t, newIntake(s, listed), row.pod, []byte(row.body))
		if err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: error %v, want %s", row.body, err, row.want)
		}
		if len(s.kept) > 0 {
			t.Errorf("%s left %v", row.body, s.kept)
		}
	}
}

func TestWhatAReportTakesToStoreIsBounded(t *testing.T) {
	s := newShelf()
	in := newIntake(s, listed)
	// Each byte that is no UTF-8 takes three when it is stored.
	values := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = `"` + strings.Repeat("\xff", 650) + `"`
		}
		return strings.Join(list, ",")
	}
	large := `{"report_interval":15,"podname":"%s","addresses":null,"ips":{"a":[` + values(200) + `],"b":[` + values(200) + `],"c":[` + values(200) + `]}}`
	for pod, want := range map[string]string{
		"alone":    "body: takes 117",
		"stranger": "body: has 39",
	} {
		err := accept(t, in, pod, fmt.Appendf(nil, large, pod))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("of %s: %v, want %s…", pod, err, want)
		}
	}
	if len(s.kept) > 0 {
		t.Errorf("%d reports were stored", len(s.kept))
	}
	// The bound is that of the report and its life together.
	near := `{"report_interval":15,"podname":"alone","boot_id":"0123456789abcdef","ips":{"a":[` + values(250) + `],"b":[` + values(250) + `],"c":[` + values(30) + `]}%s}`
	if err := accept(t, in, "alone", fmt.Appendf(nil, near, "")); err != nil {
		t.Errorf("without its life: %v", err)
	}
	open := make([]string, 64)
	for i := range open {
		open[i] = fmt.Sprintf(`{"id":%d,"backend":"b","connection":"new","level":"Error","message":%q,"from_ms":0}`, i+1, strings.Repeat("x", 256))
	}
	err := accept(t, in, "alone", fmt.Appendf(nil, near, `,"disruption":{"open":[`+strings.Join(open, ",")+`]}`))
	if err == nil || !strings.HasPrefix(err.Error(), "body: takes 105") || !strings.HasSuffix(err.Error(), " bytes to store; it should take at most 1048576") {
		t.Errorf("with it: %v", err)
	}
}

func body(name string) []byte { return fmt.Appendf(nil, `{"report_interval":15,"podname":%q}`, name) }

func TestReportsOfPodsThatTheListDoesNotKnowAreKeptApartUpToTheLimit(t *testing.T) {
	s := newShelf()
	in := newIntake(s, listed)
	var wg sync.WaitGroup
	for i := range MaxUnlisted + 200 {
		wg.Go(func() {
			name := fmt.Sprintf("new-%d", i)
			var limit *UnlistedLimitError
			if err := accept(t, in, name, body(name)); err != nil && !errors.As(err, &limit) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(s.kept) > MaxUnlisted {
		t.Fatalf("%d reports are kept, want at most %d", len(s.kept), MaxUnlisted)
	}
	for i := 0; len(s.kept) < MaxUnlisted; i++ {
		// Under way and in the store at the same time, a report may have held two
		// places for a moment; they are free again.
		name := fmt.Sprintf("late-%d", i)
		if err := accept(t, in, name, body(name)); err != nil {
			t.Fatalf("%d reports are kept, and the next is refused: %v", len(s.kept), err)
		}
	}
	err := accept(t, in, "one-more", body("one-more"))
	const want = `podname: "one-more" is not in the list of agent pods, and 1000 reports of such pods are waiting already; it is taken once the list knows the pod`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
	for key := range s.kept {
		if !key.Unlisted() {
			t.Errorf("%v is kept like a listed pod", key)
		}
		if err := accept(t, in, key.Name, body(key.Name)); err != nil {
			t.Errorf("the next report of one that is kept: %v", err)
		}
		break
	}
	if err := accept(t, in, "alone", body("alone")); err != nil {
		t.Errorf("a listed pod's report while the limit is reached: %v", err)
	}
	clear(s.kept) // their time is up
	s.listed = 0
	in.now = func() time.Time { return noon.Add(time.Minute) }
	if err := accept(t, in, "one-more", body("one-more")); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
}

func TestAFailedWriteIsAnErrorAndHoldsNoPlace(t *testing.T) {
	s := newShelf()
	s.err = errors.New("etcd is away")
	in := newIntake(s, nil)
	if err := accept(t, in, "p", body("p")); !errors.Is(err, s.err) {
		t.Errorf("error %v, want the store's", err)
	}
	if len(in.waiting) != 0 {
		t.Errorf("%d places are held for nothing", len(in.waiting))
	}
}

func TestWhatAReportTellsOfItsLifeIsStoredApartAndItsTimesAnchored(t *testing.T) {
	const sampling = `,"disruption":{"as_of_ms":60000,"open":[{"id":1,"backend":"a","connection":"new","level":"Info","from_ms":50000}]}`
	const meshing = `,"mesh":{"as_of_ms":60000,"sessions":[[1,7,0,0,5000,50]]}`
	const begins, ends = `{"pod_uid":"u1","boot_id":"0123456789abcdef"`, `,"booted":"2017-11-30T14:52:49Z"}`
	const record = `{"report_interval":15,"nodename":"","podname":%q,"hostdate":"0001-01-01T00:00:00Z","uptime":0,"last_updated":"2017-11-30T14:54:19Z",` +
		`"nslookup":null,"network_probes":null,"ips":null,"pod_uid":"u1"}`
	for _, row := range []struct{ more, life string }{
		{meshing, begins + meshing + ends},
		{sampling, begins + sampling + ends},
		{sampling + meshing, begins + sampling + meshing + ends},
		{"", ""},
	} {
		for pod, key := range map[string]fleet.Key{"alone": {Namespace: "default", Name: "alone"}, "stranger": fleet.UnlistedKey("", "stranger")} {
			s := newShelf()
			in := New(Config{Store: s, Pods: pods{listed}, TTL: time.Minute, Now: func() time.Time { return noon }})
			body := fmt.Appendf(nil, `{"report_interval":15,"podname":%q,"pod_uid":"u1","boot_id":"0123456789abcdef","clock_ms":90000%s}`, pod, row.more)
			if err := accept(t, in, pod, body); err != nil {
				t.Fatal(err)
			}
			if got, want := s.kept[key], fmt.Sprintf(record, pod); got != want {
				t.Errorf("stored %s\nwant   %s", got, want)
			}
			if got := s.lives[key]; got != row.life {
				t.Errorf("apart from that %s\nwant %s", got, row.life)
			}
		}
	}
}
