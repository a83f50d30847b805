package report_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// TestHostileBodiesCostBoundedMemory decodes bodies of 1 MiB, each made to cost
// as much as it can. Most that is allocated in all, garbage included, is 4 MiB.
func TestHostileBodiesCostBoundedMemory(t *testing.T) {
	const size, most = 1 << 20, 4 << 20
	probes := `"network_probes":[` + strings.TrimSuffix(strings.Repeat("{},", 256), ",") + `],`
	for name, body := range map[string]string{
		"map entries":                   `{"ips":{` + entries(80_000) + `}}`,
		"maps, again and again":         `{` + fill(size, `"ips":{`+entries(1000)+`},`) + `"a":0}`,
		"one map entry again and again": `{"ips":{` + fill(size, `"a":[null,null,null,null],`) + `"a":[]}}`,
		"empty maps":                    `{` + fill(size, `"ips":{},`) + `"a":0}`,
		"list elements":                 `{"addresses":[` + nulls(200_000) + `]}`,
		"lists, again and again":        `{` + fill(size, `"addresses":[`+nulls(256)+`],`) + `"a":0}`,
		"probes, again and again":       `{` + fill(size, probes) + `"a":0}`,
		"unknown keys":                  `{` + fill(size, `"k":0,`) + `"a":0}`,
		"unknown keys of a probe":       `{"network_probes":[{` + fill(size, `"k":0,`) + `"a":0}]}`,
		"escaped unknown keys":          `{` + fill(size, `"\u0000":0,`) + `"a":0}`,
		"deep nesting":                  `{"a":` + fill(size, "["),
		"a giant string":                `{"podname":"` + fill(size, "x") + `"}`,
		"a giant escaped string":        `{"podname":"` + fill(size, `\n`) + `"}`,
		"a giant string without UTF-8":  `{"podname":"` + fill(size, "\xff") + `"}`,
		"a giant key":                   `{"` + fill(size, `\n`) + `":x}`,
		"a giant key of a map":          `{"ips":{"` + fill(size, "\xff") + `":[]}}`,
		"a giant time":                  `{"hostdate":"` + fill(size, "2") + `"}`,
		"a giant number":                `{"uptime":` + fill(size, "9") + `}`,
		"giant padding of no zeros":     `{"zero_extender":[` + fill(size, "1.5e3,") + `"no"]}`,
		"strings, again and again":      `{` + fill(size, `"podname":"`+strings.Repeat("x", 2048)+`",`) + `"a":0}`,
		"escaped strings of all sizes":  `{"ips":{"a":[` + fill(size, `"`+strings.Repeat(`\n`, 2048)+`",`) + `""]}}`,
		"times with offsets":            `{` + fill(size, `"hostdate":"2017-11-30T14:54:19+05:45",`) + `"a":0}`,
		"topics, again and again":       `{` + fill(size, `"understands":{"a":"","b":"","c":""},`) + `"a":0}`,
		"disruptions, again and again":  `{` + fill(size, `"disruption":{"open":[`+nulls(report.MaxOpen)+`]},`) + `"a":0}`,
		"meshes, again and again":       `{` + fill(size, `"mesh":{"sessions":[`+strings.TrimSuffix(strings.Repeat("[9223372036854775807],", report.MaxSessions), ",")+`]},`) + `"a":0}`,
		"rows of no columns":            `{` + fill(size, `"mesh":{"sessions":[`+strings.TrimSuffix(strings.Repeat("[],", report.MaxSessions), ",")+`],"heard":[`+nulls(report.MaxHeard)+`]},`) + `"a":0}`,
		"unknown columns":               `{"mesh":{"sessions":[[` + fill(size, "0,") + `0]]}}`,
		"deliveries, again and again":   `{` + fill(size, `"delivery":{"lookup_error":"no such host"},`) + `"a":0}`,
	} {
		data := []byte(body)
		var err error
		if got := allocated(func() { _, err = report.Decode(data) }); got > most {
			t.Errorf("%s: %d bytes of body allocate %d, error %v", name, len(data), got, err)
		}
	}
}

// TestHostileMessagesAndRepliesCostBoundedMemory is the same for what travels
// beside reports; a reply is at most 64 KiB.
func TestHostileMessagesAndRepliesCostBoundedMemory(t *testing.T) {
	const size, most = 1 << 20, 4 << 20
	body := `"body":` + objectOf(report.MaxBody) + `,`
	for name, data := range map[string]string{
		"a giant body":            `{"body":` + objectOf(size) + `}`,
		"a body, again and again": `{` + fill(size, body) + `"a":0}`,
		"small bodies":            `{` + fill(size, `"body":{},`) + `"a":0}`,
		"deep nesting":            `{"body":` + fill(size, `{"":`),
	} {
		bytes := []byte(data)
		if got := allocated(func() { _, _ = report.DecodeMessage(bytes) }); got > most {
			t.Errorf("message, %s: %d bytes allocate %d", name, len(data), got)
		}
	}
	for name, data := range map[string]string{
		"small news":            `{"news":{` + fill(report.MaxReply-100, `"a":{"data":0},`) + `"a":{}}}`,
		"data, again and again": `{"news":{"a":{` + fill(report.MaxReply-100, `"data":[],`) + `"data":0}}}`,
		"a giant topic":         `{"news":{"` + fill(report.MaxReply-100, `\n`) + `":{}}}`,
	} {
		bytes := []byte(data)
		if got := allocated(func() { _, _ = report.DecodeReply(bytes) }); got > 4*report.MaxReply {
			t.Errorf("reply, %s: %d bytes allocate %d", name, len(data), got)
		}
	}
}

// fill repeats part up to size bytes.
func fill(size int, part string) string { return strings.Repeat(part, size/len(part)) }

// allocated is the fewest bytes that three runs of f allocate: other goroutines
// of the test process count too.
func allocated(f func()) uint64 {
	var least uint64
	for i := range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; i == 0 || n < least {
			least = n
		}
	}
	return least
}

func TestDecodeBuildsNoPadding(t *testing.T) {
	r := originalReport()
	allocs := func(padding int) float64 {
		body := report.Append(nil, &r, padding)
		return testing.AllocsPerRun(100, func() {
			if _, err := report.Decode(body); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocs(0), allocs(100_000); many != few || few > 15 {
		t.Errorf("%v allocations without padding, %v with much; should be the same, and at most 15", few, many)
	}
}

func benchmarkBody(b *testing.B) []byte {
	r := originalReport()
	body := report.Append(nil, &r, 1500)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	return body
}

func BenchmarkDecode(b *testing.B) {
	body := benchmarkBody(b)
	for b.Loop() {
		if _, err := report.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEncodingJSON(b *testing.B) {
	body := benchmarkBody(b)
	for b.Loop() {
		if _, err := decodePlainly[int8](body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodePadding shows in MB/s how fast padding is passed over.
func BenchmarkDecodePadding(b *testing.B) {
	body := fmt.Appendf(nil, `{"zero_extender":[%s]}`, zeros(1<<16))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := report.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

// meshing is what an agent of a large cluster says, of 17 sessions.
func meshing() report.Record {
	r := fullRecord()
	r.UID, r.BootID, r.Booted = "2a9a1c6e-95f5-4cb4-a4f5-0f6a8f2f9d11", "00c0ffee00c0ffee", r.LastUpdated
	sessions := make([]report.Session, 17)
	for i := range sessions {
		sessions[i] = report.Session{
			ID: uint64(i + 1), Peer: report.MaxID / uint64(i+1), Began: 3_600_000, Sent: 3600, Open: 1, Back: 2,
			RoundTrips: 900_000, Shortest: 90, Longest: 9000, Dialed: 360, Dials: 108_000, MTU: 1450, Sized: 120, There: 1450, Here: 1450,
		}
	}
	r.Mesh = &report.Mesh{AsOf: time.Hour, Conntrack: 812, ConntrackMax: 262144, Sessions: report.SessionsOf(sessions...)}
	return r
}

// bothRecords are an earlier agent's and one with a life.
func bothRecords() map[string]report.Record {
	return map[string]report.Record{"earlier": fullRecord(), "meshing": meshing()}
}

func BenchmarkDecodeRecord(b *testing.B) {
	for name, r := range bothRecords() {
		b.Run(name, func(b *testing.B) {
			stored, life := report.AppendRecord(nil, &r), report.AppendLife(nil, &r)
			b.SetBytes(int64(len(stored) + len(life)))
			b.ReportAllocs()
			for b.Loop() {
				got, err := report.DecodeRecord(stored)
				if err != nil {
					b.Fatal(err)
				}
				if r.Mesh == nil {
					continue // then none is stored
				}
				beside, err := report.DecodeLife(life)
				if err != nil {
					b.Fatal(err)
				}
				got.Join(&beside)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	r := fullRecord()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = report.Append(buf[:0], &r.Report, 1500)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkAppendRecord(b *testing.B) {
	for name, r := range bothRecords() {
		b.Run(name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				if buf = report.AppendRecord(buf[:0], &r); r.Mesh != nil {
					buf = report.AppendLife(buf, &r)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

// BenchmarkAppendShown10000 makes an answer of 10,000 records.
func BenchmarkAppendShown10000(b *testing.B) {
	r := tellingRecord()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for range 10_000 {
			buf = report.AppendShown(buf, &r)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeMessage(b *testing.B) {
	data := []byte(message)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := report.DecodeMessage(data); err != nil {
			b.Fatal(err)
		}
	}
}
