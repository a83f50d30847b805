package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/cli"
)

// exitUnknown is the exit code where it can't be known whether all tests pass.
const exitUnknown = 3

// longestResults bounds what is read of the tests' results, in bytes.
const longestResults = 16 << 20

// stretch asks a server whether backends were available in a stretch of time: for the
// CI of cluster upgrades.
type stretch struct {
	url             string
	from, to, junit string
	within, every   time.Duration
}

// newStretch is what -synthetic-tests and the flags beside it mean.
func newStretch(o Options) stretch {
	return stretch{
		url:  strings.TrimSuffix(o.SyntheticTests, "/") + "/api/v1/synthetic_tests",
		from: o.From, to: o.To, junit: o.JUnit, within: seconds(o.CheckWithin), every: askEvery,
	}
}

// validateSynthetic says what is wrong with -synthetic-tests and the flags beside it.
func (o *Options) validateSynthetic() error {
	if o.SyntheticTests == "" {
		for _, f := range []struct{ flag, value string }{{"from", o.From}, {"to", o.To}, {"junit", o.JUnit}} {
			if f.value != "" {
				return fmt.Errorf("-%s is %q; it should be given with -synthetic-tests alone", f.flag, f.value)
			}
		}
		return nil
	}
	if o.Check != "" {
		return errors.New("-check and -synthetic-tests are both given; one question is asked at a time")
	}
	if err := checkServer("synthetic-tests", o.SyntheticTests); err != nil {
		return err
	}
	if o.From == "" {
		return errors.New("-from is missing; it should be when the stretch begins, as 2026-11-27T12:00:00Z or -1h30m")
	}
	return nil
}

// results is what is read of a JUnit report.
type results struct {
	Suite struct {
		Failures   int `xml:"failures,attr"`
		Errors     int `xml:"errors,attr"`
		Properties []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"properties>property"`
		Cases []struct {
			Name    string   `xml:"name,attr"`
			Failure *problem `xml:"failure"`
			Error   *problem `xml:"error"`
			Output  string   `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

type problem struct {
	Message string `xml:"message,attr"`
}

// property is that of the suite.
func (r *results) property(name string) string {
	for _, p := range r.Suite.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// ask asks until all is known, and writes the results to w and to the file that is
// asked for. The error is a *cli.Exit.
func (s stretch) ask(ctx context.Context, w io.Writer) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerWithin}
	end := time.Now().Add(s.within)
	for {
		r, raw, err := s.once(ctx, client)
		var exit *cli.Exit
		if errors.As(err, &exit) {
			return err
		}
		if last := time.Until(end) <= 0 || ctx.Err() != nil; last || err == nil && (r.Suite.Errors == 0 || r.Suite.Failures > 0) {
			return s.tell(w, r, raw, err)
		}
		if err == nil {
			// What is sampled at the end of the stretch is told a moment later; the
			// stretch stays what it is.
			s.from, s.to = r.property("from"), r.property("to")
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(s.every, time.Until(end))):
		}
	}
}

// once returns an answer; a question that the server does not understand is a
// *cli.Exit.
func (s stretch) once(ctx context.Context, client *http.Client) (r results, raw []byte, err error) {
	query := url.Values{"format": {"junit"}, "from": {s.from}}
	if s.to != "" {
		query.Set("to", s.to)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"?"+query.Encode(), nil)
	if err != nil {
		return results{}, nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return results{}, nil, err
	}
	defer answer.Body.Close()
	if raw, err = io.ReadAll(io.LimitReader(answer.Body, longestResults)); err != nil {
		return results{}, nil, fmt.Errorf("reading the answer of %s: %w", s.url, err)
	}
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", s.url, answer.Status, bytes.TrimSpace(raw))
		if answer.StatusCode == http.StatusBadRequest {
			err = &cli.Exit{Code: cli.ExitUsage, Err: err}
		}
		return results{}, nil, err
	}
	if err := xml.Unmarshal(raw, &r); err != nil {
		return results{}, nil, fmt.Errorf("reading the answer of %s: %w", s.url, err)
	}
	return r, raw, nil
}

// tell writes the results, of which raw is the report, and returns what they amount to.
func (s stretch) tell(w io.Writer, r results, raw []byte, err error) error {
	if err != nil {
		return &cli.Exit{Code: exitUnknown, Err: err}
	}
	if s.junit != "" {
		if err := os.WriteFile(s.junit, raw, 0o644); err != nil {
			return &cli.Exit{Code: cli.ExitUsage, Err: fmt.Errorf("-junit: %w", err)}
		}
	}
	for _, c := range r.Suite.Cases {
		result, message := "passed", c.Output
		switch {
		case c.Failure != nil:
			result, message = "FAILED", c.Failure.Message
		case c.Error != nil:
			result, message = "unknown", c.Error.Message
		}
		if _, err := fmt.Fprintf(w, "%-8s%s: %s\n", result, c.Name, message); err != nil {
			return err
		}
	}
	switch {
	case r.Suite.Failures > 0:
		return &cli.Exit{Code: cli.ExitError, Err: fmt.Errorf("%d of %d tests failed", r.Suite.Failures, len(r.Suite.Cases))}
	case r.Suite.Errors > 0 || len(r.Suite.Cases) == 0:
		return &cli.Exit{Code: exitUnknown, Err: fmt.Errorf("of %d of %d tests it can't be known whether they pass", r.Suite.Errors, len(r.Suite.Cases))}
	}
	return nil
}
