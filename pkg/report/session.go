package report

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strconv"
)

// Session is what came of probing one agent at one address. Its order of columns is
// that of the wire.
type Session struct {
	// ID counts the agent's sessions since its boot, from 1, and Peer is the id of the
	// agent that is probed.
	ID, Peer uint64
	// Host says that the agent that is probed is on its node's network, and Six that it
	// is probed at an IPv6 address.
	Host, Six bool
	// Began is on the agent's clock, in milliseconds.
	Began uint64

	// Sent are the datagrams that left. Each of them is Open, no newer one being answered
	// yet; or was lost on its way Forward, as what the peer counted says, or on its way
	// Back; or was Refused, which shows that the path is well; or is Suspect, being lost
	// as the agent starved; or was answered.
	Sent, Open, Forward, Back, Refused, Suspect uint64
	// Silent is for how long nothing has been heard, in milliseconds.
	Silent uint64
	// RoundTrips is the sum over all that were answered, and Shortest and Longest are
	// bounds, in microseconds, without the time that the peer took.
	RoundTrips, Shortest, Longest uint64
	// Forbidden and Stuck did not leave: the host forbade it (EPERM), or failed.
	Forbidden, Stuck uint64
	// Flows is what a dead session's second source port led to.
	Flows Flows

	// Dialed are the new TCP connections that were tried. Of those that were not well,
	// DialRefused were refused, DialLost were not answered, and DialMute were made and
	// not answered over. DialRun are those in a row, up to now, that were not well.
	Dialed, DialRefused, DialLost, DialMute, DialRun uint64
	// Dials is the sum of what those took that were well, in microseconds.
	Dials uint64

	// MTU is what the host knows of the path there (IP_MTU), in bytes. Sized are the
	// questions of that size, and Resized those that were sent to find out more.
	MTU, Sized, Resized uint64
	// There and Here are the largest packets that passed on the way there and back, in
	// bytes, at most MTU; a row has how much less than that they are, which most often is
	// nothing. Hole says on which way larger ones vanish, though small ones pass.
	There, Here uint64
	Hole        Hole
}

// Flows says whether a dead session is dead for all flows.
type Flows uint64

const (
	// FlowsUntried: the session is not dead.
	FlowsUntried Flows = iota
	// FlowsDead: a second source port did not work either.
	FlowsDead
	// FlowsSome: it did.
	FlowsSome
)

// Hole says on which way large packets vanish.
type Hole uint64

const (
	// NoHole: on none, as far as is known.
	NoHole Hole = iota
	// HoleForward: on the way to the peer.
	HoleForward
	// HoleBack: on the way back.
	HoleBack
	// HoleBoth: on both.
	HoleBoth
)

// Answered are the datagrams whose answers came.
func (s *Session) Answered() uint64 {
	return s.Sent - min(s.Sent, s.Open+s.Forward+s.Back+s.Refused+s.Suspect)
}

// columns is the number of columns of a row. Two are truths, 1 or 0, and two say how much
// less than the MTU they are.
const (
	columns                            = 30
	hostColumn, sixColumn              = 2, 3
	mtuColumn, thereColumn, hereColumn = 24, 27, 28
)

// row is s as it is written: a number for each column.
func (s *Session) row() [columns]uint64 {
	return [...]uint64{
		s.ID, s.Peer, number(s.Host), number(s.Six), s.Began,
		s.Sent, s.Open, s.Forward, s.Back, s.Refused, s.Suspect, s.Silent,
		s.RoundTrips, s.Shortest, s.Longest, s.Forbidden, s.Stuck, uint64(s.Flows),
		s.Dialed, s.DialRefused, s.DialLost, s.DialMute, s.DialRun, s.Dials,
		s.MTU, s.Sized, s.Resized, less(s.MTU, s.There), less(s.MTU, s.Here), uint64(s.Hole),
	}
}

// sessionOf is the session that has such a row.
func sessionOf(r *[columns]uint64) Session {
	return Session{
		ID: r[0], Peer: r[1], Host: r[2] != 0, Six: r[3] != 0, Began: r[4],
		Sent: r[5], Open: r[6], Forward: r[7], Back: r[8], Refused: r[9], Suspect: r[10], Silent: r[11],
		RoundTrips: r[12], Shortest: r[13], Longest: r[14], Forbidden: r[15], Stuck: r[16], Flows: Flows(r[17]),
		Dialed: r[18], DialRefused: r[19], DialLost: r[20], DialMute: r[21], DialRun: r[22], Dials: r[23],
		MTU: r[24], Sized: r[25], Resized: r[26], There: less(r[24], r[27]), Here: less(r[24], r[28]), Hole: Hole(r[29]),
	}
}

// less is a - b, or 0 where that is less than nothing.
func less(a, b uint64) uint64 { return a - min(a, b) }

func number(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// Sessions is a list of sessions, packed: a server keeps those of 20,000 agents. The
// zero value is an empty list.
type Sessions struct {
	// packed has for each row the number of its columns up to the last that is not 0, and
	// those columns, as varints.
	packed []byte
	count  int
}

// SessionsOf packs a list.
func SessionsOf(list ...Session) Sessions {
	var s Sessions
	for i := range list {
		row := list[i].row()
		s.append(&row)
	}
	return s
}

// Len is how many there are.
func (s Sessions) Len() int { return s.count }

// Size is how many bytes they take.
func (s Sessions) Size() int { return len(s.packed) }

// All returns them in order.
func (s Sessions) All() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for row := range s.rows() {
			if !yield(sessionOf(row)) {
				return
			}
		}
	}
}

// rows returns the same row again and again.
func (s Sessions) rows() iter.Seq[*[columns]uint64] {
	return func(yield func(*[columns]uint64) bool) {
		var row [columns]uint64
		for rest := s.packed; len(rest) > 0; {
			row = [columns]uint64{}
			n := int(rest[0])
			rest = rest[1:]
			for i := range n {
				v, size := binary.Uvarint(rest)
				row[i], rest = v, rest[size:]
			}
			if !yield(&row) {
				return
			}
		}
	}
}

func (s *Sessions) append(row *[columns]uint64) {
	n := trimmed(row)
	s.packed = append(s.packed, byte(n))
	for _, v := range row[:n] {
		s.packed = binary.AppendUvarint(s.packed, v)
	}
	s.count++
}

// trimmed is the number of columns up to the last that is not 0.
func trimmed(row *[columns]uint64) int {
	n := columns
	for n > 0 && row[n-1] == 0 {
		n--
	}
	return n
}

// usualPacked is more bytes than the sessions of an agent take in a large cluster.
const usualPacked = 1 << 10

// readSessions reads an array of rows, or null.
func (d *decoder) readSessions() (s Sessions, err error) {
	if d.null() {
		return Sessions{}, nil
	}
	var row [columns]uint64
	s.packed = make([]byte, 0, usualPacked)
	err = d.elements(MaxSessions, func() error {
		row = [columns]uint64{}
		if !d.plainRow(&row) {
			if err := d.readRow(&row); err != nil {
				return err
			}
		}
		row[thereColumn] = min(row[thereColumn], row[mtuColumn])
		row[hereColumn] = min(row[hereColumn], row[mtuColumn])
		s.append(&row)
		return nil
	})
	s.packed = append([]byte(nil), s.packed...) // what is kept is no larger than it has to be
	return s, err
}

// maxColumns bounds the columns of a row; those that are not known yet are skipped.
const maxColumns = 64

// maxPlain is how many digits any number has that fits into 63 bits, whatever they are.
const maxPlain = 18

// plainRow reads a row as netchecker writes it: known columns, and no white space. Of any
// other it consumes nothing and leaves to readRow what that is, or what is wrong with it.
func (d *decoder) plainRow(row *[columns]uint64) bool {
	if d.peek() != '[' || d.depth >= maxDepth {
		return false
	}
	rest := d.data[d.pos+1:]
	for i := range row {
		v, n := uint64(0), 0
		for n < len(rest) && rest[n]-'0' <= 9 {
			v, n = v*10+uint64(rest[n]-'0'), n+1
		}
		switch {
		case n == 0, n > maxPlain, n > 1 && rest[0] == '0', n == len(rest), v > most(i):
			return false
		}
		row[i] = v
		after := rest[n]
		rest = rest[n+1:]
		if after == ']' {
			d.pos = len(d.data) - len(rest)
			return true
		}
		if after != ',' {
			return false
		}
	}
	return false
}

// most is the largest number that a column may have.
func most(column int) uint64 {
	if column == hostColumn || column == sixColumn {
		return 1
	}
	return math.MaxInt64
}

// readRow reads any row.
func (d *decoder) readRow(row *[columns]uint64) error {
	return d.array(func(i int) error {
		v, err := d.whole(0, int64(most(i)))
		if err == nil && i >= maxColumns {
			err = bad("has too many elements; it should have at most %d", maxColumns)
		}
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		if i < columns {
			row[i] = uint64(v)
		}
		return nil
	})
}

// appendSessions appends an array of rows, each up to its last column that is not 0.
func appendSessions(dst []byte, s Sessions) []byte {
	dst = append(dst, '[')
	first := true
	for row := range s.rows() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '[')
		for i, v := range row[:trimmed(row)] {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendUint(dst, v, 10)
		}
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

// check says whether there are at most most, each of which makes sense. named rows have
// an ID and a Peer, others have neither.
func (s Sessions) check(field string, most int, named bool) error {
	if s.count > most {
		return refuse(field, "has too many elements; it should have at most %d", most)
	}
	i := 0
	for one := range s.All() {
		if err := one.check(fmt.Sprintf("%s[%d]", field, i), named); err != nil {
			return err
		}
		i++
	}
	return nil
}

func (s *Session) check(row string, named bool) error {
	switch {
	case named != (s.ID != 0):
		return refuse(row+"[0]", "is %d; it should be the session's number, from 1, or 0 for a sum", s.ID)
	case s.Peer > MaxID || named != (s.Peer != 0):
		return refuse(row+"[1]", "is %d; it should be a peer's id, from 1 to %d, or 0 for a sum", s.Peer, uint64(MaxID))
	case exceeds(s.Sent, s.Open, s.Forward, s.Back, s.Refused, s.Suspect):
		return refuse(row+"[5]", "is %d; it should be at least the sum of the five after it", s.Sent)
	case s.Flows > FlowsSome:
		return refuse(row+"[17]", "is %d; it should be at most %d", s.Flows, FlowsSome)
	case exceeds(s.Dialed, s.DialRefused, s.DialLost, s.DialMute):
		return refuse(row+"[18]", "is %d; it should be at least the sum of the three after it", s.Dialed)
	case s.Hole > HoleBoth:
		return refuse(row+"[29]", "is %d; it should be at most %d", s.Hole, HoleBoth)
	}
	return nil
}

// exceeds says whether the sum of parts is more than whole.
func exceeds(whole uint64, parts ...uint64) bool {
	for _, p := range parts {
		if p > whole {
			return true
		}
		whole -= p
	}
	return false
}
