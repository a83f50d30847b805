package report

import (
	"fmt"
	"net/netip"
)

// MaxInterval is the longest time between two reports that is accepted, in
// seconds: a day.
const MaxInterval = 24 * 60 * 60

// Validate says whether the fields of a decoded report make sense. The error is
// a *FieldError.
func (r *Report) Validate() error {
	if r.ReportInterval < 1 || r.ReportInterval > MaxInterval {
		return refuse("report_interval", "is %d; it should be the seconds between two reports, from 1 to %d", r.ReportInterval, MaxInterval)
	}
	if r.PodName == "" {
		return refuse("podname", "is missing; it should be the name of the agent's pod")
	}
	if !IsSubdomain(r.PodName) {
		return refuse("podname", "is %q; %s", shown(r.PodName), subdomainRule)
	}
	if r.NodeName != "" && !IsSubdomain(r.NodeName) {
		return refuse("nodename", "is %q; %s", shown(r.NodeName), subdomainRule)
	}
	if r.Namespace != "" && !IsLabel(r.Namespace) {
		return refuse("namespace", "is %q; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit", shown(r.Namespace))
	}
	if r.Network != Unknown && r.Network != Pod && r.Network != Host {
		return refuse("network", "is %q; it should be %q or %q", shown(string(r.Network)), Pod, Host)
	}
	for i, a := range r.Addresses {
		if _, err := netip.ParseAddr(a); err != nil {
			return refuse(fmt.Sprintf("addresses[%d]", i), "is %q; it should be an IP address", shown(a))
		}
	}
	for i := range r.NetworkProbes {
		if r.NetworkProbes[i].URL == "" {
			return refuse(fmt.Sprintf("network_probes[%d].URL", i), "is missing; it should be the URL that was probed")
		}
	}
	return nil
}

func refuse(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

const subdomainRule = "it should be a DNS-1123 subdomain: at most 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit"

// IsSubdomain says whether s is a DNS-1123 subdomain, as the names of pods and
// nodes are (RFC 1123; Kubernetes, "Object Names and IDs").
func IsSubdomain(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if !isPart(s[start:i]) {
				return false
			}
			start = i + 1
		}
	}
	return true
}

// IsLabel says whether s is a DNS-1123 label, as the names of namespaces are.
func IsLabel(s string) bool { return len(s) <= 63 && isPart(s) }

func isPart(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
