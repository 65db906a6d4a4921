package certs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxJSONDepth is how deep objects and arrays may nest in the JSON of a JOSE
// object; the outermost value counts as one.
const MaxJSONDepth = 8

// ErrJSON is returned by StrictJSON, wrapped with what is wrong.
var ErrJSON = errors.New("not strict JSON")

// StrictJSON returns nil when data is one JSON object which every parser reads
// the same way: RFC 8259 syntax, UTF-8, no member name twice in any object
// (RFC 7515 section 4, RFC 7519 section 4), nesting up to MaxJSONDepth.
// encoding/json alone takes the last of two members where another parser takes
// the first, and two readings of one signed object are two objects. The caller
// bounds the size. Errors hold nothing of data.
func StrictJSON(data []byte) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return fmt.Errorf("%w: bad syntax", ErrJSON)
	}
	if data = bytes.TrimLeft(data, " \t\r\n"); data[0] != '{' {
		return fmt.Errorf("%w: not an object", ErrJSON)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return strictValue(d, 1)
}

// strictValue checks the next value of d, which lies at the given depth.
func strictValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: bad syntax", ErrJSON)
	}
	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth > MaxJSONDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrJSON, MaxJSONDepth)
	}
	seen := make(map[string]bool)
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return fmt.Errorf("%w: bad syntax", ErrJSON)
			}
			if seen[name.(string)] {
				return fmt.Errorf("%w: a member appears twice", ErrJSON)
			}
			seen[name.(string)] = true
		}
		if err := strictValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing delimiter
		return fmt.Errorf("%w: bad syntax", ErrJSON)
	}
	return nil
}
