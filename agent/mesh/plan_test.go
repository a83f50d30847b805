package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
)

// peer is one that is probed for 30 s from a time on, in seconds; for good where that is
// negative.
func peer(id uint64, from int) assignment.Peer {
	p := assignment.Peer{ID: id, Node: fmt.Sprintf("node-%d", id), Port: 8083, Boot: fmt.Sprintf("%016x", id),
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(id)})}}
	if from >= 0 {
		p.From, p.For = int64(from)*1000, 30_000
	}
	return p
}

func assigned(base string, peers ...assignment.Peer) *assignment.Assignment {
	return &assignment.Assignment{Self: 99, Base: base, Peers: peers}
}

// seconds is a time on the agent's clock.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func (p *plan) ids(now time.Duration) (ids []uint64) {
	for _, w := range p.wanted(now) {
		ids = append(ids, w.target.id)
	}
	slices.Sort(ids)
	return ids
}

func TestPeersAreWantedInTheirWindowsAndGoneRoundOnceAllAreOver(t *testing.T) {
	var p plan
	if err := p.take(assigned("a", peer(1, -1), peer(2, 0), peer(3, 30), peer(4, 60), peer(5, 90)), seconds(100)); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int][]uint64{
		0: {1, 2}, 29: {1, 2}, 30: {1, 3}, 60: {1, 4}, 119: {1, 5},
		120: {1, 2}, 150: {1, 3}, 239: {1, 5}, 240: {1, 2}, 1_000_000_140: {1, 4},
	} {
		if got := p.ids(seconds(100 + at)); !slices.Equal(got, want) {
			t.Errorf("after %d s: %v, want %v", at, got, want)
		}
		if got := p.away(seconds(100 + at)); got != (at >= 120) {
			t.Errorf("after %d s: away is %t", at, got)
		}
	}
}

func TestWhatIsToldLaterIsAddedToTheSameBase(t *testing.T) {
	var p plan
	for _, told := range []struct {
		at int
		a  *assignment.Assignment
	}{
		{0, assigned("a", peer(1, -1), peer(2, 0), peer(3, 30))},
		{20, assigned("a", peer(4, 40))}, // from 60 on
		{61, assigned("a", peer(4, 29), peer(5, 29))},
	} {
		if err := p.take(told.a, seconds(told.at)); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[int][]uint64{61: {1, 4}, 89: {1, 4}, 90: {1, 4, 5}, 119: {1, 4, 5}} {
		if got := p.ids(seconds(at)); !slices.Equal(got, want) {
			t.Errorf("after %d s: %v, want %v", at, got, want)
		}
	}
	if w := p.wanted(seconds(61)); len(p.windows) != 3 || w[1].to != seconds(120) {
		t.Errorf("windows: %+v", p.windows)
	}
}

func TestAnotherBaseTakesThePlaceOfAll(t *testing.T) {
	var p plan
	for _, a := range []*assignment.Assignment{
		assigned("a", peer(1, -1), peer(2, 0)), assigned("b", peer(2, 0), peer(3, -1)),
	} {
		if err := p.take(a, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.ids(0); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("got %v", got)
	}
}

func TestAPeerThatIsRestartedOrMovedIsAnother(t *testing.T) {
	for what, change := range map[string]func(*assignment.Peer){
		"restarted": func(p *assignment.Peer) { p.Boot = "00000000000000aa" },
		"moved":     func(p *assignment.Peer) { p.Addresses = []netip.Addr{netip.MustParseAddr("fd00::1")} },
		"elsewhere": func(p *assignment.Peer) { p.Port = 1 },
	} {
		var p plan
		next := peer(1, 0)
		change(&next)
		for _, a := range []*assignment.Assignment{assigned("a", peer(1, -1), peer(2, -1)), assigned("a", next)} {
			if err := p.take(a, 0); err != nil {
				t.Fatal(err)
			}
		}
		if w := p.wanted(0); len(w) != 2 || w[1].target.id != 1 || w[1].lasts() {
			t.Errorf("%s: %+v", what, w)
		}
	}
}

func TestAPlanIsBounded(t *testing.T) {
	var p plan
	for round := range 10 {
		a := assigned("a")
		for i := range assignment.MaxPeers {
			a.Peers = append(a.Peers, peer(uint64(1+round*assignment.MaxPeers+i), 1000))
		}
		if err := p.take(a, 0); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.windows) != mostWindows {
		t.Errorf("it has %d windows", len(p.windows))
	}
}

func TestATargetIsProbedInTheFamiliesThatItHas(t *testing.T) {
	both := peer(1, -1)
	both.Addresses = append(both.Addresses, netip.MustParseAddr("fd00::1"))
	w, err := windowOf(&both, 0)
	if err != nil {
		t.Fatal(err)
	}
	four, ok4 := w.target.address(false)
	six, ok6 := w.target.address(true)
	if !ok4 || !ok6 || w.target.families() != 2 || four.String() != "10.0.0.1:8083" || six.String() != "[fd00::1]:8083" {
		t.Errorf("%v and %v, %d families", four, six, w.target.families())
	}
	one := peer(1, -1)
	if w, _ := windowOf(&one, 0); w.target.families() != 1 {
		t.Errorf("%d families", w.target.families())
	}
}
