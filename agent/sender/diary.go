package sender

import (
	"fmt"
	"time"
)

// diary decides what of the attempts is worth a line in the log: that they
// begin to succeed, that they begin to fail or fail for another reason, and that
// it is over. A report that follows another of the same outcome is not.
type diary struct {
	known   bool
	last    attempt
	failing time.Time // since when; zero where all is well
}

// entry returns the line, empty for none.
func (d *diary) entry(a attempt, to string, now time.Time) string {
	same := d.known && a.outcome == d.last.outcome && a.code == d.last.code
	d.known, d.last = true, a
	switch {
	case same:
		return ""
	case a.outcome != Accepted:
		if d.failing.IsZero() {
			d.failing = now
		}
		return fmt.Sprintf("Reports do not get to %s: %v", to, a.err)
	case d.failing.IsZero():
		return fmt.Sprintf("Reports get to %s", to)
	}
	out := now.Sub(d.failing).Round(time.Millisecond)
	d.failing = time.Time{}
	return fmt.Sprintf("Reports get to %s again, after %v", to, out)
}
