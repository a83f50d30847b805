package sender

import (
	"testing"
	"time"
)

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		code            int
		report, message Outcome
	}{
		{0, Failed, Failed}, // no answer
		{200, Accepted, Accepted},
		{201, Refused, Failed},
		{204, Refused, Failed},
		{301, Refused, Failed},
		{400, Refused, Refused},
		{401, Refused, Failed},
		{403, Refused, Refused},
		{404, Refused, Unsupported},
		{405, Refused, Unsupported},
		{408, Failed, Failed},
		{409, Refused, Refused},
		{413, Refused, Refused},
		{425, Failed, Failed},
		{429, Failed, Failed},
		{500, Failed, Failed},
		{502, Failed, Failed},
		{503, Failed, Failed},
		{504, Failed, Failed},
	} {
		if report, message := outcomeOfReport(c.code), outcomeOfMessage(c.code); report != c.report || message != c.message {
			t.Errorf("%d: a report is %s, a message %s; want %s and %s", c.code, report, message, c.report, c.message)
		}
	}
}

func TestPauses(t *testing.T) {
	const first = time.Second
	for _, c := range []struct {
		failures       int
		longest, asked time.Duration
		least, most    time.Duration // with no noise, and with all of it
	}{
		// They double up to the longest, and vary by half.
		{1, 30 * time.Second, 0, 500 * time.Millisecond, time.Second},
		{2, 30 * time.Second, 0, time.Second, 2 * time.Second},
		{5, 30 * time.Second, 0, 8 * time.Second, 16 * time.Second},
		{6, 30 * time.Second, 0, 15 * time.Second, 30 * time.Second},
		{1_000_000, 30 * time.Second, 0, 15 * time.Second, 30 * time.Second},
		{1, 200 * time.Millisecond, 0, 100 * time.Millisecond, 200 * time.Millisecond},
		// A server that always asks for 2 s does not keep them from growing.
		{1, 30 * time.Second, 2 * time.Second, 2 * time.Second, 3 * time.Second},
		{2, 30 * time.Second, 2 * time.Second, 2 * time.Second, 3 * time.Second},
		{3, 30 * time.Second, 2 * time.Second, 2 * time.Second, 4 * time.Second},
		{4, 30 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second},
		{6, 30 * time.Second, 2 * time.Second, 15 * time.Second, 30 * time.Second},
		{6, 15 * time.Second, 2 * time.Second, 7500 * time.Millisecond, 15 * time.Second},
		// None asks for more than the longest.
		{1, time.Second, 2 * time.Second, time.Second, time.Second},
		{1, 15 * time.Second, time.Hour, 15 * time.Second, 15 * time.Second},
		{3, 15 * time.Second, 14500 * time.Millisecond, 14500 * time.Millisecond, 15 * time.Second},
	} {
		least, most := pauseAfter(c.failures, first, c.longest, c.asked, 0), pauseAfter(c.failures, first, c.longest, c.asked, 1)
		if least != c.least || most != c.most {
			t.Errorf("after %d failures, longest %v, asked for %v: %v to %v, want %v to %v", c.failures, c.longest, c.asked, least, most, c.least, c.most)
		}
	}
}

func TestAServerThatDoesNotKnowAKindIsAskedRarely(t *testing.T) {
	l := line{firstPause: time.Second, longestPause: 2 * time.Second, pace: 5 * time.Second}
	for _, c := range []struct {
		a           Attempt
		failures    int
		least, most time.Duration
	}{
		{Attempt{Outcome: Accepted}, 0, 5 * time.Second, 5 * time.Second},
		{Attempt{Outcome: Failed}, 20, 5 * time.Second, 5 * time.Second},
		{Attempt{Outcome: Unsupported}, 20, rarest / 2, rarest},
		{Attempt{Outcome: Unsupported}, 1, 5 * time.Second, 5 * time.Second}, // an update replaces it soon
	} {
		if got := l.rest(c.a, c.failures); got < c.least || got > c.most {
			t.Errorf("%s, %d failures: %v, want %v to %v", c.a, c.failures, got, c.least, c.most)
		}
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
