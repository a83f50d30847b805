package api

import (
	"net/http"
	"strconv"
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
	notWell     = "Connectivity check fails. Reason: there are absent or outdated pods; look up the payload"
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

// answers are those to one Snapshot; lenient is that with ?starting=ok.
type answers struct {
	of              *judge.Snapshot
	strict, lenient answer
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
	}
	if s.ListAge > staleAfter {
		p.listAge = s.ListAge
	}
	a := &answers{of: s, lenient: p.answer(s, true)}
	a.strict = a.lenient
	if len(p.starting) > 0 {
		p.absent = names(evaluate.Absent, evaluate.Starting)
		a.strict = p.answer(s, false)
	}
	return a
}

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

// payload is whom an answer names.
type payload struct {
	absent, outdated, starting, planned []string
	listAge                             time.Duration
}

func (p *payload) answer(s *judge.Snapshot, startingOK bool) answer {
	switch s.Verdict(startingOK) {
	case evaluate.OK:
		message := allWellHead + strconv.Itoa(s.Summary.Of[evaluate.Reporting]) + allWellTail
		return answer{http.StatusOK, p.json(message)}
	case evaluate.Failing:
		return answer{http.StatusBadRequest, p.json(notWell)}
	}
	return answer{http.StatusServiceUnavailable, []byte(unknownHead + whyUnknown(s))}
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
	return append(b, '}')
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
