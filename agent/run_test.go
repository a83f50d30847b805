package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netchecker/netchecker/agent/collect"
	"github.com/netchecker/netchecker/pkg/report"
)

func TestMain(m *testing.M) {
	_ = flag.Set("logtostderr", "true")
	_ = os.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	var err error
	if binaryDir, err = os.MkdirTemp("", "netchecker-agent-test"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.Cleanup(func(code int) {
			_ = os.RemoveAll(binaryDir)
			os.Exit(code)
		}))
}

// pod is the Machine of a pod called p on node n.
func pod() Machine {
	env := map[string]string{"MY_POD_NAME": "p", "MY_NODE_NAME": "n", "MY_POD_NAMESPACE": "ns", "MY_POD_UID": "u-1", "MY_POD_IP": "10.1.2.3"}
	return Machine{Surroundings: collect.Surroundings{
		Getenv:   func(k string) string { return env[k] },
		Hostname: func() (string, error) { return "p", nil },
	}}
}

// running starts an agent that ends with the test, and must then end well.
func running(t *testing.T, m Machine, args ...string) {
	t.Helper()
	s, err := understood(args...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, s, m) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(2 * time.Second):
			t.Error("run goes on after its context ended")
		}
	})
}

func TestOriginalServerUnderstandsTheReport(t *testing.T) {
	srv := newOriginalServer(t)
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-reportinterval=15", "-listen=", "-probeurls", srv.URL+"/nothing-there")
	got := srv.reports(t, 1, 5*time.Second)[0]
	if got.path != "/api/v1/agents/p" || got.contentType != "application/json" {
		t.Errorf("POST %s, %s", got.path, got.contentType)
	}
	if got.ReportInterval != 15 || got.PodName != "p" || got.NodeName != "n" || got.Uptime == 0 || time.Since(got.HostDate).Abs() > time.Minute {
		t.Errorf("got %+v", got.originalReport)
	}
	if a := got.LookupHost["127.0.0.1"]; !slices.Equal(a, []string{"127.0.0.1"}) {
		t.Errorf("nslookup: %v", got.LookupHost)
	}
	if len(got.IPs) == 0 || len(got.ZeroExtender) != 1500 || len(got.body) < 3001 {
		t.Errorf("ips %v, %d zeros, %d bytes", got.IPs, len(got.ZeroExtender), len(got.body))
	}
	if p := got.NetworkProbes; len(p) != 2 ||
		p[0].URL != srv.URL+"/nothing-there" || p[0].ConnectionResult != 1 || p[0].HTTPCode != 404 ||
		p[1].URL != srv.URL+"/api/v1/ping" || p[1].ConnectionResult != 1 || p[1].HTTPCode != 200 {
		t.Errorf("network_probes: %+v", p)
	}
}

func TestReportAlsoTellsNamespaceNetworkAddressesAndIdentity(t *testing.T) {
	srv := newOriginalServer(t)
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-listen=", "-reportinterval=1")
	// The second report: the first may be sent in the millisecond of the start.
	got, err := report.Decode(srv.reports(t, 2, 5*time.Second)[1].body)
	if err == nil {
		err = got.Validate()
	}
	if err != nil || got.Namespace != "ns" || got.Network != report.Pod || !slices.Equal(got.Addresses, []string{"10.1.2.3"}) ||
		got.UID != "u-1" || len(got.BootID) != 16 || got.Clock <= 0 || got.Clock > time.Minute {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFirstReportDoesNotWaitForAnInterval(t *testing.T) {
	srv := newOriginalServer(t)
	begun := time.Now()
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-reportinterval=60", "-listen=")
	got := srv.reports(t, 1, 5*time.Second)[0]
	if took := got.at.Sub(begun); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAutomaticPaddingExceedsTheLargestMTU(t *testing.T) {
	srv := newOriginalServer(t)
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-zeroextenderlength=auto", "-listen=")
	got := srv.reports(t, 1, 5*time.Second)[0]
	interfaces, err := collect.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if mtu := collect.LargestMTU(interfaces); 2*len(got.ZeroExtender)+1 <= mtu || len(got.body) <= mtu {
		t.Errorf("%d zeros, %d bytes; the largest MTU is %d", len(got.ZeroExtender), len(got.body), mtu)
	}
}

func TestURLThatHangsDelaysTheReportToItsDeadlineAndSpoilsNothingElse(t *testing.T) {
	t.Parallel()
	srv := newOriginalServer(t)
	running(t, pod(), "-serverendpoint", srv.endpoint(), "-reportinterval=2", "-listen=", "-probeurls", srv.URL+"/hang")
	for _, got := range srv.reports(t, 3, 12*time.Second) { // deadline: 1 s
		hung, ping := got.NetworkProbes[0], got.NetworkProbes[1]
		if hung.ConnectionResult != 0 || hung.HTTPCode != 0 || hung.Total < 990 || hung.Total > 1990 {
			t.Errorf("the probe that hangs: %+v", hung)
		}
		if ping.ConnectionResult != 1 || ping.Total > 900 {
			t.Errorf("the ping: %+v", ping)
		}
	}
}

func TestEnvironmentOfTheGoRuntimeIsKept(t *testing.T) {
	gc, procs, memory := debug.SetGCPercent(77), runtime.GOMAXPROCS(0), debug.SetMemoryLimit(1<<30)
	defer func() { debug.SetGCPercent(gc); runtime.GOMAXPROCS(procs); debug.SetMemoryLimit(memory) }()
	tune(func(string) string { return "set" })
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GOGC was set to %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != 1<<30 {
		t.Errorf("GOMEMLIMIT was set to %d", got)
	}
	tune(func(string) string { return "" })
	if gc, memory, procs := debug.SetGCPercent(77), debug.SetMemoryLimit(-1), runtime.GOMAXPROCS(0); gc != 50 || memory != 24<<20 || procs > 2 {
		t.Errorf("GOGC %d, GOMEMLIMIT %d, GOMAXPROCS %d", gc, memory, procs)
	}
}

// freeAddress is one that nobody listens on, of this test alone.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.78.%d.%d:0", os.Getpid()>>8&255, os.Getpid()&255|1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// get returns the status code and the text, or "" where there is no answer.
func get(address, path string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	res, err := client.Get("http://" + address + path)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(body))
}
