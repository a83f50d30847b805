package report

import (
	"bytes"
	"fmt"
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

// entries reads an object whose keys are the sender's choice, at most most of
// them, or null. value must consume the value of one key; n says how many keys
// there are.
func (d *decoder) entries(most int, value func(key string) (n int, err error)) error {
	return d.object(func(key text) error {
		var buf [128]byte
		said, ok := key.bytes(buf[:])
		if !ok {
			return bad("has a key that is too long; it should have at most %d bytes", MaxString)
		}
		if err := d.count(); err != nil {
			return atKey(key, err)
		}
		n, err := value(string(said))
		if err != nil {
			return atKey(key, err)
		}
		if n > most {
			return bad("has too many entries; it should have at most %d", most)
		}
		return nil
	})
}

// readLists reads an object of arrays of strings, each of which may be null.
func (d *decoder) readLists() (map[string][]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string][]string{}
	err := d.entries(MaxEntries, func(key string) (_ int, err error) {
		m[key], err = d.readStrings()
		return len(m), err
	})
	return m, err
}

// readTopics reads an object of strings, or null.
func (d *decoder) readTopics() (map[string]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string]string{}
	err := d.entries(MaxTopics, func(key string) (_ int, err error) {
		m[key], err = d.readString()
		return len(m), err
	})
	return m, err
}

// readStrings reads an array of strings, or null. The list is made when its
// length is known, since records are kept by the ten thousands.
func (d *decoder) readStrings() ([]string, error) {
	if d.null() {
		return nil, nil
	}
	var buf [8]string
	list := buf[:0]
	err := d.elements(MaxValues, func() error {
		v, err := d.readString()
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	kept := make([]string, len(list))
	copy(kept, list)
	return kept, nil
}

// readProbes reads an array of probe results, or null.
func (d *decoder) readProbes() ([]ProbeResult, error) {
	if d.null() {
		return nil, nil
	}
	list := []ProbeResult{}
	var p ProbeResult
	fields := p.fields() // one table for all of them
	err := d.elements(MaxProbes, func() (err error) {
		p = ProbeResult{}
		if !d.null() {
			err = d.members(fields[:])
		}
		list = append(list, p)
		return err
	})
	return list, err
}

// elements reads an array of at most most elements; element must consume one.
func (d *decoder) elements(most int, element func() error) error {
	return d.array(func(i int) error {
		if i >= most {
			return bad("has too many elements; it should have at most %d", most)
		}
		err := d.count()
		if err == nil {
			err = element()
		}
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		return nil
	})
}

func (d *decoder) readDelivery() (to Delivery, err error) {
	if d.null() {
		return Delivery{}, nil
	}
	fields := to.fields()
	err = d.members(fields[:])
	return to, err
}

// readNews reads an object of news by topic, or null. Of a repeated topic the
// last wins.
func (d *decoder) readNews() (list []News, err error) {
	if d.null() {
		return nil, nil
	}
	err = d.entries(MaxTopics, func(topic string) (int, error) {
		n := News{Topic: topic}
		fields := n.fields()
		if err := d.members(fields[:]); err != nil {
			return 0, err
		}
		list = with(list, n)
		return len(list), nil
	})
	return list, err
}

// with is list with n in the place of the news of its topic, or at the end.
func with(list []News, n News) []News {
	for i := range list {
		if list[i].Topic == n.Topic {
			list[i] = n
			return list
		}
	}
	return append(list, n)
}

// readRaw copies any value as it is written; null is nil.
func (d *decoder) readRaw() ([]byte, error) {
	if d.null() {
		return nil, nil
	}
	d.peek()
	start := d.pos
	if err := d.skip(); err != nil {
		return nil, err
	}
	return bytes.Clone(d.data[start:d.pos]), nil
}

// readBody copies an object of at most MaxBody bytes as it is written; null is
// nil.
func (d *decoder) readBody() ([]byte, error) {
	if c := d.peek(); c != '{' && c != 'n' {
		return nil, d.unexpected("an object")
	}
	start := d.pos
	raw, err := d.readRaw()
	if d.pos-start > MaxBody {
		return nil, bad("has %d bytes; it should have at most %d", d.pos-start, MaxBody)
	}
	return raw, err
}
