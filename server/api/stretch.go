package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parameters are those of a request, read one after the other; the first that is wrong
// is told.
type parameters struct {
	values url.Values
	now    time.Time
	err    error
}

// parametersOf reads those of r, which may have no others than known.
func parametersOf(r *http.Request, now time.Time, known ...string) *parameters {
	p := &parameters{values: r.URL.Query(), now: now}
	for name, values := range p.values {
		switch {
		case !slices.Contains(known, name):
			p.refuse(name, "is no parameter of this request; there are %s", strings.Join(known, ", "))
		case len(values) > 1:
			p.refuse(name, "is given %d times; it should be given once", len(values))
		}
	}
	return p
}

func (p *parameters) refuse(name, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%.70q: %s", name, fmt.Sprintf(format, args...))
		if isWord(name) {
			p.err = fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...))
		}
	}
}

func isWord(name string) bool {
	return len(name) <= 70 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_-") == ""
}

// longest is how long ago a stretch may begin.
const longest = 10 * 365 * 24 * time.Hour

// stretch is that from from to to; without the former from otherwise on, and without
// the latter to now. An otherwise of zero says that the former is needed.
func (p *parameters) stretch(otherwise time.Time) (from, to time.Time) {
	from, to = p.time("from", otherwise), p.time("to", p.now)
	if p.err == nil && from.IsZero() {
		p.refuse("from", "is missing; it should be a time such as 2026-11-27T12:00:00Z, or how long ago that was, such as -1h30m")
	}
	if p.err == nil && !to.After(from) {
		p.refuse("to", "is %s; it should be after from, which is %s", to.UTC().Format(time.RFC3339Nano), from.UTC().Format(time.RFC3339Nano))
	}
	return from, to
}

func (p *parameters) time(name string, otherwise time.Time) time.Time {
	text := p.values.Get(name)
	if text == "" {
		return otherwise
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && p.now.Sub(t).Abs() < longest {
		return t
	}
	if d, err := time.ParseDuration(text); err == nil && d <= 0 && d > -longest {
		return p.now.Add(d)
	}
	p.refuse(name, "is %.70q; it should be a time such as 2026-11-27T12:00:00Z, or how long ago that was, such as -1h30m", text)
	return otherwise
}

func (p *parameters) number(name string, otherwise, most int) int {
	text := p.values.Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.refuse(name, "is %.70q; it should be a number from 1 to %d", text, most)
	}
	return n
}

// oneOf is the value of a parameter that has only one, or empty.
func (p *parameters) oneOf(name, value string) string {
	text := p.values.Get(name)
	if text != "" && text != value {
		p.refuse(name, "is %.70q; it should be %s, or be left out", text, value)
	}
	return text
}
