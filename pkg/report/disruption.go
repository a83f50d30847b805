package report

import (
	"cmp"
	"fmt"
	"time"
)

const (
	// MaxOpen bounds the intervals that are open at a time, and MaxSealed those of one
	// message: 16 backends over two connections are 32.
	MaxOpen   = 64
	MaxSealed = 64
	// MaxText bounds a message of an interval, and the reason of a refusal, in bytes.
	MaxText = 256
	// MaxBackends bounds the backends that one agent samples, and those that it
	// refuses.
	MaxBackends = 16
)

// IntervalsKind is the kind of the messages whose body is a Disruption.
const IntervalsKind = "intervals"

// Connection says how a backend was asked.
type Connection string

const (
	// New is a connection that is made for one request.
	New Connection = "new"
	// Reused is a connection that is kept from one request to the next.
	Reused Connection = "reused"
)

// Level says what an Interval means.
type Level string

const (
	// Info: the backend answered as it should.
	Info Level = "Info"
	// Warning: the agent could not ask, for a reason of its own. It says nothing of
	// the backend.
	Warning Level = "Warning"
	// Error: the backend did not answer, or not as it should.
	Error Level = "Error"
)

// Interval is a stretch of time, [From, To), in which all samples of one backend over
// one kind of connection led to the same.
type Interval struct {
	// ID counts the agent's intervals since its boot, from 1. An interval keeps it
	// from its opening on, so that it is known again when it is sealed.
	ID uint64
	// Backend is a DNS-1123 label.
	Backend    string
	Connection Connection
	Level      Level
	// Message says what the samples led to, in at most MaxText bytes; empty where all
	// was well.
	Message string
	// From and To are on the agent's clock since its boot; on the wire they are in
	// whole milliseconds. To is not there while the interval is open.
	From, To time.Duration
	// Changes is how often the outcome changed in an interval of a backend that was
	// flapping, and 0 in all others; Failed is then how long it failed altogether, in
	// whole milliseconds on the wire.
	Changes uint64
	Failed  time.Duration
}

// Refusal is a backend that an agent was told to sample and does not.
type Refusal struct {
	// Backend is a DNS-1123 label.
	Backend string
	// Reason says why, in at most MaxText bytes.
	Reason string
}

// Disruption is what an agent knows of the backends that it samples. In a report it
// has what is open; in a message of the kind IntervalsKind it also has intervals that
// are over, which no other message of that life has.
type Disruption struct {
	// AsOf is the agent's clock up to which the open intervals are known to hold.
	AsOf time.Duration
	// Open has at most MaxOpen intervals, and Sealed at most MaxSealed.
	Open, Sealed []Interval
	// Refused has at most MaxBackends.
	Refused []Refusal
	// Dropped is how many intervals that were over were lost since the agent's boot,
	// because nobody took them in.
	Dropped uint64
}

// AppendDisruption appends d as the body of a message of the kind IntervalsKind.
func AppendDisruption(dst []byte, d *Disruption) []byte {
	fields := d.fields()
	return appendFields(dst, fields[:], wire)
}

// DecodeDisruption reads the body of a message, with the care and the errors of
// Decode, and says whether its fields make sense.
func DecodeDisruption(data []byte) (Disruption, error) {
	var d Disruption
	fields := d.fields()
	if err := cmp.Or(decode(data, fields[:], wire), d.check("")); err != nil {
		return Disruption{}, err
	}
	return d, nil
}

func (d *Disruption) fields() [5]field {
	return [...]field{
		{"as_of_ms", between, &d.AsOf},
		{"open", between | optional, (*openIntervals)(&d.Open)},
		{"sealed", between | optional, (*sealedIntervals)(&d.Sealed)},
		{"refused", between | optional, &d.Refused},
		{"dropped", between | optional, &d.Dropped},
	}
}

func (i *Interval) fields() [9]field {
	return [...]field{
		{"id", between, &i.ID},
		{"backend", between, &i.Backend},
		{"connection", between, (*string)(&i.Connection)},
		{"level", between, (*string)(&i.Level)},
		{"message", between | optional, &i.Message},
		{"from_ms", between, &i.From},
		{"to_ms", between | optional, &i.To},
		{"changes", between | optional, &i.Changes},
		{"failed_ms", between | optional, &i.Failed},
	}
}

func (r *Refusal) fields() [2]field {
	return [...]field{
		{"backend", between, &r.Backend},
		{"reason", between, &r.Reason},
	}
}

// openIntervals and sealedIntervals are bounded differently.
type (
	openIntervals   []Interval
	sealedIntervals []Interval
)

// readDisruption reads an object, or null, which is nil.
func (d *decoder) readDisruption() (*Disruption, error) {
	if d.null() {
		return nil, nil
	}
	to := &Disruption{}
	fields := to.fields()
	return to, d.members(fields[:])
}

// readIntervals reads an array of at most most intervals, or null.
func (d *decoder) readIntervals(most int) ([]Interval, error) {
	return readObjects(d, most, (*Interval).table)
}

func (d *decoder) readRefusals() ([]Refusal, error) {
	return readObjects(d, MaxBackends, (*Refusal).table)
}

func (i *Interval) table() []field { f := i.fields(); return f[:] }

func (r *Refusal) table() []field { f := r.fields(); return f[:] }

// readObjects reads an array of at most most objects, or null. Without any it is nil,
// since such a list is left out when it is written.
func readObjects[T any](d *decoder, most int, table func(*T) []field) ([]T, error) {
	if d.null() {
		return nil, nil
	}
	var list []T
	var one T
	fields := table(&one) // one table for all of them
	err := d.elements(most, func() (err error) {
		one = *new(T)
		if !d.null() {
			err = d.members(fields)
		}
		list = append(list, one)
		return err
	})
	return list, err
}

func appendDisruption(dst []byte, d *Disruption, as rendering) []byte {
	fields := d.fields()
	return appendFields(dst, fields[:], as)
}

// appendObjects appends an array.
func appendObjects[T any](dst []byte, list []T, as rendering, table func(*T) []field) []byte {
	dst = append(dst, '[')
	var one T
	fields := table(&one) // one table for all of them
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		one = list[i]
		dst = appendFields(dst, fields, as)
	}
	return append(dst, ']')
}

// check says whether d makes sense; in is the path of its keys, with a point at its
// end.
func (d *Disruption) check(in string) error {
	if err := checkDuration(in+"as_of_ms", d.AsOf); err != nil {
		return err
	}
	for i := range d.Open {
		if err := d.Open[i].check(fmt.Sprintf("%sopen[%d].", in, i), d.AsOf, true); err != nil {
			return err
		}
	}
	for i := range d.Sealed {
		if err := d.Sealed[i].check(fmt.Sprintf("%ssealed[%d].", in, i), d.AsOf, false); err != nil {
			return err
		}
	}
	for i := range d.Refused {
		r := &d.Refused[i]
		at := fmt.Sprintf("%srefused[%d].", in, i)
		if err := cmp.Or(checkBackend(at+"backend", r.Backend), checkText(at+"reason", r.Reason)); err != nil {
			return err
		}
	}
	return nil
}

// check says whether i makes sense, of a Disruption as of asOf.
func (i *Interval) check(in string, asOf time.Duration, open bool) error {
	return cmp.Or(
		checkGiven(in+"id", i.ID != 0, "the interval's number, from 1"),
		checkBackend(in+"backend", i.Backend),
		i.checkWords(in),
		checkText(in+"message", i.Message),
		i.checkTimes(in, asOf, open),
	)
}

func (i *Interval) checkWords(in string) error {
	if i.Connection != New && i.Connection != Reused {
		return refuse(in+"connection", "is %q; it should be %q or %q", cut(string(i.Connection)), New, Reused)
	}
	if i.Level != Info && i.Level != Warning && i.Level != Error {
		return refuse(in+"level", "is %q; it should be %q, %q or %q", cut(string(i.Level)), Info, Warning, Error)
	}
	return nil
}

func (i *Interval) checkTimes(in string, asOf time.Duration, open bool) error {
	if i.From < 0 || i.From > asOf {
		return refuse(in+"from_ms", "is %d; it should be from 0 to as_of_ms, which is %d", i.From.Milliseconds(), asOf.Milliseconds())
	}
	end := i.To
	if open {
		if end = asOf; i.To != 0 {
			return refuse(in+"to_ms", "is %d; it should be left out while the interval is open", i.To.Milliseconds())
		}
	} else if end < i.From || end > asOf {
		return refuse(in+"to_ms", "is %d; it should be from from_ms to as_of_ms, which are %d and %d", end.Milliseconds(), i.From.Milliseconds(), asOf.Milliseconds())
	}
	if i.Failed < 0 || i.Failed > end-i.From {
		return refuse(in+"failed_ms", "is %d; it should be from 0 to the interval's length, which is %d", i.Failed.Milliseconds(), (end - i.From).Milliseconds())
	}
	return nil
}

func checkBackend(field, name string) error {
	if !IsLabel(name) {
		return refuse(field, "is %q; %s", cut(name), labelRule)
	}
	return nil
}

func checkText(field, text string) error {
	if len(text) > MaxText {
		return refuse(field, "has %d bytes; it should have at most %d", len(text), MaxText)
	}
	return nil
}
