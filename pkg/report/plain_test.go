package report_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
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
	Disruption *plainDisruption `json:"disruption"`
	Mesh       *plainMesh       `json:"mesh"`
}

// plainDisruption has the shape of a report.Disruption.
type plainDisruption struct {
	AsOf    int64            `json:"as_of_ms"`
	Open    []plainInterval  `json:"open"`
	Sealed  []plainInterval  `json:"sealed"`
	Refused []report.Refusal `json:"refused"`
	Dropped uint64           `json:"dropped"`
}

type plainInterval struct {
	ID         uint64            `json:"id"`
	Backend    string            `json:"backend"`
	Connection report.Connection `json:"connection"`
	Level      report.Level      `json:"level"`
	Message    string            `json:"message"`
	From       int64             `json:"from_ms"`
	To         int64             `json:"to_ms"`
	Changes    uint64            `json:"changes"`
	Failed     int64             `json:"failed_ms"`
}

func (p *plainDisruption) disruption() (*report.Disruption, error) {
	if p == nil {
		return nil, nil
	}
	asOf, err := millis(p.AsOf)
	open, openErr := plainIntervals(p.Open, report.MaxOpen)
	sealed, sealedErr := plainIntervals(p.Sealed, report.MaxSealed)
	if len(p.Refused) == 0 {
		p.Refused = nil
	}
	return &report.Disruption{AsOf: asOf, Open: open, Sealed: sealed, Refused: p.Refused, Dropped: p.Dropped},
		errors.Join(err, openErr, sealedErr)
}

// plainMesh has the shape of a report.Mesh.
type plainMesh struct {
	AsOf         int64           `json:"as_of_ms"`
	Mute         string          `json:"mute"`
	Starved      int64           `json:"starved_ms"`
	Conntrack    uint64          `json:"conntrack"`
	ConntrackMax uint64          `json:"conntrack_max"`
	Sessions     [][]json.Number `json:"sessions"`
	Ended        [][]json.Number `json:"ended"`
	Summed       [][]json.Number `json:"summed"`
	Heard        []plainHeard    `json:"heard"`
	Shared       []plainShared   `json:"shared"`
}

type plainHeard struct {
	Peer       uint64 `json:"peer"`
	ID         uint64 `json:"id"`
	Six        int    `json:"six"`
	Received   uint64 `json:"received"`
	Silent     uint64 `json:"silent_ms"`
	Unanswered uint64 `json:"unanswered"`
}

type plainShared struct {
	Kind       report.SharedKind `json:"kind"`
	Target     string            `json:"target"`
	Asked      uint64            `json:"asked"`
	Lost       uint64            `json:"lost"`
	Refused    uint64            `json:"refused"`
	Wrong      uint64            `json:"wrong"`
	Suspect    uint64            `json:"suspect"`
	Run        uint64            `json:"run"`
	RoundTrips uint64            `json:"round_trips_us"`
	Message    string            `json:"message"`
}

func (p *plainMesh) mesh() (*report.Mesh, error) {
	if p == nil {
		return nil, nil
	}
	asOf, asOfErr := millis(p.AsOf)
	starved, starvedErr := millis(p.Starved)
	sessions, sessionsErr := plainRows(p.Sessions)
	ended, endedErr := plainRows(p.Ended)
	summed, summedErr := plainRows(p.Summed)
	m := &report.Mesh{
		AsOf: asOf, Mute: p.Mute, Starved: starved, Conntrack: p.Conntrack, ConntrackMax: p.ConntrackMax,
		Sessions: sessions, Ended: ended, Summed: summed,
	}
	for _, h := range p.Heard {
		m.Heard = append(m.Heard, report.Heard{Peer: h.Peer, ID: h.ID, Six: h.Six == 1, Received: h.Received, Silent: h.Silent, Unanswered: h.Unanswered})
	}
	known := []report.SharedKind{"", report.DNS, report.DNSServer, report.ServiceName, report.ServiceAddress, report.NodePort, report.KubeAPI}
	for _, s := range p.Shared {
		if !slices.Contains(known, s.Kind) {
			continue
		}
		m.Shared = append(m.Shared, report.Shared(s))
	}
	return m, errors.Join(asOfErr, starvedErr, sessionsErr, endedErr, summedErr)
}

// plainRows are the sessions whose columns are in the order of their fields; of the largest
// packets they say how much less than the MTU they are.
func plainRows(rows [][]json.Number) (report.Sessions, error) {
	var list []report.Session
	for _, row := range rows {
		var s report.Session
		fields := reflect.ValueOf(&s).Elem()
		for i := range min(len(row), fields.NumField()) {
			n, err := strconv.ParseInt(row[i].String(), 10, 64)
			if err != nil || n < 0 {
				return report.Sessions{}, fmt.Errorf("%s is no column: %w", row[i], err)
			}
			if f := fields.Field(i); f.Kind() == reflect.Bool {
				f.SetBool(n != 0)
			} else {
				f.SetUint(uint64(n))
			}
		}
		s.There, s.Here = s.MTU-min(s.MTU, s.There), s.MTU-min(s.MTU, s.Here)
		list = append(list, s)
	}
	return report.SessionsOf(list...), nil
}

func plainIntervals(list []plainInterval, most int) (to []report.Interval, err error) {
	if len(list) > most {
		return nil, fmt.Errorf("%d intervals are too many", len(list))
	}
	for _, p := range list {
		from, fromErr := millis(p.From)
		end, endErr := millis(p.To)
		failed, failedErr := millis(p.Failed)
		err = errors.Join(err, fromErr, endErr, failedErr)
		to = append(to, report.Interval{
			ID: p.ID, Backend: p.Backend, Connection: p.Connection, Level: p.Level, Message: p.Message,
			From: from, To: end, Changes: p.Changes, Failed: failed,
		})
	}
	return to, err
}

// decodePlainly is Decode as encoding/json does it.
func decodePlainly[N int8 | json.Number](body []byte) (report.Report, error) {
	var p plainReport[N]
	err := json.Unmarshal(body, &p)
	clock, clockErr := millis(p.Clock)
	lookup, lookupErr := millis(p.Delivery.Lookup)
	disruption, disruptionErr := p.Disruption.disruption()
	mesh, meshErr := p.Mesh.mesh()
	return report.Report{
		ReportInterval: p.ReportInterval, NodeName: p.NodeName, PodName: p.PodName, Namespace: p.Namespace,
		Network: p.Network, HostDate: p.HostDate, Uptime: p.Uptime, NSLookup: p.NSLookup, IPs: p.IPs,
		Addresses: p.Addresses, NetworkProbes: p.NetworkProbes,
		UID: p.UID, BootID: p.BootID, Clock: clock, Understands: p.Understands,
		Delivery:   report.Delivery{Lookup: lookup, LookupError: p.Delivery.LookupError},
		Disruption: disruption, Mesh: mesh,
	}, errors.Join(err, clockErr, lookupErr, disruptionErr, meshErr)
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
		Via       report.Via      `json:"via"`
		Body      json.RawMessage `json:"body"`
	}
	err := json.Unmarshal(data, &p)
	clock, clockErr := millis(p.Clock)
	return report.Message{
		PodName: p.PodName, NodeName: p.NodeName, Namespace: p.Namespace, UID: p.UID, BootID: p.BootID,
		Clock: clock, Number: p.Number, Via: p.Via, Body: raw(p.Body),
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
