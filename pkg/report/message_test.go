package report_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// message is what fullMessage is written as.
const message = `{"podname":"netchecker-agent-x","nodename":"n1","namespace":"kube-system","pod_uid":"2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11",` +
	`"boot_id":"00c0ffee00c0ffee","clock_ms":90005,"number":7,"body":{"open":[1, 2.50]}}`

func fullMessage() report.Message {
	return report.Message{
		PodName: "netchecker-agent-x", NodeName: "n1", Namespace: "kube-system",
		UID: "2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11", BootID: "00c0ffee00c0ffee",
		Clock: 90*time.Second + 5*time.Millisecond, Number: 7, Body: []byte(`{"open":[1, 2.50]}`),
	}
}

func TestMessageIsReadBackWithItsBodyAsItWasWritten(t *testing.T) {
	full := fullMessage()
	for name, tc := range map[string]struct {
		message report.Message
		written string
	}{
		"all that there is to tell": {full, message},
		"only what is required": {
			report.Message{PodName: "p", BootID: "00c0ffee00c0ffee", Number: 1, Body: []byte(`{}`)},
			`{"podname":"p","boot_id":"00c0ffee00c0ffee","clock_ms":0,"number":1,"body":{}}`,
		},
		"a body with white space, escapes, a repeated key and bytes that are no UTF-8": {
			report.Message{PodName: "p", BootID: "00c0ffee00c0ffee", Number: 1, Body: []byte("{ \"a\":\t1e+2 ,\n\"\\u0061\":\"\xff\" }")},
			`{"podname":"p","boot_id":"00c0ffee00c0ffee","clock_ms":0,"number":1,"body":` + "{ \"a\":\t1e+2 ,\n\"\\u0061\":\"\xff\" }" + `}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(report.AppendMessage([]byte("before "), &tc.message)); got != "before "+tc.written {
				t.Errorf("got  %s\nwant before %s", got, tc.written)
			}
			got, err := report.DecodeMessage([]byte(tc.written))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.message) {
				t.Errorf("got  %#v\nwant %#v", got, tc.message)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMessageIsReadAsReportsAre(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want report.Message
	}{
		"keys in any case and order, unknown ones, white space around the body": {
			`{"Body" : {"a":0} , "BOOT_ID":"b","number":2,"later":[{}],"PodName":"p"}`,
			report.Message{PodName: "p", BootID: "b", Number: 2, Body: []byte(`{"a":0}`)},
		},
		"null for each field": {
			`{"podname":null,"nodename":null,"namespace":null,"pod_uid":null,"boot_id":null,"clock_ms":null,"number":null,"body":null}`,
			report.Message{},
		},
		"the last of a repeated key, as a whole": {
			`{"number":1,"number":2,"body":{"a":1},"body":{"b":2}}`, report.Message{Number: 2, Body: []byte(`{"b":2}`)},
		},
		"the largest body": {
			`{"body":` + objectOf(report.MaxBody) + `}`, report.Message{Body: []byte(objectOf(report.MaxBody))},
		},
		"the deepest body": {
			`{"body":` + strings.Repeat(`{"a":`, 31) + `0` + strings.Repeat(`}`, 31) + `}`,
			report.Message{Body: []byte(strings.Repeat(`{"a":`, 31) + `0` + strings.Repeat(`}`, 31))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := report.DecodeMessage([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %#v\nwant %#v", got, tc.want)
			}
		})
	}
}

// objectOf is a JSON object of size bytes.
func objectOf(size int) string { return `{"a":"` + strings.Repeat("x", size-8) + `"}` }

func TestMessageOfTheWrongShapeIsRefusedByField(t *testing.T) {
	for body, want := range map[string]string{
		``:                       `body: is empty; it should be a JSON object`,
		`[]`:                     `body: found an array at byte 0, where an object should be`,
		`{"number":7}{}`:         `body: found an object at byte 12, where the end of the JSON should be`,
		`{"number":-1}`:          `number: is -1; it should be a whole number from 0 to 18446744073709551615`,
		`{"number":1.5}`:         `number: is 1.5; it should be a whole number from 0 to 18446744073709551615`,
		`{"clock_ms":-1}`:        `clock_ms: is -1; it should be a whole number from 0 to 3153600000000`,
		`{"boot_id":7}`:          `boot_id: found a number at byte 11, where a string should be`,
		`{"body":[]}`:            `body: found an array at byte 8, where an object should be`,
		`{"body":"{}"}`:          `body: found a string at byte 8, where an object should be`,
		`{"body":{"a":1,}}`:      `body: found '}' at byte 15, where a key in double quotes should be`,
		`{"body":{"a":tru}}`:     `body: found 't' at byte 13, where a value should be`,
		`{"body":{"a":01}}`:      `body: found a number at byte 14, where a comma or the end of the object should be`,
		`{"body":{"a":"\x"}}`:    `body: unknown escape sequence in a string at byte 14`,
		"{\"body\":{\"a\n\":1}}": `body: control character 0x0a in a string at byte 11; it should be escaped`,
		`{"body":{"a":[1,2}}`:    `body: found '}' at byte 17, where a comma or the end of the array should be`,
		`{"body":{"a":1}`:        `body: the JSON ends at byte 15, where a comma or the end of the object should be`,
		`{"body":` + objectOf(report.MaxBody+1) + `}`:                                  `body: has 16385 bytes; it should have at most 16384`,
		`{"body":` + strings.Repeat(`{"a":`, 32) + `0` + strings.Repeat(`}`, 32) + `}`: `body: is nested more than 32 deep`,
		`{"body":{"a":` + strings.Repeat(`[`, 1e5) + `}`:                               `body: is nested more than 32 deep`,
		`{` + strings.Repeat(`"a":0,`, 1e5) + `"a":0}`:                                 `["a"]: is one too many; there should be at most 16384 keys, entries, values and probes together`,
		`{"podname":"` + strings.Repeat("x", report.MaxString+1) + `"}`:                `podname: is too long; it should have at most 2048 bytes`,
		`{"` + strings.Repeat("k", 50) + `":x}`:                                        `["` + strings.Repeat("k", 40) + `…"]: found 'x' at byte 54, where a value should be`,
	} {
		got, err := report.DecodeMessage([]byte(body))
		refused(t, body, err, want)
		if !reflect.DeepEqual(got, report.Message{}) {
			t.Errorf("DecodeMessage(%.60q) gives parts of a message beside the error: %#v", body, got)
		}
	}
}

// refused holds that err is a FieldError about body that says want.
func refused(t *testing.T, body string, err error, want string) {
	t.Helper()
	var field *report.FieldError
	if !errors.As(err, &field) || err.Error() != want {
		t.Errorf("%.60q:\ngot  %v\nwant %s", body, err, want)
	}
}

func TestValidateSaysWhichFieldOfAMessageIsWrong(t *testing.T) {
	const label = `; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`
	const subdomain = `; it should be a DNS-1123 subdomain: at most 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit`
	for want, change := range map[string]func(*report.Message){
		`podname: is missing; it should be the name of the agent's pod`:                   func(m *report.Message) { m.PodName = "" },
		`podname: is "../p"` + subdomain:                                                  func(m *report.Message) { m.PodName = "../p" },
		`nodename: is "node 1"` + subdomain:                                               func(m *report.Message) { m.NodeName = "node 1" },
		`namespace: is "a.b"` + label:                                                     func(m *report.Message) { m.Namespace = "a.b" },
		`pod_uid: is "/"; it should be the pod's UID: at most 64 letters, digits and '-'`: func(m *report.Message) { m.UID = "/" },
		`boot_id: is missing; it should be what the agent drew as it started`:             func(m *report.Message) { m.BootID = "" },
		`boot_id: is not what it should be: 16 lower-case hexadecimal digits`:             func(m *report.Message) { m.BootID = "7" },
		`clock_ms: is -1; it should be a whole number from 0 to 3153600000000`:            func(m *report.Message) { m.Clock = -time.Millisecond },
		`number: is missing; it should be the message's number, from 1`:                   func(m *report.Message) { m.Number = 0 },
		`via: is "bus"; it should be "server" or "node", or be left out`:                  func(m *report.Message) { m.Via = "bus" },
		`body: is missing; it should be a JSON object`:                                    func(m *report.Message) { m.Body = nil },
		`body: has 16385 bytes; it should have at most 16384`:                             func(m *report.Message) { m.Body = []byte(objectOf(report.MaxBody + 1)) },
	} {
		m := fullMessage()
		change(&m)
		refused(t, want, m.Validate(), want)
	}
}

func TestDecodedMessageSharesNoMemoryWithItsBytes(t *testing.T) {
	data := []byte(message)
	got, err := report.DecodeMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if want := fullMessage(); !reflect.DeepEqual(got, want) {
		t.Errorf("after the bytes were overwritten: got %#v, want %#v", got, want)
	}
}
