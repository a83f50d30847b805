package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// askEvery is the time between two questions.
	askEvery = time.Second
	// answerWithin is how long one answer may take.
	answerWithin = 5 * time.Second
	// longestAnswer bounds what is read of an answer, in bytes.
	longestAnswer = 1 << 20
)

// question asks a server whether all is well. It is for helm test and for people:
// the image has no other program that could ask.
type question struct {
	url           string
	within, every time.Duration
}

// newQuestion is what -check and -check-within mean.
func newQuestion(o Options) question {
	return question{
		url:    strings.TrimSuffix(o.Check, "/") + "/api/v1/connectivity_check?starting=ok",
		within: seconds(o.CheckWithin), every: askEvery,
	}
}

// validateCheck says what is wrong with -check and -check-within.
func (o *Options) validateCheck() error {
	if o.CheckWithin < 0 || o.CheckWithin > 3600 {
		return fmt.Errorf("-check-within is %d; it should be from 0 to 3600", o.CheckWithin)
	}
	if o.Check == "" {
		return nil
	}
	return checkServer("check", o.Check)
}

// checkServer says whether a flag's value is the URL of a server.
func checkServer(flag, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("-%s is %q; it should be the URL of a server, such as http://netchecker-service:8081", flag, value)
	}
	return nil
}

// ask asks until all is well, and then writes the answer to w, and a line for each finding
// that it has. When that does not come in time, the error has the last answer so.
func (q question) ask(ctx context.Context, w io.Writer) error {
	// Inside a cluster nothing is behind a proxy.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerWithin}
	end := time.Now().Add(q.within)
	for {
		body, err := q.once(ctx, client)
		if err == nil {
			_, err = fmt.Fprintln(w, body)
			return err
		}
		if time.Until(end) <= 0 {
			return fmt.Errorf("not well within %v: %w", q.within, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(min(q.every, time.Until(end))):
		}
	}
}

// once returns the answer, which is an error unless all is well.
func (q question) once(ctx context.Context, client *http.Client) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.url, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	if err != nil {
		return "", fmt.Errorf("reading the answer of %s: %w", q.url, err)
	}
	text := withSentences(strings.TrimSpace(string(body)))
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s: %s", q.url, answer.Status, text)
	}
	return text, nil
}

// withSentences is an answer, and on lines of their own the findings that it tells.
func withSentences(body string) string {
	var told struct{ Findings []string }
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		return body // it is no JSON where nothing can be known
	}
	return strings.Join(append([]string{body}, told.Findings...), "\n")
}
