package report

import "testing"

// FuzzPlainRow holds that what is read as a plain row is read as any row is.
func FuzzPlainRow(f *testing.F) {
	for _, row := range []string{
		`[1,2,0,1,60000,30]`, `[0]`, `[]`, `[1,2,2]`, `[1, 2]`, ` [1],[2]`, `[01]`, `[1.0]`, `[1e2]`, `[-1]`, `[null]`, `[[1]]`, `[1`, `[1,`, `[1,]`,
		`[999999999999999999]`, `[9223372036854775807]`, `[9223372036854775808]`, `[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]`,
	} {
		f.Add([]byte(row), 0)
	}
	f.Add([]byte(`[1]`), maxDepth)
	f.Fuzz(func(t *testing.T, data []byte, depth int) {
		plain, any := decoder{scanner: scanner{data: data, depth: depth}}, decoder{scanner: scanner{data: data, depth: depth}}
		var got, want [columns]uint64
		if !plain.plainRow(&got) {
			return
		}
		if err := any.readRow(&want); err != nil || got != want || plain.pos != any.pos || plain.depth != any.depth {
			t.Errorf("%q at depth %d: %v up to byte %d; want %v up to %d, %v", data, depth, got, plain.pos, want, any.pos, err)
		}
	})
}

// What agents and servers write is read as plain rows, or that they are fast says nothing.
func TestWhatIsWrittenIsPlain(t *testing.T) {
	s := SessionsOf(Session{ID: 1, Peer: 1<<48 - 1, Host: true, Sent: 30, MTU: 1500})
	d := decoder{scanner: scanner{data: appendSessions(nil, s)[1:]}}
	var row [columns]uint64
	if !d.plainRow(&row) || row[0] != 1 || row[2] != 1 {
		t.Errorf("%s is no plain row: %v", d.data, row)
	}
}
