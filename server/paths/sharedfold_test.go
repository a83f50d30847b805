package paths

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// asking are rows of what all share in the place of all else.
func asking(rows ...report.Shared) report.Mesh { return report.Mesh{Shared: rows} }

// names is a row of the name service as it is configured.
func names(asked, lost, refused, wrong, suspect uint64) report.Shared {
	return report.Shared{Kind: report.DNS, Target: "netchecker-service", Asked: asked, Lost: lost, Refused: refused, Wrong: wrong, Suspect: suspect}
}

// server is a row of one of its servers.
func server(target string, asked, lost uint64) report.Shared {
	return report.Shared{Kind: report.DNSServer, Target: target, Asked: asked, Lost: lost}
}

// sharedSums looks, and tells the sums as "kind network asked/lost/refused/wrong".
func (w *world) sharedSums() string {
	w.look()
	var all []string
	for _, t := range w.p.SharedTotals() {
		all = append(all, fmt.Sprintf("%s %s %d/%d/%d/%d", t.Kind, t.Network, t.Asked, t.Lost, t.Refused, t.Wrong))
	}
	return strings.Join(all, "; ")
}

func (w *world) wantShared(want string) {
	w.t.Helper()
	if got := w.sharedSums(); got != want {
		w.t.Errorf("the sums of what all share are %q, want %q", got, want)
	}
}

func TestWhatTellingsAddOfWhatAllShareIsSummedUpByKindAndNetwork(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, asking(names(10, 1, 2, 3, 4), server("10.0.0.3:53", 5, 1), server("10.0.0.4:53", 6, 0)))
	w.reports("n2-pod", boot, 15*s, asking(names(3, 0, 0, 0, 0)))
	w.reports("n3-host", boot, 15*s, asking(names(7, 0, 0, 1, 0)))
	const want = "dns host 7/0/0/1; dns pod 13/1/2/3; dns-server pod 11/1/0/0"
	w.wantShared(want)
	w.wantShared(want) // nothing new was told
	w.reports("n1-pod", boot, 30*s, asking(names(12, 2, 2, 3, 4), server("10.0.0.3:53", 9, 1), server("10.0.0.4:53", 6, 0)))
	w.wantShared("dns host 7/0/0/1; dns pod 15/2/2/3; dns-server pod 15/1/0/0")
}

func TestWhatWasAskedAsTheServerStartedIsNotAdded(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", oldBoot, 3600*s, asking(names(700, 7, 0, 0, 0)))
	w.wantShared("")
	w.reports("n1-pod", oldBoot, 3615*s, asking(names(703, 9, 0, 0, 0), server("10.0.0.3:53", 2, 0)))
	w.wantShared("dns pod 3/2/0/0; dns-server pod 2/0/0/0")
}

// Its agents ask it until they are told.
func TestWhatFailsOfANameServerThatLeftIsNoFailureOfDNS(t *testing.T) {
	w := newWorld(t)
	refused := func(asked, lost, refused uint64) report.Shared {
		row := server("10.0.0.3:53", asked, lost)
		row.Refused = refused
		return row
	}
	w.reports("n1-pod", boot, 15*s, asking(refused(20, 4, 0)))
	w.wantShared("dns-server pod 20/4/0/0") // it was there
	w.left["10.0.0.3:53"] = booted(boot).Add(20 * s)
	w.reports("n1-pod", boot, 20*s, asking(refused(22, 5, 0), names(5, 1, 0, 0, 0)))
	w.wantShared("dns pod 5/1/0/0; dns-server pod 22/5/0/0") // as of when it was
	w.reports("n1-pod", boot, 30*s, asking(refused(30, 10, 1), names(7, 2, 0, 0, 0)))
	w.wantShared("dns pod 7/2/0/0; dns-server pod 24/5/0/0")
	delete(w.left, "10.0.0.3:53") // its address is the next one's
	w.reports("n1-pod", boot, 45*s, asking(refused(31, 11, 1)))
	w.wantShared("dns pod 7/2/0/0; dns-server pod 25/6/0/0")
}

// As a server of the name service is replaced or not ready for a while, agents ask it no
// more, and forget what they counted.
func TestATargetThatIsAskedAgainAfterAWhileIsCountedAnew(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, asking(server("10.0.0.3:53", 20, 4), server("10.0.0.4:53", 20, 0)))
	w.wantShared("dns-server pod 40/4/0/0")
	w.reports("n1-pod", boot, 30*s, asking(server("10.0.0.4:53", 25, 0)))
	w.wantShared("dns-server pod 45/4/0/0")
	w.reports("n1-pod", boot, 45*s, asking(server("10.0.0.3:53", 2, 1), server("10.0.0.4:53", 30, 0)))
	w.wantShared("dns-server pod 52/5/0/0")
	w.reports("n1-pod", boot, 60*s, asking(server("10.0.0.3:53", 3, 1), server("10.0.0.4:53", 4, 0)))
	w.wantShared("dns-server pod 57/5/0/0")
}

// One telling without a row does not make all of it new in the next.
func TestATargetThatWasLeftOutOnceIsNotAddedTwice(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, asking(names(20, 4, 0, 0, 0)))
	w.wantShared("dns pod 20/4/0/0")
	w.reports("n1-pod", boot, 20*s, asking(server("10.0.0.3:53", 1, 0)))
	w.wantShared("dns pod 20/4/0/0; dns-server pod 1/0/0/0")
	w.reports("n1-pod", boot, 30*s, asking(names(21, 5, 0, 0, 0), server("10.0.0.3:53", 1, 0)))
	w.wantShared("dns pod 21/5/0/0; dns-server pod 1/0/0/0")
}

func TestTheTargetsThatAreRememberedAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		w.reports("n1-pod", boot, time.Duration(15+i)*s, asking(names(uint64(i), 0, 0, 0, 0), server(fmt.Sprint("10.0.0.", i), 1, 0)))
		w.look()
	}
	l := w.p.fold.lives[w.agent("n1-pod").Key]
	if len(l.shared) != mostShared || l.shared[0].Asked != 199 || l.shared[2].Target != "10.0.0.198" {
		t.Errorf("%d are remembered: %+v", len(l.shared), l.shared)
	}
	w.wantShared("dns pod 199/0/0/0; dns-server pod 200/0/0/0")
}

func TestAnAgentThatLiesLeavesTheSumsOfWhatAllShareFitForUse(t *testing.T) {
	w := newWorld(t)
	w.reports("n1-pod", boot, 15*s, asking(names(1<<62, 0, 0, 0, 0), server("10.0.0.3:53", 5, 1)))
	w.wantShared("dns-server pod 5/1/0/0")
}

// counter is an agent that counts what it asks, and what was lost of that.
type counter struct {
	rows        []report.Shared
	asked, lost uint64
}

func newCounter() *counter {
	return &counter{rows: []report.Shared{server("10.0.0.1:53", 0, 0), server("10.0.0.2:53", 0, 0), server("10.0.0.3:53", 0, 0)}}
}

// ask asks all but one, of which one is lost.
func (c *counter) ask(but, lost int) {
	for i := range c.rows {
		if i == but {
			continue
		}
		c.rows[i].Asked++
		c.asked++
		if i == lost {
			c.rows[i].Lost++
			c.lost++
		}
	}
}

// told are the rows without one.
func (c *counter) told(but int) report.Mesh {
	var rows []report.Shared
	for i, r := range c.rows {
		if i != but {
			rows = append(rows, r)
		}
	}
	return asking(rows...)
}

// What any number of lost answers, updates, late reports and rows that are left out does:
// each question is in the sums once, of each life.
func TestWhateverIsToldAgainOrLateEachQuestionIsAddedOnce(t *testing.T) {
	w := newWorld(t)
	var asked, lost uint64
	for _, life := range []string{boot, nextBoot} {
		c := newCounter()
		told := map[int]report.Mesh{}
		for turn := 1; turn < 300; turn++ {
			asOf := time.Duration(turn) * 5 * s
			c.ask(turn%7, turn%5)
			told[turn] = c.told(turn % 11)
			switch {
			case turn%2 == 0:
				w.updates("n1-pod", life, asOf, told[turn])
			case turn%9 == 0:
				w.reports("n1-pod", life, asOf-10*s, told[turn-2]) // it comes after a newer update
			default:
				w.reports("n1-pod", life, asOf, told[turn])
			}
			if turn%4 != 1 {
				w.look()
			}
		}
		w.reports("n1-pod", life, 3000*s, c.told(-1))
		asked, lost = asked+c.asked, lost+c.lost
		w.wantShared(fmt.Sprintf("dns-server pod %d/%d/0/0", asked, lost))
	}
}
