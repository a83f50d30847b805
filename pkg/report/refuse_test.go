package report_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestDecodeSaysWhichFieldIsWrongAndWhatItShouldBe(t *testing.T) {
	long := strings.Repeat("x", report.MaxString+1)
	for body, want := range map[string]string{
		// No JSON object.
		"":                 `body: is empty; it should be a JSON object`,
		" \n":              `body: is empty; it should be a JSON object`,
		`null`:             `body: found null at byte 0, where an object should be`,
		`[{}]`:             `body: found an array at byte 0, where an object should be`,
		`"{}"`:             `body: found a string at byte 0, where an object should be`,
		`true`:             `body: found a boolean at byte 0, where an object should be`,
		"\x00":             `body: found '\x00' at byte 0, where an object should be`,
		"\x1f\x8b\x08":     `body: found '\x1f' at byte 0, where an object should be`,
		"\ufeff{}":         `body: found '\ufeff' at byte 0, where an object should be`,
		`{} {}`:            `body: found an object at byte 3, where the end of the JSON should be`,
		`{}x`:              `body: found 'x' at byte 2, where the end of the JSON should be`,
		`{`:                `body: the JSON ends at byte 1, where a key in double quotes should be`,
		`{,}`:              `body: found ',' at byte 1, where a key in double quotes should be`,
		`{podname:"p"}`:    `body: found 'p' at byte 1, where a key in double quotes should be`,
		`{'podname':"p"}`:  `body: found '\'' at byte 1, where a key in double quotes should be`,
		`{"podname"}`:      `body: found '}' at byte 10, where a colon should be`,
		`{"podname":"p",}`: `body: found '}' at byte 15, where a key in double quotes should be`,
		`{"podname":"p"`:   `body: the JSON ends at byte 14, where a comma or the end of the object should be`,
		`{"a":1 "b":2}`:    `body: found a string at byte 7, where a comma or the end of the object should be`,
		"{\"a\nb\":1}":     `body: control character 0x0a in a string at byte 3; it should be escaped`,

		// Strings.
		`{"podname":`:                  `podname: the JSON ends at byte 11, where a string should be`,
		`{"podname":5}`:                `podname: found a number at byte 11, where a string should be`,
		`{"nodename":{}}`:              `nodename: found an object at byte 12, where a string should be`,
		`{"Namespace":[]}`:             `namespace: found an array at byte 13, where a string should be`,
		`{"network":true}`:             `network: found a boolean at byte 11, where a string should be`,
		`{"podname":nil}`:              `podname: found 'n' at byte 11, where a string should be`,
		`{"podname":"p`:                `podname: the JSON ends at byte 13, within a string`,
		`{"podname":"\`:                `podname: unknown escape sequence in a string at byte 12`,
		`{"podname":"\x41"}`:           `podname: unknown escape sequence in a string at byte 12`,
		`{"podname":"\u12g4"}`:         `podname: unknown escape sequence in a string at byte 12`,
		"{\"podname\":\"a\tb\"}":       `podname: control character 0x09 in a string at byte 13; it should be escaped`,
		`{"podname":"` + long + `"}`:   `podname: is too long; it should have at most 2048 bytes`,
		`{"podname":"\n` + long + `"}`: `podname: is too long; it should have at most 2048 bytes`,
		`{"podname":"` + strings.Repeat(`\u00e9`, report.MaxString) + `"}`: `podname: is too long; it should have at most 2048 bytes`,
		`{"podname":"` + strings.Repeat("\xff", 700) + `"}`:                `podname: is too long; it should have at most 2048 bytes`,

		// Times.
		`{"hostdate":1512053659}`:                         `hostdate: found a number at byte 12, where a time as a string should be`,
		`{"hostdate":""}`:                                 `hostdate: is ""; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z`,
		`{"hostdate":"2017\u002d11-30T14:54:19Z"}`:        `hostdate: is "2017\\u002d11-30T14:54:19Z"; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z`,
		`{"hostdate":"yesterday"}`:                        `hostdate: is "yesterday"; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z`,
		`{"hostdate":"2017-11-30 14:54:19"}`:              `hostdate: is "2017-11-30 14:54:19"; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z`,
		`{"hostdate":"a` + strings.Repeat("é", 30) + `"}`: `hostdate: is "a` + strings.Repeat("é", 19) + `…"; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z`,

		// Numbers.
		`{"report_interval":"15"}`:                   `report_interval: found a string at byte 19, where a number should be`,
		`{"report_interval":1.5}`:                    `report_interval: is 1.5; it should be a whole number from -9223372036854775808 to 9223372036854775807`,
		`{"report_interval":1e1}`:                    `report_interval: is 1e1; it should be a whole number from -9223372036854775808 to 9223372036854775807`,
		`{"report_interval":9223372036854775808}`:    `report_interval: is 9223372036854775808; it should be a whole number from -9223372036854775808 to 9223372036854775807`,
		`{"report_interval":-9223372036854775809}`:   `report_interval: is -9223372036854775809; it should be a whole number from -9223372036854775808 to 9223372036854775807`,
		`{"uptime":` + strings.Repeat("9", 50) + `}`: `uptime: is ` + strings.Repeat("9", 40) + `…; it should be a whole number from 0 to 18446744073709551615`,
		`{"uptime":18446744073709551616}`:            `uptime: is 18446744073709551616; it should be a whole number from 0 to 18446744073709551615`,
		`{"uptime":-1}`:                              `uptime: is -1; it should be a whole number from 0 to 18446744073709551615`,
		`{"uptime":007}`:                             `body: found a number at byte 11, where a comma or the end of the object should be`,
		`{"uptime":+7}`:                              `uptime: found '+' at byte 10, where a number should be`,
		`{"uptime":.5}`:                              `uptime: found '.' at byte 10, where a number should be`,
		`{"uptime":-}`:                               `uptime: found '}' at byte 11, where a digit after the minus sign should be`,
		`{"uptime":1.}`:                              `uptime: found '}' at byte 12, where a digit after the decimal point should be`,
		`{"uptime":1e+}`:                             `uptime: found '}' at byte 13, where a digit of the exponent should be`,
		`{"uptime":NaN}`:                             `uptime: found 'N' at byte 10, where a number should be`,

		// Durations.
		`{"clock_ms":-1}`:                                 `clock_ms: is -1; it should be a whole number from 0 to 3153600000000`,
		`{"clock_ms":3153600000001}`:                      `clock_ms: is 3153600000001; it should be a whole number from 0 to 3153600000000`,
		`{"clock_ms":1.5}`:                                `clock_ms: is 1.5; it should be a whole number from 0 to 3153600000000`,
		`{"clock_ms":"1s"}`:                               `clock_ms: found a string at byte 12, where a number should be`,
		`{"delivery":{"LOOKUP_MS":-9223372036854775808}}`: `delivery.lookup_ms: is -9223372036854775808; it should be a whole number from 0 to 3153600000000`,

		// Maps and lists.
		`{"ips":[]}`:                                                         `ips: found an array at byte 7, where an object should be`,
		`{"ips":{"eth0":"10.0.0.1"}}`:                                        `ips["eth0"]: found a string at byte 15, where an array should be`,
		`{"nslookup":{"a":["b",{}]}}`:                                        `nslookup["a"][1]: found an object at byte 22, where a string should be`,
		`{"ips":{"eth0":["a" "b"]}}`:                                         `ips["eth0"]: found a string at byte 20, where a comma or the end of the array should be`,
		`{"ips":{"eth0":["a",]}}`:                                            `ips["eth0"][1]: found ']' at byte 20, where a string should be`,
		`{"ips":{"` + long + `":[]}}`:                                        `ips: has a key that is too long; it should have at most 2048 bytes`,
		`{"ips":{` + entries(1025) + `}}`:                                    `ips: has too many entries; it should have at most 1024`,
		`{"nslookup":{` + entries(1e5) + `}}`:                                `nslookup: has too many entries; it should have at most 1024`,
		`{"ips":{"a":[` + nulls(257) + `]}}`:                                 `ips["a"]: has too many elements; it should have at most 256`,
		`{"addresses":{}}`:                                                   `addresses: found an object at byte 13, where an array should be`,
		`{"addresses":[1]}`:                                                  `addresses[0]: found a number at byte 14, where a string should be`,
		`{"addresses":[` + nulls(257) + `]}`:                                 `addresses: has too many elements; it should have at most 256`,
		`{` + strings.Repeat(`"a":0,`, 1e5) + `"a":0}`:                       `["a"]: is one too many; there should be at most 16384 keys, entries, values and probes together`,
		`{` + strings.Repeat(`"addresses":[`+nulls(256)+`],`, 65) + `"a":0}`: `addresses[192]: is one too many; there should be at most 16384 keys, entries, values and probes together`,

		// Probes.
		`{"network_probes":{}}`:                          `network_probes: found an object at byte 18, where an array should be`,
		`{"network_probes":[{"URL":"u"},7]}`:             `network_probes[1]: found a number at byte 31, where an object should be`,
		`{"network_probes":[{"url":7}]}`:                 `network_probes[0].URL: found a number at byte 26, where a string should be`,
		`{"network_probes":[{"TOTAL":"7"}]}`:             `network_probes[0].Total: found a string at byte 28, where a number should be`,
		`{"network_probes":[{"ConnectionResult":true}]}`: `network_probes[0].ConnectionResult: found a boolean at byte 39, where a number should be`,
		`{"network_probes":[{"other":}]}`:                `network_probes[0]["other"]: found '}' at byte 28, where a value should be`,
		`{"network_probes":[` + nulls(257) + `]}`:        `network_probes: has too many elements; it should have at most 256`,
		`{"network_probes":[{"URL":"u"]}`:                `network_probes[0]: found ']' at byte 29, where a comma or the end of the object should be`,

		`{"network_probes":[` + strings.Repeat(`{"a":0},`, 200) + `{` + strings.Repeat(`"a":0,`, 16384): `network_probes[200]["a"]: is one too many; there should be at most 16384 keys, entries, values and probes together`,

		// What is told beside the original's keys.
		`{"pod_uid":7}`:                                `pod_uid: found a number at byte 11, where a string should be`,
		`{"Boot_ID":[]}`:                               `boot_id: found an array at byte 11, where a string should be`,
		`{"understands":["mesh"]}`:                     `understands: found an array at byte 15, where an object should be`,
		`{"understands":{"mesh":17}}`:                  `understands["mesh"]: found a number at byte 23, where a string should be`,
		`{"understands":{"` + long + `":""}}`:          `understands: has a key that is too long; it should have at most 2048 bytes`,
		`{"understands":{` + entries(17) + `}}`:        `understands: has too many entries; it should have at most 16`,
		`{"delivery":[]}`:                              `delivery: found an array at byte 12, where an object should be`,
		`{"delivery":{"lookup_error":null,"other":x}}`: `delivery["other"]: found 'x' at byte 41, where a value should be`,
		`{"delivery":{"lookup_error":"` + long + `"}}`: `delivery.lookup_error: is too long; it should have at most 2048 bytes`,
		`{"delivery":{"a":` + strings.Repeat("[", 1e5): `delivery["a"]: is nested more than 32 deep`,

		// Padding.
		`{"zero_extender":0}`:                  `zero_extender: found a number at byte 17, where an array of numbers should be`,
		`{"zero_extender":["0"]}`:              `zero_extender: found a string at byte 18, where a number should be`,
		`{"zero_extender":[0,[0]]}`:            `zero_extender: found an array at byte 20, where a number should be`,
		`{"zero_extender":[0,]}`:               `zero_extender: found ']' at byte 20, where a number should be`,
		`{"zero_extender":[0 0]}`:              `zero_extender: found a number at byte 20, where a comma or the end of the array should be`,
		`{"zero_extender":[` + zeros(4000):     `zero_extender: the JSON ends at byte 8017, where a comma or the end of the array should be`,
		`{"zero_extender":[` + zeros(64) + `,`: `zero_extender: the JSON ends at byte 146, where a number should be`,

		// Unknown keys.
		`{"other":tru}`:                                      `["other"]: found 't' at byte 9, where a value should be`,
		`{"other":[1,-]}`:                                    `["other"]: found ']' at byte 13, where a digit after the minus sign should be`,
		`{"` + strings.Repeat("k", 50) + `":x}`:              `["` + strings.Repeat("k", 40) + `…"]: found 'x' at byte 54, where a value should be`,
		`{"a":` + strings.Repeat("[", 1e5) + `}`:             `["a"]: is nested more than 32 deep`,
		`{"a":` + strings.Repeat(`{"a":`, 1e5):               `["a"]: is nested more than 32 deep`,
		`{"a":` + strings.Repeat("[", 32) + `]}`:             `["a"]: is nested more than 32 deep`,
		`{"network_probes":[{"a":` + strings.Repeat("[", 30): `network_probes[0]["a"]: is nested more than 32 deep`,
	} {
		got, err := report.Decode([]byte(body))
		if err == nil || err.Error() != want {
			t.Errorf("Decode(%.60q):\ngot  %v\nwant %s", body, err, want)
		}
		var field *report.FieldError
		if !errors.As(err, &field) {
			t.Errorf("Decode(%.60q): %v is no FieldError", body, err)
		}
		if !reflect.DeepEqual(got, report.Report{}) {
			t.Errorf("Decode(%.60q) gives parts of a report beside the error: %#v", body, got)
		}
	}
}

func TestDecodeRecordSaysWhichFieldIsWrong(t *testing.T) {
	_, err := report.DecodeRecord([]byte(`{"podname":"p","last_updated":"now"}`))
	const want = `last_updated: is "now"; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// entries is n members of an object, without the braces.
func entries(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%d":null`, i)
	}
	return b.String()
}

func nulls(n int) string { return strings.TrimSuffix(strings.Repeat("null,", n), ",") }

func zeros(n int) string { return strings.TrimSuffix(strings.Repeat("0,", n), ",") }
