package judge

import (
	"net/http"
	"strconv"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/evaluate"
)

// Answer is what the connectivity check answers, rendered ahead.
type Answer struct {
	// Status is an HTTP status code: 200, 400, or 503 where nothing can be known.
	Status int
	// Body is JSON, or plain text with status 503.
	Body []byte
}

// The texts of the original server, which scripts look for.
const (
	allWellHead = "All "
	allWellTail = " pods successfully reported back to the server"
	notWell     = "Connectivity check fails. Reason: there are absent or outdated pods; look up the payload"
	// UnknownHead begins each answer with status 503.
	UnknownHead = "Error occurred while checking the agents. Details: "
)

// Check returns the answer of the connectivity check. With startingOK, agents
// that are still starting fail nothing.
func (s *Snapshot) Check(startingOK bool) Answer {
	if startingOK {
		return s.lenient
	}
	return s.strict
}

// render makes the answers. A list older than staleAfter is said to be so.
func (s *Snapshot) render(staleAfter time.Duration) {
	names := func(st evaluate.State) []string {
		if s.Tally.Of[st] == 0 {
			return nil
		}
		return s.Names(st)
	}
	w := wording{
		absent:   names(evaluate.Absent),
		outdated: names(evaluate.Outdated),
		starting: names(evaluate.Starting),
		planned:  names(evaluate.Planned),
	}
	if s.ListAge > staleAfter {
		w.listAge = s.ListAge
	}
	s.lenient = s.answer(w, true)
	s.strict = s.lenient
	if len(w.starting) > 0 {
		w.absent = s.Missing()
		s.strict = s.answer(w, false)
	}
}

// Missing lists the agents that have no report, in order: absent or starting.
func (s *Snapshot) Missing() []string {
	var names []string
	for i, st := range s.States {
		if st == evaluate.Absent || st == evaluate.Starting {
			names = append(names, s.List.DisplayName(i))
		}
	}
	return names
}

// wording is what an answer names.
type wording struct {
	absent, outdated, starting, planned []string
	listAge                             time.Duration
}

func (s *Snapshot) answer(w wording, startingOK bool) Answer {
	switch s.Outcome(startingOK) {
	case evaluate.OK:
		message := allWellHead + strconv.Itoa(s.Tally.Of[evaluate.Reporting]) + allWellTail
		return Answer{http.StatusOK, w.json(message)}
	case evaluate.Failing:
		return Answer{http.StatusBadRequest, w.json(notWell)}
	}
	why := s.Unknown
	if why == "" {
		why = "no agent was heard since the server began to listen, and it is too early to blame any"
	}
	return Answer{http.StatusServiceUnavailable, []byte(UnknownHead + why)}
}

// json writes the three keys of the original, with an explicit null for nobody,
// and after them only what there is to tell.
func (w wording) json(message string) []byte {
	b := append([]byte(nil), `{"Message":`...)
	b = report.AppendString(b, message)
	b = appendNames(append(b, `,"Absent":`...), w.absent)
	b = appendNames(append(b, `,"Outdated":`...), w.outdated)
	if len(w.starting) > 0 {
		b = appendNames(append(b, `,"Starting":`...), w.starting)
	}
	if len(w.planned) > 0 {
		b = appendNames(append(b, `,"Planned":`...), w.planned)
	}
	if w.listAge > 0 {
		b = append(b, `,"PodListAgeSeconds":`...)
		b = strconv.AppendInt(b, int64(w.listAge/time.Second), 10)
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
