package dpop

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/headgate/headgate/certs"
)

// maxMembers bounds the members of one document, nested ones included, and
// with it the work of looking for duplicates. A proof has about ten.
const maxMembers = 64

// scanner reads one strict JSON document from front to back: RFC 8259 syntax,
// UTF-8, no duplicate member names at any depth, bounded nesting. It is pulled
// by the caller, so that known members are taken on the way and nothing is
// built for the others. The first fault sticks and ends the document. It
// accepts exactly what certs.StrictJSON accepts within maxMembers.
type scanner struct {
	data    []byte
	pos     int
	depth   int
	members int
	names   [][]byte // member names of the objects still open, innermost last
	fault   Reason   // "" while all is well
}

// document walks the members of data, which must be one object and nothing
// else. member is called with each name, unescaped, and must consume the value
// through text, number, raw or skip.
func (s *scanner) document(data []byte, member func(name []byte)) {
	*s = scanner{data: data, names: s.names[:0]}
	if !utf8.Valid(data) {
		s.fail(BadJSON)
	}
	s.object(member)
	s.space()
	if s.fault == "" && s.pos != len(s.data) {
		s.fail(BadJSON)
	}
}

// fail records the first fault and moves to the end of the document, where
// every other step fails quietly.
func (s *scanner) fail(r Reason) {
	if s.fault == "" {
		s.fault = r
	}
	s.pos = len(s.data)
}

// peek returns the first byte of the next token, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// space skips whitespace.
func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// take consumes the byte c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// enter takes the bracket that comes next, and with leave it counts nesting.
func (s *scanner) enter() {
	s.pos++
	if s.depth++; s.depth > certs.MaxJSONDepth {
		s.fail(TooDeep)
	}
}

func (s *scanner) leave() { s.depth-- }

// object reads an object and calls member for each of its members.
func (s *scanner) object(member func(name []byte)) {
	if s.peek() != '{' {
		s.fail(BadJSON)
		return
	}
	s.enter()
	defer s.leave()
	if s.take('}') {
		return
	}
	first := len(s.names)
	for s.fault == "" {
		name := s.string()
		for _, other := range s.names[first:] {
			if bytes.Equal(name, other) {
				s.fail(Duplicate)
			}
		}
		if s.members++; s.members > maxMembers {
			s.fail(TooMany)
		}
		s.names = append(s.names, name)
		if !s.take(':') {
			s.fail(BadJSON)
		}
		if s.fault != "" {
			return
		}
		member(name)
		if s.take('}') {
			s.names = s.names[:first]
			return
		}
		if !s.take(',') {
			s.fail(BadJSON)
		}
	}
}

// skip reads the next value, whatever it is, under the same rules.
func (s *scanner) skip() {
	switch c := s.peek(); {
	case c == '{':
		s.object(func([]byte) { s.skip() })
	case c == '[':
		s.array()
	case c == '"':
		s.string()
	case c == '-' || '0' <= c && c <= '9':
		s.numeral()
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.fail(BadJSON)
	}
}

// array reads an array.
func (s *scanner) array() {
	s.enter()
	defer s.leave()
	if s.take(']') {
		return
	}
	for s.fault == "" {
		s.skip()
		if s.take(']') {
			return
		}
		if !s.take(',') {
			s.fail(BadJSON)
		}
	}
}

// raw reads an object and returns its bytes as they stand, nil for any other
// value.
func (s *scanner) raw() []byte {
	isObject := s.peek() == '{'
	start := s.pos
	s.skip()
	if !isObject || s.fault != "" {
		return nil
	}
	return s.data[start:s.pos]
}

// text reads a string value, unescaped; any other value is skipped and not ok.
func (s *scanner) text() (b []byte, ok bool) {
	if s.peek() != '"' {
		s.skip()
		return nil, false
	}
	b = s.string()
	return b, s.fault == ""
}

// seconds reads a NumericDate (RFC 7519 section 2) and rounds it down to whole
// seconds. Any other value, and a time outside about +-30,000 years, is
// skipped and not ok.
func (s *scanner) seconds() (n int64, ok bool) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		s.skip()
		return 0, false
	}
	digits := s.numeral()
	if s.fault != "" {
		return 0, false
	}
	if len(digits) <= 12 {
		if n, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
			return n, true
		}
	}
	f, err := strconv.ParseFloat(string(digits), 64) // a fraction or an exponent
	if err != nil || math.Abs(f) >= 1e12 {
		return 0, false
	}
	return int64(math.Floor(f)), true
}

// numeral reads a number and returns its bytes.
func (s *scanner) numeral() []byte {
	start := s.pos
	if s.pos < len(s.data) && s.data[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++ // no digit may follow a leading zero
	} else {
		s.digits()
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		s.digits()
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		s.digits()
	}
	return s.data[start:s.pos]
}

// digits reads one digit or more.
func (s *scanner) digits() {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		s.fail(BadJSON)
	}
}

// literal reads one of the three names.
func (s *scanner) literal(name string) {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(name)) {
		s.fail(BadJSON)
		return
	}
	s.pos += len(name)
}

// string reads a string and returns its text. Without escapes, the common
// case, that is a part of data; it stays valid as long as data does.
func (s *scanner) string() []byte {
	if !s.take('"') {
		s.fail(BadJSON)
		return nil
	}
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start : s.pos-1]
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			s.fail(BadJSON)
			return nil
		}
		s.pos++
	}
	s.fail(BadJSON)
	return nil
}

// escaped reads the rest of a string that began at start and whose first
// escape is next.
func (s *scanner) escaped(start int) []byte {
	text := bytes.Clone(s.data[start:s.pos])
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return text
		case c < ' ':
			s.fail(BadJSON)
			return nil
		case c != '\\':
			text = append(text, c)
			continue
		}
		if s.pos == len(s.data) {
			break
		}
		c = s.data[s.pos]
		s.pos++
		switch c {
		case '"', '\\', '/':
			text = append(text, c)
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'u':
			text = utf8.AppendRune(text, s.unicode())
		default:
			s.fail(BadJSON)
		}
	}
	s.fail(BadJSON)
	return nil
}

// unicode reads what follows \u, with the second half of a surrogate pair if
// it is there. A lone half becomes U+FFFD as in encoding/json, so that two
// parsers agree on which names are equal.
func (s *scanner) unicode() rune {
	r := s.hex()
	if !utf16.IsSurrogate(r) {
		return r
	}
	if bytes.HasPrefix(s.data[s.pos:], []byte(`\u`)) {
		mark := s.pos
		s.pos += 2
		if pair := utf16.DecodeRune(r, s.hex()); pair != utf8.RuneError || s.fault != "" {
			return pair
		}
		s.pos = mark
	}
	return utf8.RuneError
}

// hex reads four hexadecimal digits.
func (s *scanner) hex() rune {
	if len(s.data)-s.pos < 4 {
		s.fail(BadJSON)
		return 0
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			s.fail(BadJSON)
			return 0
		}
		r = r<<4 | rune(c)
	}
	s.pos += 4
	return r
}
