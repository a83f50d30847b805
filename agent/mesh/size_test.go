package mesh

import (
	"testing"

	"github.com/netchecker/netchecker/pkg/report"
)

// longRunning are the sessions with both agents of 8 peers, and with the other agent of the
// own node, that have run for a week, in a cluster so small that they never change. Where
// it is troubled, 1% is lost.
func longRunning(families int, troubled bool) (list []report.Session) {
	const seconds = 7 * 24 * 3600
	for i := range 17 * families {
		s := report.Session{
			ID: uint64(i + 1), Peer: report.MaxID - uint64(i), Host: i%2 == 1, Six: i >= 17, Began: 15_000 + uint64(i),
			Sent: seconds / uint64(families), Refused: 12, Suspect: 40, Forward: 31, Back: 28,
			Shortest: 120 + uint64(i), Longest: 48_312, RoundTrips: seconds / uint64(families) * 310,
			Dialed: seconds / 5, DialRefused: 2, DialLost: 11, Dials: seconds / 5 * 420,
			MTU: 1450, Sized: seconds / 10, Resized: 4, There: 1450, Here: 1450,
		}
		if troubled {
			s.Open, s.Forward, s.Back, s.Silent = 1, seconds/200, seconds/200, 12_000
		}
		list = append(list, s)
	}
	return list
}

func TestTheSessionsOfEightPeersTakeTwoKiB(t *testing.T) {
	size := func(list []report.Session) int {
		empty := len(report.AppendMesh(nil, &report.Mesh{}))
		return len(report.AppendMesh(nil, &report.Mesh{Sessions: report.SessionsOf(list...)})) - empty
	}
	for _, row := range []struct {
		name string
		list []report.Session
		most int
	}{
		{"one family, for a week", longRunning(1, false), 2 << 10},
		{"two families, for a week", longRunning(2, false), 4 << 10},
		{"one family, troubled", longRunning(1, true), 3 << 10},
	} {
		got := size(row.list)
		t.Logf("%s: %d bytes, packed %d", row.name, got, report.SessionsOf(row.list...).Size())
		if got > row.most {
			t.Errorf("%s: %d bytes; want %d at most", row.name, got, row.most)
		}
	}
}
