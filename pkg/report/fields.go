package report

import "time"

// rendering is a set of the ways in which a field is written.
type rendering uint8

const (
	// wire is how agents and servers send it to each other.
	wire rendering = 1 << iota
	// stored is how the server keeps what anybody may see: servers of other releases
	// show what they find.
	stored
	// hidden is how it keeps the rest, apart from that.
	hidden
	// shown is how the API shows it to readers.
	shown
	// optional says that it is left out where it is empty.
	optional

	always = wire | stored | shown
	// between is where what is told between agents and servers alone is written.
	between = wire | hidden
)

// field is all that is said of one key of an object: reading and writing follow
// from it. There is one table for each kind of object, in the order in which its
// keys are written.
type field struct {
	// key is the key as it is written. It matches whatever its case.
	key string
	// in has the renderings that the field is part of. In others its key is unknown.
	in rendering
	// at points to the field's value, whose type says how it is read and written: see
	// decoder.value and appendValue. So a table is made for each object, on the
	// stack; one table of functions for all objects would move each to the heap.
	at any
}

// padding is the number of zeros in zero_extender. When read, they are not
// counted.
type padding int

// maybeTime is a time that may not be there, which is the zero time.
type maybeTime time.Time

// flag is a truth, written as 1 or 0.
type flag bool

// rawObject is a JSON object as it was written.
type rawObject []byte

// rawValue is any JSON value as it was written.
type rawValue []byte

// fieldsOf is the table of a report, with what the server and the sender add to
// it. ips alone has two rows: agents write it before network_probes, and the
// original server after.
func fieldsOf(r *Report, updated, booted *time.Time, zeros *padding) [23]field {
	return [...]field{
		{"report_interval", always, &r.ReportInterval},
		{"nodename", always, &r.NodeName},
		{"podname", always, &r.PodName},
		{"hostdate", always, &r.HostDate},
		{"uptime", always, &r.Uptime},
		{"last_updated", stored | shown, updated},
		{"nslookup", always, &r.NSLookup},
		{"ips", wire, &r.IPs},
		{"network_probes", always, &r.NetworkProbes},
		{"ips", stored | shown, &r.IPs},
		{"namespace", always | optional, &r.Namespace},
		{"network", always | optional, (*string)(&r.Network)},
		{"addresses", always | optional, &r.Addresses},
		{"pod_uid", between | stored | optional, &r.UID},
		{"boot_id", between | optional, &r.BootID},
		{"clock_ms", wire | optional, &r.Clock},
		{"understands", wire | optional, &r.Understands},
		{"delivery", always | optional, &r.Delivery},
		{"via", hidden | optional, (*string)(&r.Delivery.Via)},
		{"disruption", between | optional, &r.Disruption},
		{"mesh", between | optional, &r.Mesh},
		{"booted", hidden | optional, (*maybeTime)(booted)},
		{"zero_extender", wire, zeros},
	}
}

func (d *Delivery) fields() [2]field {
	return [...]field{
		{"lookup_ms", always | optional, &d.Lookup},
		{"lookup_error", always | optional, &d.LookupError},
	}
}

func (p *ProbeResult) fields() [9]field {
	return [...]field{
		{"URL", always, &p.URL},
		{"ConnectionResult", always, &p.ConnectionResult},
		{"HTTPCode", always, &p.HTTPCode},
		{"Total", always, &p.Total},
		{"ContentTransfer", always, &p.ContentTransfer},
		{"TCPConnection", always, &p.TCPConnection},
		{"DNSLookup", always, &p.DNSLookup},
		{"Connect", always, &p.Connect},
		{"ServerProcessing", always, &p.ServerProcessing},
	}
}

func (m *Message) fields() [9]field {
	return [...]field{
		{"podname", wire, &m.PodName},
		{"nodename", wire | optional, &m.NodeName},
		{"namespace", wire | optional, &m.Namespace},
		{"pod_uid", wire | optional, &m.UID},
		{"boot_id", wire, &m.BootID},
		{"clock_ms", wire, &m.Clock},
		{"number", wire, &m.Number},
		{"via", wire | optional, (*string)(&m.Via)},
		{"body", wire, (*rawObject)(&m.Body)},
	}
}

func (r *Reply) fields() [1]field {
	return [...]field{{"news", wire, &r.News}}
}

func (n *News) fields() [2]field {
	return [...]field{
		{"version", wire, &n.Version},
		{"data", wire, (*rawValue)(&n.Data)},
	}
}
