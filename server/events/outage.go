package events

import (
	"cmp"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/intervals"
)

// line is what outages are told of.
type line struct {
	backend    string
	connection report.Connection
	network    report.Network
}

func lineOf(i *intervals.Interval) line { return line{i.Backend, i.Connection, i.Network} }

func (l line) compare(o line) int {
	return cmp.Or(cmp.Compare(l.backend, o.backend), cmp.Compare(l.connection, o.connection), cmp.Compare(l.network, o.network))
}

// outage is a stretch of time in which at least one agent saw errors, without a pause
// of mergeWithin.
type outage struct {
	from, to time.Time
	// open says that somebody still sees them.
	open bool
	// by is how many agents saw them, of those who sampled since it began.
	by, of int
	// message is the one that most agents have.
	message string
	// sampledSince says that somebody has sampled since it ended.
	sampledSince bool
}

// mergeWithin is the pause after which errors are another outage.
const mergeWithin = 5 * time.Second

// outages are those of each line, in order.
//
//	agent a  ---EEEE-------------EE---
//	agent b  ----EEEEE---EE-----------
//	outages     [                ]       as far as no pause is as long as mergeWithin
func outages(list []intervals.Interval) map[line][]outage {
	errors, all := map[line][]*intervals.Interval{}, map[line][]*intervals.Interval{}
	for i := range list {
		switch l := lineOf(&list[i]); list[i].Level {
		case report.Error:
			errors[l] = append(errors[l], &list[i])
			all[l] = append(all[l], &list[i])
		case report.Info:
			all[l] = append(all[l], &list[i])
		}
	}
	of := make(map[line][]outage, len(errors))
	for l, failing := range errors {
		for _, together := range merged(failing) {
			of[l] = append(of[l], newOutage(together, all[l]))
		}
	}
	return of
}

// merged are the errors of each outage.
func merged(errors []*intervals.Interval) (groups [][]*intervals.Interval) {
	slices.SortStableFunc(errors, func(a, b *intervals.Interval) int { return a.From.Compare(b.From) })
	var end time.Time
	for _, e := range errors {
		if len(groups) == 0 || e.From.Sub(end) >= mergeWithin {
			groups = append(groups, nil)
			end = e.To
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], e)
		if e.To.After(end) {
			end = e.To
		}
	}
	return groups
}

// newOutage is the one of these errors; all are the good and bad intervals of its line.
func newOutage(errors, all []*intervals.Interval) outage {
	o := outage{from: errors[0].From}
	seen, messages := map[fleet.Key]bool{}, map[string]map[fleet.Key]bool{}
	for _, e := range errors {
		o.open = o.open || e.Open
		if e.To.After(o.to) {
			o.to = e.To
		}
		seen[e.Pod] = true
		if messages[e.Message] == nil {
			messages[e.Message] = map[fleet.Key]bool{}
		}
		messages[e.Message][e.Pod] = true
	}
	sampled := map[fleet.Key]bool{}
	for _, i := range all {
		if i.To.After(o.from) || seen[i.Pod] {
			sampled[i.Pod] = true
		}
		o.sampledSince = o.sampledSince || i.To.After(o.to)
	}
	o.by, o.of, o.message = len(seen), len(sampled), foremost(messages)
	return o
}

// foremost is the message of most agents.
func foremost(messages map[string]map[fleet.Key]bool) (first string) {
	most := 0
	for m, by := range messages {
		if len(by) > most || len(by) == most && m < first {
			first, most = m, len(by)
		}
	}
	return first
}
