package backends

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/pkg/backend"
)

func TestADeclarationThatIsBadIsRefusedByNameAndTheGoodOnesGoOn(t *testing.T) {
	good, refused, err := parse([]byte(`
backends:
- {name: kube-api, url: "https://kubernetes.default.svc/readyz", ca: kube-ca.crt}
- {name: ftp, url: "ftp://a"}
- {name: metadata, url: "http://169.254.169.254/"}
- {name: own, url: "http://127.0.0.1/"}
- {name: kube-api, url: "http://another"}
- {url: "http://a"}
- {name: typed, url: [a]}
- {name: typo, urls: a}
- {name: from, url: "http://a", from: nowhere}
- {name: agents, url: "http://a", agents: -1}
- {name: allowance, url: "http://a", allowanceSeconds: 86401}
- {name: LONG`+strings.Repeat("g", 100)+`, url: "http://a"}
- {name: large, url: "http://a", body: "`+strings.Repeat("\\0", 512)+`", bodyRegexp: "`+strings.Repeat("\\0", 512)+`"}
- {name: every, url: "http://{nodeIP}:10256/healthz", from: every-agent, allowanceSeconds: 3}
`), false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Declaration{
		{Backend: backend.Backend{Name: "kube-api", URL: "https://kubernetes.default.svc/readyz", CA: "kube-ca.crt"}, From: Spread, Agents: 20},
		{Backend: backend.Backend{Name: "every", URL: "http://{nodeIP}:10256/healthz"}, From: EveryAgent, Agents: 20, AllowanceSeconds: 3},
	}
	if !reflect.DeepEqual(good, want) {
		t.Errorf("good are %+v\nwant     %+v", good, want)
	}
	const label = `; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`
	wantRefused := []Refused{
		{"ftp", `url: is "ftp://a"; it should be a URL such as https://example.com:8443/healthz, with http or https and without a password`},
		{"metadata", "url: leads to 169.254.169.254, a link-local address, which no agent may be aimed at"},
		{"own", "url: leads to 127.0.0.1, a loopback address, which no agent may be aimed at"},
		{"kube-api", "name: is another's too; it should be its own"},
		{"backends[5]", `name: is ""` + label},
		{"typed", "backends[6].url: a list; it should be a string (quotes make it one)"},
		{"typo", `backends[7]: unknown field "urls"`},
		{"from", `from: is "nowhere"; it should be "spread" or "every-agent"`},
		{"agents", "agents: is -1; it should be from 1 to 1000"},
		{"allowance", "allowanceSeconds: is 86401; it should be from 0 to 86400"},
		{"LONG" + strings.Repeat("g", 59), `name: is "LONG` + strings.Repeat("g", 66) + `"` + label},
		{"large", "takes 6218 bytes to tell an agent; it should take at most 3840"},
	}
	for i := range max(len(refused), len(wantRefused)) {
		if i >= len(refused) || i >= len(wantRefused) || refused[i] != wantRefused[i] {
			t.Errorf("refused: got  %q\nwant %q", refused[min(i, len(refused)-1):], wantRefused[min(i, len(wantRefused)-1):])
			break
		}
	}
}

func TestLoopbackIsForTestsAlone(t *testing.T) {
	good, refused, err := parse([]byte(`backends: [{name: own, url: "http://127.0.0.1/"}]`), true)
	if len(good) != 1 || len(refused) != 0 || err != nil {
		t.Errorf("got %+v, %+v, %v", good, refused, err)
	}
}

func TestTheSeventeenthIsRefused(t *testing.T) {
	var text strings.Builder
	text.WriteString("backends:\n- {name: bad}\n")
	for i := range 17 {
		fmt.Fprintf(&text, "- {name: b%d, url: \"http://a\"}\n", i)
	}
	good, refused, err := parse([]byte(text.String()), false)
	if err != nil || len(good) != 16 || good[15].Name != "b15" {
		t.Errorf("got %d good ones, %v", len(good), err)
	}
	want := Refused{"b16", "there are 16 before it; there should be at most 16"}
	if len(refused) != 2 || refused[1] != want {
		t.Errorf("refused are %q, want %q as the last", refused, want)
	}
}

func TestAFileThatMakesNoSenseAsAWholeIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"":             "backends: is missing; it should be a list of backends, which may be empty",
		"backend: []":  `the file: unknown field "backend"`,
		"backends: {}": "backends: a map; it should be a list",
		"backends: [":  "yaml: line 1: did not find expected node content",
		"backends: [" + strings.Repeat("{},", 257) + "]": "backends: has 257; it should have at most 16",
	} {
		if _, _, err := parse([]byte(text), false); err == nil || err.Error() != want {
			t.Errorf("%.20s: got %v, want %s", text, err, want)
		}
	}
}

func TestWhatIsAllowedFitsIntoOneReply(t *testing.T) {
	if maxEncoded*backend.Most > 60<<10 {
		t.Errorf("%d backends of %d bytes do not fit", backend.Most, maxEncoded)
	}
}

func TestTheChartsOwnBackendsAreGood(t *testing.T) {
	text, err := os.ReadFile("../../helm-chart/netchecker/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Backends []any `json:"backends"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	if text, err = yaml.Marshal(values); err != nil {
		t.Fatal(err)
	}
	good, refused, err := parse(text, false)
	if err != nil || len(refused) > 0 || len(good) != 2 {
		t.Errorf("%d are good, %q are refused, %v", len(good), refused, err)
	}
}
