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
	full := tellingRecord()
	for _, body := range []string{
		original,
		string(report.AppendRecord(nil, &full)),
		string(report.Append(nil, &full.Report, 70)),
		`{"NODENAME":"\ud83d\ude00\ud800","ipſ":{"a":null,"b":[null,"\/"]},"network_probes":[null,{"url":null}]}`,
		`{"uptime":18446744073709551615,"report_interval":-9223372036854775808,"hostdate":"2017-11-30T14:54:19.123456789+05:45"}`,
		`{"other":[1,-2.5e+3,true,false,null,{"a":"\""}],"zero_extender":[0, 1.5]}`,
		"{\"podname\":\"\xff\xe2\x82\"}",
		`{"uptime":1,"uptime":null,"ips":{"a":[]},"IPS":{"b":[]}}`,
		`{"Underſtands":{"a":null},"delivery":{"lookup_ms":0,"other":[]},"clock_ms":3153600000000}`,
		`{"a":` + strings.Repeat("[", 40),
		`{"ips":{` + entries(1100) + `}}`,
		`{} `, `null`, ``, `{"a"`, `{"hostdate":"2017`, `{"uptime":-}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := report.Decode(body)
		if !accepted(t, body, err) {
			return
		}
		if plain, err := decodePlainly[json.Number](body); !repeats(body) && (err != nil || !reflect.DeepEqual(r, plain)) {
			t.Errorf("%q:\ngot  %#v\nwant %#v, %v", body, r, plain, err)
		}
		if r.Validate() == nil {
			survives(t, report.Record{Report: r, LastUpdated: full.LastUpdated})
		}
	})
}

// accepted says whether body was, and holds that it is JSON then, and that the
// error names a field otherwise.
func accepted(t *testing.T, body []byte, err error) bool {
	t.Helper()
	if err != nil {
		if text := err.Error(); strings.HasPrefix(text, ":") || len(text) > 1000 {
			t.Errorf("the error names no field or is very long: %s", text)
		}
		return false
	}
	if !json.Valid(body) {
		t.Fatalf("accepted what is no JSON: %q", body)
	}
	return true
}

// FuzzDecodeRecord holds that no record makes DecodeRecord panic, and that what
// it accepts is the same once stored and read again.
func FuzzDecodeRecord(f *testing.F) {
	full, zero := tellingRecord(), report.Record{}
	f.Add(report.AppendRecord(nil, &full))
	f.Add(report.AppendRecord(nil, &zero))
	f.Add([]byte(`{"last_updated":"0000-01-01T00:00:00-23:59","LAST_UPDATED":null}`))
	f.Fuzz(func(t *testing.T, stored []byte) {
		r, err := report.DecodeRecord(stored)
		if !json.Valid(stored) && err == nil {
			t.Fatalf("accepted what is no JSON: %q", stored)
		}
		if err == nil && r.Validate() == nil {
			survives(t, r)
		}
	})
}

// FuzzDecodeMessage holds that no bytes make DecodeMessage panic, that what it
// accepts is JSON and means what encoding/json reads in it, and that it is sent
// on with the same body.
func FuzzDecodeMessage(f *testing.F) {
	f.Add([]byte(message))
	f.Add([]byte("{\"BODY\":{ \"a\":[1e9,\"\\u0000\xff\"]},\"Boot_Id\":null,\"body\":null,\"number\":18446744073709551615}"))
	f.Add([]byte(`{"body":` + strings.Repeat(`{"a":`, 40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := report.DecodeMessage(data)
		if !accepted(t, data, err) {
			return
		}
		if plain, err := decodeMessagePlainly(data); !repeats(data) && (err != nil || !reflect.DeepEqual(m, plain)) {
			t.Errorf("%q:\ngot  %#v\nwant %#v, %v", data, m, plain, err)
		}
		if m.Validate() != nil {
			return
		}
		if back, err := report.DecodeMessage(report.AppendMessage(nil, &m)); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("sent %#v\nread %#v, %v", m, back, err)
		}
	})
}

// FuzzDecodeReply holds that no bytes make DecodeReply panic, that what it
// accepts is JSON or empty, means what encoding/json reads in it, and can be sent
// on.
func FuzzDecodeReply(f *testing.F) {
	f.Add([]byte(reply))
	f.Add([]byte(`{"NEWS":{"a":{"Data":{"a":[]},"data":"\ud800"},"b":null,"a":{}}}`))
	f.Add([]byte(" \n"))
	f.Add([]byte(`{"news":{` + news(17) + `}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := report.DecodeReply(data)
		if empty := len(bytes.TrimSpace(data)) == 0; empty && err == nil || !accepted(t, data, err) {
			return
		}
		all := map[string]report.News{}
		for _, n := range r.News {
			all[n.Topic] = n
		}
		if plain, err := decodeReplyPlainly(data); !repeats(data) && (err != nil || !reflect.DeepEqual(all, plain)) {
			t.Errorf("%q:\ngot  %#v\nwant %#v, %v", data, all, plain, err)
		}
		if back, err := report.DecodeReply(report.AppendReply(nil, &r)); err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("sent %#v\nread %#v, %v", r, back, err)
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
