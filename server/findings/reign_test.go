package findings

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

const (
	down     = "node-unreachable n2"
	settling = "still: " + begun
)

// settled is a scene whose leader knows enough, and finds nothing.
func settled(t *testing.T) *scene {
	s := newScene(t)
	s.runs(settleFor + 5*time.Second)
	if got := s.told(); got != "" {
		t.Fatalf("servers tell %q of what is well", got)
	}
	return s
}

// ill is one of which n2 is cut off.
func ill(t *testing.T) *scene {
	s := settled(t)
	s.cutOff("n2")
	s.tellsSoon("n2 is cut off", 20*time.Second, down)
	return s
}

func TestWhatBreaksIsToldByAllServersUntilItIsWell(t *testing.T) {
	s := ill(t)
	f := *s.the()
	s.runs(time.Minute)
	s.heal()
	s.tellsSoon("it is well", 20*time.Second, down+", well")
	over := s.the()
	if over.ID != f.ID || len(f.ID) != 16 || !over.Since.Equal(f.Since) || !over.Began.Equal(f.Began) || over.Ended.Before(f.Began.Add(time.Minute)) {
		t.Errorf("it began as %+v, and ended as %+v", f, over)
	}
	if want := "n2: unreachable, down or cut off, since 12:00:25"; !strings.HasPrefix(over.Sentence, want) {
		t.Errorf("it is told as %q, want %q", over.Sentence, want)
	}
	s.cutOff("n2")
	s.tellsSoon("it comes again", 20*time.Second, down)
	if again := s.the(); again.ID != f.ID || !again.Began.Equal(f.Began) {
		t.Errorf("it came again as %+v, and was %+v", again, f)
	}
}

func TestASuccessorGoesOnWithWhatLastsAndEndsNothingBeforeItKnowsEnough(t *testing.T) {
	for _, row := range []struct {
		name   string
		does   func(*scene)
		within time.Duration
		want   string
	}{
		{"it lasts", func(*scene) {}, settleFor + time.Second, down},
		{"it was healed meanwhile", (*scene).heal, settleFor + 12*time.Second, down + ", well"},
		{"another is broken meanwhile", func(s *scene) { s.cutOff("n3") }, settleFor + 14*time.Second, down + ", well; node-unreachable n3"},
	} {
		s := ill(t)
		id := s.the().ID
		s.leads()
		row.does(s)
		for range int(settleFor/time.Second) - 1 {
			s.runs(time.Second)
			if got := s.told(); got != down+"; "+settling {
				t.Fatalf("%s: after %v of its reign a successor tells %q", row.name, s.now.Sub(noon), got)
			}
		}
		s.tellsSoon(row.name, row.within, row.want)
		if all := s.kept.All(); row.want == down && all[0].ID != id {
			t.Errorf("%s: it was %s, and is %s", row.name, id, all[0].ID)
		}
	}
}

func TestASuccessorKnowsWhatMayComeAgain(t *testing.T) {
	s := ill(t)
	id := s.the().ID
	s.heal()
	s.tellsSoon("it is well", 20*time.Second, down+", well")
	s.leads()
	s.runs(settleFor)
	s.cutOff("n2")
	s.tellsSoon("it comes again", 20*time.Second, down)
	if got := s.the().ID; got != id {
		t.Errorf("it was %s, and came again as %s", id, got)
	}
}

// Of an agent that starves, that is, which tells nothing for a while.
func TestASuccessorGoesOnWithWhatOnlyTimeShows(t *testing.T) {
	const starves = "agent-starved n2"
	s := settled(t)
	for range 10 {
		s.starved["pod-n2"] += 2 * time.Second
		s.runs(time.Second)
	}
	if got := s.told(); got != starves {
		t.Fatalf("servers tell %q, want %q", got, starves)
	}
	s.mute = func(a *fleet.Agent) bool { return a.Name == "pod-n2" }
	s.leads()
	s.runs(settleFor + 20*time.Second)
	if got := s.told(); got != starves {
		t.Errorf("servers tell %q, want %q", got, starves)
	}
	s.heal()
	s.tellsSoon("it tells again", 15*time.Second, starves+", well")
}

func TestWhatWasKeptIsJudgedOnTheMonotonicClock(t *testing.T) {
	now := time.Now()
	kept := now.Round(0).UTC().Add(-5 * time.Second)
	if got := onClockOf(now, kept); !got.Equal(kept) || now.Sub(got) != 5*time.Second || !strings.Contains(got.String(), " m=") {
		t.Errorf("%v is taken for %v at %v", kept, got, now)
	}
}

func TestFindingsStandStillWhileTheLeaderCannotSee(t *testing.T) {
	s := ill(t)
	s.blind = true
	s.heal()
	s.runs(time.Hour)
	if got := s.told(); got != down+"; still: "+blind {
		t.Errorf("servers tell %q", got)
	}
	s.blind = false
	s.runs(settleFor)
	if got := s.told(); got != down+"; "+settling {
		t.Errorf("servers tell %q as the leader sees again", got)
	}
	s.tellsSoon("it knows enough", 13*time.Second, down+", well")
}

func TestWhereNobodyTellsOfPathsNothingIsWritten(t *testing.T) {
	s := newScene(t)
	s.mute = func(*fleet.Agent) bool { return true }
	s.runs(time.Minute)
	s.blind = true
	s.runs(time.Minute)
	s.leads()
	s.blind = false
	s.runs(time.Minute)
	if s.saves > 0 || s.reign.diagnosis != nil {
		t.Errorf("%d writes", s.saves)
	}
}

func TestWhatLastsEndsWhereNobodyTellsOfPathsAnyMore(t *testing.T) {
	s := ill(t)
	// The agents are made anew, as such that do not mesh.
	s.mute = func(*fleet.Agent) bool { return true }
	list := *s.list
	list.Agents = append([]fleet.Agent(nil), list.Agents...)
	for i := range list.Agents {
		list.Agents[i].UID = "anew"
	}
	s.list = &list
	s.tellsSoon("nobody tells", 15*time.Second, down+", well")
	s.runs(5 * time.Second)
	saves := s.saves
	s.runs(time.Minute)
	if s.saves != saves || s.reign.diagnosis != nil || s.kept.State().Still != unlooked {
		t.Errorf("%d more writes, and it is told that %+v", s.saves-saves, s.kept.State())
	}
}

func TestWhatCountsAnewIsWrittenNowAndThen(t *testing.T) {
	s := ill(t)
	saves, counts := s.saves, map[string]bool{}
	s.not = func(from, to *fleet.Agent) bool {
		return from.Name == "pod-n1" && to.Name == "pod-n2" && s.now.Unix()/7%2 == 0
	}
	for range 600 {
		s.runs(time.Second)
		counts[s.the().Sentence] = true
	}
	if n := s.saves - saves; n > int(600*time.Second/refreshEvery)+1 || len(counts) < 2 {
		t.Errorf("%d writes in 600 s, of %d sentences", n, len(counts))
	}
	s.not = func(*fleet.Agent, *fleet.Agent) bool { return false }
	s.runs(time.Minute)
	saves = s.saves
	s.runs(10 * time.Minute)
	if s.saves != saves {
		t.Errorf("%d writes of what stays the same", s.saves-saves)
	}
}

func TestWhatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	s := settled(t)
	s.cutOff("n2")
	s.refuses = errors.New("etcd is away")
	failed := 0
	for range 20 {
		if err := s.turn(); err != nil {
			if failed++; err.Error() != "writing findings: etcd is away" {
				t.Fatal(err)
			}
		}
		s.now = s.now.Add(time.Second)
	}
	if s.told() != "" || failed == 0 {
		t.Fatalf("after %d failures servers tell %q", failed, s.told())
	}
	s.refuses = nil
	s.runs(time.Second)
	if got := s.told(); got != down {
		t.Errorf("servers tell %q, want %q", got, down)
	}
}

func TestAFindingEndsWithItsNode(t *testing.T) {
	s := ill(t)
	list := *s.list
	list.Nodes = map[string]fleet.Node{"n1": {Name: "n1"}, "n3": {Name: "n3"}, "n2": {Name: "n2", Going: fleet.Deleted, GoingSince: s.now}}
	s.list = &list
	s.runs(time.Second)
	if got, want := s.told(), down+", the node n2 was deleted"; got != want {
		t.Errorf("servers tell %q, want %q", got, want)
	}
}

func TestWhatIsPlannedBeginsNothing(t *testing.T) {
	s := settled(t)
	list := *s.list
	list.Nodes = map[string]fleet.Node{"n1": {Name: "n1"}, "n3": {Name: "n3"}, "n2": {Name: "n2", Going: "cordoned", GoingSince: s.now}}
	s.list = &list
	s.cutOff("n2")
	s.runs(plannedFor - 5*time.Second)
	if got := s.told(); got != "" {
		t.Fatalf("servers tell %q of a node that is drained", got)
	}
	s.tellsSoon("it takes too long for that", 15*time.Second, down)
}
