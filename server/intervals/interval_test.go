package intervals

import (
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

func TestALocatorSaysWhatWasSampledFromWhere(t *testing.T) {
	i := Interval{Backend: "kube-api", Connection: report.New, Network: report.Pod, Node: "node-2", Pod: fleet.Key{Namespace: "netchecker", Name: "netchecker-agent-x4k2p"}}
	if got, want := i.Locator(), "disruption/kube-api connection/new network/pod node/node-2 pod/netchecker-agent-x4k2p"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
