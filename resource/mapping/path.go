package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Source is one record of the bank: a row, or an object of an answer.
type Source interface {
	// Value returns what stands at a path of the mapping file, and false when
	// nothing does. A value is nil, a string, a bool, an int, int32 or int64,
	// a json.Number, a time.Time, a []any or a map[string]any; anything else
	// cannot be mapped.
	Value(path string) (any, bool)
}

// Columns is a Source with a value per path, such as the columns of a row.
type Columns map[string]any

// Value implements Source.
func (c Columns) Value(path string) (any, bool) {
	v, ok := c[path]
	return v, ok
}

// ErrNotObject: the text is not one JSON object.
var ErrNotObject = errors.New("mapping: not a JSON object")

// JSON returns the Source of a JSON object. Numbers stay as they are written,
// so that no amount passes through a binary fraction. It returns ErrNotObject.
func JSON(data []byte) (Source, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil || v == nil {
		return nil, ErrNotObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrNotObject
	}
	return Tree{v}, nil
}

// Tree is a Source over decoded JSON, of which numbers are json.Number.
type Tree struct {
	// Root is the whole, usually a map[string]any.
	Root any
}

// Value implements Source. A path is made of names and places, such as
// owner.names[0].text; the empty path is the whole.
func (t Tree) Value(path string) (any, bool) {
	v := t.Root
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, ".")
		name, places, _ := strings.Cut(name, "[")
		if name != "" {
			object, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = object[name]; !ok {
				return nil, false
			}
		}
		for places != "" {
			var place string
			place, places, _ = strings.Cut(places, "]")
			places = strings.TrimPrefix(places, "[")
			list, ok := v.([]any)
			i, err := strconv.Atoi(place)
			if !ok || err != nil || i < 0 || i >= len(list) {
				return nil, false
			}
			v = list[i]
		}
	}
	return v, true
}

// validPath reports whether a path is of the form that Tree reads: names
// apart by points, each with places in brackets behind it.
func validPath(path string) bool {
	if len(path) > 200 {
		return false
	}
	for i, part := range strings.Split(path, ".") {
		name, places, listed := strings.Cut(part, "[")
		if name == "" && !(i == 0 && listed) || strings.ContainsAny(name, "]\x00") {
			return false
		}
		for listed {
			var place string
			var closed bool
			if place, places, closed = strings.Cut(places, "]"); !closed {
				return false
			}
			if n, err := strconv.Atoi(place); err != nil || n < 0 || strconv.Itoa(n) != place {
				return false
			}
			if places == "" {
				break
			}
			if places, listed = strings.CutPrefix(places, "["); !listed {
				return false
			}
		}
	}
	return true
}
