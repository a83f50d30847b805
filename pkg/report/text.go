package report

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a string as the body has it, between its quotes. It was found to be
// well formed and is only built when somebody wants it, so that a string that
// is skipped or too long costs no memory.
type text struct {
	raw []byte
	// plain says that raw is the string: no escapes, all of it UTF-8.
	plain bool
}

// text reads a string.
func (s *scanner) text(want string) (text, error) {
	if !s.take('"') {
		return text{}, s.unexpected(want)
	}
	start, escapes, bits := s.pos, false, byte(0)
	for i := s.pos; i < len(s.data); {
		switch c := s.data[i]; {
		case c == '"':
			raw := s.data[start:i]
			s.pos = i + 1
			return text{raw, !escapes && (bits < utf8.RuneSelf || utf8.Valid(raw))}, nil
		case c == '\\':
			_, size := unescape(s.data[i:])
			if size == 0 {
				return text{}, bad("unknown escape sequence in a string at byte %d", i)
			}
			escapes = true
			i += size
		case c < ' ':
			return text{}, bad("control character %#02x in a string at byte %d; it should be escaped", c, i)
		default:
			bits |= c
			i++
		}
	}
	return text{}, bad("the JSON ends at byte %d, within a string", len(s.data))
}

// bytes is what t says, false if that is more than MaxString bytes. It is in
// buf, if that is large enough, or the body itself; who keeps it must copy it.
func (t text) bytes(buf []byte) ([]byte, bool) {
	if t.plain {
		return t.raw, len(t.raw) <= MaxString
	}
	const longest = len(`\u0041`) // of what stands for one byte
	if len(t.raw) > longest*MaxString {
		return nil, false
	}
	said := t.append(buf[:0])
	return said, len(said) <= MaxString
}

// append appends what t says. Each byte that is no UTF-8 becomes U+FFFD, as with
// encoding/json.
func (t text) append(dst []byte) []byte {
	for rest := t.raw; len(rest) > 0; {
		if rest[0] == '\\' {
			r, size := unescape(rest)
			dst = utf8.AppendRune(dst, r)
			rest = rest[size:]
			continue
		}
		r, size := utf8.DecodeRune(rest)
		dst = utf8.AppendRune(dst, r)
		rest = rest[size:]
	}
	return dst
}

// unescape reads the escape sequence that b begins with: what it stands for, and
// the bytes it takes, 0 if it is none. Half a surrogate pair is U+FFFD, as with
// encoding/json.
func unescape(b []byte) (r rune, size int) {
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if len(b) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(from, b[1]); i >= 0 {
		return rune(to[i]), 2
	}
	r, ok := unit(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, _ := unit(b[6:])
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return r, 6
	}
	return r, 12
}

// unit reads the \uXXXX that b begins with, a unit of UTF-16.
func unit(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// AppendString appends s as a JSON string (RFC 8259, section 7). Bytes that are
// no UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := 0
		for n < len(s) && isPlain(s[n]) {
			n++
		}
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		dst, s = appendRune(dst, s[n:])
	}
}

// isPlain says whether c stands for itself in a JSON string.
func isPlain(c byte) bool { return c-' ' < utf8.RuneSelf-' ' && c != '"' && c != '\\' }

// appendRune appends the first rune of s as a JSON string has it; rest is what
// follows it.
func appendRune(dst []byte, s string) (_ []byte, rest string) {
	const hex = "0123456789abcdef"
	switch c := s[0]; {
	case c >= utf8.RuneSelf:
		r, size := utf8.DecodeRuneInString(s)
		return utf8.AppendRune(dst, r), s[size:]
	case c == '"', c == '\\':
		dst = append(dst, '\\', c)
	case c == '\n':
		dst = append(dst, '\\', 'n')
	case c == '\r':
		dst = append(dst, '\\', 'r')
	case c == '\t':
		dst = append(dst, '\\', 't')
	default:
		dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return dst, s[1:]
}
