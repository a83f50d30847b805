//go:build chart

package system_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
	"github.com/netchecker/netchecker/test/process"
	"github.com/netchecker/netchecker/test/tools"
)

func TestPromtoolHasNothingToSayButTheContractsMilliseconds(t *testing.T) {
	sideBySide(t)
	a := agent{name: "netchecker-agent-x", node: "n1"}
	peer := agent{name: "netchecker-agent-y", node: "n2"}
	s := serve(t, ownEtcd(t), expecting(t, a, peer)).ready()
	s.takes(peer.post(fmt.Sprintf(`{"report_interval":60,"podname":%q,"nodename":"n2","boot_id":"0123456789abcdef","clock_ms":10,"mesh":{"as_of_ms":10,"sessions":[[1,%d,0,0,0,5]]}}`,
		peer.name, mesh.ID(&fleet.Agent{Key: fleet.Key{Namespace: "default", Name: a.name}}))))
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := process.Start(process.Spec{
		Path: agentProgram,
		Args: flags{"-serverendpoint", strings.TrimPrefix(s.url, "http://"), "-reportinterval", "1", "-listen", own},
		Env:  flags{"MY_POD_NAME=" + a.name, "MY_NODE_NAME=" + a.node},
		Log:  filepath.Join(t.TempDir(), "agent.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Stop(stopWithin) }()
	s.metricBecomes(fmt.Sprintf(`ncagent_http_probe_code{agent=%q,url="%s/api/v1/ping"}`, a.label(), s.url), 200)

	s.metricBecomes(podToPod, 5)
	contract := regexp.MustCompile(`^ncagent_http_probe_[a-z_]+_time_ms `)
	for _, url := range []string{s.url, "http://" + own} {
		said := lint(t, url+"/metrics")
		for _, line := range said {
			if !contract.MatchString(line) {
				t.Errorf("of %s it says: %s", url, line)
			}
		}
		if url == s.url && len(said) == 0 {
			t.Error("it says nothing of the contract's milliseconds, so it read nothing")
		}
	}
}

// lint is what promtool says of the metrics at url.
func lint(t *testing.T, url string) []string {
	t.Helper()
	promtool, err := tools.Path("promtool")
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = res.Body
	out, err := cmd.CombinedOutput()
	// It exits with 3 where it has something to say.
	if err != nil && cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}
