package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest in an answer.
const maxDepth = 32

// strict refuses what two readers may read in two ways: a body that is not
// one JSON object or list in UTF-8, or in which a member is repeated, in any letter
// case because encoding/json matches in any; and one that nests too deep.
func strict(body []byte) error {
	if !utf8.Valid(body) {
		return wrong("not UTF-8")
	}
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) == 0 || start[0] != '{' && start[0] != '[' {
		return wrong("neither a JSON object nor a list")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := strictValue(d, 1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return wrong("more than one JSON value")
	}
	return nil
}

func strictValue(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return wrong("no JSON")
	}
	open, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth > maxDepth {
		return wrong("nested too deep")
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return wrong("no JSON")
			}
			// Up and down: letters such as the long s fold to the plain one
			// only in one of the directions.
			folded := strings.ToLower(strings.ToUpper(name.(string)))
			if seen[folded] {
				return wrong("a repeated member")
			}
			seen[folded] = true
		}
		if err := strictValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing delimiter
		return wrong("no JSON")
	}
	return nil
}

// object reads the members of an answer. Their names are exact.
func object(body []byte) (map[string]json.RawMessage, error) {
	if err := strict(body); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, wrong("no JSON")
	}
	return members, nil
}

// decode reads JSON into v. The error names the member that is of the wrong
// type and never quotes a value.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrong("wrong type of member " + mismatch.Field)
	}
	if err != nil {
		return wrong("not what FDX has: an id, a date or an amount is missing or malformed")
	}
	return nil
}

// scalar returns a text or a number as text; "" and true for null or nothing.
func scalar(data json.RawMessage) (string, bool) {
	if len(data) == 0 {
		return "", true
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", false
	}
	return text(v)
}

// text returns a text or a number as text; "" and true for nothing.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}
