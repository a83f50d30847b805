package responder

import (
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/version"
)

// backendLines are the lines of the metrics that are about backends.
func backendLines(t *testing.T, m *Metrics) string {
	t.Helper()
	live, ready := sets(t, nil, nil)
	_, body := get(t, Handler(live, ready, m), "/metrics")
	var lines strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "netchecker_agent_backend_") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func TestMetricsTellTheBackendsAndForgetThoseThatAreWithdrawn(t *testing.T) {
	m := NewMetrics(version.Info{}, "server")
	m.Sampled("kube-api", "new", Good, true, 0)
	m.Sampled("kube-api", "new", Failed, false, 0)
	m.Sampled("kube-api", "new", NotAsked, false, 1500*time.Millisecond)
	m.Sampled("other", "reused", Good, false, 0)
	const other = `netchecker_agent_backend_connections_total{backend="other",connection="reused"} 0
netchecker_agent_backend_disrupted_seconds_total{backend="other",connection="reused"} 0
netchecker_agent_backend_samples_total{backend="other",connection="reused",outcome="good"} 1
netchecker_agent_backend_up{backend="other",connection="reused"} 1
`
	const both = `netchecker_agent_backend_connections_total{backend="kube-api",connection="new"} 1
netchecker_agent_backend_connections_total{backend="other",connection="reused"} 0
netchecker_agent_backend_disrupted_seconds_total{backend="kube-api",connection="new"} 1.5
netchecker_agent_backend_disrupted_seconds_total{backend="other",connection="reused"} 0
netchecker_agent_backend_samples_total{backend="kube-api",connection="new",outcome="failed"} 1
netchecker_agent_backend_samples_total{backend="kube-api",connection="new",outcome="good"} 1
netchecker_agent_backend_samples_total{backend="kube-api",connection="new",outcome="not_asked"} 1
netchecker_agent_backend_samples_total{backend="other",connection="reused",outcome="good"} 1
netchecker_agent_backend_up{backend="kube-api",connection="new"} 0
netchecker_agent_backend_up{backend="other",connection="reused"} 1
`
	if got := backendLines(t, m); got != both {
		t.Errorf("got\n%s\nwant\n%s", got, both)
	}
	m.Withdrawn("kube-api")
	if got := backendLines(t, m); got != other {
		t.Errorf("got\n%s\nwant\n%s", got, other)
	}
}
