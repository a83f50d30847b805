package collect

import (
	"encoding/hex"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func TestBootIDIsDrawnAnewByEachLife(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewBoot().ID
		r := report.Report{ReportInterval: 1, PodName: "p", BootID: id}
		if b, err := hex.DecodeString(id); err != nil || len(b) != 8 || seen[id] || r.Validate() != nil {
			t.Fatalf("got %q", id)
		}
		seen[id] = true
	}
}

func TestClockCountsFromTheBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boot := NewBoot()
		if got := boot.Clock(); got != 0 {
			t.Errorf("at first it shows %v", got)
		}
		time.Sleep(90 * time.Minute)
		if got := boot.Clock(); got != 90*time.Minute {
			t.Errorf("after 90 minutes it shows %v", got)
		}
	})
}
