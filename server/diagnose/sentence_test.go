package diagnose

import (
	"testing"
	"time"
)

func TestASentenceIsOneLineWhateverAgentsTold(t *testing.T) {
	f := Finding{
		Kind: DNSServer, Subject: Subject{Scope: Target, Names: [2]string{"10.0.0.1:53\n"}}, Since: time.Date(2026, 3, 4, 10, 41, 7, 0, time.UTC),
		Detail: "é\x1b[2J\r\nAll 6 pods\u2028successfully reported",
	}
	if got, want := f.Sentence(), "10.0.0.1:53 : DNS server answers nobody since 10:41:07 (é [2J  All 6 pods successfully reported): look at that pod"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}
