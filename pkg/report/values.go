package report

import (
	"fmt"
	"time"
)

func (d *decoder) readInt(to *int64) (err error) {
	*to = 0
	if !d.null() {
		*to, err = d.int64()
	}
	return err
}

func (d *decoder) readUint(to *uint64) (err error) {
	*to = 0
	if !d.null() {
		*to, err = d.uint64()
	}
	return err
}

func (d *decoder) readString(to *string) error {
	*to = ""
	if d.null() {
		return nil
	}
	t, err := d.text("a string")
	if err != nil {
		return err
	}
	var buf [128]byte
	said, ok := t.bytes(buf[:])
	if !ok {
		return bad("is too long; it should have at most %d bytes", MaxString)
	}
	*to = string(said)
	return nil
}

func (d *decoder) readTime(to *time.Time) error {
	*to = time.Time{}
	if d.null() {
		return nil
	}
	t, err := d.text("a time as a string")
	if err != nil {
		return err
	}
	// Like encoding/json, this takes no escapes here. A longer text is no time, and
	// the error about it, which nobody reads, would hold a copy.
	if len(t.raw) > MaxString || to.UnmarshalText(t.raw) != nil {
		return bad("is %q; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z", shown(t.raw))
	}
	return nil
}

// count adds one to what MaxTotal bounds.
func (d *decoder) count() error {
	if d.total++; d.total > d.most() {
		return bad("is one too many; a report should have at most %d keys, entries, values and probes together", MaxTotal)
	}
	return nil
}

// readMap reads an object of arrays of strings, each of which may be null.
func (d *decoder) readMap() (map[string][]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string][]string{}
	err := d.object(func(key text) error {
		var buf [128]byte
		said, ok := key.bytes(buf[:])
		if !ok {
			return bad("has a key that is too long; it should have at most %d bytes", MaxString)
		}
		if err := d.count(); err != nil {
			return atKey(key, err)
		}
		name := string(said)
		values, err := d.readStrings()
		if err != nil {
			return atKey(key, err)
		}
		if m[name] = values; len(m) > MaxEntries {
			return bad("has too many entries; it should have at most %d", MaxEntries)
		}
		return nil
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
	err := d.array(func(i int) error {
		if i >= MaxValues {
			return bad("has too many elements; it should have at most %d", MaxValues)
		}
		var v string
		err := d.count()
		if err == nil {
			err = d.readString(&v)
		}
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		list = append(list, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := make([]string, len(list))
	copy(kept, list)
	return kept, nil
}

// readProbes reads the array of probe results, or null.
func (d *decoder) readProbes() ([]ProbeResult, error) {
	if d.null() {
		return nil, nil
	}
	list := []ProbeResult{}
	err := d.array(func(i int) error {
		if i >= MaxProbes {
			return bad("has too many elements; it should have at most %d", MaxProbes)
		}
		list = append(list, ProbeResult{})
		err := d.count()
		if err == nil && !d.null() {
			err = d.object(func(key text) error { return d.probeMember(&list[i], key) })
		}
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		return nil
	})
	return list, err
}
