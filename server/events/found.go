package events

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/findings"
)

// overAfter is how long a finding is over before that is told: what comes again within
// that time is the same one, and one that comes and goes would be told without end.
const overAfter = time.Minute

// toldFinding is what people were told of a finding.
type toldFinding struct {
	// Times is how often they were told that it began.
	Times int `json:"times"`
	// Over says that they were told of its end since.
	Over bool `json:"over,omitempty"`
}

// decideFindings says what is to be told of findings by now, in at most room Events. What
// was told is by the findings' IDs. Of each:
//
//	finding                        | told before   | is told
//	lasts, or ended                | nothing       | FindingBegan
//	ended newsFor ago              | nothing       | nothing any more
//	lasts                          | that it began | nothing
//	ended less than overAfter ago  | that it began | nothing yet
//	ended                          | that it began | FindingEnded
//	ended                          | that it ended | nothing
//	lasts, since it came again     | that it ended | FindingBegan
func decideFindings(all []*findings.Finding, before map[string]toldFinding, now time.Time, room int) (events []Event, after map[string]toldFinding, changed []string) {
	after = maps.Clone(before)
	if after == nil {
		after = map[string]toldFinding{}
	}
	kept, due := make(map[string]bool, len(all)), []*findings.Finding(nil)
	for _, f := range all {
		kept[f.ID] = true
		if dueNow(f, before[f.ID], now) {
			due = append(due, f)
		}
	}
	slices.SortFunc(due, func(a, b *findings.Finding) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	for _, f := range due[:min(len(due), max(room, 0))] {
		var e Event
		e, after[f.ID] = foundEvent(f, before[f.ID], now)
		events, changed = append(events, e), append(changed, f.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if !kept[id] && len(changed) < mostDecided {
			delete(after, id)
			changed = append(changed, id)
		}
	}
	return events, after, changed
}

// dueNow says whether there is something to tell of f.
func dueNow(f *findings.Finding, told toldFinding, now time.Time) bool {
	switch over := now.Sub(f.Ended); {
	case told.Times == 0:
		return f.Lasts() || over < newsFor
	case told.Over:
		return f.Lasts()
	default:
		return !f.Lasts() && over >= overAfter
	}
}

// foundEvent tells what is due of f, and what was told then.
func foundEvent(f *findings.Finding, told toldFinding, now time.Time) (Event, toldFinding) {
	e := Event{Node: nodeOf(f)}
	if told.Times > 0 && !told.Over {
		told.Over = true
		e.ID, e.Type, e.Reason, e.At = fmt.Sprintf("%s.%d.ended", f.ID, told.Times), Normal, FindingEnded, f.Ended
		e.Note = cut(f.Line(), maxNote)
		return e, told
	}
	again := told.Times > 0
	told = toldFinding{Times: told.Times + 1}
	e.ID, e.Type, e.Reason, e.At = fmt.Sprintf("%s.%d.began", f.ID, told.Times), Warning, FindingBegan, f.Since
	if f.Severity == diagnose.Info {
		e.Type = Normal
	}
	if again || now.Sub(f.Since) > newsFor {
		e.At = now
	}
	e.Note = cut(f.Sentence, maxNote)
	return e, told
}

// nodeOf is the node that a finding is about; empty where it is about something else, or may
// be.
func nodeOf(f *findings.Finding) string {
	if f.Subject.Scope != diagnose.Node || len(f.Or) > 0 {
		return ""
	}
	return f.Subject.Names[0]
}
