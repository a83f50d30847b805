package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/testmain"
)

func TestMain(m *testing.M) { testmain.Run(m) }

// shelf is a store in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[fleet.Key]string
	ttls map[fleet.Key]time.Duration
	// listed is how many of those kept are of listed pods.
	listed int
	err    error
}

func newShelf() *shelf {
	return &shelf{kept: map[fleet.Key]string{}, ttls: map[fleet.Key]time.Duration{}}
}

func (s *shelf) Put(_ context.Context, key fleet.Key, value []byte, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if _, had := s.kept[key]; !had && !key.Unlisted() {
		s.listed++
	}
	s.kept[key], s.ttls[key] = string(value), ttl
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

func TestAReportIsIdentified(t *testing.T) {
	for _, row := range []struct {
		name string
		list *fleet.List
		r    report.Report
		want string
	}{
		{"by name and namespace", listed, report.Report{PodName: "twin", Namespace: "green"}, "green/twin"},
		{"by name alone, where one namespace has it", listed, report.Report{PodName: "alone"}, "default/alone"},
		{"by name alone, whatever node it tells", listed, report.Report{PodName: "alone", NodeName: "n9"}, "default/alone"},
		{"by node, where several namespaces have it", listed, report.Report{PodName: "twin", NodeName: "n1"}, "blue/twin"},
		{"by address, where several are on one node", listed, report.Report{PodName: "twin", NodeName: "n2", IPs: map[string][]string{"eth0": {"10.0.0.4/24"}}}, "red/twin"},
		{"by IPv6 address", listed, report.Report{PodName: "twin", NodeName: "n2", IPs: map[string][]string{"eth0": {"fd00:0::3/64"}}}, "green/twin"},
		{"by the addresses that netchecker's agents tell", listed, report.Report{PodName: "twin", Addresses: []string{"10.0.0.2"}}, "blue/twin"},
		{"by address, where it tells a node that none is on", listed, report.Report{PodName: "twin", NodeName: "n9", Addresses: []string{"10.0.0.2"}}, "blue/twin"},
		{"not, where the name is unknown", listed, report.Report{PodName: "nobody"}, ""},
		{"not, where the namespace has no pod of that name", listed, report.Report{PodName: "alone", Namespace: "blue"}, ""},
		{"not, where the list was never read", nil, report.Report{PodName: "alone"}, ""},
	} {
		got, err := Identify(row.list, &row.r)
		switch {
		case err != nil:
			t.Errorf("%s: %v", row.name, err)
		case got == nil && row.want != "", got != nil && got.Key.String() != row.want:
			t.Errorf("%s: found %v, want %q", row.name, got, row.want)
		}
	}
}

func TestAReportThatFitsSeveralPodsIsAmbiguous(t *testing.T) {
	const want = `podname: "twin" is the name of pods in the namespaces blue and green and red, and neither nodename nor ips tell which of them reports; the report should have a namespace`
	for _, r := range []report.Report{
		{PodName: "twin"},
		{PodName: "twin", NodeName: "n2"},
		{PodName: "twin", NodeName: "n9", Addresses: []string{"10.9.9.9"}},
		{PodName: "twin", Addresses: []string{"10.0.0.3", "10.0.0.4"}},
	} {
		got, err := Identify(listed, &r)
		var ambiguous *AmbiguousError
		if !errors.As(err, &ambiguous) || err.Error() != want {
			t.Errorf("%+v: found %v, error %v", r, got, err)
		}
	}
}

var noon = time.Date(2017, 11, 30, 14, 54, 19, 0, time.UTC)

func newIntake(s *shelf, list *fleet.List) *Intake {
	return New(s, pods{list}, 300*time.Second, func() time.Time { return noon })
}

func TestAnAcceptedReportIsStoredUnderItsPodWithoutItsPadding(t *testing.T) {
	s := newShelf()
	in := newIntake(s, listed)
	body := `{"report_interval":15,"nodename":"n1","podname":"alone","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,"nslookup":null,"ips":{"eth0":["10.0.0.1/24"]},"zero_extender":[0,0,0]}`
	if err := in.Accept(t.Context(), "alone", []byte(body)); err != nil {
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
		if err := in.Accept(t.Context(), "alone", fmt.Appendf(nil, `{"report_interval":%d,"podname":"alone"}`, interval)); err != nil {
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
		err := newIntake(s, listed).Accept(t.Context(), row.pod, []byte(row.body))
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
		err := in.Accept(t.Context(), pod, fmt.Appendf(nil, large, pod))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("of %s: %v, want %s…", pod, err, want)
		}
	}
	if len(s.kept) > 0 {
		t.Errorf("%d reports were stored", len(s.kept))
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
			if err := in.Accept(t.Context(), name, body(name)); err != nil && !errors.As(err, &limit) {
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
		if err := in.Accept(t.Context(), name, body(name)); err != nil {
			t.Fatalf("%d reports are kept, and the next is refused: %v", len(s.kept), err)
		}
	}
	err := in.Accept(t.Context(), "one-more", body("one-more"))
	const want = `podname: "one-more" is not in the list of agent pods, and 1000 reports of such pods are waiting already; it is taken once the list knows the pod`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
	for key := range s.kept {
		if !key.Unlisted() {
			t.Errorf("%v is kept like a listed pod", key)
		}
		if err := in.Accept(t.Context(), key.Name, body(key.Name)); err != nil {
			t.Errorf("the next report of one that is kept: %v", err)
		}
		break
	}
	if err := in.Accept(t.Context(), "alone", body("alone")); err != nil {
		t.Errorf("a listed pod's report while the limit is reached: %v", err)
	}
	clear(s.kept) // their time is up
	s.listed = 0
	in.now = func() time.Time { return noon.Add(time.Minute) }
	if err := in.Accept(t.Context(), "one-more", body("one-more")); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
}

func TestAFailedWriteIsAnErrorAndHoldsNoPlace(t *testing.T) {
	s := newShelf()
	s.err = errors.New("etcd is away")
	in := newIntake(s, nil)
	if err := in.Accept(t.Context(), "p", body("p")); !errors.Is(err, s.err) {
		t.Errorf("error %v, want the store's", err)
	}
	if len(in.waiting) != 0 {
		t.Errorf("%d places are held for nothing", len(in.waiting))
	}
}
