package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	// MaxInterval is the longest time between two reports that is accepted, in
	// seconds: a day.
	MaxInterval = 24 * 60 * 60
	// MaxDuration is the longest duration that is accepted: 100 years.
	MaxDuration = 100 * 365 * 24 * time.Hour
	// MaxUID bounds the UID of a pod, in bytes.
	MaxUID = 64
	// MaxVersion bounds the version of a topic's news, in bytes.
	MaxVersion = 64
)

const maxMillis = int64(MaxDuration / time.Millisecond)

// Validate says whether the fields of a decoded report make sense. The error is
// a *FieldError.
func (r *Report) Validate() error {
	return cmp.Or(
		checkInterval(r.ReportInterval),
		checkPodName(r.PodName),
		checkNodeName(r.NodeName),
		checkNamespace(r.Namespace),
		checkNetwork(r.Network),
		checkAddresses(r.Addresses),
		checkProbes(r.NetworkProbes),
		checkUID(r.UID),
		checkBootID(r.BootID),
		checkDuration("clock_ms", r.Clock),
		checkUnderstands(r.Understands),
		checkDuration("delivery.lookup_ms", r.Delivery.Lookup),
		r.checkDisruption(),
		r.checkMesh(),
	)
}

func (r *Report) checkDisruption() error {
	d := r.Disruption
	if d == nil {
		return nil
	}
	if len(d.Sealed) > 0 {
		return refuse("disruption.sealed", "should be sent in a message of the kind %s", IntervalsKind)
	}
	return cmp.Or(
		checkGiven("boot_id", r.BootID != "", "what the agent drew as it started"),
		d.check("disruption."),
		checkAsOf("disruption", d.AsOf, r.Clock),
	)
}

func (r *Report) checkMesh() error {
	m := r.Mesh
	if m == nil {
		return nil
	}
	return cmp.Or(
		checkGiven("boot_id", r.BootID != "", "what the agent drew as it started"),
		m.check("mesh."),
		checkAsOf("mesh", m.AsOf, r.Clock),
	)
}

func checkAsOf(of string, asOf, clock time.Duration) error {
	if asOf > clock {
		return refuse(of+".as_of_ms", "is %d; it should be at most clock_ms, which is %d", asOf.Milliseconds(), clock.Milliseconds())
	}
	return nil
}

// Validate says whether the fields of a decoded message make sense. The error is
// a *FieldError.
func (m *Message) Validate() error {
	return cmp.Or(
		checkPodName(m.PodName),
		checkNodeName(m.NodeName),
		checkNamespace(m.Namespace),
		checkUID(m.UID),
		checkGiven("boot_id", m.BootID != "", "what the agent drew as it started"),
		checkBootID(m.BootID),
		checkDuration("clock_ms", m.Clock),
		checkGiven("number", m.Number != 0, "the message's number, from 1"),
		checkVia(m.Via),
		checkGiven("body", len(m.Body) != 0, "a JSON object"),
		checkBody(len(m.Body)),
	)
}

func checkVia(v Via) error {
	if v != ViaService && v != ViaServer && v != ViaNode {
		return refuse("via", "is %q; it should be %q or %q, or be left out", cut(string(v)), ViaServer, ViaNode)
	}
	return nil
}

// check says whether the news make sense.
func (r *Reply) check() error {
	for _, n := range r.News {
		if err := checkTopic("news", n.Topic, ".version", n.Version); err != nil {
			return err
		}
	}
	return nil
}

func checkGiven(field string, given bool, what string) error {
	if !given {
		return refuse(field, "is missing; it should be %s", what)
	}
	return nil
}

func checkBody(size int) error {
	if size > MaxBody {
		return refuse("body", "has %d bytes; it should have at most %d", size, MaxBody)
	}
	return nil
}

func checkInterval(seconds int64) error {
	if seconds < 1 || seconds > MaxInterval {
		return refuse("report_interval", "is %d; it should be the seconds between two reports, from 1 to %d", seconds, MaxInterval)
	}
	return nil
}

func checkPodName(name string) error {
	if name == "" {
		return refuse("podname", "is missing; it should be the name of the agent's pod")
	}
	return checkSubdomain("podname", name)
}

func checkNodeName(name string) error {
	if name == "" {
		return nil
	}
	return checkSubdomain("nodename", name)
}

func checkSubdomain(field, name string) error {
	if !IsSubdomain(name) {
		return refuse(field, "is %q; it should be a DNS-1123 subdomain: at most 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit", cut(name))
	}
	return nil
}

func checkNamespace(name string) error {
	if name != "" && !IsLabel(name) {
		return refuse("namespace", "is %q; %s", cut(name), labelRule)
	}
	return nil
}

const labelRule = "it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"

func checkNetwork(n Network) error {
	if n != Unknown && n != Pod && n != Host {
		return refuse("network", "is %q; it should be %q or %q", cut(string(n)), Pod, Host)
	}
	return nil
}

func checkAddresses(list []string) error {
	for i, a := range list {
		if _, err := netip.ParseAddr(a); err != nil {
			return refuse(fmt.Sprintf("addresses[%d]", i), "is %q; it should be an IP address", cut(a))
		}
	}
	return nil
}

func checkProbes(list []ProbeResult) error {
	for i := range list {
		if list[i].URL == "" {
			return refuse(fmt.Sprintf("network_probes[%d].URL", i), "is missing; it should be the URL that was probed")
		}
	}
	return nil
}

// IsUID says whether s can be the UID of a pod; an empty one is not known.
func IsUID(s string) bool {
	const allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"
	return len(s) <= MaxUID && strings.TrimLeft(s, allowed) == ""
}

func checkUID(uid string) error {
	if !IsUID(uid) {
		return refuse("pod_uid", "is %q; it should be the pod's UID: at most %d letters, digits and '-'", cut(uid), MaxUID)
	}
	return nil
}

func checkBootID(id string) error {
	if id != "" && (len(id) != 16 || strings.TrimLeft(id, "0123456789abcdef") != "") {
		return refuse("boot_id", "is not what it should be: 16 lower-case hexadecimal digits")
	}
	return nil
}

func checkDuration(field string, d time.Duration) error {
	if d < 0 || d > MaxDuration {
		return refuse(field, "is %d; it should be a whole number from 0 to %d", d.Milliseconds(), maxMillis)
	}
	return nil
}

func checkUnderstands(topics map[string]string) error {
	if len(topics) > MaxTopics {
		return refuse("understands", "has too many entries; it should have at most %d", MaxTopics)
	}
	for topic, version := range topics {
		if err := checkTopic("understands", topic, "", version); err != nil {
			return err
		}
	}
	return nil
}

// checkTopic checks a topic, which is a key of field, and its version, which is
// the value of that key or a part of it.
func checkTopic(field, topic, part, version string) error {
	if !IsLabel(topic) {
		return refuse(fmt.Sprintf("%s[%q]", field, cut(topic)), "is no topic; %s", labelRule)
	}
	if len(version) > MaxVersion {
		return refuse(fmt.Sprintf("%s[%q]%s", field, topic, part), "is too long; it should have at most %d bytes", MaxVersion)
	}
	return nil
}

func refuse(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

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
