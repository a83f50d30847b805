package disruption

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSamplesTakeTheirTurnInTheOrderOfTheirStartWhateverOrderTheyEndIn(t *testing.T) {
	for _, row := range []struct {
		name, ends string // numbers in the order of their end, those that count for nothing with '!'
		want       string // what each end hands on
	}{
		{"in order", "0 1 2 3", "0|1|2|3"},
		{"the first is slow", "1 2 3 0", "|||0123"},
		{"two of them are", "1 3 0 2", "||01|23"},
		{"backwards", "3 2 1 0", "|||0123"},
		{"one that counts for nothing holds up nobody", "1 0! 3 2", "|1||23"},
		{"nor is it handed on when it was waited for", "0 2! 1 3", "0||1|3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var o order
			for range 4 {
				o.begin()
			}
			var got []string
			for _, word := range strings.Fields(row.ends) {
				number, void := strings.CutSuffix(word, "!")
				var n uint64
				_, _ = fmt.Sscan(number, &n)
				s := &Sample{Start: time.Duration(n)}
				if void {
					s = nil
				}
				handed := ""
				for _, s := range o.end(n, s) {
					handed += fmt.Sprint(int(s.Start))
				}
				got = append(got, handed)
			}
			if all := strings.Join(got, "|"); all != row.want || o.waiting() != 0 {
				t.Errorf("handed on %s, want %s; %d wait", all, row.want, o.waiting())
			}
		})
	}
}
