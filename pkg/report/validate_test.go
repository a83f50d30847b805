package report_test

import (
	"strings"
	"testing"

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
	} {
		r := originalReport()
		change(&r)
		if err := r.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
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
