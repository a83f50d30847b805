//go:build rolling

package system_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/test/eventually"
)

var writeStored = flag.Bool("write-stored", false, "write what the release stores into "+releasedValues)

// The reports that releasedValues come from.
const (
	originalBody = `{"report_interval":60,"nodename":"n1","podname":"netchecker-agent-8ck2x","hostdate":"2017-11-30T14:54:19.512345678Z","uptime":12345,` +
		`"nslookup":{"netchecker-service":["10.233.54.44"],"a":null},"ips":{"eth0":["10.0.0.2/24","fe80::1/64"],"lo":["127.0.0.1/8"]},` +
		`"network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":0,"HTTPCode":0,"Total":9223372036854,` +
		`"ContentTransfer":9223372036854,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0},` +
		`{"URL":"https://example.com/?q=\"<&>\\\u2028é","ConnectionResult":1,"HTTPCode":200,"Total":9223372036854775807,` +
		`"ContentTransfer":-9223372036854775808,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}],"zero_extender":[0,0,0]}`
	ourBody = `{"report_interval":86400,"nodename":"n2","podname":"netchecker-agent-hostnet-x7k2p",` +
		`"hostdate":"9999-12-31T23:59:59.999999999+14:00","uptime":18446744073709551615,"nslookup":null,"ips":null,"network_probes":null,` +
		`"namespace":"default","network":"host","addresses":["10.0.0.1","2001:db8::1"],"zero_extender":[]}`
	failedBody = `{"report_interval":3,"nodename":"n3","podname":"netchecker-agent-qdk2x","hostdate":"2026-01-02T03:04:05Z"}`
	wellBody   = `{"report_interval":60,"nodename":"n3","podname":"netchecker-agent-qdk2x","hostdate":"2026-01-02T03:05:06.000000007-11:30",` +
		`"uptime":1,"nslookup":{},"ips":{"eth0":null},"network_probes":[]}`
)

func TestTheReleaseStoresWhatIsInTestdata(t *testing.T) {
	t.Parallel()
	earlier, _ := bothReleases(t)
	etcd, roster := startEtcd(t), newRoster(t, originalAgent, ourAgent, failedAgent, goneAgent)
	s := earlier.serve(t, in(etcd), roster.flag()).ready()
	s.takes(failedAgent.post(failedBody))
	reaches(t, s.neverFalls(failedAgent.series(errorCount)), 1)
	s.takes(failedAgent.post(wellBody))
	s.takes(goneAgent.report(1))
	s.metricBecomes(goneAgent.series(reportCount), 1)
	s.takes(ourAgent.post(ourBody))
	// The last of all reports is in no checkpoint of the counters yet.
	for range 3 {
		s.takes(originalAgent.post(originalBody))
	}
	s.becomes(checkPath, 200, allWell(4))
	roster.set(originalAgent, ourAgent, failedAgent, nextAgent)

	client := etcd.Client(t)
	var got map[string]string
	eventually.Nil(t, func() error {
		got = valuesOf(t, client)
		for key, value := range got {
			if strings.Contains(key, "/counters/") && (!strings.Contains(value, "retired") || strings.Contains(value, "failing")) {
				return fmt.Errorf("%s is %s", key, value)
			}
		}
		return nil
	})
	if *writeStored {
		write(t, got)
	}
	if got, want := timeless(got), timeless(storedValues(t)); !maps.Equal(got, want) {
		t.Errorf("the release stores\n%v, and testdata has\n%v", got, want)
	}
}

// valuesOf are those of an etcd, but for what a leader and a pod that is gone left.
func valuesOf(t *testing.T, etcd *clientv3.Client) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	values := map[string]string{}
	all, err := etcd.Get(ctx, "netchecker/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range all.Kvs {
		key := string(kv.Key)
		if !strings.HasPrefix(key, "netchecker/leader/") && !strings.HasSuffix(key, "/"+goneAgent.name) {
			values[key] = string(kv.Value)
		}
	}
	return values
}

// timeless is values without what differs each time.
func timeless(values map[string]string) map[string]string {
	differs := regexp.MustCompile(`"last_updated":"[^"]*"|"revision":[0-9]+`)
	same := map[string]string{}
	for key, value := range values {
		same[key] = differs.ReplaceAllString(value, "")
	}
	return same
}

// write writes a file for each value.
func write(t *testing.T, values map[string]string) {
	t.Helper()
	if err := os.RemoveAll(releasedValues); err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		path := filepath.Join(releasedValues, key)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
