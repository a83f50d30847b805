package datagram_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/datagram"
)

func full() datagram.Datagram {
	return datagram.Datagram{
		Kind: datagram.Question, Reply: 1472, Session: 1, Sequence: 2, Boot: 0x0123456789abcdef, From: 1<<48 - 1,
		More: 29, Unanswered: 3, Received: 4, Took: 5 * time.Microsecond, MTU: 1500,
	}
}

func TestADatagramIsReadBackAsItWasWritten(t *testing.T) {
	for _, row := range []struct {
		name       string
		kind       datagram.Kind
		size, want int
	}{
		{"a question", datagram.Question, 1472, 1472},
		{"an answer", datagram.Answer, 0, datagram.Size},
		{"not me", datagram.NotMe, datagram.Size, datagram.Size},
		{"leaving", datagram.Leaving, 100, 100},
		{"too large", datagram.TooLarge, 0, datagram.Size},
	} {
		d := full()
		d.Kind = row.kind
		data := datagram.Append([]byte("before"), &d, row.size)[len("before"):]
		if back, ok := datagram.Parse(data); !ok || len(data) != row.want || !reflect.DeepEqual(back, d) {
			t.Errorf("%s of %d bytes: read %+v, %v; want %+v in %d", row.name, len(data), back, ok, d, row.want)
		}
	}
}

func TestWhatIsNoDatagramIsNotRead(t *testing.T) {
	d := full()
	good := datagram.Append(nil, &d, 1472)
	for name, change := range map[string]func([]byte) []byte{
		"empty":                              func([]byte) []byte { return nil },
		"too short":                          func(b []byte) []byte { return b[:datagram.Size-1] },
		"of another protocol":                func(b []byte) []byte { b[0] = 'X'; return b },
		"of another version":                 func(b []byte) []byte { b[3]++; return b },
		"of no kind":                         func(b []byte) []byte { b[4] = 0; return b },
		"of an unknown kind":                 func(b []byte) []byte { b[4] = byte(datagram.TooLarge) + 1; return b },
		"asking for more than itself":        func(b []byte) []byte { return b[:1471] },
		"asking for less than an answer has": func(b []byte) []byte { b[6], b[7] = 0, datagram.Size-1; return b },
	} {
		if got, ok := datagram.Parse(change(append([]byte(nil), good...))); ok {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func TestAQuestionIsReadWithoutItsPaddingWhereItIsQuoted(t *testing.T) {
	want := full()
	quote := datagram.Append(nil, &want, 1472)[:datagram.Size]
	if got, ok := datagram.Quoted(quote); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v; want %+v", got, ok, want)
	}
	if got, ok := datagram.Quoted(quote[:datagram.Size-1]); ok {
		t.Errorf("read of too little: %+v", got)
	}
}

// FuzzParse holds that no bytes make Parse panic, and that what it reads can be written
// again.
func FuzzParse(f *testing.F) {
	d := full()
	f.Add(datagram.Append(nil, &d, 1472))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ok := datagram.Parse(data)
		if !ok {
			return
		}
		if back, ok := datagram.Parse(datagram.Append(nil, &d, len(data))); !ok || !reflect.DeepEqual(back, d) {
			t.Errorf("%x: read %+v, then %+v, %v", data, d, back, ok)
		}
	})
}
