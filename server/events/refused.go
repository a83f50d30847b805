package events

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/server/backends"
)

// refusal is what was told of a backend that is not sampled.
type refusal struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// refusedAgainAfter is the least time between two Events of one backend: its reason may
// change with each agent that comes or goes.
const refusedAgainAfter = 10 * time.Minute

// decideRefused says which refusals are to be told by now, in at most room Events, one for
// each backend that is refused newly, or for another reason. What was told is by the
// backends' names.
func decideRefused(refused []backends.Refusal, before map[string]refusal, now time.Time, room int) (events []Event, after map[string]refusal, changed []string) {
	after = maps.Clone(before)
	if after == nil {
		after = map[string]refusal{}
	}
	current := map[string]bool{}
	for _, r := range refused {
		if current[r.Name] {
			continue // one is told of each
		}
		current[r.Name] = true
		was, told := before[r.Name]
		if told && (was.Reason == kindOf(r.Reason) || now.Sub(was.At) < refusedAgainAfter) || len(events) >= room {
			continue
		}
		after[r.Name] = refusal{r.Name, kindOf(r.Reason), now}
		changed = append(changed, r.Name)
		events = append(events, refusedEvent(r, now))
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if !current[name] && len(changed) < mostDecided && now.Sub(before[name].At) >= refusedAgainAfter {
			delete(after, name)
			changed = append(changed, name)
		}
	}
	return events, after, changed
}

func refusedEvent(r backends.Refusal, now time.Time) Event {
	by := ""
	if r.Agents > 0 {
		by = fmt.Sprintf(" by %d agents", r.Agents)
	}
	return Event{
		ID: identity(now, r.Name) + ".refused", Type: Warning, Reason: BackendRefused, At: now,
		Note: cut(fmt.Sprintf("%s is not sampled%s: %s", r.Name, by, r.Reason), maxNote),
	}
}

// kindOf is a reason without its figures, which may be others each time.
func kindOf(reason string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, reason)
}
