package fdx

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An encoder writes the members of a struct as encoding/json does, into a
// buffer that the caller has, and without looking twice at what its own types
// have written: a page has thousands of members. A test compares every byte
// with encoding/json.
type encoder []member

type member struct {
	index int
	// name is the member's name with quotes and colon.
	name string
	// embedded marks a struct whose members belong to the outer object.
	embedded bool
	// omit is the member's option omitzero or omitempty.
	omit bool
	form form
	// below is the encoder of a struct inside.
	below encoder
}

// form says how a value is written.
type form int

const (
	otherForm form = iota // by encoding/json
	textForm
	numberForm // a whole number
	decimalForm
	timestampForm
	objectForm  // a struct
	pointerForm // a pointer to a struct
	listForm    // of structs
	textsForm   // a list of strings
)

// encoderOf makes the encoder of a struct type.
func encoderOf(t reflect.Type) encoder {
	var e encoder
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			e = append(e, member{index: i, embedded: true, below: encoderOf(f.Type)})
			continue
		}
		name := jsonName(f)
		if name == "" {
			continue
		}
		tag := f.Tag.Get("json")
		m := member{index: i, name: `"` + name + `":`, omit: strings.HasSuffix(tag, ",omitzero") || strings.HasSuffix(tag, ",omitempty")}
		m.form, m.below = formOf(f.Type)
		e = append(e, m)
	}
	return e
}

func formOf(t reflect.Type) (form, encoder) {
	writes := func(t reflect.Type) bool { return t.Implements(reflect.TypeFor[json.Marshaler]()) }
	object := func(t reflect.Type) bool { return t.Kind() == reflect.Struct && !writes(t) }
	switch {
	case t == reflect.TypeFor[Decimal]():
		return decimalForm, nil
	case t == reflect.TypeFor[Timestamp]():
		return timestampForm, nil
	case t.Kind() == reflect.String && !writes(t):
		return textForm, nil
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64) && !writes(t):
		return numberForm, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && !writes(t) && !writes(t.Elem()):
		return textsForm, nil
	case object(t):
		return objectForm, encoderOf(t)
	case t.Kind() == reflect.Pointer && object(t.Elem()):
		return pointerForm, encoderOf(t.Elem())
	case t.Kind() == reflect.Slice && object(t.Elem()):
		return listForm, encoderOf(t.Elem())
	}
	return otherForm, nil
}

// encodersOf makes the encoders of a type that holds a pointer per category,
// in the order of its fields.
func encodersOf(t reflect.Type) []encoder {
	all := make([]encoder, t.NumField())
	for i := range all {
		all[i] = encoderOf(t.Field(i).Type.Elem())
	}
	return all
}

// appendFlat appends the object of the one category that v holds,
// accountCategory first.
func appendFlat(b []byte, v reflect.Value, all []encoder, category AccountCategory) ([]byte, error) {
	b = append(b, `{"accountCategory":`...)
	b = appendText(b, string(category))
	for i, e := range all {
		if held := v.Field(i); !held.IsNil() {
			var err error
			if b, err = e.append(b, held.Elem(), false); err != nil {
				return nil, err
			}
		}
	}
	return append(b, '}'), nil
}

// append appends the members of v, which must be addressable; first says that
// none stands before them.
func (e encoder) append(b []byte, v reflect.Value, first bool) ([]byte, error) {
	var err error
	for i := range e {
		m := &e[i]
		f := v.Field(m.index)
		if m.embedded {
			before := len(b)
			if b, err = m.below.append(b, f, first); err != nil {
				return nil, err
			}
			first = first && len(b) == before
			continue
		}
		if m.omit && m.absent(f) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, m.name...)
		if b, err = m.value(b, f); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// absent reports whether a value counts as none. An empty list does, whichever
// of the two options the member has: the lists of entities are omitempty.
func (m *member) absent(f reflect.Value) bool {
	switch m.form {
	case timestampForm:
		return f.Addr().Interface().(*Timestamp).IsZero()
	case listForm, textsForm:
		return f.Len() == 0
	case otherForm:
		if f.Kind() == reflect.Slice {
			return f.Len() == 0
		}
	}
	return f.IsZero()
}

func (m *member) value(b []byte, f reflect.Value) ([]byte, error) {
	switch m.form {
	case textForm:
		return appendText(b, f.String()), nil
	case numberForm:
		return strconv.AppendInt(b, f.Int(), 10), nil
	case decimalForm:
		if d := f.Addr().Interface().(*Decimal); d.set {
			return d.append(b), nil
		}
		return append(b, "null"...), nil
	case timestampForm:
		return f.Addr().Interface().(*Timestamp).append(b), nil
	case pointerForm:
		if f.IsNil() {
			return append(b, "null"...), nil
		}
		return m.object(b, f.Elem())
	case objectForm:
		return m.object(b, f)
	case listForm:
		if f.IsNil() {
			return append(b, "null"...), nil
		}
		b = append(b, '[')
		for i := range f.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = m.object(b, f.Index(i)); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case textsForm:
		if f.IsNil() {
			return append(b, "null"...), nil
		}
		b = append(b, '[')
		for i := range f.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, f.Index(i).String())
		}
		return append(b, ']'), nil
	}
	other, err := json.Marshal(f.Addr().Interface())
	return append(b, other...), err
}

func (m *member) object(b []byte, v reflect.Value) ([]byte, error) {
	b, err := m.below.append(append(b, '{'), v, true)
	if err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// appendText appends a JSON string as encoding/json writes it, with the
// characters escaped that a browser could take for markup.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\b':
				b = append(b, `\b`...)
			case c == '\f':
				b = append(b, `\f`...)
			case c == '\n':
				b = append(b, `\n`...)
			case c == '\r':
				b = append(b, `\r`...)
			case c == '\t':
				b = append(b, `\t`...)
			case c < ' ' || c == '<' || c == '>' || c == '&':
				b = append(b, `\u00`...)
				b = append(b, hex[c>>4], hex[c&15])
			default:
				b = append(b, c)
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		case r == '\u2028':
			b = append(b, `\u2028`...)
		case r == '\u2029':
			b = append(b, `\u2029`...)
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return append(b, '"')
}

// writePage appends an answer that is a page of n objects to b.
func writePage(b *bytes.Buffer, page PageMetadata, links Links, list string, n int, object func(i int, b []byte) ([]byte, error)) error {
	b.Grow(2*len(page.NextPageKey) + len(page.PreviousPageKey) + len(links.Next.Href) + len(links.Prev.Href) + 256)
	head := append(b.AvailableBuffer(), '{')
	if page != (PageMetadata{}) {
		head = append(page.append(append(head, `"page":`...)), ',')
	}
	if links != (Links{}) {
		head = append(links.append(append(head, `"links":`...)), ',')
	}
	head = append(append(append(head, '"'), list...), `":[`...)
	b.Write(head)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Grow(512) // more than a usual one
		one, err := object(i, b.AvailableBuffer())
		if err != nil {
			return err
		}
		b.Write(one)
	}
	b.WriteString("]}")
	return nil
}
