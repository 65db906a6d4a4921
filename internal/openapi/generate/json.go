package main

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object whose members stay in order, as readers of the
// document want them.
type object []member

type member struct {
	name  string
	value any
}

// with returns the object with one more member.
func (o object) with(name string, value any) object { return append(o, member{name, value}) }

// encode returns the indented JSON of v, without escapes for HTML.
func encode(v any) []byte {
	var compact, out bytes.Buffer
	write(&compact, v)
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		panic(err) // it is ours
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func write(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case object:
		b.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, m.name)
			b.WriteByte(':')
			write(b, m.value)
		}
		b.WriteByte('}')
	case []object:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		write(b, list)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, e)
		}
		b.WriteByte(']')
	default:
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err)
		}
		b.Truncate(b.Len() - 1) // the line end
	}
}
