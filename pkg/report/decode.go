package report

import (
	"errors"
	"fmt"
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
	d := decoder{scanner: scanner{data: data}}
	if err := d.decode(); err != nil {
		return Report{}, err
	}
	return d.rec.Report, nil
}

// DecodeRecord reads what AppendRecord wrote, under the bounds of Decode.
func DecodeRecord(data []byte) (Record, error) {
	d := decoder{scanner: scanner{data: data}, stored: true}
	if err := d.decode(); err != nil {
		return Record{}, err
	}
	return d.rec, nil
}

type decoder struct {
	scanner
	rec Record
	// stored says that last_updated is ours; from an agent it is an unknown key.
	stored bool
	// total counts towards MaxTotal.
	total int
}

func (d *decoder) decode() error {
	if d.end() {
		return &FieldError{Field: "body", Reason: "is empty; it should be a JSON object"}
	}
	if err := d.object(d.member); err != nil {
		return at("body", err)
	}
	if !d.end() {
		return at("body", d.unexpected("the end of the JSON"))
	}
	return nil
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
	return at(fmt.Sprintf("[%q]", shown(said)), err)
}

// member reads the value of one key of the report.
func (d *decoder) member(key text) error {
	var buf [24]byte
	name := key.fold(buf[:0])
	if err := d.count(); err != nil {
		return atKey(key, err)
	}
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
			err = d.skip(2)
		}
	default:
		return atKey(key, d.skip(2))
	}
	if err != nil {
		return at(string(name), err)
	}
	return nil
}

// probeMember reads the value of one key of a probe result.
func (d *decoder) probeMember(p *ProbeResult, key text) error {
	var buf [24]byte
	var field string
	var to *int64
	switch string(key.fold(buf[:0])) {
	case "url":
		if err := d.readString(&p.URL); err != nil {
			return at("URL", err)
		}
		return nil
	case "connectionresult":
		field, to = "ConnectionResult", &p.ConnectionResult
	case "httpcode":
		field, to = "HTTPCode", &p.HTTPCode
	case "total":
		field, to = "Total", &p.Total
	case "contenttransfer":
		field, to = "ContentTransfer", &p.ContentTransfer
	case "tcpconnection":
		field, to = "TCPConnection", &p.TCPConnection
	case "dnslookup":
		field, to = "DNSLookup", &p.DNSLookup
	case "connect":
		field, to = "Connect", &p.Connect
	case "serverprocessing":
		field, to = "ServerProcessing", &p.ServerProcessing
	default:
		return atKey(key, d.skip(4))
	}
	if err := d.readInt(to); err != nil {
		return at(field, err)
	}
	return nil
}

// storedExtra is how many keys AppendRecord may write that the report, which was
// within MaxTotal, did not have.
const storedExtra = 64

// most is the bound of total.
func (d *decoder) most() int {
	if d.stored {
		return MaxTotal + MaxProbes*9 + storedExtra
	}
	return MaxTotal
}
