package report_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// plainReport has the shape of the original server's struct, and netchecker's
// own keys. Its padding is of int8 there; Decode takes any numbers.
type plainReport[N int8 | json.Number] struct {
	ReportInterval int64                `json:"report_interval"`
	NodeName       string               `json:"nodename"`
	PodName        string               `json:"podname"`
	Namespace      string               `json:"namespace"`
	Network        report.Network       `json:"network"`
	HostDate       time.Time            `json:"hostdate"`
	Uptime         uint64               `json:"uptime"`
	NSLookup       map[string][]string  `json:"nslookup"`
	IPs            map[string][]string  `json:"ips"`
	Addresses      []string             `json:"addresses"`
	NetworkProbes  []report.ProbeResult `json:"network_probes"`
	ZeroExtender   []N                  `json:"zero_extender"`
	UID            string               `json:"pod_uid"`
	BootID         string               `json:"boot_id"`
	Clock          int64                `json:"clock_ms"`
	Understands    map[string]string    `json:"understands"`
	Delivery       struct {
		Lookup      int64  `json:"lookup_ms"`
		LookupError string `json:"lookup_error"`
	} `json:"delivery"`
}

// decodePlainly is Decode as encoding/json does it.
func decodePlainly[N int8 | json.Number](body []byte) (report.Report, error) {
	var p plainReport[N]
	err := json.Unmarshal(body, &p)
	clock, clockErr := millis(p.Clock)
	lookup, lookupErr := millis(p.Delivery.Lookup)
	return report.Report{
		ReportInterval: p.ReportInterval, NodeName: p.NodeName, PodName: p.PodName, Namespace: p.Namespace,
		Network: p.Network, HostDate: p.HostDate, Uptime: p.Uptime, NSLookup: p.NSLookup, IPs: p.IPs,
		Addresses: p.Addresses, NetworkProbes: p.NetworkProbes,
		UID: p.UID, BootID: p.BootID, Clock: clock, Understands: p.Understands,
		Delivery: report.Delivery{Lookup: lookup, LookupError: p.Delivery.LookupError},
	}, errors.Join(err, clockErr, lookupErr)
}

func millis(n int64) (time.Duration, error) {
	if n < 0 || n > report.MaxDuration.Milliseconds() {
		return 0, fmt.Errorf("%d ms are out of bounds", n)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// decodeMessagePlainly is DecodeMessage as encoding/json does it.
func decodeMessagePlainly(data []byte) (report.Message, error) {
	var p struct {
		PodName   string          `json:"podname"`
		NodeName  string          `json:"nodename"`
		Namespace string          `json:"namespace"`
		UID       string          `json:"pod_uid"`
		BootID    string          `json:"boot_id"`
		Clock     int64           `json:"clock_ms"`
		Number    uint64          `json:"number"`
		Body      json.RawMessage `json:"body"`
	}
	err := json.Unmarshal(data, &p)
	clock, clockErr := millis(p.Clock)
	return report.Message{
		PodName: p.PodName, NodeName: p.NodeName, Namespace: p.Namespace, UID: p.UID, BootID: p.BootID,
		Clock: clock, Number: p.Number, Body: raw(p.Body),
	}, errors.Join(err, clockErr)
}

// decodeReplyPlainly is DecodeReply as encoding/json does it, by topic.
func decodeReplyPlainly(data []byte) (map[string]report.News, error) {
	var p struct {
		News map[string]struct {
			Version string          `json:"version"`
			Data    json.RawMessage `json:"data"`
		} `json:"news"`
	}
	err := json.Unmarshal(data, &p)
	all := map[string]report.News{}
	for topic, n := range p.News {
		all[topic] = report.News{Topic: topic, Version: n.Version, Data: raw(n.Data)}
	}
	return all, err
}

// raw is what encoding/json kept of a value, nil for null.
func raw(kept json.RawMessage) []byte {
	if string(kept) == "null" {
		return nil
	}
	return kept
}
