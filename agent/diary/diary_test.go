package diary_test

import (
	"testing"
	"time"

	"github.com/netchecker/netchecker/agent/diary"
)

func TestChangesAreTheBeginTheReasonAndTheEndOfAFailure(t *testing.T) {
	d := make(diary.Diary)
	begun := time.Now()
	for second, c := range []struct {
		name, reason string
		want         diary.Change
		took         time.Duration
	}{
		{"a", "", diary.Well, 0},
		{"a", "", diary.Same, 0},
		{"a", "refused", diary.Fails, 0},
		{"a", "refused", diary.Same, 0},
		{"b", "refused", diary.Fails, 0}, // another thing, which begins with a failure
		{"a", "silent", diary.Fails, 0},  // for another reason
		{"a", "", diary.Again, 4 * time.Second},
		{"a", "", diary.Same, 0},
		{"b", "", diary.Again, 4 * time.Second},
		{"a", "refused", diary.Fails, 0},
		{"a", "", diary.Again, time.Second},
	} {
		got, took := d.Note(c.name, c.reason, begun.Add(time.Duration(second)*time.Second))
		if got != c.want || took != c.took {
			t.Errorf("%d: %s %q is change %d after %v, want %d after %v", second, c.name, c.reason, got, took, c.want, c.took)
		}
	}
}
