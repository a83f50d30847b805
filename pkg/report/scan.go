package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from a slice, one token at a time, and builds
// nothing that is not asked for. Its errors have an empty Field; who calls
// knows which field it was and adds it with at.
type scanner struct {
	data []byte
	pos  int
}

// bad is an error at the current position.
func (s *scanner) bad(format string, args ...any) error {
	return &FieldError{Reason: fmt.Sprintf(format, args...)}
}

// unexpected says what was found where something else should have been.
func (s *scanner) unexpected(want string) error {
	s.space()
	if s.pos >= len(s.data) {
		return s.bad("the JSON ends at byte %d, where %s should be", s.pos, want)
	}
	return s.bad("found %s at byte %d, where %s should be", found(s.data[s.pos:]), s.pos, want)
}

// found describes the beginning of what was met, for people.
func found(b []byte) string {
	switch c := b[0]; {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	case bytes.HasPrefix(b, []byte("true")), bytes.HasPrefix(b, []byte("false")):
		return "a boolean"
	case bytes.HasPrefix(b, []byte("null")):
		return "null"
	}
	r, _ := utf8.DecodeRune(b)
	return strconv.QuoteRune(r)
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// take consumes c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// literal consumes one of true, false and null if it comes next.
func (s *scanner) literal(word string) bool {
	s.space()
	if len(s.data)-s.pos >= len(word) && string(s.data[s.pos:s.pos+len(word)]) == word {
		s.pos += len(word)
		return true
	}
	return false
}

// null consumes a null if it comes next.
func (s *scanner) null() bool { return s.peek() == 'n' && s.literal("null") }

// object reads an object and calls member for each key, which is valid until
// member returns; member must consume the value.
func (s *scanner) object(member func(key []byte) error) error {
	if !s.take('{') {
		return s.unexpected("an object")
	}
	if s.take('}') {
		return nil
	}
	for {
		key, err := s.stringBytes("a key in double quotes")
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.unexpected("a colon")
		}
		if err := member(key); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if s.take('}') {
			return nil
		}
		return s.unexpected("a comma or the end of the object")
	}
}

// array reads an array and calls element for each index; element must consume
// the value.
func (s *scanner) array(element func(i int) error) error {
	if !s.take('[') {
		return s.unexpected("an array")
	}
	if s.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if s.take(']') {
			return nil
		}
		return s.unexpected("a comma or the end of the array")
	}
}

// stringBytes reads a string. The bytes are those of the body where nothing was
// escaped; who keeps them must copy them. Bytes that are no UTF-8 become U+FFFD,
// as with encoding/json.
func (s *scanner) stringBytes(want string) ([]byte, error) {
	if !s.take('"') {
		return nil, s.unexpected(want)
	}
	start, ascii := s.pos, true
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			raw := s.data[start:s.pos]
			s.pos++
			if !ascii && !utf8.Valid(raw) {
				raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
			}
			return raw, nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.bad("control character %#02x in a string at byte %d; it should be escaped", c, s.pos)
		case c >= utf8.RuneSelf:
			ascii = false
		}
		s.pos++
	}
	return nil, s.bad("the JSON ends at byte %d, within a string", s.pos)
}

// escaped goes on with a string at its first backslash.
func (s *scanner) escaped(start int) ([]byte, error) {
	out := append([]byte(nil), s.data[start:s.pos]...)
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return bytes.ToValidUTF8(out, []byte("\uFFFD")), nil
		case c == '\\':
			var err error
			if out, err = s.escape(out); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, s.bad("control character %#02x in a string at byte %d; it should be escaped", c, s.pos)
		default:
			out = append(out, c)
			s.pos++
		}
	}
	return nil, s.bad("the JSON ends at byte %d, within a string", s.pos)
}

// escape appends what the escape sequence at the current position stands for.
func (s *scanner) escape(out []byte) ([]byte, error) {
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if s.pos+1 >= len(s.data) {
		return nil, s.bad("the JSON ends at byte %d, within a string", s.pos)
	}
	c := s.data[s.pos+1]
	if i := strings.IndexByte(from, c); i >= 0 {
		s.pos += 2
		return append(out, to[i]), nil
	}
	r, ok := s.unicode(s.pos)
	if !ok {
		return nil, s.bad("unknown escape sequence in a string at byte %d", s.pos)
	}
	s.pos += 6
	if utf16.IsSurrogate(r) {
		low, ok := s.unicode(s.pos)
		if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
			s.pos += 6
			return utf8.AppendRune(out, pair), nil
		}
		r = utf8.RuneError
	}
	return utf8.AppendRune(out, r), nil
}

// unicode reads the \uXXXX at pos without consuming it.
func (s *scanner) unicode(pos int) (rune, bool) {
	if len(s.data)-pos < 6 || s.data[pos] != '\\' || s.data[pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.data[pos+2 : pos+6] {
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

// number consumes a JSON number and tells whether it is written as an integer.
func (s *scanner) number() (text []byte, integer bool, err error) {
	s.space()
	start := s.pos
	digits := func() bool {
		from := s.pos
		for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
			s.pos++
		}
		return s.pos > from
	}
	at := func(c byte) bool {
		if s.pos < len(s.data) && s.data[s.pos] == c {
			s.pos++
			return true
		}
		return false
	}
	at('-')
	if !at('0') && !digits() {
		s.pos = start
		return nil, false, s.unexpected("a number")
	}
	integer = true
	if at('.') {
		integer = false
		if !digits() {
			return nil, false, s.unexpected("a digit after the decimal point")
		}
	}
	if at('e') || at('E') {
		integer = false
		_ = at('+') || at('-')
		if !digits() {
			return nil, false, s.unexpected("a digit of the exponent")
		}
	}
	return s.data[start:s.pos], integer, nil
}

func (s *scanner) int64() (int64, error) {
	text, integer, err := s.number()
	if err != nil {
		return 0, err
	}
	if !integer {
		return 0, s.bad("is %s; it should be a whole number", shown(text))
	}
	if len(text) < 18 {
		return smallInt(text), nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, s.bad("is %s; it should be a whole number from %d to %d", shown(text), math.MinInt64, math.MaxInt64)
	}
	return n, nil
}

// smallInt reads an integer that can't overflow, as number left it.
func smallInt(text []byte) int64 {
	neg := text[0] == '-'
	if neg {
		text = text[1:]
	}
	var n int64
	for _, c := range text {
		n = n*10 + int64(c-'0')
	}
	if neg {
		return -n
	}
	return n
}

func (s *scanner) uint64() (uint64, error) {
	text, integer, err := s.number()
	if err != nil {
		return 0, err
	}
	n, perr := strconv.ParseUint(string(text), 10, 64)
	if !integer || perr != nil {
		return 0, s.bad("is %s; it should be a whole number from 0 to %d", shown(text), uint64(math.MaxUint64))
	}
	return n, nil
}

// shown shortens what is quoted back in an error.
func shown(text []byte) string {
	const most = 40
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// eightZeros is `0,0,0,0,`, which padding consists of.
var eightZeros = binary.LittleEndian.Uint64([]byte("0,0,0,0,"))

// padding consumes an array of numbers, and is fast where all are zero.
func (s *scanner) padding() error {
	if s.null() {
		return nil
	}
	if !s.take('[') {
		return s.unexpected("an array of numbers")
	}
	if s.take(']') {
		return nil
	}
	for {
		for len(s.data)-s.pos >= 8 && binary.LittleEndian.Uint64(s.data[s.pos:]) == eightZeros {
			s.pos += 8
		}
		if _, _, err := s.number(); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if s.take(']') {
			return nil
		}
		return s.unexpected("a comma or the end of the array")
	}
}

// maxDepth bounds the nesting of values under keys that nobody here reads.
const maxDepth = 32

// skip consumes any value.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.bad("nested more than %d deep", maxDepth)
	}
	switch s.peek() {
	case '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case '[':
		return s.array(func(int) error { return s.skip(depth + 1) })
	case '"':
		_, err := s.stringBytes("a string")
		return err
	case 't', 'f', 'n':
		if s.literal("true") || s.literal("false") || s.literal("null") {
			return nil
		}
		return s.unexpected("a value")
	}
	_, _, err := s.number()
	return err
}
