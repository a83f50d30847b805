package report

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// number consumes a JSON number and tells whether it is written as an integer.
func (s *scanner) number(want string) (digits []byte, integer bool, err error) {
	s.peek()
	start := s.pos
	if s.next('-') {
		want = "a digit after the minus sign"
	}
	if !s.next('0') && !s.digits() {
		return nil, false, s.unexpected(want)
	}
	integer = true
	if s.next('.') {
		integer = false
		if !s.digits() {
			return nil, false, s.unexpected("a digit after the decimal point")
		}
	}
	if s.next('e') || s.next('E') {
		integer = false
		_ = s.next('+') || s.next('-')
		if !s.digits() {
			return nil, false, s.unexpected("a digit of the exponent")
		}
	}
	return s.data[start:s.pos], integer, nil
}

// digits consumes digits and tells whether there was one.
func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > from
}

// longest is the most characters that a 64 bit integer takes in JSON, which
// knows neither a plus sign nor leading zeros: -9223372036854775808.
const longest = 20

func (s *scanner) int64() (int64, error) { return s.whole(math.MinInt64, math.MaxInt64) }

// whole reads a whole number from least to most.
func (s *scanner) whole(least, most int64) (int64, error) {
	digits, integer, err := s.number("a number")
	if err != nil {
		return 0, err
	}
	if integer && len(digits) <= longest {
		if n, err := strconv.ParseInt(string(digits), 10, 64); err == nil && least <= n && n <= most {
			return n, nil
		}
	}
	return 0, bad("is %s; it should be a whole number from %d to %d", cut(digits), least, most)
}

func (s *scanner) uint64() (uint64, error) {
	digits, integer, err := s.number("a number")
	if err != nil {
		return 0, err
	}
	if integer && len(digits) <= longest {
		if n, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, bad("is %s; it should be a whole number from 0 to %d", cut(digits), uint64(math.MaxUint64))
}

// zeros is what padding consists of, as much as is compared at once.
var zeros = []byte(strings.Repeat("0,", 256))

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
		s.zeros()
		if _, _, err := s.number("a number"); err != nil {
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

// zeros consumes zeros that are each followed by a comma, many at once.
func (s *scanner) zeros() {
	for block := zeros; len(block) > 1; block = block[:len(block)/2] {
		for bytes.HasPrefix(s.data[s.pos:], block) {
			s.pos += len(block)
		}
	}
}
