package report

import (
	"bytes"
	"time"
)

// value reads what a field points to. Null is the zero value.
func (d *decoder) value(to any) (err error) {
	switch to := to.(type) {
	case *int64:
		*to, err = d.readInt()
	case *uint64:
		*to, err = d.readUint()
	case *string:
		*to, err = d.readString()
	case *time.Time:
		*to, err = d.readTime()
	case *maybeTime:
		*(*time.Time)(to), err = d.readTime()
	case *time.Duration:
		*to, err = d.readMillis()
	case *[]string:
		*to, err = d.readStrings()
	case *map[string][]string:
		*to, err = d.readLists()
	case *map[string]string:
		*to, err = d.readTopics()
	case *[]ProbeResult:
		*to, err = d.readProbes()
	case *Delivery:
		*to, err = d.readDelivery()
	case *[]News:
		*to, err = d.readNews()
	case **Disruption:
		*to, err = d.readDisruption()
	case *openIntervals:
		*to, err = d.readIntervals(MaxOpen)
	case *sealedIntervals:
		*to, err = d.readIntervals(MaxSealed)
	case *[]Refusal:
		*to, err = d.readRefusals()
	case **Mesh:
		*to, err = d.readMesh()
	case *Sessions:
		*to, err = d.readSessions()
	case *[]Heard:
		*to, err = readObjects(d, MaxHeard, (*Heard).table)
	case *[]Shared:
		*to, err = d.readShared()
	case *flag:
		*to, err = d.readFlag()
	case *rawObject:
		*to, err = d.readBody()
	case *rawValue:
		*to, err = d.readRaw()
	case *padding:
		err = d.padding()
	default:
		panic("report: a table has a field of a type that cannot be read")
	}
	return err
}

func (d *decoder) readInt() (int64, error) {
	if d.null() {
		return 0, nil
	}
	return d.int64()
}

func (d *decoder) readUint() (uint64, error) {
	if d.null() {
		return 0, nil
	}
	return d.uint64()
}

func (d *decoder) readFlag() (flag, error) {
	if d.null() {
		return false, nil
	}
	n, err := d.whole(0, 1)
	return n == 1, err
}

func (d *decoder) readMillis() (time.Duration, error) {
	if d.null() {
		return 0, nil
	}
	ms, err := d.whole(0, maxMillis)
	return time.Duration(ms) * time.Millisecond, err
}

func (d *decoder) readString() (string, error) {
	if d.null() {
		return "", nil
	}
	t, err := d.text("a string")
	if err != nil {
		return "", err
	}
	var buf [128]byte
	said, ok := t.bytes(buf[:])
	if !ok {
		return "", bad("is too long; it should have at most %d bytes", MaxString)
	}
	return string(said), nil
}

func (d *decoder) readTime() (at time.Time, err error) {
	if d.null() {
		return time.Time{}, nil
	}
	t, err := d.text("a time as a string")
	if err != nil {
		return time.Time{}, err
	}
	// Like encoding/json, this takes no escapes here. A longer text is no time, and
	// the error about it, which nobody reads, would hold a copy.
	if len(t.raw) > MaxString || at.UnmarshalText(t.raw) != nil {
		return time.Time{}, bad("is %q; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z", cut(t.raw))
	}
	return at, nil
}

func (d *decoder) readDelivery() (to Delivery, err error) {
	if d.null() {
		return Delivery{}, nil
	}
	fields := to.fields()
	err = d.members(fields[:])
	return to, err
}

// readRaw copies any value as it is written; null is nil.
func (d *decoder) readRaw() ([]byte, error) {
	if d.null() {
		return nil, nil
	}
	start := d.pos
	if err := d.skip(); err != nil {
		return nil, err
	}
	return bytes.Clone(d.data[start:d.pos]), nil
}

// readBody copies an object of at most MaxBody bytes as it is written; null is
// nil.
func (d *decoder) readBody() ([]byte, error) {
	if d.null() {
		return nil, nil
	}
	start := d.pos
	if err := d.object(func(text) error { return d.skip() }); err != nil {
		return nil, err
	}
	if size := d.pos - start; size > MaxBody {
		return nil, bad("has %d bytes; it should have at most %d", size, MaxBody)
	}
	return bytes.Clone(d.data[start:d.pos]), nil
}
