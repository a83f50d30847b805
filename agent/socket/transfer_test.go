package socket

import (
	"testing"
	"time"
)

func TestTheTimeThatSomethingCameIsTrueWhateverTheWallClockDoes(t *testing.T) {
	now := time.Now()
	looked := now.Add(-100 * time.Millisecond)
	for _, row := range []struct {
		name       string
		wall, want time.Duration // before now
	}{
		{"just so", 30 * time.Millisecond, 30 * time.Millisecond},
		{"at once", 0, 0},
		{"the clock was set back", -time.Hour, 0},
		{"the clock was set forward", time.Hour, 100 * time.Millisecond},
	} {
		got := between(looked, now.Add(-row.wall).Round(0), now)
		if before := now.Sub(got); before != row.want {
			t.Errorf("%s: it came %v before; want %v", row.name, before, row.want)
		}
	}
}
