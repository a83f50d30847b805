package report

import "time"

// MaxBody bounds the body of a message, in bytes.
const MaxBody = 16 << 10

// Message is what an agent has to tell once beside its reports. It is sent until
// the server has acknowledged it, and is known by its sender's pod, BootID and
// Number however often it arrives. Its body is the same bytes each time; what is
// around it is encoded anew at each sending.
type Message struct {
	// PodName, NodeName, Namespace and UID are as in a Report.
	PodName, NodeName, Namespace, UID string
	// BootID is as in a Report, and required.
	BootID string
	// Clock is what the agent's monotonic clock shows as the message is sent, as in a
	// Report: the times in the body are told on that clock.
	Clock time.Duration
	// Number counts the sender's messages since its BootID, from 1.
	Number uint64
	// Via is the way that it took.
	Via Via
	// Body is a JSON object of at most MaxBody bytes, as it was written.
	Body []byte
}

// Via is a way to the server.
type Via string

const (
	// ViaService is the usual one, by the Service's address.
	ViaService Via = ""
	// ViaServer is by the address of one of the servers.
	ViaServer Via = "server"
	// ViaNode is by the Service's port of a node that a server is on.
	ViaNode Via = "node"
)

// AppendMessage appends m as an agent posts it. Its body has to be a JSON object.
func AppendMessage(dst []byte, m *Message) []byte {
	fields := m.fields()
	return appendFields(dst, fields[:], wire)
}

// DecodeMessage reads a message as an agent posts it, with the care and the
// errors of Decode. [Message.Validate] says whether its fields make sense.
func DecodeMessage(data []byte) (Message, error) {
	var m Message
	fields := m.fields()
	if err := decode(data, fields[:], wire); err != nil {
		return Message{}, err
	}
	return m, nil
}
