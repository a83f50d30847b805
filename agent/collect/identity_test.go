package collect

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestNetworkIsToldByTheHostname(t *testing.T) {
	long := strings.Repeat("a", 62) + "-bcdef"
	for _, c := range []struct {
		name, pod, host string
		want            report.Network
	}{
		{"the pod's own name", "agent-x", "agent-x", report.Pod},
		{"the node's name", "agent-x", "node-1", report.Host},
		{"a name that only begins like the pod's", "agent-x", "agent-x2", report.Host},
		{"the pod's name with its domain", "agent-x", "agent-x.sub.ns.svc.cluster.local", report.Pod},
		{"what the kernel has room for of a long name", long, long[:62], report.Pod},
		{"the node's name, long pod name", long, "node-1", report.Host},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := networkOf(c.pod, c.host); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestIdentify(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "namespace")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	type env map[string]string
	for _, c := range []struct {
		name    string
		env     env
		file    string
		network report.Network
		want    Self
	}{
		{"all told", env{"MY_POD_NAME": "p", "MY_NODE_NAME": "n", "MY_POD_NAMESPACE": "ns", "MY_POD_UID": "0a-1F", "MY_POD_IPS": "10.0.0.1, fd00::1", "MY_POD_IP": "10.0.0.9"},
			file, report.Unknown, Self{"p", "n", "ns", "0a-1F", report.Host, []string{"10.0.0.1", "fd00::1"}}},
		{"the least", env{"MY_POD_NAME": "p"}, none, report.Unknown, Self{PodName: "p", Network: report.Host}},
		{"the namespace from the service account", env{"MY_POD_NAME": "p"}, file, report.Unknown, Self{PodName: "p", Namespace: "from-file", Network: report.Host}},
		{"one address", env{"MY_POD_NAME": "p", "MY_POD_IP": "10.0.0.9"}, none, report.Pod, Self{PodName: "p", Network: report.Pod, Addresses: []string{"10.0.0.9"}}},
		{"more addresses than a report may have", env{"MY_POD_NAME": "p", "MY_POD_IPS": strings.Repeat("10.0.0.1,", report.MaxValues+1)}, none, report.Pod,
			Self{PodName: "p", Network: report.Pod, Addresses: slices.Repeat([]string{"10.0.0.1"}, report.MaxValues)}},
		{"on the pod network by its hostname", env{"MY_POD_NAME": "node-1"}, none, report.Unknown, Self{PodName: "node-1", Network: report.Pod}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Surroundings{func(k string) string { return c.env[k] }, func() (string, error) { return "node-1", nil }, c.file}
			got, err := Identify(s, c.network)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestIdentifySaysWhatIsWrongAndWhatItShouldBe(t *testing.T) {
	const rule = "it should be a name as Kubernetes has them: lower-case letters, digits, '-' and '.'"
	for _, c := range []struct {
		env  map[string]string
		host error
		want string
	}{
		{map[string]string{}, nil, "the environment variable MY_POD_NAME is missing; set it to the pod's name (in a manifest: fieldRef metadata.name)"},
		{map[string]string{"MY_POD_NAME": "../x"}, nil, `the environment variable MY_POD_NAME is "../x"; ` + rule},
		{map[string]string{"MY_POD_NAME": "p", "MY_NODE_NAME": "a b"}, nil, `the environment variable MY_NODE_NAME is "a b"; ` + rule},
		{map[string]string{"MY_POD_NAME": "p", "MY_POD_NAMESPACE": "a.b"}, nil, `the namespace is "a.b"; ` + rule + " (from MY_POD_NAMESPACE or /none)"},
		{map[string]string{"MY_POD_NAME": "p", "MY_POD_UID": "a b"}, nil, `the environment variable MY_POD_UID is "a b"; it should be the pod's UID: at most 64 letters, digits and '-'`},
		{map[string]string{"MY_POD_NAME": "p", "MY_POD_IP": "10.0.0"}, nil, `the environment variable MY_POD_IP has "10.0.0"; it should be IP addresses with commas between them`},
		{map[string]string{"MY_POD_NAME": "p"}, errors.New("no"), "finding out the pod's network by its hostname: no; set -network"},
	} {
		s := Surroundings{func(k string) string { return c.env[k] }, func() (string, error) { return "h", c.host }, "/none"}
		if _, err := Identify(s, report.Unknown); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}
