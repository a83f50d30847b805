package report

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is read. They are far above what a node with hundreds of pods
// sends (one interface a pod) and keep what a hostile body can cost in proportion
// to its size.
const (
	// MaxEntries bounds each of nslookup and ips.
	MaxEntries = 1024
	// MaxValues bounds the addresses of one entry, and addresses.
	MaxValues = 256
	// MaxProbes bounds network_probes.
	MaxProbes = 256
	// MaxTopics bounds understands, and the news of a reply.
	MaxTopics = 16
	// MaxTotal bounds the keys of a body and the entries, values and probes under
	// them together, those that a repeated key replaces included.
	MaxTotal = 16384
	// MaxString bounds each string, in bytes.
	MaxString = 2048
)

// Decode reads a report as an agent posts it. Keys match whatever their case,
// unknown keys are skipped, and null leaves a field at its zero value, all as
// with encoding/json, which the original server used. The last of a repeated key
// wins as a whole: encoding/json would mix it with those before. The error is a
// *FieldError, and the Report then a zero one; its Field is "body" where no
// single field is to blame. What was decoded shares no memory with data.
//
// Decode says whether data has the shape of a report; [Report.Validate] says
// whether its fields make sense.
func Decode(data []byte) (Report, error) {
	var r Report
	fields := fieldsOf(&r, nil, nil, nil)
	if err := decode(data, fields[:], wire); err != nil {
		return Report{}, err
	}
	return r, nil
}

// DecodeRecord reads what AppendRecord wrote, under the bounds of Decode.
func DecodeRecord(data []byte) (Record, error) {
	var r Record
	fields := fieldsOf(&r.Report, &r.LastUpdated, &r.Booted, nil)
	if err := decode(data, fields[:], stored); err != nil {
		return Record{}, err
	}
	return r, nil
}

// DecodeLife reads what AppendLife wrote, under the bounds of Decode. [Record.Join] adds
// it to the rest.
func DecodeLife(data []byte) (Record, error) {
	var r Record
	fields := fieldsOf(&r.Report, &r.LastUpdated, &r.Booted, nil)
	if err := decode(data, fields[:], hidden); err != nil {
		return Record{}, err
	}
	return r, nil
}

type decoder struct {
	scanner
	// as is the rendering that is read.
	as rendering
	// total counts towards MaxTotal.
	total int
}

// decode reads an object into fields.
func decode(data []byte, fields []field, as rendering) error {
	d := decoder{scanner: scanner{data: data}, as: as}
	if d.end() {
		return &FieldError{Field: "body", Reason: "is empty; it should be a JSON object"}
	}
	if err := d.members(fields); err != nil {
		return at("body", err)
	}
	if !d.end() {
		return at("body", d.unexpected("the end of the JSON"))
	}
	return nil
}

// members reads an object into fields and skips the keys that they do not have.
func (d *decoder) members(fields []field) error {
	next := 0
	return d.object(func(key text) error {
		if err := d.count(); err != nil {
			return atKey(key, err)
		}
		i := find(fields, d.as, next, key)
		if i < 0 {
			return atKey(key, d.skip())
		}
		next = i + 1
		if err := d.value(fields[i].at); err != nil {
			// The error gets a copy: a reference into the table would move all of it to
			// the heap.
			return at(strings.Clone(fields[i].key), err)
		}
		return nil
	})
}

// find is the index of the field that has key in a rendering, -1 if none has. It
// looks from next on, since most objects have their keys in the table's order.
func find(fields []field, as rendering, next int, key text) int {
	if key.plain {
		for range fields {
			if next == len(fields) {
				next = 0
			}
			if f := &fields[next]; f.key == string(key.raw) && f.in&as != 0 {
				return next
			}
			next++
		}
	}
	// The long s and the Kelvin sign are a case of s and k, as Unicode and
	// encoding/json have it.
	var buf [64]byte
	said, _ := key.bytes(buf[:])
	for i := range fields {
		if f := &fields[i]; f.in&as != 0 && bytes.EqualFold([]byte(f.key), said) {
			return i
		}
	}
	return -1
}

// at puts field before the path of a FieldError, unless "body" is all that is
// left to add and something in it was named.
func at(field string, err error) error {
	var fe *FieldError
	if !errors.As(err, &fe) {
		return err
	}
	switch {
	case fe.Field == "":
		fe.Field = field
	case field == "body":
	case fe.Field[0] == '[':
		fe.Field = field + fe.Field
	default:
		fe.Field = field + "." + fe.Field
	}
	return fe
}

// atKey is at for a key that is the sender's choice; it is quoted and shortened.
func atKey(key text, err error) error {
	if err == nil {
		return nil
	}
	said, _ := key.bytes(nil)
	return at(fmt.Sprintf("[%q]", cut(said)), err)
}

// storedExtra is more than the keys that AppendRecord may write and a report,
// which was within MaxTotal, did not have: those of its probes, and its own. What
// AppendLife writes is bounded far below that by its lists.
const storedExtra = MaxProbes*9 + 64

// count adds one to what MaxTotal bounds.
func (d *decoder) count() error {
	most := MaxTotal
	if d.as == stored {
		most += storedExtra
	}
	if d.total++; d.total > most {
		return bad("is one too many; there should be at most %d keys, entries, values and probes together", MaxTotal)
	}
	return nil
}
