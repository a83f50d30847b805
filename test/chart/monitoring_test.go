//go:build chart

package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/tools"
)

// promtool runs promtool in examples/prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	program, err := tools.Path("promtool")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = root + "/examples/prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolFindsNothingWrong(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yaml")
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")
}

func TestAlertsFireOnWhatTheySay(t *testing.T) {
	promtool(t, "test", "rules", "alerts_test.yaml")
}

func alerts(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^  - alert: (\S+)$`).FindAllStringSubmatch(readFile(t, "helm-chart/netchecker/files/alerts.yaml"), -1) {
		names = append(names, m[1])
	}
	return names
}

func TestEachAlertHasATestInWhichItFires(t *testing.T) {
	tests := readFile(t, "examples/prometheus/alerts_test.yaml")
	for _, name := range alerts(t) {
		if !regexp.MustCompile(`alertname: ` + name + `\n +exp_alerts:\n`).MatchString(tests) {
			t.Errorf("no test lets %s fire", name)
		}
	}
}

func TestThePrometheusRuleHasTheAlertsAsTheyAre(t *testing.T) {
	all := render(t, "metrics.prometheusRule.enabled=true")
	rules, _ := at(all["PrometheusRule/netchecker"], "spec.groups.0.rules").([]any)
	var got []string
	for _, r := range rules {
		got = append(got, at(r, "alert").(string))
		if text := asJSON(t, at(r, "annotations")); strings.Contains(text, "<no value>") {
			t.Errorf("helm took the template of an alert for its own: %s", text)
		}
	}
	if want := alerts(t); len(want) < 6 || !slices.Equal(got, want) {
		t.Errorf("it has %q, want %q", got, want)
	}
	if got := asJSON(t, at(rules[0], "annotations.summary")); !strings.Contains(got, "{{ $labels.network }}") {
		t.Errorf("the summary is %s", got)
	}
}

func TestTheDashboardIsJSONInItsConfigMapToo(t *testing.T) {
	all := render(t, "metrics.dashboard.enabled=true")
	text, _ := at(all["ConfigMap/netchecker-dashboard"], "data.[netchecker.json]").(string)
	var got, want any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(readFile(t, "examples/grafana/netchecker.json")), &want); err != nil {
		t.Fatal(err)
	}
	if asJSON(t, got) != asJSON(t, want) {
		t.Error("it is not the example's")
	}
}

// TestPanelsOfNowAskForNow and not for the last value of the range shown, which
// would outlive its series.
func TestPanelsOfNowAskForNow(t *testing.T) {
	var dashboard any
	if err := json.Unmarshal([]byte(readFile(t, "helm-chart/netchecker/files/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	ofNow := 0
	for _, panel := range at(dashboard, "panels").([]any) {
		if kind := at(panel, "type"); kind != "stat" && kind != "table" {
			continue
		}
		ofNow++
		for _, target := range at(panel, "targets").([]any) {
			if at(target, "instant") != true || at(target, "range") != false {
				t.Errorf("the panel %q does not ask for an instant", at(panel, "title"))
			}
		}
	}
	if ofNow != 9 {
		t.Errorf("there are %d panels of now, want 9", ofNow)
	}
}

func TestAlertsAndDashboardAskForMetricsThatTheServerHas(t *testing.T) {
	source := ""
	files, err := filepath.Glob(root + "/server/metrics/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source += string(text)
	}
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		for _, name := range regexp.MustCompile(`\b(netchecker|ncagent)_[a-z_]+`).FindAllString(readFile(t, "helm-chart/netchecker/files/"+file), -1) {
			if !strings.Contains(source, `"`+strings.TrimSuffix(name, "_bucket")+`"`) {
				t.Errorf("%s asks for %s, which the server does not have", file, name)
			}
		}
	}
}

func TestTheDashboardShowsWhenWhichBackendWasUpAndWhatWasFound(t *testing.T) {
	var dashboard any
	if err := json.Unmarshal([]byte(readFile(t, "helm-chart/netchecker/files/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	got := map[any]any{}
	for _, panel := range at(dashboard, "panels").([]any) {
		if at(panel, "type") == "state-timeline" {
			got[at(panel, "title")] = at(panel, "targets.0.expr")
		}
	}
	want := map[any]any{
		"Backends": "max by (backend, connection, network) (netchecker_backend_up)",
		"Findings over time": `3 * max by (kind, subject) (netchecker_finding{severity="critical"}) or 2 * max by (kind, subject) (netchecker_finding{severity="warning"})` +
			` or max by (kind, subject) (netchecker_finding{severity="info"})`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("the timelines ask for %q, want %q", got, want)
	}
}

func TestThePanelsOfTheDashboardHaveTheirOwnPlaces(t *testing.T) {
	var dashboard any
	if err := json.Unmarshal([]byte(readFile(t, "helm-chart/netchecker/files/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	taken, ids := map[[2]float64]any{}, map[any]bool{}
	for _, panel := range at(dashboard, "panels").([]any) {
		title, number := at(panel, "title"), func(name string) float64 { return at(panel, "gridPos."+name).(float64) }
		if ids[at(panel, "id")] {
			t.Errorf("%q has the id of another", title)
		}
		ids[at(panel, "id")] = true
		for x := number("x"); x < number("x")+number("w"); x++ {
			for y := number("y"); y < number("y")+number("h"); y++ {
				if other := taken[[2]float64{x, y}]; other != nil {
					t.Fatalf("%q lies over %q", title, other)
				}
				taken[[2]float64{x, y}] = title
			}
		}
	}
}
