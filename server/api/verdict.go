package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/judge"
)

// The texts of the original server, which scripts look for.
const (
	allWellHead = "All "
	allWellTail = " pods successfully reported back to the server"
	failsHead   = "Connectivity check fails. Reason: "
	failsTail   = "; look up the payload"
	notWell     = failsHead + "there are absent or outdated pods" + failsTail
	// unknownHead begins each answer with status 503.
	unknownHead = "Error occurred while checking the agents. Details: "
)

// answer is one that was worded for all who ask the same.
type answer struct {
	// status of the connectivity check is 200, 400, or 503 where nothing can be known.
	status int
	// body is JSON, or plain text: of the connectivity check with status 503, and of all
	// else with any other than 200.
	body []byte
}

// mostSentences is how many findings an answer of the check tells.
const mostSentences = 20

// leniency is what somebody who asks the check wants left out of it: agents that are still
// starting, and findings.
type leniency struct{ starting, findings bool }

// answers are those to one Snapshot.
type answers struct {
	of *judge.Snapshot
	// matters says what leaving it out makes another answer of; worded has the answers that
	// differ.
	matters leniency
	worded  map[leniency]checked
}

// to is the answer to who asks so.
func (a *answers) to(l leniency) checked {
	return a.worded[leniency{l.starting || !a.matters.starting, l.findings || !a.matters.findings}]
}

// checked is an answer of the check.
type checked struct {
	answer
	// text says the same in lines, but for status 503, whose body does. It is made for the
	// first who wants it.
	text func() []byte
}

// answerer words each Snapshot once, for the first who asks, so that the others
// cost nothing but the bytes of their answers.
type answerer struct {
	// staleAfter is how old the list of pods may be before answers say so.
	staleAfter time.Duration

	last    atomic.Pointer[answers]
	wording sync.Mutex
}

// to returns the answers to s.
func (a *answerer) to(s *judge.Snapshot) *answers {
	if last := a.last.Load(); last != nil && last.of == s {
		return last
	}
	a.wording.Lock()
	defer a.wording.Unlock()
	if last := a.last.Load(); last != nil && last.of == s {
		return last
	}
	worded := word(s, a.staleAfter)
	a.last.Store(worded)
	return worded
}

// word makes the answers. A list older than staleAfter is said to be so.
func word(s *judge.Snapshot, staleAfter time.Duration) *answers {
	names := func(states ...evaluate.State) []string { return named(s, states) }
	p := payload{
		absent:   names(evaluate.Absent),
		outdated: names(evaluate.Outdated),
		starting: names(evaluate.Starting),
		planned:  names(evaluate.Planned),
		findings: sentences(s),
	}
	if s.ListAge > staleAfter {
		p.listAge = s.ListAge
	}
	lenient := leniency{true, true}
	a := &answers{
		of: s, matters: leniency{len(p.starting) > 0, s.Check(true, false) != s.Check(true, true)},
		worded: map[leniency]checked{lenient: p.answer(s, lenient)},
	}
	if a.matters.findings {
		l := leniency{starting: true}
		a.worded[l] = p.answer(s, l)
	}
	if a.matters.starting {
		p.absent = names(evaluate.Absent, evaluate.Starting)
		strict := p.answer(s, leniency{}) // it fails by them, whatever is found
		a.worded[leniency{}], a.worded[leniency{findings: true}] = strict, strict
	}
	return a
}

// sentences are those of the findings, the most severe first, and how many more there are.
func sentences(s *judge.Snapshot) []string {
	told := min(len(s.Findings), mostSentences)
	lines := make([]string, 0, told+1)
	for i := range told {
		lines = append(lines, s.Findings[i].Sentence)
	}
	if more := len(s.Findings) - told + s.LeftOut; more > 0 {
		lines = append(lines, andMore(more))
	}
	return lines
}

func andMore(n int) string { return fmt.Sprintf("and %d more", n) }

// named lists the agents that are in one of the states, in order, as people know
// them.
func named(s *judge.Snapshot, states []evaluate.State) []string {
	var wanted [evaluate.States]bool
	left := 0
	for _, state := range states {
		wanted[state] = true
		left += s.Summary.Of[state]
	}
	if left == 0 {
		return nil
	}
	names := make([]string, 0, left)
	for i, state := range s.States {
		if wanted[state] {
			names = append(names, s.List.DisplayName(i))
		}
	}
	return names
}

// payload is whom, and what, an answer names.
type payload struct {
	absent, outdated, starting, planned []string
	listAge                             time.Duration
	findings                            []string
}

func (p *payload) answer(s *judge.Snapshot, l leniency) checked {
	switch s.Check(l.starting, l.findings) {
	case evaluate.OK:
		return p.saying(http.StatusOK, allWellHead+strconv.Itoa(s.Summary.Of[evaluate.Reporting])+allWellTail)
	case evaluate.Failing:
		return p.saying(http.StatusBadRequest, p.reason(s, l))
	}
	return checked{answer: answer{http.StatusServiceUnavailable, []byte(unknownHead + whyUnknown(s))}}
}

// reason is why the check fails. Agents that do come first, in the words that scripts know.
func (p *payload) reason(s *judge.Snapshot, l leniency) string {
	critical := s.Critical()
	switch {
	case s.Verdict(l.starting) == evaluate.Failing:
		return notWell
	case critical == 1:
		return failsHead + "1 critical finding" + failsTail
	}
	return fmt.Sprintf("%s%d critical findings%s", failsHead, critical, failsTail)
}

func (p *payload) saying(status int, message string) checked {
	of := *p
	return checked{answer{status, p.json(message)}, sync.OnceValue(func() []byte { return of.text(message) })}
}

// json writes the three keys of the original, with an explicit null for nobody,
// and after them only what there is to tell.
func (p *payload) json(message string) []byte {
	b := append([]byte(nil), `{"Message":`...)
	b = report.AppendString(b, message)
	b = appendNames(append(b, `,"Absent":`...), p.absent)
	b = appendNames(append(b, `,"Outdated":`...), p.outdated)
	if len(p.starting) > 0 {
		b = appendNames(append(b, `,"Starting":`...), p.starting)
	}
	if len(p.planned) > 0 {
		b = appendNames(append(b, `,"Planned":`...), p.planned)
	}
	if p.listAge > 0 {
		b = append(b, `,"PodListAgeSeconds":`...)
		b = strconv.AppendInt(b, int64(p.listAge/time.Second), 10)
	}
	if len(p.findings) > 0 {
		b = appendNames(append(b, `,"Findings":`...), p.findings)
	}
	return append(b, '}')
}

// text has the message, whom it is about, and a line for each finding.
func (p *payload) text(message string) []byte {
	lines := []string{message}
	for _, who := range []struct {
		are   string
		names []string
	}{{"Absent", p.absent}, {"Outdated", p.outdated}, {"Starting", p.starting}, {"Planned", p.planned}} {
		if len(who.names) > 0 {
			lines = append(lines, who.are+": "+strings.Join(who.names, ", "))
		}
	}
	if p.listAge > 0 {
		lines = append(lines, "The list of agent pods is "+seconds(p.listAge)+" old")
	}
	return []byte(strings.Join(append(lines, p.findings...), "\n"))
}

func appendNames(b []byte, names []string) []byte {
	if len(names) == 0 {
		return append(b, "null"...)
	}
	for i, n := range names {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = report.AppendString(b, n)
	}
	return append(b, ']')
}
