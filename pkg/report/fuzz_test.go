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
		string(report.AppendLife(nil, &full)),
		string(report.Append(nil, &full.Report, 70)),
		`{"NODENAME":"\ud83d\ude00\ud800","ipſ":{"a":null,"b":[null,"\/"]},"network_probes":[null,{"url":null}]}`,
		`{"uptime":18446744073709551615,"report_interval":-9223372036854775808,"hostdate":"2017-11-30T14:54:19.123456789+05:45"}`,
		`{"other":[1,-2.5e+3,true,false,null,{"a":"\""}],"zero_extender":[0, 1.5]}`,
		"{\"podname\":\"\xff\xe2\x82\"}",
		`{"uptime":1,"uptime":null,"ips":{"a":[]},"IPS":{"b":[]}}`,
		`{"Underſtands":{"a":null},"delivery":{"lookup_ms":0,"other":[]},"clock_ms":3153600000000}`,
		`{"clock_ms":9,"boot_id":"00c0ffee00c0ffee","disruption":{"As_of_ms":9,"open":[null,{"id":1,"backend":"a","level":"Info"}],"refused":[]}}`,
		`{"clock_ms":9,"boot_id":"00c0ffee00c0ffee","mesh":{"As_of_ms":9,"sessions":[[1,2,0,1]],"heard":[null],"shared":[{"kind":"ntp"},{"kind":"dns"}]}}`,
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

// FuzzDecodeRecord holds that no record and no life makes its decoder panic, and that
// what they accept is the same once stored and read again.
func FuzzDecodeRecord(f *testing.F) {
	full, zero := tellingRecord(), report.Record{}
	for _, r := range []report.Record{full, zero} {
		f.Add(report.AppendRecord(nil, &r), report.AppendLife(nil, &r))
	}
	f.Add([]byte(`{"last_updated":"0000-01-01T00:00:00-23:59","LAST_UPDATED":null}`), []byte(`{"Booted":null,"via":"\ud800","mesh":{"as_of_ms":0}}`))
	f.Fuzz(func(t *testing.T, stored, life []byte) {
		r, err := report.DecodeRecord(stored)
		if !json.Valid(stored) && err == nil {
			t.Fatalf("accepted what is no JSON: %q", stored)
		}
		beside, errLife := report.DecodeLife(life)
		if !json.Valid(life) && errLife == nil {
			t.Fatalf("accepted what is no JSON: %q", life)
		}
		if r.Join(&beside); err == nil && r.Validate() == nil {
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
	stored, life := report.AppendRecord(nil, &r), report.AppendLife(nil, &r)
	if !json.Valid(stored) || !json.Valid(life) {
		t.Fatalf("%q or %q is no JSON", stored, life)
	}
	back := readBack(t, string(stored), string(life))
	relayed := report.Record{Report: sent, LastUpdated: r.LastUpdated, Booted: r.Booted}
	relayed.Delivery.Via = r.Delivery.Via
	for what, r := range map[string]*report.Record{"read": &back, "sent on": &relayed} {
		if again := report.AppendRecord(nil, r); !bytes.Equal(again, stored) {
			t.Errorf("stored  %s\nbut %s as %s", stored, what, again)
		}
		if again := report.AppendLife(nil, r); !bytes.Equal(again, life) {
			t.Errorf("life    %s\nbut %s as %s", life, what, again)
		}
	}
}

// FuzzDecodeDisruption holds that no bytes make DecodeDisruption panic, that what it
// accepts is JSON and means what encoding/json reads in it, and can be sent on.
func FuzzDecodeDisruption(f *testing.F) {
	full := fullDisruption()
	f.Add(report.AppendDisruption(nil, &full))
	f.Add([]byte(`{"as_of_ms":1,"SEALED":[{"id":1,"backend":"a","connection":"new","level":"Warning","message":"\ud800"}],"dropped":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := report.DecodeDisruption(data)
		if !accepted(t, data, err) {
			return
		}
		var p plainDisruption
		err = json.Unmarshal(data, &p)
		plain, plainErr := p.disruption()
		if !repeats(data) && (err != nil || plainErr != nil || !reflect.DeepEqual(&d, plain)) {
			t.Errorf("%q:\ngot  %#v\nwant %#v, %v, %v", data, d, plain, err, plainErr)
		}
		if back, err := report.DecodeDisruption(report.AppendDisruption(nil, &d)); err != nil || !reflect.DeepEqual(back, d) {
			t.Errorf("sent %#v\nread %#v, %v", d, back, err)
		}
	})
}

// FuzzDecodeMesh holds that no bytes make DecodeMesh panic, that what it accepts is JSON
// and means what encoding/json reads in it, and can be sent on.
func FuzzDecodeMesh(f *testing.F) {
	full := fullMesh()
	f.Add(report.AppendMesh(nil, &full))
	f.Add([]byte(`{"as_of_ms":1,"SESSIONS":[[1,2,-0],[2,2,0,0,0,1,1,` + strings.Repeat("0,", 40) + `0]],"summed":[[]],"heard":[null,{"six":1}],"shared":null}`))
	f.Add([]byte(`{"sessions":[[1,1,2]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := report.DecodeMesh(data)
		if !accepted(t, data, err) {
			return
		}
		var p plainMesh
		err = json.Unmarshal(data, &p)
		plain, plainErr := p.mesh()
		if !repeats(data) && (err != nil || plainErr != nil || !reflect.DeepEqual(&m, plain)) {
			t.Errorf("%q:\ngot  %#v\nwant %#v, %v, %v", data, m, plain, err, plainErr)
		}
		if back, err := report.DecodeMesh(report.AppendMesh(nil, &m)); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("sent %#v\nread %#v, %v", m, back, err)
		}
	})
}
