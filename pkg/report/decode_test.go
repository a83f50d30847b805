package report_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// original is the body that the contract gives as what an original agent posts.
const original = `{"report_interval":15,"nodename":"n1","podname":"netchecker-agent-x","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,
 "nslookup":{"netchecker-service":["10.233.54.44"]},"ips":{"eth0":["10.0.0.2/24"]},
 "network_probes":[{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,
   "ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0}],
 "zero_extender":[0,0,0]}`

func originalReport() report.Report {
	return report.Report{
		ReportInterval: 15,
		NodeName:       "n1",
		PodName:        "netchecker-agent-x",
		HostDate:       time.Date(2017, 11, 30, 14, 54, 19, 500_000_000, time.UTC),
		Uptime:         12345,
		NSLookup:       map[string][]string{"netchecker-service": {"10.233.54.44"}},
		IPs:            map[string][]string{"eth0": {"10.0.0.2/24"}},
		NetworkProbes: []report.ProbeResult{{
			URL: "http://netchecker-service:8081/api/v1/ping", ConnectionResult: 1, HTTPCode: 200,
			Total: 2, DNSLookup: 1, Connect: 1,
		}},
	}
}

func TestDecodeReadsWhatAgentsSend(t *testing.T) {
	hostdate := time.Date(2016, 12, 1, 8, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		body string
		want report.Report
	}{
		"the contract's example": {original, originalReport()},
		"an agent v1.0, without nodename, uptime, probes and padding": {
			`{"report_interval":60,"podname":"a","hostdate":"2016-12-01T08:00:00Z","nslookup":{"netchecker-service":["10.0.0.1"]},"ips":{"lo":["127.0.0.1/8","::1/128"]}}`,
			report.Report{
				ReportInterval: 60, PodName: "a", HostDate: hostdate,
				NSLookup: map[string][]string{"netchecker-service": {"10.0.0.1"}},
				IPs:      map[string][]string{"lo": {"127.0.0.1/8", "::1/128"}},
			},
		},
		"an agent v1.1, without uptime": {
			`{"report_interval":60,"nodename":"n","podname":"a","hostdate":"2016-12-01T08:00:00Z","nslookup":{},"ips":{},"network_probes":[{"URL":"u"}],"zero_extender":[0]}`,
			report.Report{
				ReportInterval: 60, NodeName: "n", PodName: "a", HostDate: hostdate,
				NSLookup: map[string][]string{}, IPs: map[string][]string{},
				NetworkProbes: []report.ProbeResult{{URL: "u"}},
			},
		},
		"netchecker's own keys": {
			`{"namespace":"kube-system","network":"host","addresses":["10.0.0.2","fd00::2"]}`,
			report.Report{Namespace: "kube-system", Network: report.Host, Addresses: []string{"10.0.0.2", "fd00::2"}},
		},
		"what is between agent and server": {
			`{"pod_uid":"2a9a1c6e","boot_id":"00c0ffee00c0ffee","clock_ms":90005,"understands":{"mesh":"17","checks":""},"delivery":{"lookup_ms":1000,"lookup_error":"no such host"}}`,
			report.Report{
				UID: "2a9a1c6e", BootID: "00c0ffee00c0ffee", Clock: 90*time.Second + 5*time.Millisecond,
				Understands: map[string]string{"mesh": "17", "checks": ""},
				Delivery:    report.Delivery{Lookup: time.Second, LookupError: "no such host"},
			},
		},
		"the longest durations": {
			`{"clock_ms":3153600000000,"delivery":{"lookup_ms":3153600000000}}`,
			report.Report{Clock: report.MaxDuration, Delivery: report.Delivery{Lookup: report.MaxDuration}},
		},
		"the time that original agents send for what was not reached": {
			`{"network_probes":[{"ContentTransfer":9223372036854,"Total":9223372036854}]}`,
			report.Report{NetworkProbes: []report.ProbeResult{{ContentTransfer: 9223372036854, Total: 9223372036854}}},
		},
		"extreme numbers": {
			`{"uptime":18446744073709551615,"report_interval":-9223372036854775808,"network_probes":[{"Total":9223372036854775807,"Connect":-1,"DNSLookup":-0}]}`,
			report.Report{
				Uptime: math.MaxUint64, ReportInterval: math.MinInt64,
				NetworkProbes: []report.ProbeResult{{Total: math.MaxInt64, Connect: -1}},
			},
		},
		"null for each field": {
			`{"report_interval":null,"nodename":null,"podname":null,"namespace":null,"network":null,"hostdate":null,"uptime":null,"nslookup":null,"ips":null,"addresses":null,"network_probes":null,"zero_extender":null,"pod_uid":null,"boot_id":null,"clock_ms":null,"understands":null,"delivery":null}`,
			report.Report{},
		},
		"null within": {
			`{"nslookup":{"a":null},"ips":{"b":[null]},"addresses":[null],"network_probes":[null,{"URL":null,"Total":null}],"understands":{"mesh":null},"delivery":{"lookup_ms":null,"lookup_error":null}}`,
			report.Report{
				NSLookup: map[string][]string{"a": nil}, IPs: map[string][]string{"b": {""}},
				Addresses: []string{""}, NetworkProbes: make([]report.ProbeResult, 2),
				Understands: map[string]string{"mesh": ""},
			},
		},
		"empty lists, which are not null": {
			`{"nslookup":{"a":[]},"addresses":[],"network_probes":[]}`,
			report.Report{
				NSLookup: map[string][]string{"a": {}}, Addresses: []string{}, NetworkProbes: []report.ProbeResult{},
			},
		},
		"an empty object": {` {	} `, report.Report{}},
		"keys in any case, escaped, and with Unicode's other s and k": {
			`{"NodeName":"n","PODNAME":"p","\u0075ptime":7,"nſlooKup":{},"network_probes":[{"url":"u","HttpCode":200,"tcpconnection":3}],"Underſtands":{},"Delivery":{"LOOKUP_MS":1}}`,
			report.Report{
				NodeName: "n", PodName: "p", Uptime: 7, NSLookup: map[string][]string{},
				Understands: map[string]string{}, Delivery: report.Delivery{Lookup: time.Millisecond},
				NetworkProbes: []report.ProbeResult{{URL: "u", HTTPCode: 200, TCPConnection: 3}},
			},
		},
		"results that have fewer keys than the one before": {
			`{"network_probes":[{"URL":"u","HTTPCode":200,"Total":9},{"URL":"v"}]}`,
			report.Report{NetworkProbes: []report.ProbeResult{{URL: "u", HTTPCode: 200, Total: 9}, {URL: "v"}}},
		},
		"keys in any order": {
			`{"zero_extender":[0],"network_probes":[{"Total":1,"URL":"u","ConnectionResult":1}],"podname":"p","nodename":"n","report_interval":15}`,
			report.Report{
				ReportInterval: 15, NodeName: "n", PodName: "p",
				NetworkProbes: []report.ProbeResult{{URL: "u", ConnectionResult: 1, Total: 1}},
			},
		},
		"the last of a repeated key, as a whole": {
			`{"uptime":1,"uptime":2,"nodename":"n","nodename":null,"ips":{"a":[]},"ips":{"b":["1"],"b":["2"]},"network_probes":[{"URL":"u","Total":9}],"network_probes":[{"URL":"v"}],` +
				`"understands":{"a":"1"},"understands":{"b":"1","b":"2"},"delivery":{"lookup_ms":1},"delivery":{"lookup_error":"e"}}`,
			report.Report{
				Understands: map[string]string{"b": "2"}, Delivery: report.Delivery{LookupError: "e"},
				Uptime: 2, IPs: map[string][]string{"b": {"2"}}, NetworkProbes: []report.ProbeResult{{URL: "v"}},
			},
		},
		"unknown keys, which are skipped": {
			`{"a":{"b":[1,-2.5e+3,true,false,null,"\"}",{}],"podname":"no"},"podname":"p","":0,"é":0,"podnamé":0,"` + strings.Repeat("k", 5000) + `":"` + strings.Repeat("v", 5000) + `"}`,
			report.Report{PodName: "p"},
		},
		"last_updated, which is the server's to say": {`{"last_updated":{"any":"thing"}}`, report.Report{}},
		"padding of other numbers and with white space": {
			`{"zero_extender":[ 0, 0 ,0,0,0,0,0,0,0,0, 1,-1,2.5,1e9,0],"podname":"p"}`, report.Report{PodName: "p"},
		},
		"every escape": {
			`{"nodename":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\u0000"}`,
			report.Report{NodeName: "\"\\/\b\f\n\r\té😀\x00"},
		},
		"half surrogate pairs and bytes that are no UTF-8, each a U+FFFD": {
			`{"nodename":"\ud800\u0041\udc00\ud800` + "\xff\xfe\xe2\x82" + `é","podname":"` + "\xff\xfeé" + `"}`,
			report.Report{NodeName: "\uFFFDA\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDé", PodName: "\uFFFD\uFFFDé"},
		},
		"the longest string": {
			`{"nodename":"` + strings.Repeat("x", report.MaxString) + `","podname":"` + strings.Repeat(`\u0061`, report.MaxString) + `"}`,
			report.Report{NodeName: strings.Repeat("x", report.MaxString), PodName: strings.Repeat("a", report.MaxString)},
		},
		"the deepest nesting": {`{"a":` + strings.Repeat("[", 31) + `0` + strings.Repeat("]", 31) + `}`, report.Report{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := report.Decode([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %#v\nwant %#v", got, tc.want)
			}
		})
	}
}

func TestDecodeKeepsTheOffsetOfHostdate(t *testing.T) {
	got, err := report.Decode([]byte(`{"hostdate":"2017-11-30T14:54:19.123456789+05:45"}`))
	if err != nil {
		t.Fatal(err)
	}
	if text := got.HostDate.Format(time.RFC3339Nano); text != "2017-11-30T14:54:19.123456789+05:45" {
		t.Errorf("hostdate is %s", text)
	}
}

func TestDecodeRecordReadsLastUpdated(t *testing.T) {
	got, err := report.DecodeRecord([]byte(`{"podname":"p","last_updated":"2017-11-30T14:54:20Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := report.Record{
		Report:      report.Report{PodName: "p"},
		LastUpdated: time.Date(2017, 11, 30, 14, 54, 20, 0, time.UTC),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// TestRecordsOfEarlierReleasesAreRead has the bytes that the release before there
// were keys between agent and server stored.
func TestRecordsOfEarlierReleasesAreRead(t *testing.T) {
	const stored = `{"report_interval":15,"nodename":"n1","podname":"netchecker-agent-x","hostdate":"2017-11-30T14:54:19.5Z","uptime":12345,` +
		`"last_updated":"2017-11-30T14:54:20Z","nslookup":{"netchecker-service":["10.233.54.44"]},"network_probes":[` +
		`{"URL":"http://netchecker-service:8081/api/v1/ping","ConnectionResult":1,"HTTPCode":200,"Total":2,"ContentTransfer":0,"TCPConnection":0,"DNSLookup":1,"Connect":1,"ServerProcessing":0},` +
		`{"URL":"http://other","ConnectionResult":0,"HTTPCode":0,"Total":9223372036854,"ContentTransfer":0,"TCPConnection":0,"DNSLookup":0,"Connect":0,"ServerProcessing":0}],` +
		`"ips":{"eth0":[],"eth1":null,"lo":["127.0.0.1/8","::1/128"]},"namespace":"kube-system","network":"pod","addresses":["10.0.0.2","fd00::2"]}`
	got, err := report.DecodeRecord([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	if want := fullRecord(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	if again := report.AppendRecord(nil, &got); string(again) != stored {
		t.Errorf("stored again as %s", again)
	}
}

func TestDecodedDataSharesNoMemoryWithTheBody(t *testing.T) {
	body := []byte(strings.Replace(original, `"n1"`, `"n\u0031"`, 1))
	got, err := report.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	_, failure := report.Decode(body[:len(body)-1])
	text := failure.Error()
	clear(body)
	if want := originalReport(); !reflect.DeepEqual(got, want) {
		t.Errorf("after the body was overwritten: got %#v, want %#v", got, want)
	}
	if failure.Error() != text {
		t.Errorf("after the body was overwritten, the error is %q, was %q", failure, text)
	}
}

func TestWhatIsAcceptedCanBeReadBackFromTheStore(t *testing.T) {
	// A report at the bound of all its keys and values together; stored, it has
	// keys that it was sent without.
	var b strings.Builder
	b.WriteString(`{"report_interval":15,"podname":"p","ips":{`)
	left := report.MaxTotal - 4 - report.MaxProbes
	for entry := 0; left > 1; entry++ {
		values := min(left-1, report.MaxValues)
		left -= values + 1
		if entry > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%d":[%s""]`, entry, strings.Repeat(`"",`, values-1))
	}
	b.WriteString(`},"network_probes":[` + nulls(report.MaxProbes) + `]}`)
	r, err := report.Decode([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := report.DecodeRecord(report.AppendRecord(nil, &report.Record{Report: r})); err != nil {
		t.Error(err)
	}
}
