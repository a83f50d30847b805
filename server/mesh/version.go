package mesh

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/server/fleet"
)

// version names what an agent has been told, as
//
//	<base>.<first>.<last>.<sum>.<shared>
//
// where epochs are decimal and all else is hexadecimal; first and last are 0 where all
// peers are lasting. The zero value is that of an agent which was told nothing.
type version struct {
	base        string
	first, last int64
	// sum is over the lasting peers, and those of the epochs from first to last.
	sum string
	// shared is over what all share; empty where that was not told.
	shared string
}

// sumDigits is the length of a sum, and of a base.
const sumDigits = 12

func (v version) String() string {
	return fmt.Sprintf("%s.%d.%d.%s.%s", v.base, v.first, v.last, v.sum, v.shared)
}

// parseVersion reads what an agent states, which may be anything: the zero value is what
// it can't be.
func parseVersion(text string) version {
	parts := strings.Split(text, ".")
	if len(parts) != 5 || !isSum(parts[0]) || !isSum(parts[3]) || parts[4] != "" && !isSum(parts[4]) {
		return version{}
	}
	first, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return version{}
	}
	last, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || first < 0 || last < first || last-first >= Ahead {
		return version{}
	}
	return version{base: parts[0], first: first, last: last, sum: parts[3], shared: parts[4]}
}

func isSum(s string) bool {
	return len(s) == sumDigits && strings.Trim(s, "0123456789abcdef") == ""
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:sumDigits/2])
}

// telling is what one agent is told at one moment.
type telling struct {
	*Planner
	*state
	self int
	now  time.Time
}

// news is what to tell an agent that has been told had, and the version that it has
// then.
func (t *telling) news(had version) (version, *assignment.Assignment) {
	is, a := t.added(had)
	if a == nil {
		is, a = t.anew()
	}
	is.shared = had.shared
	if t.shared != nil && t.shared.sum != had.shared {
		is.shared = t.shared.sum
		a.Shared = &t.shared.Shared
	}
	a.Self, a.Base = t.ids[t.self].number, is.base
	return is, a
}

// added has those that had lacks; nil where not all that it has is still right.
func (t *telling) added(had version) (version, *assignment.Assignment) {
	if had.sum == "" || t.whole() != (had.last == 0) || had.sum != t.sum(had.first, had.last) {
		return version{}, nil
	}
	a := &assignment.Assignment{Peers: []assignment.Peer{}}
	first, last := t.epochs()
	if had.last >= last {
		return had, a
	}
	for e := max(first, had.last+1); e <= last; e++ {
		a.Peers = append(a.Peers, t.peersOf(e)...)
	}
	return version{base: had.base, first: first, last: last, sum: t.sum(first, last)}, a
}

// anew has all.
func (t *telling) anew() (version, *assignment.Assignment) {
	first, last := t.epochs()
	a := &assignment.Assignment{Peers: []assignment.Peer{}}
	for _, i := range t.lasting(t.self) {
		a.Peers = append(a.Peers, t.peer(t.state, i))
	}
	if !t.whole() {
		for e := first; e <= last; e++ {
			a.Peers = append(a.Peers, t.peersOf(e)...)
		}
	}
	sum := t.sum(first, last)
	return version{base: sum, first: first, last: last, sum: sum}, a
}

func (t *telling) whole() bool { return t.plan.Len() <= Whole }

// epochs are the first and the last that are told now.
func (t *telling) epochs() (first, last int64) {
	if t.whole() {
		return 0, 0
	}
	first = EpochOf(t.now)
	return first, first + Ahead - 1
}

// peersOf are those of one epoch, for as long as it lasts.
func (t *telling) peersOf(epoch int64) []assignment.Peer {
	begins, ends := Start(epoch).Sub(t.now), Start(epoch+1).Sub(t.now)
	begins = max(begins, 0)
	var peers []assignment.Peer
	for _, i := range t.passing(t.self, epoch) {
		peer := t.peer(t.state, i)
		peer.From, peer.For = begins.Milliseconds(), max(1, (ends-begins).Milliseconds())
		peers = append(peers, peer)
	}
	return peers
}

// sum tells what the agent should have of these epochs from all else.
func (t *telling) sum(first, last int64) string {
	var buf [2048]byte
	data := t.appendDigests(buf[:0], t.lasting(t.self))
	self := digestOf(&t.list.Agents[t.self], t.ids[t.self], "") // its boot id is nothing that it is told
	data = append(data, self[:]...)
	if !t.whole() {
		for e := first; e <= last; e++ {
			data = binary.BigEndian.AppendUint64(data, uint64(e))
			data = t.appendDigests(data, t.passing(t.self, e))
		}
	}
	return sumOf(data)
}

func (t *telling) appendDigests(data []byte, agents []int) []byte {
	for _, i := range agents {
		data = append(data, t.digests[i][:]...)
	}
	return data
}

// digest stands for all that others are told of an agent. Each report asks for those of some
// dozens, so they are made once.
type digest [16]byte

func digestOf(a *fleet.Agent, is id, boot string) (d digest) {
	var buf [512]byte
	data := binary.BigEndian.AppendUint64(buf[:0], is.number)
	data = binary.BigEndian.AppendUint16(data, a.MeshPort)
	for _, part := range [...]string{boot, a.Node, string(a.Network)} {
		data = append(append(data, part...), 0)
	}
	for _, address := range a.Addresses {
		data = append(append(data, address...), 0)
	}
	sum := sha256.Sum256(data)
	copy(d[:], sum[:])
	return d
}

// digestsOf are those of all agents that may be probed. What is the same as before is not made
// again.
func (s *state) digestsOf(was *state) []digest {
	all := make([]digest, len(s.boots))
	for i, boot := range s.boots {
		switch {
		case boot == "":
		case was != nil && was.list == s.list && was.boots[i] == boot:
			all[i] = was.digests[i]
		default:
			all[i] = digestOf(&s.list.Agents[i], s.ids[i], boot)
		}
	}
	return all
}
