package report_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

// FuzzDecode holds that no body makes Decode panic, that what Decode accepts is
// JSON and means what encoding/json reads in it, and that it survives being
// stored and sent on.
func FuzzDecode(f *testing.F) {
	full := fullRecord()
	for _, body := range []string{
		original,
		string(report.AppendRecord(nil, &full)),
		string(report.Append(nil, &full.Report, 70)),
		`{"NODENAME":"\ud83d\ude00\ud800","ipſ":{"a":null,"b":[null,"\/"]},"network_probes":[null,{"url":null}]}`,
		`{"uptime":18446744073709551615,"report_interval":-9223372036854775808,"hostdate":"2017-11-30T14:54:19.123456789+05:45"}`,
		`{"other":[1,-2.5e+3,true,false,null,{"a":"\""}],"zero_extender":[0, 1.5]}`,
		"{\"podname\":\"\xff\xe2\x82\"}",
		`{"uptime":1,"uptime":null,"ips":{"a":[]},"IPS":{"b":[]}}`,
		`{"a":` + strings.Repeat("[", 40),
		`{"ips":{` + entries(1100) + `}}`,
		`{} `, `null`, ``, `{"a"`, `{"hostdate":"2017`, `{"uptime":-}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := report.Decode(body)
		if err != nil {
			if text := err.Error(); strings.HasPrefix(text, ":") || len(text) > 1000 {
				t.Errorf("the error names no field or is very long: %s", text)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted what is no JSON: %q", body)
		}
		if plain, err := decodePlainly[json.Number](body); !repeats(body) && (err != nil || !reflect.DeepEqual(r, plain)) {
			t.Errorf("%q:\ngot  %#v\nwant %#v, %v", body, r, plain, err)
		}
		if r.Validate() == nil {
			survives(t, report.Record{Report: r, LastUpdated: full.LastUpdated})
		}
	})
}

// survives sends and stores r, and holds that it is the same after that.
func survives(t *testing.T, r report.Record) {
	t.Helper()
	sent, err := report.Decode(report.Append(nil, &r.Report, 9))
	if err != nil {
		t.Fatal(err)
	}
	stored := report.AppendRecord(nil, &r)
	if !json.Valid(stored) {
		t.Fatalf("%q is no JSON", stored)
	}
	back, err := report.DecodeRecord(stored)
	if err != nil {
		t.Fatal(err)
	}
	if again := report.AppendRecord(nil, &back); !bytes.Equal(again, stored) {
		t.Errorf("stored  %s\nthen as %s", stored, again)
	}
	if again := report.AppendRecord(nil, &report.Record{Report: sent, LastUpdated: r.LastUpdated}); !bytes.Equal(again, stored) {
		t.Errorf("stored  %s\nbut sent on as %s", stored, again)
	}
}
