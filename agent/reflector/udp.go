package reflector

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netchecker/netchecker/agent/socket"
	"github.com/netchecker/netchecker/pkg/datagram"
	"github.com/netchecker/netchecker/pkg/wait"
)

const (
	// knownPace is how many datagrams are read in a tenth of a second of those who know the
	// boot id, and strangerPace of others: what one costs is little, and what so many cost
	// is, too.
	knownPace, strangerPace = 200, 10
	// failurePause is after what can only be a failure of the host.
	failurePause = 100 * time.Millisecond
)

// answer answers what comes to a socket, until that is closed.
func (r *Reflector) answer(life context.Context, s *socket.Socket, most int) {
	var buf [datagram.Size]byte
	var out []byte
	p := pace{most: most}
	for {
		n, packet, err := s.Receive(buf[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait.For(life, failurePause)
			continue
		}
		out = r.reflect(s, buf[:n], &packet, out[:0])
		if rest := p.rest(time.Now()); rest > 0 {
			wait.For(life, rest)
		}
	}
}

// reflect answers one datagram, if it is to be answered, and returns the room that it
// took for that.
func (r *Reflector) reflect(s *socket.Socket, data []byte, p *socket.Packet, room []byte) []byte {
	q, ok := datagram.Quoted(data)
	if !ok || q.Kind != datagram.Question || int(q.Reply) < datagram.Size || int(q.Reply) > p.Size || !p.To.IsValid() {
		return room
	}
	a, size, ok := r.book.Answer(Source{p.From, q.Session}, &q, p.At)
	if !ok {
		return room
	}
	a.Took = time.Since(p.At)
	room = datagram.Append(room, &a, size)
	if err := s.Reply(p, room); errors.Is(err, unix.EMSGSIZE) {
		return r.refuse(s, &a, p, room[:0])
	}
	// Else what was not sent is lost, and nobody here needs to know.
	return room
}

// refuse answers that an answer as large as was asked for can't be sent, and how large one
// can.
func (r *Reflector) refuse(s *socket.Socket, a *datagram.Datagram, p *socket.Packet, room []byte) []byte {
	a.Kind = datagram.TooLarge
	if mtu, err := socket.MTUBack(p); err == nil {
		a.MTU = uint16(min(mtu, 1<<16-1))
	}
	room = datagram.Append(room, a, datagram.Size)
	_ = s.Reply(p, room)
	return room
}
