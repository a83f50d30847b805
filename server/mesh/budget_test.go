package mesh

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
)

// What agents send each second, all together, is within the budgets however many they
// are. A lookup sends two questions, and one is made on the way to the Service, too.
func TestWhatAgentsSendToWhatTheyShareIsWithinTheBudgets(t *testing.T) {
	for _, row := range []struct {
		agents, servers, want int
		nodePort              uint16
		dns, service, api     time.Duration
	}{
		{0, 2, 1, 0, 5 * time.Second, 5 * time.Second, 5 * time.Second},
		{100, 2, 1, 31081, 5 * time.Second, 5 * time.Second, 5 * time.Second},
		{700, 2, 1, 0, 10 * time.Second, 5 * time.Second, 5 * time.Second},
		{2000, 2, 1, 31081, 20 * time.Second, 10 * time.Second, 10 * time.Second},
		{20_000, 4, 2, 31081, 400 * time.Second, 80 * time.Second, 100 * time.Second},
		{20_000, 4, 0, 0, 400 * time.Second, 80 * time.Second, 100 * time.Second},
		{200_000, 4, 1, 0, time.Hour, 800 * time.Second, 1000 * time.Second},
	} {
		s := budgeted(assignment.Shared{
			Want: make([]netip.Addr, row.want), DNSServers: make([]netip.AddrPort, row.servers), NodePort: row.nodePort, KubeAPI: make([]netip.AddrPort, 1),
		}, row.agents, row.agents/2)
		millis := func(d time.Duration) int64 { return d.Milliseconds() }
		if s.DNSEvery != millis(row.dns) || s.ServiceEvery != millis(row.service) || s.KubeAPIEvery != millis(row.api) {
			t.Errorf("%+v: each asks after %d, %d and %d ms", row, s.DNSEvery, s.ServiceEvery, s.KubeAPIEvery)
		}
		perSecond := func(questions int, every int64) float64 { return float64(row.agents*questions) * 1000 / float64(every) }
		ways := 1 + row.want
		if row.nodePort != 0 {
			ways++
		}
		dns := perSecond(2*(1+row.servers), s.DNSEvery) + perSecond(2, s.ServiceEvery)
		service, api := perSecond(ways, s.ServiceEvery), perSecond(1, 2*s.KubeAPIEvery)
		if s.DNSEvery < millis(assignment.Longest) && dns > dnsBudget || service > serviceBudget || api > kubeAPIBudget {
			t.Errorf("%+v: %.0f questions of DNS, %.0f connections of the Service and %.0f of the API a second", row, dns, service, api)
		}
	}
}
