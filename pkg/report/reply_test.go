package report_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

// reply is what fullReply is written as.
const reply = `{"news":{"mesh":{"version":"17","data":{"peers": [ "a" ]}},"checks":{"version":"","data":0.50},"ways":{"version":"1","data":null}}}`

func fullReply() report.Reply {
	return report.Reply{News: []report.News{
		{Topic: "mesh", Version: "17", Data: []byte(`{"peers": [ "a" ]}`)},
		{Topic: "checks", Data: []byte(`0.50`)},
		{Topic: "ways", Version: "1"},
	}}
}

func TestReplyIsReadBackWithItsDataAsItWasWritten(t *testing.T) {
	want := fullReply()
	if got := string(report.AppendReply([]byte("before "), &want)); got != "before "+reply {
		t.Errorf("got  %s\nwant before %s", got, reply)
	}
	got, err := report.DecodeReply([]byte(reply))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestReplyWithoutNewsHasNoBytes(t *testing.T) {
	if got := report.AppendReply(nil, &report.Reply{}); len(got) != 0 {
		t.Errorf("got %s", got)
	}
}

func TestReplyIsReadAsReportsAre(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want []report.News
	}{
		"an empty body":                  {"", nil},
		"white space alone":              {" \r\n", nil},
		"an object without news":         {`{}`, nil},
		"news that are null":             {`{"news":null}`, nil},
		"no news":                        {`{"news":{}}`, nil},
		"keys in any case, unknown ones": {`{"later":[],"NEWS":{"a":{"more":{},"DATA": [1] ,"Version":"1"}}}`, []report.News{{Topic: "a", Version: "1", Data: []byte(`[1]`)}}},
		"null within":                    {`{"news":{"a":null,"b":{"version":null,"data":null}}}`, []report.News{{Topic: "a"}, {Topic: "b"}}},
		"the last of a repeated topic, as a whole": {
			`{"news":{"a":{"version":"1","data":1},"b":{"version":"2"},"a":{"data":3}}}`,
			[]report.News{{Topic: "a", Data: []byte(`3`)}, {Topic: "b", Version: "2"}},
		},
		"the deepest data": {
			`{"news":{"a":{"data":` + strings.Repeat("[", 29) + strings.Repeat("]", 29) + `}}}`,
			[]report.News{{Topic: "a", Data: []byte(strings.Repeat("[", 29) + strings.Repeat("]", 29))}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := report.DecodeReply([]byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.News, tc.want) {
				t.Errorf("got  %#v\nwant %#v", got.News, tc.want)
			}
		})
	}
}

func TestReplyOfTheWrongShapeIsRefusedByField(t *testing.T) {
	const label = `; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`
	for body, want := range map[string]string{
		`ok`:                                   `body: found 'o' at byte 0, where an object should be`,
		`<html>`:                               `body: found '<' at byte 0, where an object should be`,
		`{"news":[]}`:                          `news: found an array at byte 8, where an object should be`,
		`{"news":{"mesh":17}}`:                 `news["mesh"]: found a number at byte 16, where an object should be`,
		`{"news":{"mesh":{"version":17}}}`:     `news["mesh"].version: found a number at byte 27, where a string should be`,
		`{"news":{"mesh":{"data":}}}`:          `news["mesh"].data: found '}' at byte 24, where a value should be`,
		`{"news":{"mesh":{"data":nul}}}`:       `news["mesh"].data: found 'n' at byte 24, where a value should be`,
		`{"news":{"mesh":{"data":[1,]}}}`:      `news["mesh"].data: found ']' at byte 27, where a value should be`,
		`{"news":{"mesh":{"other":x}}}`:        `news["mesh"]["other"]: found 'x' at byte 25, where a value should be`,
		`{"news":{"":{}}}`:                     `news[""]: is no topic` + label,
		`{"news":{"../mesh":{"version":"1"}}}`: `news["../mesh"]: is no topic` + label,
		`{"news":{"mesh":{"version":"` + strings.Repeat("v", 65) + `"}}}`: `news["mesh"].version: is too long; it should have at most 64 bytes`,
		`{"news":{` + news(17) + `}}`:                                     `news: has too many entries; it should have at most 16`,
		`{"news":{"a":{"data":` + strings.Repeat("[", 30):                 `news["a"].data: is nested more than 32 deep`,
		strings.Repeat(" ", report.MaxReply+1):                            `body: has 65537 bytes; it should have at most 65536`,
	} {
		got, err := report.DecodeReply([]byte(body))
		refused(t, body, err, want)
		if got.News != nil {
			t.Errorf("DecodeReply(%.60q) gives news beside the error: %#v", body, got)
		}
	}
}

// news is n members of the object of news, without the braces.
func news(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"topic-%d":{"version":"1","data":{}}`, i))
	}
	return strings.Join(all, ",")
}

func TestDecodedReplySharesNoMemoryWithItsBytes(t *testing.T) {
	data := []byte(reply)
	got, err := report.DecodeReply(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if want := fullReply(); !reflect.DeepEqual(got, want) {
		t.Errorf("after the bytes were overwritten: got %#v, want %#v", got, want)
	}
}
