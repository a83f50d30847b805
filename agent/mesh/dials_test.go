package mesh

import (
	"fmt"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestAConnectionThatFailedIsTriedAgainAfterASecondUntilThreeInARowDid(t *testing.T) {
	var d dials
	for i, row := range []struct {
		outcome dialOutcome
		suspect bool
		pause   time.Duration
		want    string // dialed refused lost mute run
	}{
		{dialWell, false, 5 * time.Second, "1 0 0 0 0"},
		{dialLost, false, time.Second, "2 0 1 0 1"},
		{dialRefused, false, time.Second, "3 1 1 0 2"},
		{dialMute, false, 5 * time.Second, "4 1 1 1 3"},
		{dialLost, false, 5 * time.Second, "5 1 2 1 4"},
		{dialLost, true, time.Second, "5 1 2 1 4"},
		{dialWell, true, 5 * time.Second, "6 1 2 1 0"},
		{dialMute, false, time.Second, "7 1 2 2 1"},
	} {
		now := seconds(i * 10)
		d.done(row.outcome, 3*time.Millisecond, now, row.suspect)
		var s report.Session
		d.columns(&s)
		if got := fmt.Sprint(s.Dialed, s.DialRefused, s.DialLost, s.DialMute, s.DialRun); got != row.want || d.due-now != row.pause {
			t.Errorf("%d: %s, the next after %v; want %s, %v", i, got, d.due-now, row.want, row.pause)
		}
	}
	if d.sum != 6000 {
		t.Errorf("those that were well took %d µs", d.sum)
	}
}
