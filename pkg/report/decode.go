package report

import (
	"errors"
	"fmt"
	"time"
)

// Bounds of what Decode accepts. They are far above what a node with hundreds
// of pods sends (one interface a pod) and keep what a hostile body can cost in
// proportion to its size.
const (
	// MaxEntries bounds each of nslookup and ips.
	MaxEntries = 1024
	// MaxValues bounds the addresses of one entry, and addresses.
	MaxValues = 256
	// MaxProbes bounds network_probes.
	MaxProbes = 256
	// MaxString bounds each string, in bytes.
	MaxString = 2048
)

// Decode reads a report as an agent posts it. Keys match whatever their case,
// unknown keys are skipped, the last of a repeated key wins, and null leaves a
// field at its zero value, all as with encoding/json, which the original server
// used. The error is a *FieldError; its Field is "body" where no single field is
// to blame. What was decoded shares no memory with data.
//
// Decode says whether data has the shape of a report; [Report.Validate] says
// whether its fields make sense.
func Decode(data []byte) (Report, error) {
	var d decoder
	err := d.decode(data)
	return d.rec.Report, err
}

// DecodeRecord reads what AppendRecord wrote, under the bounds of Decode.
func DecodeRecord(data []byte) (Record, error) {
	d := decoder{stored: true}
	err := d.decode(data)
	return d.rec, err
}

type decoder struct {
	scanner
	rec Record
	// stored says that last_updated is ours; from an agent it is an unknown key.
	stored bool
}

func (d *decoder) decode(data []byte) error {
	d.data = data
	if d.peek() == 0 && d.pos >= len(data) {
		return &FieldError{Field: "body", Reason: "is empty; it should be a JSON object"}
	}
	if err := d.object(d.member); err != nil {
		return at("body", err)
	}
	if d.space(); d.pos < len(data) {
		return at("body", d.unexpected("the end of the JSON"))
	}
	return nil
}

// at puts field before the path of a FieldError, unless a field inside it was
// already named from the top.
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

// member reads the value of one key of the report.
func (d *decoder) member(key []byte) error {
	var folded [24]byte
	name := fold(folded[:0], key)
	r := &d.rec.Report
	var err error
	switch string(name) {
	case "report_interval":
		err = d.readInt(&r.ReportInterval)
	case "nodename":
		err = d.readString(&r.NodeName)
	case "podname":
		err = d.readString(&r.PodName)
	case "namespace":
		err = d.readString(&r.Namespace)
	case "network":
		err = d.readString((*string)(&r.Network))
	case "hostdate":
		err = d.readTime(&r.HostDate)
	case "uptime":
		err = d.readUint(&r.Uptime)
	case "nslookup":
		r.NSLookup, err = d.readMap()
	case "ips":
		r.IPs, err = d.readMap()
	case "addresses":
		r.Addresses, err = d.readStrings()
	case "network_probes":
		r.NetworkProbes, err = d.readProbes()
	case "zero_extender":
		err = d.padding()
	case "last_updated":
		if d.stored {
			err = d.readTime(&d.rec.LastUpdated)
		} else {
			err = d.skip(1)
		}
	default:
		return atKey(key, d.skip(1))
	}
	if err != nil {
		return at(string(name), err)
	}
	return nil
}

// atKey names a key that nobody here knows, shortened.
func atKey(key []byte, err error) error {
	if err == nil {
		return nil
	}
	return at(fmt.Sprintf("%q", shown(key)), err)
}

// fold appends key in lower case, or nothing if it is longer than any key that
// is known, so that folding costs no memory.
func fold(dst, key []byte) []byte {
	if len(key) > cap(dst) {
		return dst
	}
	for _, c := range key {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func (d *decoder) readInt(to *int64) error {
	*to = 0
	if d.null() {
		return nil
	}
	n, err := d.int64()
	*to = n
	return err
}

func (d *decoder) readUint(to *uint64) error {
	*to = 0
	if d.null() {
		return nil
	}
	n, err := d.uint64()
	*to = n
	return err
}

func (d *decoder) readString(to *string) error {
	*to = ""
	if d.null() {
		return nil
	}
	b, err := d.stringBytes("a string")
	if err != nil {
		return err
	}
	if len(b) > MaxString {
		return d.bad("has %d bytes; it should have at most %d", len(b), MaxString)
	}
	*to = string(b)
	return nil
}

func (d *decoder) readTime(to *time.Time) error {
	*to = time.Time{}
	if d.null() {
		return nil
	}
	b, err := d.stringBytes("a time as a string")
	if err != nil {
		return err
	}
	if err := to.UnmarshalText(b); err != nil {
		return d.bad("is %q; it should be a time as RFC 3339 writes it, such as 2017-11-30T14:54:19Z", shown(b))
	}
	return nil
}

// readMap reads an object of arrays of strings, each of which may be null.
func (d *decoder) readMap() (map[string][]string, error) {
	if d.null() {
		return nil, nil
	}
	m := map[string][]string{}
	err := d.object(func(key []byte) error {
		if len(key) > MaxString {
			return d.bad("a key has %d bytes; it should have at most %d", len(key), MaxString)
		}
		name := string(key)
		values, err := d.readStrings()
		if err != nil {
			return at(fmt.Sprintf("[%q]", shown([]byte(name))), err)
		}
		m[name] = values
		if len(m) > MaxEntries {
			return d.bad("has more than %d entries", MaxEntries)
		}
		return nil
	})
	return m, err
}

// readStrings reads an array of strings, or null.
func (d *decoder) readStrings() ([]string, error) {
	if d.null() {
		return nil, nil
	}
	list := []string{}
	err := d.array(func(i int) error {
		if i >= MaxValues {
			return d.bad("has more than %d elements", MaxValues)
		}
		var v string
		if err := d.readString(&v); err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		list = append(list, v)
		return nil
	})
	return list, err
}

// readProbes reads the array of probe results, or null.
func (d *decoder) readProbes() ([]ProbeResult, error) {
	if d.null() {
		return nil, nil
	}
	list := []ProbeResult{}
	err := d.array(func(i int) error {
		if i >= MaxProbes {
			return d.bad("has more than %d elements", MaxProbes)
		}
		var p ProbeResult
		if !d.null() {
			if err := d.object(func(key []byte) error { return d.probeMember(&p, key) }); err != nil {
				return at(fmt.Sprintf("[%d]", i), err)
			}
		}
		list = append(list, p)
		return nil
	})
	return list, err
}

// probeMember reads the value of one key of a probe result.
func (d *decoder) probeMember(p *ProbeResult, key []byte) error {
	var folded [24]byte
	name := fold(folded[:0], key)
	var to *int64
	switch string(name) {
	case "url":
		if err := d.readString(&p.URL); err != nil {
			return at("URL", err)
		}
		return nil
	case "connectionresult":
		to = &p.ConnectionResult
	case "httpcode":
		to = &p.HTTPCode
	case "total":
		to = &p.Total
	case "contenttransfer":
		to = &p.ContentTransfer
	case "tcpconnection":
		to = &p.TCPConnection
	case "dnslookup":
		to = &p.DNSLookup
	case "connect":
		to = &p.Connect
	case "serverprocessing":
		to = &p.ServerProcessing
	default:
		return atKey(key, d.skip(3))
	}
	if err := d.readInt(to); err != nil {
		return at(shown(key), err)
	}
	return nil
}
