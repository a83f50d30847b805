package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/process"
)

// transcript is what the demo said so far.
type transcript struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.said.Write(p)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.said.String()
}

// waitFor returns the first match of the pattern and of its groups.
func (tr *transcript) waitFor(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		said := tr.String()
		if m := re.FindStringSubmatch(said); m != nil {
			return m
		}
		if strings.Contains(said, "Stopping …") {
			break
		}
	}
	t.Fatalf("never said: %s\nbut:\n%s", pattern, tr)
	return nil
}

// performance is a demo that plays in this process.
type performance struct {
	*transcript
	stop context.CancelFunc
	end  chan error
	tmp  string
}

func perform(t *testing.T, o options) performance {
	t.Helper()
	p := performance{transcript: &transcript{}, end: make(chan error, 1), tmp: t.TempDir()}
	t.Setenv("TMPDIR", p.tmp)
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		p.end <- play(ctx, o, p)
		close(p.end)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.end
	})
	return p
}

func fakes(t *testing.T) options {
	return options{bin: fakeBinaries(t), endpoint: "127.0.0.1:0", interval: 5, patience: 30 * time.Second}
}

// ended waits for the demo's end, returns its error, and sees to it that nothing
// is left.
func (p performance) ended(t *testing.T) error {
	t.Helper()
	err := <-p.end
	leftNothing(t, p.tmp)
	return err
}

func leftNothing(t *testing.T, tmp string) {
	t.Helper()
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		t.Errorf("%s is left", file.Name())
	}
}

// gone waits until no process has that id.
func gone(t *testing.T, pid int) {
	t.Helper()
	eventually.True(t, fmt.Sprintf("process %d has ended", pid), func() bool { return !process.Alive(pid) })
}

// pidIn is the process id that the demo invites to kill.
func pidIn(t *testing.T, tr *transcript) int {
	t.Helper()
	pid, err := strconv.Atoi(tr.waitFor(t, `(?m)^  kill (\d+) `)[1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestTheDemoShowsTheVerdictAndWhatToTry(t *testing.T) {
	p := perform(t, fakes(t))
	p.waitFor(t, "Ctrl-C ends the demo")
	pid := pidIn(t, p.transcript)
	p.stop()
	if err := p.ended(t); err != nil {
		t.Errorf("the end that was asked for is an error: %v", err)
	}
	gone(t, pid)

	want := regexp.MustCompile(`^Logs of this demo are in \S+ until it ends\.
Starting a server with its embedded etcd on 127\.0\.0\.1:\d+ …
The server answers after \S+s\.
Starting 6 agents that report every 5s …
(?:\d of 6 agents have reported
)*6 of 6 agents have reported

The verdict: 200 OK
\{"Message":"6 of 6"\}

Try, in another terminal:
  curl -i http://127\.0\.0\.1:\d+/api/v1/connectivity_check        the verdict
  curl http://127\.0\.0\.1:\d+/api/v1/agents/                      everybody's newest report
  curl http://127\.0\.0\.1:\d+/api/v1/agents/netchecker-agent-hostnet-node-3
  curl http://127\.0\.0\.1:\d+/api/v1/disruption                   for whom a backend was away, and how long
  curl http://127\.0\.0\.1:\d+/api/v1/intervals
  curl http://127\.0\.0\.1:\d+/api/v1/mesh                         what they measure of the paths between them
  curl 'http://127\.0\.0\.1:\d+/api/v1/mesh\?node=node-2'
  curl -H 'Accept: text/plain' http://127\.0\.0\.1:\d+/api/v1/findings         what is found broken, and where
  curl http://127\.0\.0\.1:\d+/metrics
  curl 'http://127\.0\.0\.1:\d+/readyz\?verbose'

Freeze an agent and watch:
  kill -STOP \d+ +freezes netchecker-agent-hostnet-node-2
  curl -H 'Accept: text/plain' http://127\.0\.0\.1:\d+/api/v1/findings         within half a minute: that it stands still, and the network is not at fault
  kill -CONT \d+ +lets it go on; 15 s later there is nothing to be told

Kill an agent and watch:
  kill \d+ +ends netchecker-agent-hostnet-node-3
  curl -i http://127\.0\.0\.1:\d+/api/v1/connectivity_check        after 10s \(two report intervals\): 400, and it is Outdated

Ctrl-C ends the demo and removes what it made\.
Stopping …
Stopped; nothing is left\.
$`)
	if !want.MatchString(p.String()) {
		t.Errorf("got\n%s", p)
	}
}

func TestAnAgentThatIsKilledIsToldAndTheDemoGoesOn(t *testing.T) {
	for signal, how := range map[syscall.Signal]string{syscall.SIGTERM: "exit status 0", syscall.SIGKILL: "signal: killed"} {
		t.Run(signal.String(), func(t *testing.T) {
			p := perform(t, fakes(t))
			if err := syscall.Kill(pidIn(t, p.transcript), signal); err != nil {
				t.Fatal(err)
			}
			p.waitFor(t, regexp.QuoteMeta("netchecker-agent-hostnet-node-3 was ended ("+how+"): Outdated once its report is older than 10s."))
			p.stop()
			if err := p.ended(t); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnAgentThatFailsEndsTheDemo(t *testing.T) {
	trigger := filepath.Join(t.TempDir(), "fail")
	t.Setenv(fakeAgentFails, trigger)
	p := perform(t, fakes(t))
	p.waitFor(t, "Ctrl-C ends the demo")
	if err := os.WriteFile(trigger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expectError(t, p.ended(t), `^netchecker-agent-\S+ \(process \d+\) ended by itself: exit status 3; its log ends with:
no more memory
$`)
}

func TestAServerThatFailsEndsTheDemo(t *testing.T) {
	t.Setenv(fakeServerFails, "no such disk")
	p := perform(t, fakes(t))
	expectError(t, p.ended(t), `^netchecker-server \(process \d+\) ended by itself: exit status 3; its log ends with:
cannot start: no such disk
$`)
}

func TestReportsThatDoNotComeEndTheDemo(t *testing.T) {
	o := fakes(t)
	o.patience = time.Second
	// Something that runs and never reports.
	if err := errors.Join(os.Remove(o.agent()), os.WriteFile(o.agent(), []byte("#!/bin/sh\nexec sleep 600\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	p := perform(t, o)
	expectError(t, p.ended(t), `^gave up after 1s: 0 of 6 agents have reported; the server's log ends with:
$`)
}

func expectError(t *testing.T, got error, pattern string) {
	t.Helper()
	if got == nil || !regexp.MustCompile(pattern).MatchString(got.Error()) {
		t.Errorf("got error %v, want %s", got, pattern)
	}
}

func TestTheServerIsToldWhomToExpectAndWhereTheyAnswer(t *testing.T) {
	pods := cast()[:2]
	for i := range pods {
		pods[i].mesh = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(7001+i))
	}
	want := `agents:
- {name: netchecker-agent-node-1, namespace: netchecker, node: node-1, network: pod, addresses: ["127.0.0.1"], meshPort: 7001}
- {name: netchecker-agent-hostnet-node-1, namespace: netchecker, node: node-1, network: host, addresses: ["127.0.0.1"], meshPort: 7002}
`
	if got := agentsFile(pods); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestAServerThatListensEverywhereIsReachedOnLoopback(t *testing.T) {
	for endpoint, want := range map[string]string{
		"[::]:8081":      "127.0.0.1:8081",
		"0.0.0.0:8081":   "127.0.0.1:8081",
		"127.0.0.1:8081": "127.0.0.1:8081",
		"[::1]:8081":     "[::1]:8081",
	} {
		if got := reachable(endpoint); got != want {
			t.Errorf("reachable(%q) = %q, want %q", endpoint, got, want)
		}
	}
}
