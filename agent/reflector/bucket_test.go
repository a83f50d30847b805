package reflector

import (
	"testing"
	"time"
)

func TestAPaceRestsUntilItsSlotIsOver(t *testing.T) {
	p := pace{most: 3}
	now := time.Now()
	for i, row := range []struct{ after, want time.Duration }{
		{0, 0},
		{30 * time.Millisecond, 0},
		{40 * time.Millisecond, 60 * time.Millisecond},
		{slot, 0},
		{2 * slot, 0},
		{2 * slot, 0},
		{2 * slot, slot},
	} {
		if got := p.rest(now.Add(row.after)); got != row.want {
			t.Errorf("%d: rests %v; want %v", i, got, row.want)
		}
	}
}
