// Package report is the wire between agents and server, once: what an agent
// says of itself and of the network, how it is written as JSON, how it is read
// back, and what is accepted.
//
// The JSON is that of the original k8s-netchecker agents, so that agents and
// servers of both projects understand each other; what netchecker adds are keys
// that the originals ignore. Reports come from the network and are hostile until
// [Decode] and [Report.Validate] have passed them: Decode bounds what a body can
// cost, Validate bounds what its fields may say, and each error is a
// [*FieldError] that names the field and what it should have been.
//
// Beside a Report, which says how things are, an agent sends a [Message] for what
// has to arrive once; and taking a report in returns a [Reply] to agents that
// understand it. What is known of each of their fields (its key, how it is read
// and written, who gets to see it) stands in one row of one table, in fields.go.
//
// Decode reads the padding (zero_extender) without building it. A report is
// larger than a network's MTU on purpose, so most of its bytes are padding.
package report

import (
	"errors"
	"fmt"
	"time"
)

// Network says which network an agent's pod lives on.
type Network string

const (
	// Unknown is the Network of agents that do not tell, as the original ones.
	Unknown Network = ""
	// Pod is the cluster's pod network: the agent reaches others over the overlay.
	Pod Network = "pod"
	// Host is the node's own network (hostNetwork: true).
	Host Network = "host"
)

// Report is what one agent tells the server.
type Report struct {
	// ReportInterval is the time between two reports of this agent, in seconds.
	ReportInterval int64
	// NodeName is the node's name; agents of the first version leave it empty.
	NodeName string
	// PodName is the agent's own pod, the name under which the server keeps it.
	PodName string
	// Namespace is the pod's namespace; the original agents leave it empty.
	Namespace string
	// Network tells the pod network from the host network; the original agents
	// leave it empty.
	Network Network
	// HostDate is the agent's wall clock when the report was made.
	HostDate time.Time
	// Uptime is the host's /proc/uptime in whole seconds.
	Uptime uint64
	// NSLookup has, for each name looked up, the addresses found.
	NSLookup map[string][]string
	// IPs has, for each network interface, its addresses in CIDR notation.
	IPs map[string][]string
	// Addresses are the pod's own IP addresses, at which peers reach it; the
	// original agents leave them out.
	Addresses []string
	// NetworkProbes has one result for each URL that the agent probed.
	NetworkProbes []ProbeResult

	// UID is the pod's, which tells it from an earlier pod of the same name; empty
	// where the manifest does not tell it.
	UID string
	// BootID is 16 hexadecimal digits that the agent drew at random as it started. It
	// is shown to nobody: it is also a secret between agents.
	BootID string
	// Clock is what the agent's monotonic clock shows as the report is sent: the time
	// since it drew its BootID. On the wire it is in whole milliseconds.
	Clock time.Duration
	// Understands has the topics of replies that the agent makes use of, each with
	// the version of the news that it has; empty for none yet. An agent of earlier
	// releases leaves it out, and gets no reply.
	Understands map[string]string
	// Delivery is how this report found its way.
	Delivery Delivery
	// Disruption is what the agent knows of the backends that it samples, nil where it
	// samples none. It has no sealed intervals: those go in messages.
	Disruption *Disruption
	// Mesh is what the agent knows of the paths to its peers, nil of one that does not
	// mesh.
	Mesh *Mesh
}

// Delivery is what the sending of a report itself met with.
type Delivery struct {
	// Lookup is how long looking up the server's name took, or was waited for. On the
	// wire it is in whole milliseconds.
	Lookup time.Duration
	// LookupError is why that failed; empty where it went well. The report was sent
	// to the last address known then.
	LookupError string
	// Via is the way that it took. A report takes the usual one; what is kept of a message
	// as a record may have taken another. It is not on the wire.
	Via Via
}

// ProbeResult is the outcome of one HTTP probe. Its times are in milliseconds
// and are what Go's net/http/httptrace measured; original agents send
// 9223372036854 for a time that was not reached.
type ProbeResult struct {
	URL string
	// ConnectionResult is 1 when an HTTP answer came, whatever its code, else 0.
	ConnectionResult int64
	HTTPCode         int64
	Total            int64
	ContentTransfer  int64
	TCPConnection    int64
	DNSLookup        int64
	Connect          int64
	ServerProcessing int64
}

// Record is a Report as the server keeps it and gives it back.
type Record struct {
	Report
	// LastUpdated is the server's wall clock when it took the report in. It is
	// told to readers and never used to judge how old a report is.
	LastUpdated time.Time
	// Booted is what the wall clock of the server that took the report in showed as
	// the agent's clock showed zero; the times of its Disruption are to be added to
	// it. Zero where there is none.
	Booted time.Time
}

// Join adds life, which DecodeLife read, to r, which DecodeRecord did.
func (r *Record) Join(life *Record) {
	r.BootID, r.Booted, r.Delivery.Via = life.BootID, life.Booted, life.Delivery.Via
	r.Disruption, r.Mesh = life.Disruption, life.Mesh
}

// FieldError is a report that can't be accepted: which field, and why.
type FieldError struct {
	// Field is the field's JSON path, such as network_probes[2].URL.
	Field string
	// Reason says what is wrong with it and what it should be.
	Reason string
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Reason) }

// Within says of a FieldError that its field is in another one; other errors stay as
// they are.
func Within(field string, err error) error {
	var wrong *FieldError
	if !errors.As(err, &wrong) || wrong.Field == field {
		return err
	}
	return &FieldError{Field: field + "." + wrong.Field, Reason: wrong.Reason}
}
