package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// MaxSessions bounds the sessions that an agent runs at a time: those with both
	// agents of 8 peers and of 8 that fail and are kept, and with the other agent of its
	// own node, over two address families, and as much again for a change of peers.
	MaxSessions = 144
	// MaxEnded bounds those that are over and told one by one, MaxSummed the sums of the
	// others: by the network that was probed, and by address family.
	MaxEnded, MaxSummed = 64, 8
	// MaxHeard bounds the sessions of others that are told, and MaxShared what all agents
	// share.
	MaxHeard, MaxShared = 64, 24
	// MaxID is the largest id of an agent in a mesh: 48 bits, which any JSON reader takes.
	MaxID = 1<<48 - 1
)

// UpdatesKind is the kind of the messages whose body is a Mesh.
const UpdatesKind = "updates"

// Mesh is what an agent knows of the paths to its peers and of what all share. What it
// counts is counted since its boot, or since a session began, and never falls.
type Mesh struct {
	// AsOf is the agent's clock up to which all is told.
	AsOf time.Duration
	// Mute says why the agent does not answer probes, in at most MaxText bytes: its port
	// is taken, say. It is empty of one that does.
	Mute string
	// Starved is for how long the agent could not run as it should, altogether. What it
	// did not hear then is nobody's loss.
	Starved time.Duration
	// Conntrack is how many connections the node's kernel tracks, and ConntrackMax how
	// many it can; 0 where the agent does not see that.
	Conntrack, ConntrackMax uint64
	// Sessions are those that run, at most MaxSessions. Ended are over, at most MaxEnded;
	// they are told until a report with them was accepted, and by no later one. Summed
	// are those that there was no room for among them: sums, whose rows have neither ID
	// nor Peer, at most MaxSummed.
	Sessions, Ended, Summed Sessions
	// Heard are sessions of others, at most MaxHeard, that are not as they should be.
	Heard []Heard
	// Shared has at most MaxShared. Those of kinds that are not known yet are skipped as
	// they are read: newer agents may ask more.
	Shared []Shared
}

// Heard is a session of another agent's, as the one that is probed knows it.
type Heard struct {
	// Peer is the id that the prober told, and ID the session's.
	Peer, ID uint64
	// Six says that it comes from an IPv6 address.
	Six bool
	// Received are the datagrams that came.
	Received uint64
	// Silent is for how long nothing has come, though more was announced, in
	// milliseconds.
	Silent uint64
	// Unanswered are the answers in a row that, as the prober says, did not reach it.
	Unanswered uint64
}

// SharedKind says what it is that all agents share.
type SharedKind string

const (
	// DNS is the name service as it is configured; DNSServer one of its servers, asked
	// itself.
	DNS       SharedKind = "dns"
	DNSServer SharedKind = "dns-server"
	// ServiceName, ServiceAddress and NodePort are ways to netchecker's Service: by its
	// name, by its address, and by a port of the agent's own node.
	ServiceName    SharedKind = "service-name"
	ServiceAddress SharedKind = "service-address"
	NodePort       SharedKind = "node-port"
	// KubeAPI is the Kubernetes API server.
	KubeAPI SharedKind = "kube-api"
)

func (k SharedKind) known() bool {
	switch k {
	case DNS, DNSServer, ServiceName, ServiceAddress, NodePort, KubeAPI:
		return true
	}
	return false
}

// Shared is what came of asking something that all agents share.
type Shared struct {
	Kind SharedKind
	// Target is its address, or its name, in at most MaxText bytes.
	Target string
	// Asked are all questions. Of them, Lost were not answered, Refused were refused,
	// Wrong were answered with something else than is right, and Suspect were not
	// answered as the agent starved.
	Asked, Lost, Refused, Wrong, Suspect uint64
	// Run are those in a row, up to now, that were not well.
	Run uint64
	// RoundTrips is the sum of what those took that were well, in microseconds.
	RoundTrips uint64
	// Message says what is wrong, in at most MaxText bytes; empty where all is well.
	Message string
}

// AppendMesh appends m as the body of a message of the kind UpdatesKind.
func AppendMesh(dst []byte, m *Mesh) []byte { return appendMesh(dst, m, wire) }

// DecodeMesh reads the body of a message, with the care and the errors of Decode, and
// says whether its fields make sense.
func DecodeMesh(data []byte) (Mesh, error) {
	var m Mesh
	fields := m.fields()
	if err := cmp.Or(decode(data, fields[:], wire), m.check("")); err != nil {
		return Mesh{}, err
	}
	return m, nil
}

func (m *Mesh) fields() [10]field {
	return [...]field{
		{"as_of_ms", between, &m.AsOf},
		{"mute", between | optional, &m.Mute},
		{"starved_ms", between | optional, &m.Starved},
		{"conntrack", between | optional, &m.Conntrack},
		{"conntrack_max", between | optional, &m.ConntrackMax},
		{"sessions", between | optional, &m.Sessions},
		{"ended", between | optional, &m.Ended},
		{"summed", between | optional, &m.Summed},
		{"heard", between | optional, &m.Heard},
		{"shared", between | optional, &m.Shared},
	}
}

func (s *Shared) fields() [10]field {
	return [...]field{
		{"kind", between, (*string)(&s.Kind)},
		{"target", between | optional, &s.Target},
		{"asked", between, &s.Asked},
		{"lost", between | optional, &s.Lost},
		{"refused", between | optional, &s.Refused},
		{"wrong", between | optional, &s.Wrong},
		{"suspect", between | optional, &s.Suspect},
		{"run", between | optional, &s.Run},
		{"round_trips_us", between | optional, &s.RoundTrips},
		{"message", between | optional, &s.Message},
	}
}

func (h *Heard) fields() [6]field {
	return [...]field{
		{"peer", between, &h.Peer},
		{"id", between, &h.ID},
		{"six", between | optional, (*flag)(&h.Six)},
		{"received", between, &h.Received},
		{"silent_ms", between | optional, &h.Silent},
		{"unanswered", between | optional, &h.Unanswered},
	}
}

func (s *Shared) table() []field { f := s.fields(); return f[:] }

func (h *Heard) table() []field { f := h.fields(); return f[:] }

// readMesh reads an object, or null, which is nil.
func (d *decoder) readMesh() (*Mesh, error) {
	if d.null() {
		return nil, nil
	}
	to := &Mesh{}
	fields := to.fields()
	return to, d.members(fields[:])
}

// readShared reads an array, or null.
func (d *decoder) readShared() ([]Shared, error) {
	list, err := readObjects(d, MaxShared, (*Shared).table)
	list = slices.DeleteFunc(list, func(s Shared) bool { return s.Kind != "" && !s.Kind.known() })
	if len(list) == 0 {
		return nil, err
	}
	return list, err
}

func appendMesh(dst []byte, m *Mesh, as rendering) []byte {
	fields := m.fields()
	return appendFields(dst, fields[:], as)
}

// check says whether m makes sense; in is the path of its keys, with a point at its
// end.
func (m *Mesh) check(in string) error {
	if err := cmp.Or(
		checkDuration(in+"as_of_ms", m.AsOf),
		checkText(in+"mute", m.Mute),
		checkDuration(in+"starved_ms", m.Starved),
		m.Sessions.check(in+"sessions", MaxSessions, true),
		m.Ended.check(in+"ended", MaxEnded, true),
		m.Summed.check(in+"summed", MaxSummed, false),
	); err != nil {
		return err
	}
	for i := range m.Heard {
		if h := &m.Heard[i]; h.Peer > MaxID {
			return refuse(fmt.Sprintf("%sheard[%d].peer", in, i), "is %d; it should be at most %d", h.Peer, uint64(MaxID))
		}
	}
	for i := range m.Shared {
		if err := m.Shared[i].check(fmt.Sprintf("%sshared[%d].", in, i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shared) check(in string) error {
	if !s.Kind.known() {
		return refuse(in+"kind", "is %q; it should be %q, %q, %q, %q, %q or %q", cut(string(s.Kind)), DNS, DNSServer, ServiceName, ServiceAddress, NodePort, KubeAPI)
	}
	if exceeds(s.Asked, s.Lost, s.Refused, s.Wrong, s.Suspect) {
		return refuse(in+"asked", "is %d; it should be at least lost, refused, wrong and suspect together", s.Asked)
	}
	return cmp.Or(checkText(in+"target", s.Target), checkText(in+"message", s.Message))
}
