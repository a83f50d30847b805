package system_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAConnectionThatIsSampledIsKeptWhereOthersAreClosed is about a server with more
// connections than it lets wait.
func TestAConnectionThatIsSampledIsKeptWhereOthersAreClosed(t *testing.T) {
	sideBySide(t)
	s := serve(t, ownEtcd(t), expecting(t, agent{name: "netchecker-agent-n", node: "n"}))
	for range 1024 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, row := range []struct {
		sample string
		closed bool
	}{{"reused", false}, {"", true}, {"new", true}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		if row.sample != "" {
			r.Header.Set("Netchecker-Sample", row.sample)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || res.Close != row.closed {
			t.Errorf("%q: %s, closed %v; want %v", row.sample, res.Status, res.Close, row.closed)
		}
	}
}
