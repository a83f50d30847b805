package sender

import (
	"errors"
	"testing"
	"time"
)

func TestOutcomeOf(t *testing.T) {
	for code, want := range map[int]Outcome{
		200: Accepted,
		201: Refused, 204: Refused, 301: Refused, 400: Refused, 401: Refused, 404: Refused, 409: Refused, 413: Refused,
		408: Failed, 425: Failed, 429: Failed, 500: Failed, 502: Failed, 503: Failed, 504: Failed,
	} {
		if got := outcomeOf(code); got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}

func TestPauseDoublesUpToTheLongestAndVariesByHalf(t *testing.T) {
	const first, longest = time.Second, 30 * time.Second
	for _, c := range []struct {
		failures int
		noise    float64
		want     time.Duration
	}{
		{1, 0, 500 * time.Millisecond},
		{1, 1, time.Second},
		{2, 1, 2 * time.Second},
		{5, 1, 16 * time.Second},
		{6, 1, 30 * time.Second},
		{6, 0, 15 * time.Second},
		{1_000_000, 0.5, 22500 * time.Millisecond},
	} {
		if got := pauseAfter(c.failures, first, longest, c.noise); got != c.want {
			t.Errorf("after %d failures with noise %v: %v, want %v", c.failures, c.noise, got, c.want)
		}
	}
	if got := pauseAfter(1, time.Second, 200*time.Millisecond, 1); got != 200*time.Millisecond {
		t.Errorf("longest shorter than first: %v", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"99999999999999999999":          0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"soon":                          0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestDiaryTellsChangesOnly(t *testing.T) {
	ok := attempt{outcome: Accepted, code: 200}
	down := attempt{outcome: Failed, err: errors.New("connection refused")}
	bad := attempt{outcome: Refused, code: 400, err: errors.New("the server answered 400")}
	var d diary
	now := time.Now()
	for i, c := range []struct {
		a    attempt
		want string
	}{
		{ok, "Reports get to u"},
		{ok, ""},
		{down, "Reports do not get to u: connection refused"},
		{down, ""},
		{bad, "Reports do not get to u: the server answered 400"},
		{bad, ""},
		{ok, "Reports get to u again, after 4s"},
		{ok, ""},
		{down, "Reports do not get to u: connection refused"},
		{ok, "Reports get to u again, after 1s"},
	} {
		if got := d.entry(c.a, "u", now.Add(time.Duration(i)*time.Second)); got != c.want {
			t.Errorf("%d: got %q, want %q", i, got, c.want)
		}
	}
}
