package report_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func fullRecord() report.Record {
	r := report.Record{Report: originalReport(), LastUpdated: time.Date(2017, 11, 30, 14, 54, 20, 0, time.UTC)}
	r.Namespace = "kube-system"
	r.Network = report.Pod
	r.Addresses = []string{"10.0.0.2", "fd00::2"}
	r.NetworkProbes = append(r.NetworkProbes, report.ProbeResult{URL: "http://other", Total: 9223372036854})
	r.IPs = map[string][]string{"lo": {"127.0.0.1/8", "::1/128"}, "eth0": {}, "eth1": nil}
	return r
}

func TestAppendRecordHasTheKeysOfTheOriginalServerInItsOrder(t *testing.T) {
	plain := report.Record{Report: originalReport(), LastUpdated: time.Date(2017, 11, 30, 14, 54, 20, 0, time.UTC)}
	full := fullRecord()
	for name, tc := range map[string]struct {
		record report.Record
		want   string
	}{
		"an original agent's": {plain, `{"report_interval":15,"nodename":"n1","podname":"netchecker-agent-x",` +
			`"hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,"last_updated":"2017-11-30T14:54:20Z",` +
			`"nslookup":{"netchecker-service":["10.233.54.44"]},` +
			`"network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,` +
			`"ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}],` +
			`"ips":{"eth0":["10.0.0.2/24"]}}`},
		"our own agent's, with map keys in order": {full, `{"report_interval":15,"nodename":"n1","podname":"netchecker-agent-x",` +
			`"hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,"last_updated":"2017-11-30T14:54:20Z",` +
			`"nslookup":{"netchecker-service":["10.233.54.44"]},` +
			`"network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,` +
			`"ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0},` +
			`{"URL":"http://other","ConnectionResult":0,"HTTPCode":0,"Total":9223372036854,` +
			`"ContentTransfer":0,"TCPConnection":0,"DNSLookup":0,"Connect":0,"ServerProcessing":0}],` +
			`"ips":{"eth0":[],"eth1":null,"lo":["127.0.0.1/8","::1/128"]},` +
			`"namespace":"kube-system","network":"pod","addresses":["10.0.0.2","fd00::2"]}`},
		"a zero one": {report.Record{}, `{"report_interval":0,"nodename":"","podname":"","hostdate":"0001-01-01T00:00:00Z","uptime":0,` +
			`"last_updated":"0001-01-01T00:00:00Z","nslookup":null,"network_probes":null,"ips":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := string(report.AppendRecord([]byte("before "), &tc.record))
			if want := "before " + tc.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			back, err := report.DecodeRecord([]byte(tc.want))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, tc.record) {
				t.Errorf("read back: got %#v\nwant %#v", back, tc.record)
			}
		})
	}
}

func TestAppendHasTheKeysOfTheContractInItsOrderThenNetcheckersOwn(t *testing.T) {
	const original = `{"report_interval":15,"nodename":"n1","podname":"netchecker-agent-x","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,` +
		`"nslookup":{"netchecker-service":["10.233.54.44"]},"ips":{"eth0":["10.0.0.2/24"]},` +
		`"network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,` +
		`"ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}]`
	const telling = `,"namespace":"kube-system","network":"pod","addresses":["10.0.0.2","fd00::2"],"pod_uid":"2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11",` +
		`"boot_id":"00c0ffee00c0ffee","clock_ms":90005,"understands":{"checks":"","mesh":"17"},"delivery":{"lookup_ms":1000,"lookup_error":"no such host"},` + disruption + "," + mesh
	r := originalReport()
	if got, want := string(report.Append(nil, &r, 3)), original+`,"zero_extender":[0,0,0]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = tellingRecord().Report
	r.NetworkProbes, r.IPs = originalReport().NetworkProbes, originalReport().IPs
	if got, want := string(report.Append(nil, &r, 3)), original+telling+`,"zero_extender":[0,0,0]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// tellingRecord has all that an agent can tell.
func tellingRecord() report.Record {
	r := fullRecord()
	r.UID = "2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11"
	r.BootID = "00c0ffee00c0ffee"
	r.Clock = 90*time.Second + 5*time.Millisecond
	r.Understands = map[string]string{"mesh": "17", "checks": ""}
	r.Delivery = report.Delivery{Lookup: time.Second, LookupError: "no such host"}
	full := fullDisruption()
	full.Sealed = nil
	known := fullMesh()
	r.Mesh = &known
	r.Disruption, r.Booted = &full, time.Date(2017, 11, 30, 14, 52, 49, 5_000_000, time.UTC)
	return r
}

// disruption is what tellingRecord's is written as.
const disruption = `"disruption":{"as_of_ms":90000,"open":[` +
	`{"id":3,"backend":"kube-api","connection":"new","level":"Error","message":"connection refused","from_ms":80000},` +
	`{"id":4,"backend":"kube-api","connection":"reused","level":"Error","message":"flapping","from_ms":20000,"changes":12,"failed_ms":7000}],` +
	`"refused":[{"backend":"metadata","reason":"it leads to 169.254.169.254"}],"dropped":5}`

func TestWhatIsBetweenAgentAndServerIsNotShownAndIsStoredApart(t *testing.T) {
	full, telling := fullRecord(), tellingRecord()
	telling.Delivery.Via = report.ViaNode
	// The pod's UID is for the servers, which tell by it whose the record is. It is no
	// secret, and also where those of other releases may show it.
	const uid = `"pod_uid":"2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11"`
	const delivery = `,"delivery":{"lookup_ms":1000,"lookup_error":"no such host"}}`
	const life = `{` + uid + `,"boot_id":"00c0ffee00c0ffee","via":"node",` + disruption + `,` + mesh + `,"booted":"2017-11-30T14:52:49.005Z"}`
	old := strings.TrimSuffix(string(report.AppendRecord(nil, &full)), "}")
	if got, want := string(report.AppendRecord(nil, &telling)), old+","+uid+delivery; got != want {
		t.Errorf("stored as %s\nwant %s", got, want)
	}
	if got, want := string(report.AppendLife([]byte("before "), &telling)), "before "+life; got != want {
		t.Errorf("apart from that %s\nwant %s", got, want)
	}
	if got, want := string(report.AppendShown(nil, &telling)), old+delivery; got != want {
		t.Errorf("shown as %s\nwant %s", got, want)
	}
	telling.Clock, telling.Understands = 0, nil
	if back := readBack(t, old+","+uid+delivery, life); !reflect.DeepEqual(back, telling) {
		t.Errorf("read back: %#v\nwant %#v", back, telling)
	}
	for _, r := range []report.Record{full, {}} {
		if got := string(report.AppendLife(nil, &r)); got != "{}" {
			t.Errorf("of what has none of that %s is stored", got)
		}
	}
}

// readBack reads a record and the life beside it.
func readBack(t *testing.T, stored, life string) report.Record {
	t.Helper()
	r, err := report.DecodeRecord([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	beside, err := report.DecodeLife([]byte(life))
	if err != nil {
		t.Fatal(err)
	}
	r.Join(&beside)
	return r
}

// Neither of a record's two values is taken for the other.
func TestARecordAndItsLifeAreReadApart(t *testing.T) {
	telling := tellingRecord()
	stored, life := string(report.AppendRecord(nil, &telling)), string(report.AppendLife(nil, &telling))
	if got := readBack(t, life, stored); !reflect.DeepEqual(got, report.Record{Report: report.Report{UID: telling.UID}}) {
		t.Errorf("each read as the other, they are %#v", got)
	}
}

func TestAppendIsReadBackByDecode(t *testing.T) {
	want := fullRecord().Report
	for _, padding := range []int{0, 1, 1500} {
		body := report.Append(nil, &want, padding)
		got, err := report.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("padding %d: got %#v\nwant %#v", padding, got, want)
		}
	}
}

func TestAppendPadsWithTwoBytesAZeroAndOne(t *testing.T) {
	r := originalReport()
	for padding, size := range map[int]int{-1: 2, 0: 2, 1: 3, 2: 5, 1500: 3001} {
		body := string(report.Append([]byte("before "), &r, padding))
		_, array, found := strings.Cut(body, `,"zero_extender":`)
		array = strings.TrimSuffix(array, "}")
		if !found || len(array) != size {
			t.Errorf("padding %d: zero_extender takes %d bytes, should take %d", padding, len(array), size)
		}
		if want := "[" + zeros(max(padding, 0)) + "]"; array != want {
			t.Errorf("padding %d: zero_extender is %.40s", padding, array)
		}
		if !json.Valid([]byte(strings.TrimPrefix(body, "before "))) {
			t.Errorf("padding %d: %.60s is no JSON", padding, body)
		}
	}
}

func TestAppendStringEscapesWhatJSONDemands(t *testing.T) {
	for s, want := range map[string]string{
		"":                       `""`,
		"plain":                  `"plain"`,
		`a"b\c`:                  `"a\"b\\c"`,
		"\n\r\t\x00\x1f\x7f":     `"\n\r\t\u0000\u001f` + "\x7f\"",
		"é😀 <&>":                 `"é😀 <&>"`,
		"\xff\xfe\xe2\x82 \xc3é": "\"\uFFFD\uFFFD\uFFFD\uFFFD \uFFFDé\"",
		"\uFFFD\uFFFDx":          "\"\uFFFD\uFFFDx\"",
	} {
		got := report.AppendString(nil, s)
		if string(got) != want {
			t.Errorf("AppendString(%q) = %s, want %s", s, got, want)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != string([]rune(s)) {
			t.Errorf("encoding/json reads %s as %q, %v", got, back, err)
		}
	}
}
