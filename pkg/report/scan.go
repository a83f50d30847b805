package report

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from a slice, one token at a time, and builds
// nothing that is not asked for. Its errors have an empty Field; who calls
// knows which field it was and adds it with at.
type scanner struct {
	data []byte
	pos  int
	// depth is how many objects and arrays are open.
	depth int
}

// bad is an error without a field yet.
func bad(format string, args ...any) error {
	return &FieldError{Reason: fmt.Sprintf(format, args...)}
}

// unexpected says what was found at the current position, where something else
// should have been.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.data) {
		return bad("the JSON ends at byte %d, where %s should be", s.pos, want)
	}
	return bad("found %s at byte %d, where %s should be", found(s.data[s.pos:]), s.pos, want)
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

// cut shortens what is quoted back in an error.
func cut[T string | []byte](v T) string {
	const most = 40
	text := string(v[:min(len(v), most+1)])
	if len(text) <= most {
		return text
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// peek is the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		if c := s.data[s.pos]; c > ' ' || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// end says whether nothing but white space is left.
func (s *scanner) end() bool { return s.peek() == 0 && s.pos >= len(s.data) }

// take consumes c if it comes next after white space.
func (s *scanner) take(c byte) bool { return s.peek() == c && s.next(c) }

// next consumes c if the next byte is c.
func (s *scanner) next(c byte) bool {
	if s.pos >= len(s.data) || s.data[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// literal consumes one of true, false and null if it comes next.
func (s *scanner) literal(word string) bool {
	if s.peek() != word[0] || !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return false
	}
	s.pos += len(word)
	return true
}

// null consumes a null if it comes next.
func (s *scanner) null() bool { return s.literal("null") }

// maxDepth bounds the nesting of objects and arrays, the outermost being the
// first.
const maxDepth = 32

// open consumes the beginning of an object or array.
func (s *scanner) open(c byte, want string) error {
	if !s.take(c) {
		return s.unexpected(want)
	}
	if s.depth++; s.depth > maxDepth {
		return bad("is nested more than %d deep", maxDepth)
	}
	return nil
}

// close consumes the end of an object or array if it comes next.
func (s *scanner) close(c byte) bool {
	if !s.take(c) {
		return false
	}
	s.depth--
	return true
}

// object reads an object and calls member for each key; member must consume the
// value.
func (s *scanner) object(member func(key text) error) error {
	if err := s.open('{', "an object"); err != nil || s.close('}') {
		return err
	}
	for {
		key, err := s.text("a key in double quotes")
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
		if s.close('}') {
			return nil
		}
		return s.unexpected("a comma or the end of the object")
	}
}

// array reads an array and calls element for each index; element must consume
// the value.
func (s *scanner) array(element func(i int) error) error {
	if err := s.open('[', "an array"); err != nil || s.close(']') {
		return err
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if s.close(']') {
			return nil
		}
		return s.unexpected("a comma or the end of the array")
	}
}

// skip consumes any value and builds nothing.
func (s *scanner) skip() error {
	switch s.peek() {
	case '{':
		return s.object(func(text) error { return s.skip() })
	case '[':
		return s.array(func(int) error { return s.skip() })
	case '"':
		_, err := s.text("a string")
		return err
	}
	if s.literal("true") || s.literal("false") || s.literal("null") {
		return nil
	}
	_, _, err := s.number("a value")
	return err
}
