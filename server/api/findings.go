package api

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/findings"
	"github.com/netchecker/netchecker/server/judge"
)

// Findings has what is found broken.
type Findings interface {
	// Lasting are those that last, the most severe first.
	Lasting() []findings.Finding
	// Page has those of a stretch of time; the error says what is wrong with the query's
	// After.
	Page(findings.Query) (findings.Page, error)
	State() findings.State
}

// nobodyMeshes is why nothing is found where no agent tells of paths.
const nobodyMeshes = "no agent tells of paths to others, so nothing can be found"

// foundAnswer is what is found broken.
type foundAnswer struct {
	Findings []shownFinding `json:"findings"`
	// LeftOut is how many last that there was no room for.
	LeftOut int `json:"left_out,omitempty"`
	// Still says why findings stand still.
	Still    string `json:"standing_still,omitempty"`
	Continue string `json:"continue,omitempty"`
}

// shownFinding is one as it is answered.
type shownFinding struct {
	ID        string            `json:"id"`
	Kind      diagnose.Kind     `json:"kind"`
	Subject   shownSubject      `json:"subject"`
	Other     []shownSubject    `json:"other,omitempty"`
	Class     string            `json:"class,omitempty"`
	Direction string            `json:"direction,omitempty"`
	Family    string            `json:"family,omitempty"`
	Severity  diagnose.Severity `json:"severity"`
	Since     time.Time         `json:"since"`
	Until     time.Time         `json:"until,omitzero"`
	Why       string            `json:"ended_by,omitempty"`
	Sure      bool              `json:"sure"`
	For       []diagnose.Count  `json:"for,omitempty"`
	Against   []diagnose.Count  `json:"against,omitempty"`
	Loss      float64           `json:"loss,omitempty"`
	Size      uint64            `json:"size_bytes,omitempty"`
	Silent    []string          `json:"silent_agents,omitempty"`
	Detail    string            `json:"detail,omitempty"`
	Sentence  string            `json:"sentence"`
	// Disruption is what agents of the place met with at the time, and More how many more
	// intervals there are.
	Disruption []shownInterval `json:"disruption,omitempty"`
	More       int             `json:"more_disruption,omitempty"`
	// Still says that nothing can end it now.
	Still bool `json:"standing_still,omitempty"`
}

// shownSubject is what a finding is about.
type shownSubject struct {
	Scope diagnose.Scope `json:"scope"`
	Names []string       `json:"names"`
}

func shownAs(s diagnose.Subject) shownSubject {
	names := slices.DeleteFunc(s.Names[:], func(name string) bool { return name == "" })
	return shownSubject{s.Scope, append([]string{}, names...)}
}

func shownOf(f *findings.Finding, still bool) shownFinding {
	s := shownFinding{
		ID: f.ID, Kind: f.Kind, Subject: shownAs(f.Subject), Class: f.Class, Direction: f.Direction.String(), Family: f.Family,
		Severity: f.Severity, Since: f.Since.UTC(), Why: f.Why, Sure: f.Sure, For: f.For, Against: f.Against,
		Loss: f.Loss, Size: f.Size, Silent: f.Silent, Detail: f.Detail, Sentence: f.Sentence, Still: still && f.Lasts(),
	}
	if !f.Lasts() {
		s.Until = f.Ended.UTC()
	}
	for _, o := range f.Or {
		s.Other = append(s.Other, shownAs(o))
	}
	return s
}

// findings tells what is broken now; with from or to, what was then.
func (s *server) findings(w http.ResponseWriter, r *http.Request) {
	snap, now := s.Snapshots.Snapshot(), s.Now()
	p := parametersOf(r, now, "from", "to", "limit", "continue")
	still, state := s.standsStill(snap), s.Findings.State()
	answer := foundAnswer{Findings: []shownFinding{}, Still: still}
	var found []findings.Finding
	if p.values.Has("from") || p.values.Has("to") {
		q := findings.Query{Limit: p.number("limit", defaultLimit, maxLimit), After: p.values.Get("continue")}
		q.From, q.To = p.stretch(now.Add(-findings.Retention))
		found, answer.Continue = p.page(s.Findings, q)
	} else {
		for _, name := range []string{"limit", "continue"} {
			if p.values.Has(name) {
				p.refuse(name, "is for a stretch of time; it should come with from or to, or be left out")
			}
		}
		found, answer.LeftOut = s.Findings.Lasting(), state.LeftOut
		if len(found) == 0 && snap.Verdict(true) == evaluate.CannotKnow && p.err == nil {
			plain(w, http.StatusServiceUnavailable, unknownHead+still)
			return
		}
	}
	if p.err != nil {
		plain(w, http.StatusBadRequest, p.err.Error())
		return
	}
	w.Header().Set("Vary", "Accept")
	if prefersText(r) {
		w.Header().Set("Cache-Control", "no-store")
		plain(w, http.StatusOK, textOf(found, &answer))
		return
	}
	citing := s.citingFor(snap.List, found, now)
	for i := range found {
		is := shownOf(&found[i], still != "")
		is.Disruption, is.More = citing.of(&found[i], now)
		answer.Findings = append(answer.Findings, is)
	}
	answerJSON(w, answer)
}

// page are the findings of a query, where all parameters are right.
func (p *parameters) page(from Findings, q findings.Query) (found []findings.Finding, next string) {
	if p.err != nil {
		return nil, ""
	}
	page, err := from.Page(q)
	if err != nil {
		p.refuse("continue", "%v", err)
	}
	return page.Items, page.Next
}

// standsStill says why nothing begins or ends now; empty where it does.
func (s *server) standsStill(snap *judge.Snapshot) string {
	if snap.Verdict(true) == evaluate.CannotKnow {
		return whyUnknown(snap)
	}
	if !snap.Meshes {
		return nobodyMeshes
	}
	return s.Findings.State().Still
}

// textOf is a line for each finding, and for what else there is to say.
func textOf(found []findings.Finding, a *foundAnswer) string {
	var lines []string
	for i := range found {
		lines = append(lines, found[i].Line())
	}
	if a.LeftOut > 0 {
		lines = append(lines, andMore(a.LeftOut))
	}
	if a.Continue != "" {
		lines = append(lines, "there are more, with &continue="+a.Continue)
	}
	if a.Still != "" {
		lines = append(lines, "findings stand still: "+a.Still)
	}
	if lines == nil {
		return "no findings"
	}
	return strings.Join(lines, "\n")
}

// prefersText says whether who asks wants plain text rather than JSON. Clients that take
// either as gladly, as browsers' libraries do, parse JSON.
func prefersText(r *http.Request) bool {
	text, other := 0.0, 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if set, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
			q = set
		}
		switch media {
		case "text/plain":
			text = max(text, q)
		case "application/json", "application/*", "*/*":
			other = max(other, q)
		}
	}
	return text > other
}
