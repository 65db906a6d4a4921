package fdx

import (
	"bytes"
	"encoding/json"
	"strings"
)

// MaxBodyLength bounds the body of a request in bytes. Bodies here name a few
// values; the largest legitimate one has some hundred bytes.
const MaxBodyLength = 16 << 10

// parseBody reads one JSON object into v. A member that is repeated in any
// letter case is refused, because encoding/json would take the last and the
// next reader of the same body perhaps the first.
func parseBody(body []byte, v any) *Error {
	if len(body) > MaxBodyLength {
		return ErrInvalidInput.WithDebug("body is too long")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return ErrInvalidInput.WithDebug("body is not a JSON object")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return ErrInvalidInput.WithDebug("body is not JSON of the expected form")
	}
	if repeats(json.NewDecoder(bytes.NewReader(body))) {
		return ErrInvalidInput.WithDebug("a member is repeated")
	}
	return nil
}

// repeats reports whether an object in the next value, which is known to be
// JSON, has a member twice.
func repeats(d *json.Decoder) bool {
	token, err := d.Token()
	if err != nil {
		return false
	}
	switch token {
	case json.Delim('['):
		for d.More() {
			if repeats(d) {
				return true
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return false
			}
			// Up and down, because encoding/json takes letters such as the
			// long s for the plain one, which going one way leaves apart.
			folded := strings.ToLower(strings.ToUpper(name.(string)))
			if seen[folded] || repeats(d) {
				return true
			}
			seen[folded] = true
		}
	default:
		return false
	}
	_, _ = d.Token() // the end of the array or object
	return false
}
