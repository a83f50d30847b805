package mesh

import (
	"testing"
	"time"
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestWhatWasSentShortlyBeforeOrWhileTheAgentDidNotRunIsSuspect(t *testing.T) {
	var s starvation
	s.woke(ms(1000), ms(1050), 0) // not late
	s.woke(ms(10_000), ms(10_200), 0)
	for sent, want := range map[int]bool{1000: false, 9499: false, 9500: true, 10_000: true, 10_200: true, 10_201: false} {
		if got := s.of(ms(sent)); got != want {
			t.Errorf("sent at %d ms: %t", sent, got)
		}
	}
	if s.total != ms(200) {
		t.Errorf("in all %v", s.total)
	}
}

func TestATimerThatIsOverdueIsKnownBeforeItRunsAgain(t *testing.T) {
	var s starvation
	s.woke(ms(1000), ms(1000), ms(1050))
	if s.during(ms(900), ms(1100)) || !s.during(ms(900), ms(1101)) || s.total != 0 {
		t.Errorf("in all %v", s.total)
	}
	if s.rest(); s.during(ms(900), ms(100_000)) {
		t.Error("suspect though nothing is due")
	}
}

func TestAThrottledCgroupMakesAllSinceTheLastLookSuspect(t *testing.T) {
	var s starvation
	s.cgroup(ms(500), ms(1000)) // what was before the agent's first look is not known
	s.cgroup(ms(500), ms(2000))
	if s.during(0, ms(2000)) || s.total != 0 {
		t.Errorf("suspect though nothing rose, in all %v", s.total)
	}
	s.cgroup(ms(530), ms(3000))
	if s.during(0, ms(1999)) || !s.during(ms(2000), ms(2000)) || !s.during(ms(3000), ms(9000)) || s.total != ms(30) {
		t.Errorf("in all %v, %+v", s.total, s.stretches)
	}
}

func TestStretchesThatOverlapCountOnce(t *testing.T) {
	var s starvation
	s.add(ms(1000), ms(2000))
	s.add(ms(1500), ms(2500))
	s.overflowed(ms(800), ms(2100))
	if s.total != ms(1500) || len(s.stretches) != 1 {
		t.Errorf("in all %v, %+v", s.total, s.stretches)
	}
	s.add(ms(3000), ms(3100))
	if s.total != ms(1600) || len(s.stretches) != 2 {
		t.Errorf("in all %v, %+v", s.total, s.stretches)
	}
}

func TestWhatIsLongPastIsForgotten(t *testing.T) {
	var s starvation
	for i := range 1000 {
		s.woke(seconds(i), seconds(i)+ms(100), 0)
	}
	if len(s.stretches) > 17 || s.total != ms(100_000) {
		t.Errorf("%d stretches, in all %v", len(s.stretches), s.total)
	}
}
