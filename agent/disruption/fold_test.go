package disruption

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// told is an interval as "Error refused 2-5", its end left out while it is open, and
// what it counts at the end.
func told(i report.Interval, open bool) string {
	text := strings.TrimSpace(string(i.Level)+" "+i.Message) + fmt.Sprintf(" %v-", i.From.Seconds())
	if !open {
		text += fmt.Sprint(i.To.Seconds())
	}
	if i.Changes > 0 {
		text += fmt.Sprintf(" %d changes, failed %v", i.Changes, i.Failed.Seconds())
	}
	return text
}

// samples are made of words, one a second: "ok", "-" for none, "dns" for one that could
// not be asked, and what went wrong. Each ends 0.25 s after its start.
func samples(words string) []Sample {
	var all []Sample
	for second, word := range strings.Fields(words) {
		start := time.Duration(second) * time.Second
		s := Sample{Start: start, End: start + 250*time.Millisecond, Level: report.Error, Message: word}
		switch word {
		case "-":
			continue
		case "ok":
			s.Level, s.Message = report.Info, ""
		case "dns":
			s.Level = report.Warning
		}
		all = append(all, s)
	}
	return all
}

func times(n int, words string) string { return strings.Repeat(words+" ", n) }

func TestSamplesAreFoldedIntoIntervals(t *testing.T) {
	for _, row := range []struct {
		name, words string
		earlier     int // intervals that were over before those of interest
		over        []string
		open        string
		disrupted   float64
	}{
		{"a first sample that is good opens Info", "ok ok ok", 0, nil, "Info 0-", 0},
		{"a first sample that fails opens an Error", "refused", 0, nil, "Error refused 0-", 0},
		{"good, then failing", "ok ok refused refused", 0, []string{"Info 0-2"}, "Error refused 2-", 1},
		{"an Error ends with the first good sample", "ok refused refused ok ok", 0, []string{"Info 0-1", "Error refused 1-3"}, "Info 3-", 2},
		{"the same error goes on", "refused refused refused", 0, nil, "Error refused 0-", 2},
		{"another error is contiguous", "ok 503 503 refused ok", 0, []string{"Info 0-1", "Error 503 1-3", "Error refused 3-4"}, "Info 4-", 3},
		{"a lookup that nobody answers is a Warning, and no disruption", "ok dns dns ok", 0, []string{"Info 0-1", "Warning dns 1-3"}, "Info 3-", 0},
		{"an Error that becomes a Warning", "refused dns ok", 0, []string{"Error refused 0-1", "Warning dns 1-2"}, "Info 2-", 1},
		{"three intervals without a sample are none", "ok - - ok", 0, nil, "Info 0-", 0},
		{"a longer gap is covered by nothing", "ok ok - - - ok", 0, []string{"Info 0-1.25"}, "Info 5-", 0},
		{"a gap in an Error is not counted", "refused refused - - - - refused", 0, []string{"Error refused 0-1.25"}, "Error refused 6-", 1.25},
		{"ten changes in 60 s are not flapping", times(5, "ok refused") + "ok",
			10, nil, "Info 10-", 5},
		{"the 11th is", times(6, "ok refused"),
			11, nil, "Error flapping 11- 1 changes, failed 0", 5},
		{"it counts its changes, and the time that failed", times(6, "ok refused") + "refused ok ok refused ok",
			11, nil, "Error flapping 11- 4 changes, failed 3", 8},
		{"11 changes in more than 60 s are not", times(5, "ok ok ok ok ok ok refused refused refused refused refused refused") + "ok ok ok ok ok ok refused",
			11, nil, "Error refused 66-", 30},
		{"59 s of quiet go on flapping", times(6, "ok refused") + "ok " + times(59, "ok"),
			11, nil, "Error flapping 11- 2 changes, failed 1", 6},
		{"60 s of quiet end it with the last change", times(6, "ok refused") + "ok " + times(60, "ok"),
			11, []string{"Error flapping 11-12 2 changes, failed 1"}, "Info 12-", 6},
		{"so they do when it is the Error that stays", times(6, "ok refused") + "ok refused " + times(60, "refused"),
			11, []string{"Error flapping 11-13 3 changes, failed 1"}, "Error refused 13-", 66},
		{"a change after them begins an interval of its own", times(6, "ok refused") + "ok " + times(59, "ok") + "refused",
			11, []string{"Error flapping 11-12 2 changes, failed 1", "Info 12-72"}, "Error refused 72-", 6},
		{"flapping that never changes again was none", times(6, "ok refused") + times(60, "refused"),
			11, nil, "Error refused 11-", 65},
		{"flapping lookups are a Warning", times(6, "ok dns") + "ok",
			11, nil, "Warning flapping 11- 2 changes, failed 0", 0},
		{"until the backend itself fails", times(6, "ok dns") + "ok refused ok",
			11, nil, "Error flapping 11- 4 changes, failed 1", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := fold{gap: 3 * time.Second}
			var over []string
			for _, s := range samples(row.words) {
				for _, i := range f.add(s) {
					over = append(over, told(i, false))
				}
			}
			if earlier := min(row.earlier, len(over)); len(over) != row.earlier+len(row.over) || !slices.Equal(over[earlier:], row.over) {
				t.Errorf("over: %q, want %q after %d others", over, row.over, row.earlier)
			}
			if got := told(*f.open, true); got != row.open {
				t.Errorf("open: %q, want %q", got, row.open)
			}
			if got := f.disrupted.Seconds(); got != row.disrupted {
				t.Errorf("disrupted for %v s, want %v", got, row.disrupted)
			}
		})
	}
}
