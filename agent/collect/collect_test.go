package collect

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func prefixList(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

var date = time.Date(2017, 11, 30, 14, 54, 19, 5e8, time.UTC)

// wellCollector sees a network where all is well.
func wellCollector() *Collector {
	return &Collector{
		Self:     Self{PodName: "p", NodeName: "n", Namespace: "ns", UID: "u-1", Network: report.Pod},
		BootID:   "0123456789abcdef",
		Interval: 15 * time.Second,
		Deadline: 500 * time.Millisecond,
		URLs:     []string{"http://a/", "http://b/"},
		Host:     "server",
		Probe: func(_ context.Context, url string) (report.ProbeResult, error) {
			return report.ProbeResult{URL: url, ConnectionResult: 1, HTTPCode: 200}, nil
		},
		Lookup: func(context.Context, string) ([]string, error) { return []string{"10.233.54.44"}, nil },
		Interfaces: func() ([]Interface, error) {
			return []Interface{
				{"lo", 65536, true, prefixList("127.0.0.1/8")},
				{"eth0", 1450, false, prefixList("10.0.0.2/24", "fe80::1/64", "fd00::2/64")},
				{"eth1", 9000, false, nil},
			}, nil
		},
		Uptime: func() (uint64, error) { return 12345, nil },
		Now:    func() time.Time { return date },
	}
}

func TestRoundHasAllThatAReportTells(t *testing.T) {
	got := wellCollector().Collect(t.Context())
	want := report.Report{
		UID: "u-1", BootID: "0123456789abcdef",
		ReportInterval: 15, NodeName: "n", PodName: "p", Namespace: "ns", Network: report.Pod, HostDate: date, Uptime: 12345,
		NSLookup:  map[string][]string{"server": {"10.233.54.44"}},
		IPs:       map[string][]string{"lo": {"127.0.0.1/8"}, "eth0": {"10.0.0.2/24", "fe80::1/64", "fd00::2/64"}, "eth1": {}},
		Addresses: []string{"10.0.0.2", "fd00::2"},
		NetworkProbes: []report.ProbeResult{
			{URL: "http://a/", ConnectionResult: 1, HTTPCode: 200}, {URL: "http://b/", ConnectionResult: 1, HTTPCode: 200}},
	}
	if !reflect.DeepEqual(got.Report, want) {
		t.Errorf("got  %+v\nwant %+v", got.Report, want)
	}
	if got.MTU != 9000 {
		t.Errorf("MTU is %d; want the largest but loopback's", got.MTU)
	}
	for _, f := range got.Findings {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Name, f.Err)
		}
	}
}

func TestAddressesThatThePodWasToldAreNotGuessed(t *testing.T) {
	c := wellCollector()
	c.Self.Addresses = []string{"10.9.9.9"}
	if got := c.Collect(t.Context()).Report.Addresses; !slices.Equal(got, []string{"10.9.9.9"}) {
		t.Errorf("got %v", got)
	}
}

func TestWhatHangsCostsOneDeadlineAndNothingElse(t *testing.T) {
	c := wellCollector()
	c.URLs = []string{"http://hangs/1", "http://a/", "http://hangs/2"}
	c.Probe = func(ctx context.Context, url string) (report.ProbeResult, error) {
		if strings.Contains(url, "hangs") {
			<-ctx.Done()
			return report.ProbeResult{URL: url, Total: 200}, ctx.Err()
		}
		if err := ctx.Err(); err != nil { // it would come after those that hang
			return report.ProbeResult{URL: url}, err
		}
		return report.ProbeResult{URL: url, ConnectionResult: 1, Total: 1}, nil
	}
	c.Lookup = func(ctx context.Context, _ string) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() }
	begun := time.Now()
	got := c.Collect(t.Context())
	if took := time.Since(begun); took < 490*time.Millisecond || took > 950*time.Millisecond {
		t.Errorf("took %v; want the deadline of 500ms, once", took)
	}
	want := []report.ProbeResult{{URL: "http://hangs/1", Total: 200}, {URL: "http://a/", ConnectionResult: 1, Total: 1}, {URL: "http://hangs/2", Total: 200}}
	if !slices.Equal(got.Report.NetworkProbes, want) {
		t.Errorf("probes: %+v", got.Report.NetworkProbes)
	}
	if addresses, present := got.Report.NSLookup["server"]; !present || addresses != nil {
		t.Errorf("nslookup: %v; want the key with null", got.Report.NSLookup)
	}
}

func TestFindingsNameWhatFailed(t *testing.T) {
	c := wellCollector()
	failure := errors.New("no")
	c.URLs = []string{"http://u:secret@a/"}
	c.Probe = func(context.Context, string) (report.ProbeResult, error) { return report.ProbeResult{}, failure }
	c.Lookup = func(context.Context, string) ([]string, error) { return nil, failure }
	c.Interfaces = func() ([]Interface, error) { return nil, failure }
	c.Uptime = func() (uint64, error) { return 0, failure }
	want := []Finding{{"network interfaces", failure}, {"uptime", failure}, {"lookup of server", failure}, {"probe of http://u:xxxxx@a/", failure}}
	if got := c.Collect(t.Context()).Findings; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestRoundEndsWithItsContext(t *testing.T) {
	c := wellCollector()
	c.Deadline = time.Minute
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	c.Lookup = func(ctx context.Context, _ string) ([]string, error) { return nil, hang(ctx) }
	c.Probe = func(ctx context.Context, url string) (report.ProbeResult, error) {
		return report.ProbeResult{URL: url}, hang(ctx)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	begun := time.Now()
	for _, f := range c.Collect(ctx).Findings[2:] { // of the lookup and the probes
		if !errors.Is(f.Err, context.Canceled) {
			t.Errorf("%s: %v, want the end of the context", f.Name, f.Err)
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the round took %v of its minute", took)
	}
}

func TestPaddingOverExceedsTheMTU(t *testing.T) {
	empty := len(report.Append(nil, &report.Report{}, 0)) - len("[]")
	for _, mtu := range []int{1, 576, 1280, 1400, 1450, 1499, 1500, 8951, 9000, 9001, 65535} {
		n := PaddingOver(mtu)
		if array := len(report.Append(nil, &report.Report{}, n)) - empty; array <= mtu || array > mtu+2 {
			t.Errorf("MTU %d: %d zeros are %d bytes", mtu, n, array)
		}
	}
}

func TestLargestMTUIsUnknownWhereThereIsOnlyLoopback(t *testing.T) {
	if got := LargestMTU([]Interface{{Name: "lo", MTU: 65536, Loopback: true}}); got != 0 {
		t.Errorf("got %d", got)
	}
}

func TestInterfacesHasThisMachinesLoopback(t *testing.T) {
	list, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(i Interface) bool { return i.Loopback })
	if i < 0 || !slices.Contains(byName(list)[list[i].Name], "127.0.0.1/8") {
		t.Errorf("got %+v", list)
	}
}

func TestUptime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "uptime")
	for _, c := range []struct {
		text, problem string
		want          uint64
	}{
		{"12345.67 98765.43\n", "", 12345},
		{"0.99 0.00\n", "", 0},
		{"7 7\n", "", 7},
		{"", "reading the host's uptime: " + file + ` begins with ""; it should begin with seconds`, 0},
		{"-1.0 2\n", "reading the host's uptime: " + file + ` begins with "-1.0"; it should begin with seconds`, 0},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Uptime(file)
		if got != c.want || (err == nil) != (c.problem == "") || err != nil && err.Error() != c.problem {
			t.Errorf("%q: %d, %v", c.text, got, err)
		}
	}
	if _, err := Uptime(file + "-none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if got, err := Uptime(UptimeFile); err != nil || got == 0 {
		t.Errorf("this machine: %d, %v", got, err)
	}
}
