package api

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/netchecker/netchecker/server/intervals"
)

// syntheticTests asks of a stretch of time whether backends were available in it.
func (s *server) syntheticTests(w http.ResponseWriter, r *http.Request) {
	p := parametersOf(r, s.Now(), "from", "to", "format")
	format := p.oneOf("format", "junit")
	from, to := p.stretch(time.Time{})
	if p.err != nil {
		plain(w, http.StatusBadRequest, p.err.Error())
		return
	}
	tests := s.History.Tests(from, to, s.Backends.Declared())
	if format == "" {
		answerJSON(w, shownTests(from, to, tests))
		return
	}
	var body bytes.Buffer
	body.WriteString(xml.Header)
	encoder := xml.NewEncoder(&body)
	encoder.Indent("", "  ")
	if err := encoder.Encode(junitOf(from, to, tests)); err != nil {
		plain(w, http.StatusInternalServerError, "The answer could not be written: "+oneLine(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body.Bytes(), '\n'))
}

// testResults is what came of all tests.
type testResults struct {
	From   time.Time        `json:"from"`
	To     time.Time        `json:"to"`
	Result intervals.Result `json:"result"`
	Tests  []testResult     `json:"tests"`
}

type testResult struct {
	Name    string           `json:"name"`
	Result  intervals.Result `json:"result"`
	Message string           `json:"message"`
}

func shownTests(from, to time.Time, tests []intervals.Test) testResults {
	all := testResults{From: from.UTC(), To: to.UTC(), Result: intervals.Worst(tests), Tests: make([]testResult, len(tests))}
	for i, t := range tests {
		all.Tests[i] = testResult(t)
	}
	return all
}

// The elements of a JUnit report, with the attributes that its schema asks for.
type (
	junitSuites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suite    junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Time       string          `xml:"time,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitProblem `xml:"failure"`
		Error     *junitProblem `xml:"error"`
		Output    string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func junitOf(from, to time.Time, tests []intervals.Test) junitSuites {
	length := fmt.Sprintf("%.3f", to.Sub(from).Seconds())
	suite := junitSuite{
		Name: "netchecker", Hostname: "netchecker", Timestamp: from.UTC().Format("2006-01-02T15:04:05"), Time: length, Tests: len(tests),
		Properties: []junitProperty{{"from", from.UTC().Format(time.RFC3339Nano)}, {"to", to.UTC().Format(time.RFC3339Nano)}},
	}
	for _, t := range tests {
		c := junitCase{Name: t.Name, ClassName: "netchecker.disruption", Time: length}
		switch t.Result {
		case intervals.Failed:
			suite.Failures++
			c.Failure = &junitProblem{t.Message, "disruption", t.Message}
		case intervals.Errored:
			suite.Errors++
			c.Error = &junitProblem{t.Message, "unknown", t.Message}
		default:
			c.Output = t.Message
		}
		suite.Cases = append(suite.Cases, c)
	}
	return junitSuites{Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Suite: suite}
}
