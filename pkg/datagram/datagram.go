// Package datagram is the packets by which agents probe each other over UDP, once. The
// same bytes go over TCP, where one question and one answer make an exchange.
//
// A question names the life of the agent that it is for by its boot id: who does not
// know that gets no more than a "not me", and not many of those. An answer is never
// larger than its question, and is told from one by its kind, so that two responders can't
// answer each other. An answer says how many questions of the session have come, as
// stateful reflectors do (RFC 8762, "Simple Two-Way Active Measurement Protocol"): so
// what was lost on the way there is told from what was lost on the way back, without any
// clock being compared with another.
package datagram

import (
	"encoding/binary"
	"time"
)

// Size is that of a datagram without padding, in bytes. All that is after it is padding
// and has no meaning.
const Size = 48

// version is that of the format: other versions are not read.
const version = 1

// magic begins each datagram.
var magic = [3]byte{'N', 'C', 'P'}

// Kind says what a datagram is.
type Kind uint8

const (
	// Question asks for an answer.
	Question Kind = 1 + iota
	// Answer is by the agent that was asked for.
	Answer
	// NotMe is by an agent that is not the one asked for: the path is well, and the agent
	// that was there has gone or was restarted.
	NotMe
	// Leaving is an Answer by an agent that ends.
	Leaving
	// TooLarge is an Answer that is smaller than was asked for: its MTU says how large
	// packets may be on the way back.
	TooLarge
)

// Datagram is a question or an answer. Integers are big-endian on the wire, in the order
// of these fields, after magic, version and kind.
type Datagram struct {
	Kind Kind
	// Reply is the size that the answer should have, in bytes of UDP payload: from Size to
	// the question's own.
	Reply uint16
	// Session is the prober's number of the session, and Sequence counts the questions
	// in it, from 1.
	Session, Sequence uint32
	// Boot is the boot id of the agent that is asked, in a question, and the answering
	// agent's in an answer; 0 in NotMe.
	Boot uint64
	// From is the prober's id in the mesh, in questions.
	From uint64
	// More is how many questions will follow in the session, as far as the prober knows.
	More uint16
	// Unanswered is how many answers in a row did not reach the prober, in questions.
	Unanswered uint16
	// Received is how many questions of the session have come, this one included, in
	// answers.
	Received uint32
	// Took is the time from the question's arrival to the answer's departure, in answers;
	// on the wire in microseconds.
	Took time.Duration
	// MTU is that of the way back as the responder knows it, in bytes, in answers that
	// are TooLarge; else 0.
	MTU uint16
}

// Append appends d and pads it to size bytes, or to Size if that is more.
func Append(dst []byte, d *Datagram, size int) []byte {
	start := len(dst)
	dst = append(dst, magic[:]...)
	dst = append(dst, version, byte(d.Kind), 0)
	dst = binary.BigEndian.AppendUint16(dst, d.Reply)
	dst = binary.BigEndian.AppendUint32(dst, d.Session)
	dst = binary.BigEndian.AppendUint32(dst, d.Sequence)
	dst = binary.BigEndian.AppendUint64(dst, d.Boot)
	dst = binary.BigEndian.AppendUint64(dst, d.From)
	dst = binary.BigEndian.AppendUint16(dst, d.More)
	dst = binary.BigEndian.AppendUint16(dst, d.Unanswered)
	dst = binary.BigEndian.AppendUint32(dst, d.Received)
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(d.Took.Microseconds(), 1<<32-1)))
	dst = binary.BigEndian.AppendUint16(dst, d.MTU)
	padding := max(size, Size) - (len(dst) - start)
	return append(dst, make([]byte, padding)...)
}

// Parse reads a datagram. ok is false where it is none, or of another version.
func Parse(data []byte) (d Datagram, ok bool) {
	d, ok = Quoted(data)
	if d.Kind == Question && (int(d.Reply) < Size || int(d.Reply) > len(data)) {
		return Datagram{}, false
	}
	return d, ok
}

// Quoted reads a datagram whose padding may be missing, as in what routers quote of those
// that they could not pass on.
func Quoted(data []byte) (d Datagram, ok bool) {
	if len(data) < Size || [3]byte(data) != magic || data[3] != version {
		return Datagram{}, false
	}
	d = Datagram{
		Kind:       Kind(data[4]),
		Reply:      binary.BigEndian.Uint16(data[6:]),
		Session:    binary.BigEndian.Uint32(data[8:]),
		Sequence:   binary.BigEndian.Uint32(data[12:]),
		Boot:       binary.BigEndian.Uint64(data[16:]),
		From:       binary.BigEndian.Uint64(data[24:]),
		More:       binary.BigEndian.Uint16(data[32:]),
		Unanswered: binary.BigEndian.Uint16(data[34:]),
		Received:   binary.BigEndian.Uint32(data[36:]),
		Took:       time.Duration(binary.BigEndian.Uint32(data[40:])) * time.Microsecond,
		MTU:        binary.BigEndian.Uint16(data[44:]),
	}
	if d.Kind < Question || d.Kind > TooLarge {
		return Datagram{}, false
	}
	return d, true
}
