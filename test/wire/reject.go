package wire

import (
	"encoding/binary"
	"net"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// rejection is what a router says (RFC 792, RFC 4443).
func rejection(six bool, way Way) (kind icmp.Type, code int) {
	switch {
	case way.Unreachable && six:
		return ipv6.ICMPTypeDestinationUnreachable, 3
	case way.Filtered && six:
		return ipv6.ICMPTypeDestinationUnreachable, 4
	case six:
		return ipv6.ICMPTypePacketTooBig, 0
	case way.Unreachable:
		return ipv4.ICMPTypeDestinationUnreachable, 1
	case way.Filtered:
		return ipv4.ICMPTypeDestinationUnreachable, 3
	}
	return ipv4.ICMPTypeDestinationUnreachable, 4
}

// reject is the packet by which a router tells who sent p what becomes of it; nil where
// nobody is told.
func reject(p Packet, way Way) []byte {
	if proto := p.Protocol(); proto != 6 && proto != 17 {
		return nil
	}
	from, to := router(p.Six).AsSlice(), Own(p.From, p.Six).AsSlice()
	quote := p.Data[:min(len(p.Data), 528)]
	kind, code := rejection(p.Six, way)
	rest := make([]byte, 4)
	if !way.Unreachable && !way.Filtered {
		binary.BigEndian.PutUint32(rest, uint32(way.MTU))
	}
	message := icmp.Message{Type: kind, Code: code, Body: &icmp.RawBody{Data: append(rest, quote...)}}
	if p.Six {
		body, err := message.Marshal(icmp.IPv6PseudoHeader(from, to))
		if err != nil {
			return nil
		}
		header := make([]byte, 40, 40+len(body))
		header[0], header[6], header[7] = 6<<4, 58, 64
		binary.BigEndian.PutUint16(header[4:], uint16(len(body)))
		copy(header[8:], from)
		copy(header[24:], to)
		return append(header, body...)
	}
	body, err := message.Marshal(nil)
	if err != nil {
		return nil
	}
	h := ipv4.Header{Version: 4, Len: 20, TotalLen: 20 + len(body), TTL: 64, Protocol: 1, Src: net.IP(from), Dst: net.IP(to)}
	header, err := h.Marshal()
	if err != nil {
		return nil
	}
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	return append(header, body...)
}

// checksum is that of the internet (RFC 1071).
func checksum(data []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
