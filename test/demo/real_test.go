package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

// realBinaries builds what make build builds.
func realBinaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, room := range []string{"server", "agent"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "netchecker-"+room), "../../"+room)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building the %s: %v\n%s", room, err, out)
		}
	}
	return dir
}

func TestARealServerAndRealAgentsPlayTheDemo(t *testing.T) {
	o := options{bin: realBinaries(t), endpoint: "127.0.0.1:0", interval: 1, patience: time.Minute}
	p := perform(t, o)
	server := newAPI(p.waitFor(t, `curl http://(127\.0\.0\.1:\d+)/metrics`)[1])
	defer server.close()
	p.waitFor(t, `(?m)^The verdict: 200 OK
\{"Message":"All 6 pods successfully reported back to the server","Absent":null,"Outdated":null`)

	for _, path := range []string{agentsPath + "netchecker-agent-hostnet-node-3", "/metrics", "/readyz?verbose"} {
		if code, body := ask(t, server, path); code != http.StatusOK {
			t.Errorf("%s answers %d %.300s", path, code, body)
		}
	}

	samples := `"backend":"netchecker","connection":"reused","network":"host","disrupted_seconds":0`
	eventually.Nil(t, func() error {
		if code, body := ask(t, server, disruptionPath); code != http.StatusOK || !strings.Contains(body, samples) {
			return fmt.Errorf("%s answers %d %s, want %s", disruptionPath, code, body, samples)
		}
		return nil
	})

	found := func(want string) {
		t.Helper()
		began := time.Now()
		eventually.Nil(t, func() error {
			if code, body := ask(t, server, findingsPath); code != http.StatusOK || !strings.Contains(body, want) {
				return fmt.Errorf("%s answers %d %s, want %s", findingsPath, code, body, want)
			}
			return nil
		})
		t.Logf("%s was told within %v", want, time.Since(began))
	}
	sleeper, err := strconv.Atoi(p.waitFor(t, `(?m)^  kill -STOP (\d+) `)[1])
	if err != nil {
		t.Fatal(err)
	}
	found(`{"findings":[]}`)
	if err := syscall.Kill(sleeper, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	found(`"kind":"agent-still","subject":{"scope":"node","names":["node-2"]},"class":"host network"`)
	if err := syscall.Kill(sleeper, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	found(`{"findings":[]}`)

	if err := syscall.Kill(pidIn(t, p.transcript), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	want := `"Absent":null,"Outdated":["netchecker-agent-hostnet-node-3"]`
	eventually.Nil(t, func() error {
		if code, body := ask(t, server, verdictPath); code != http.StatusBadRequest || !strings.Contains(body, want) {
			return fmt.Errorf("after an agent was killed, the verdict is %d %s, want 400 and %s", code, body, want)
		}
		return nil
	})

	p.stop()
	if err := p.ended(t); err != nil {
		t.Error(err)
	}
}

// ask returns what the server answers.
func ask(t *testing.T, server *api, path string) (code int, body string) {
	t.Helper()
	code, body, err := server.get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return code, body
}
