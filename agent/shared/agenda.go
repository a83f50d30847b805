package shared

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

// Agenda is all of an Asker that decides, without goroutines, sockets and time that goes by:
// whoever has it asks what is due, and tells what came of it. Make it with NewAgenda. One
// goroutine at a time may call it.
type Agenda struct {
	place  Place
	random *rand.Rand
	asked  []*asked
}

// asked is a question with what came of it.
type asked struct {
	question
	record
	underWay bool
}

// Due is a question that is to be asked.
type Due struct {
	question
	of *asked
}

// NewAgenda returns one with nothing to ask. Each question is asked first at a moment that
// random draws from the time between two.
func NewAgenda(p Place, random *rand.Rand) *Agenda { return &Agenda{place: p, random: random} }

// Take takes what all share, as is told now. What is asked already goes on as it is; what is
// not told any more is forgotten.
func (a *Agenda) Take(s *assignment.Shared, now time.Duration) {
	was := a.asked
	a.asked = nil
	for _, q := range questionsOf(s, a.place) {
		i := slices.IndexFunc(was, func(o *asked) bool { return o.kind == q.kind && o.target == q.target })
		if i < 0 {
			first := now + time.Duration(a.random.Int64N(int64(q.every)))
			a.asked = append(a.asked, &asked{question: q, record: record{row: report.Shared{Kind: q.kind, Target: short(q.target)}, due: first}})
			continue
		}
		was[i].question = q
		was[i].due = min(was[i].due, now+q.every)
		a.asked = append(a.asked, was[i])
	}
}

// Rows are what came of what is asked; nil for nothing.
func (a *Agenda) Rows() (rows []report.Shared) {
	for _, q := range a.asked {
		rows = append(rows, q.row)
	}
	return rows
}

// Due are the questions that are due now, each of which is under way until Done is called,
// and after how long there are others; some is false where that depends on them.
func (a *Agenda) Due(now time.Duration) (due []*Due, next time.Duration, some bool) {
	for _, q := range a.asked {
		switch {
		case q.underWay:
		case q.due <= now:
			q.underWay = true
			due = append(due, &Due{q.question, q})
		case !some || q.due-now < next:
			next, some = q.due-now, true
		}
	}
	return due, next, some
}

// Done tells what came of a question, how long that took, and whether the agent was starved
// meanwhile.
func (a *Agenda) Done(d *Due, o Outcome, took, now time.Duration, suspect bool) {
	d.of.underWay = false
	d.of.done(o, took, d.every, now, suspect)
}
