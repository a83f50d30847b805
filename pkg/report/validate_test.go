package report_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestValidateAcceptsReportsThatMakeSense(t *testing.T) {
	for name, change := range map[string]func(*report.Report){
		"the original agent's":          func(*report.Report) {},
		"without nodename (agent v1.0)": func(r *report.Report) { r.NodeName = "" },
		"without anything optional":     func(r *report.Report) { *r = report.Report{ReportInterval: 1, PodName: "p"} },
		"the longest interval":          func(r *report.Report) { r.ReportInterval = report.MaxInterval },
		"host network, IPv6 addresses": func(r *report.Report) {
			r.Namespace, r.Network, r.Addresses = "kube-system", report.Host, []string{"fd00::2", "10.0.0.1"}
		},
		"the longest that may be told of identity and clock": func(r *report.Report) {
			r.UID, r.BootID, r.Clock = strings.Repeat("aZ9-", 16), "0123456789abcdef", report.MaxDuration
			r.Delivery = report.Delivery{Lookup: report.MaxDuration, LookupError: "no such host"}
		},
		"as many topics as there may be": func(r *report.Report) {
			r.Understands = topics(report.MaxTopics, strings.Repeat("v", report.MaxVersion))
		},
		"a node named by its domain": func(r *report.Report) { r.NodeName = "ip-10-0-0-1.eu-west-1.compute.internal" },
	} {
		r := originalReport()
		change(&r)
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateSaysWhichFieldIsWrongAndWhatItShouldBe(t *testing.T) {
	const subdomain = `; it should be a DNS-1123 subdomain: at most 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit`
	const label = `; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`
	const uid = `; it should be the pod's UID: at most 64 letters, digits and '-'`
	const upTo = `; it should be a whole number from 0 to 3153600000000`
	for want, change := range map[string]func(*report.Report){
		`report_interval: is 0; it should be the seconds between two reports, from 1 to 86400`:     func(r *report.Report) { r.ReportInterval = 0 },
		`report_interval: is -15; it should be the seconds between two reports, from 1 to 86400`:   func(r *report.Report) { r.ReportInterval = -15 },
		`report_interval: is 86401; it should be the seconds between two reports, from 1 to 86400`: func(r *report.Report) { r.ReportInterval = 86401 },

		`podname: is missing; it should be the name of the agent's pod`: func(r *report.Report) { r.PodName = "" },
		`podname: is "../etc/passwd"` + subdomain:                       func(r *report.Report) { r.PodName = "../etc/passwd" },
		`podname: is ".."` + subdomain:                                  func(r *report.Report) { r.PodName = ".." },
		`podname: is "a/b"` + subdomain:                                 func(r *report.Report) { r.PodName = "a/b" },
		`podname: is "Pod"` + subdomain:                                 func(r *report.Report) { r.PodName = "Pod" },
		`podname: is "a\x00"` + subdomain:                               func(r *report.Report) { r.PodName = "a\x00" },
		`podname: is "` + strings.Repeat("a", 40) + `…"` + subdomain:    func(r *report.Report) { r.PodName = strings.Repeat("a", 254) },
		`nodename: is "node 1"` + subdomain:                             func(r *report.Report) { r.NodeName = "node 1" },
		`namespace: is "a.b"` + label:                                   func(r *report.Report) { r.Namespace = "a.b" },
		`namespace: is "_kube-system"` + label:                          func(r *report.Report) { r.Namespace = "_kube-system" },

		`network: is "both"; it should be "pod" or "host"`:                        func(r *report.Report) { r.Network = "both" },
		`addresses[1]: is "10.0.0.1/24"; it should be an IP address`:              func(r *report.Report) { r.Addresses = []string{"10.0.0.1", "10.0.0.1/24"} },
		`addresses[0]: is ""; it should be an IP address`:                         func(r *report.Report) { r.Addresses = []string{""} },
		`network_probes[1].URL: is missing; it should be the URL that was probed`: func(r *report.Report) { r.NetworkProbes = append(r.NetworkProbes, report.ProbeResult{}) },

		`pod_uid: is "2a9a1c6e_95f5"` + uid:                                 func(r *report.Report) { r.UID = "2a9a1c6e_95f5" },
		`pod_uid: is "é"` + uid:                                             func(r *report.Report) { r.UID = "é" },
		`pod_uid: is "` + strings.Repeat("a", 40) + `…"` + uid:              func(r *report.Report) { r.UID = strings.Repeat("a", 65) },
		`clock_ms: is -1000` + upTo:                                         func(r *report.Report) { r.Clock = -time.Second },
		`clock_ms: is 3153600000001` + upTo:                                 func(r *report.Report) { r.Clock = report.MaxDuration + time.Millisecond },
		`delivery.lookup_ms: is -1` + upTo:                                  func(r *report.Report) { r.Delivery.Lookup = -time.Millisecond },
		`understands: has too many entries; it should have at most 16`:      func(r *report.Report) { r.Understands = topics(17, "") },
		`understands["Mesh"]: is no topic` + label:                          func(r *report.Report) { r.Understands = map[string]string{"Mesh": ""} },
		`understands["mesh"]: is too long; it should have at most 64 bytes`: func(r *report.Report) { r.Understands = map[string]string{"mesh": strings.Repeat("v", 65)} },
	} {
		r := originalReport()
		change(&r)
		if err := r.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// A boot id proves a peer's probes, so it is not quoted back.
func TestValidateSaysOfABootIDOnlyWhatItShouldBe(t *testing.T) {
	for _, id := range []string{"0", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg"} {
		r := originalReport()
		r.BootID = id
		const want = `boot_id: is not what it should be: 16 lower-case hexadecimal digits`
		if err := r.Validate(); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", id, err, want)
		}
	}
}

// topics is n topics of the same version.
func topics(n int, version string) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint("topic-", i)] = version
	}
	return m
}

func TestNamesAreThoseOfKubernetes(t *testing.T) {
	for s, want := range map[string]struct{ subdomain, label bool }{
		"a":                             {true, true},
		"0":                             {true, true},
		"netchecker-agent-x7z":          {true, true},
		"a--b":                          {true, true},
		"a.b.c":                         {true, false},
		"":                              {false, false},
		".":                             {false, false},
		"a.":                            {false, false},
		".a":                            {false, false},
		"a..b":                          {false, false},
		"-a":                            {false, false},
		"a-":                            {false, false},
		"a.-b":                          {false, false},
		"a-.b":                          {false, false},
		"A":                             {false, false},
		"a_b":                           {false, false},
		"a/b":                           {false, false},
		"é":                             {false, false},
		"a\n":                           {false, false},
		strings.Repeat("a", 63):         {true, true},
		strings.Repeat("a", 64):         {true, false},
		strings.Repeat("a", 253):        {true, false},
		strings.Repeat("a", 254):        {false, false},
		strings.Repeat("a.", 126) + "a": {true, false},
	} {
		if got := report.IsSubdomain(s); got != want.subdomain {
			t.Errorf("IsSubdomain(%.40q) = %v", s, got)
		}
		if got := report.IsLabel(s); got != want.label {
			t.Errorf("IsLabel(%.40q) = %v", s, got)
		}
	}
}
