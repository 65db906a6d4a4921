package mapping

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a file. A real one has some hundred lines.
const (
	maxFileLength = 256 << 10
	maxLineLength = 4096
	maxDepth      = 12
)

// node is a value of the file with its line: a scalar as it is written, a map
// in the order of the file, or a list. Anchors, aliases, tags and merge keys
// are not part of the language: a reader of the file should see what it says.
type node struct {
	line    int
	kind    nodeKind
	text    string // of a scalar, without quotes
	entries []entry
	items   []node
}

type nodeKind byte

const (
	nothing nodeKind = iota
	scalar
	mapNode
	listNode
	refused // and reported
)

type entry struct {
	line  int
	key   string
	value node
}

// parseYAML reads the one document of a file.
func parseYAML(file []byte, faults *Faults) node {
	if len(file) > maxFileLength {
		faults.add(0, "", "the file is longer than 256 KiB")
		return node{}
	}
	if line := unreadable(file); line > 0 {
		faults.add(line, "", "is nested too deep, or longer than 4096 bytes")
		return node{}
	}
	parsed, err := parser.ParseBytes(file, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, text := 0, "is not YAML"
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			text += ": " + syntax.Message
			if syntax.Token != nil && syntax.Token.Position != nil {
				line = syntax.Token.Position.Line
			}
		}
		faults.add(line, "", text)
		return node{}
	}
	var bodies []ast.Node
	for _, d := range parsed.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) != 1 {
		faults.add(0, "", "holds "+strconv.Itoa(len(bodies))+" documents instead of one")
		return node{}
	}
	return convert(bodies[0], "", 0, faults)
}

// unreadable returns the line at which a file goes beyond what the parser
// reads in sensible time, 0 for a file that does not.
func unreadable(file []byte) int {
	open, line, start := 0, 1, 0
	for i, c := range file {
		switch c {
		case '\n':
			line, start = line+1, i+1
		case '[', '{':
			open++
		case ']', '}':
			open--
		}
		if open > 2*maxDepth || i-start >= maxLineLength {
			return line
		}
	}
	return 0
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

func convert(n ast.Node, where string, depth int, faults *Faults) node {
	out := node{line: lineOf(n)}
	if depth > maxDepth {
		out.kind = refused
		faults.add(out.line, where, "is nested too deep")
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mapNode
		out.entries = convertEntries(n.Values, where, depth, faults)
	case *ast.MappingValueNode: // a map of one entry
		out.kind = mapNode
		out.entries = convertEntries([]*ast.MappingValueNode{n}, where, depth, faults)
	case *ast.SequenceNode:
		out.kind = listNode
		for i, v := range n.Values {
			out.items = append(out.items, convert(v, where+"["+strconv.Itoa(i)+"]", depth+1, faults))
		}
	case *ast.StringNode:
		out.kind, out.text = scalar, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = scalar, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		// As it is written: the code 01 is not the number 1.
		out.kind, out.text = scalar, n.GetToken().Value
	case *ast.NullNode:
	case *ast.CommentGroupNode:
	default:
		out.kind = refused
		faults.add(out.line, where, "anchors, aliases, tags and merge keys are not part of the language: write it out")
	}
	return out
}

func convertEntries(values []*ast.MappingValueNode, where string, depth int, faults *Faults) []entry {
	var entries []entry
	seen := map[string]int{}
	for _, v := range values {
		key := convert(v.Key, where, depth+1, faults)
		if key.kind == refused {
			continue
		}
		if key.kind != scalar {
			faults.add(lineOf(v), where, "a key is not plain text")
			continue
		}
		here := below(where, key.text)
		if first, repeated := seen[key.text]; repeated {
			faults.add(key.line, here, "is there a second time, first in line "+strconv.Itoa(first)+": remove one")
			continue
		}
		seen[key.text] = key.line
		entries = append(entries, entry{key.line, key.text, convert(v.Value, here, depth+1, faults)})
	}
	return entries
}

func below(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

// decode fills into, which is settable, from n. Structs take the keys of
// their yaml tags, a field named Line the line; maps keep each key's value. All
// faults are reported; a struct that could
// not be read has line 0.
func decode(n node, into reflect.Value, where string, faults *Faults) {
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		decode(n, into.Elem(), where, faults)
		return
	}
	switch n.kind {
	case refused:
		return
	case nothing:
		faults.add(n.line, where, "is empty: give it a value or remove it")
		return
	}
	if r, ok := into.Addr().Interface().(*rule); ok && n.kind == scalar {
		*r = rule{Line: n.line, From: n.text}
		return
	}
	want := map[reflect.Kind]nodeKind{reflect.Struct: mapNode, reflect.Map: mapNode, reflect.Slice: listNode}[into.Kind()]
	if want == nothing {
		want = scalar
	}
	if n.kind != want {
		faults.add(n.line, where, "is "+n.kind.String()+", and has to be "+want.String())
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		decodeStruct(n, into, where, faults)
	case reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		for _, e := range n.entries {
			v := reflect.New(into.Type().Elem()).Elem()
			decode(e.value, v, below(where, e.key), faults)
			into.SetMapIndex(reflect.ValueOf(e.key), v)
		}
	case reflect.Slice:
		into.Set(reflect.MakeSlice(into.Type(), len(n.items), len(n.items)))
		for i := range n.items {
			decode(n.items[i], into.Index(i), where+"["+strconv.Itoa(i)+"]", faults)
		}
	case reflect.String:
		into.SetString(n.text)
	case reflect.Bool:
		if n.text != "true" && n.text != "false" {
			faults.add(n.line, where, "has to be true or false")
		}
		into.SetBool(n.text == "true")
	case reflect.Int:
		v, err := strconv.Atoi(n.text)
		if err != nil {
			faults.add(n.line, where, "has to be a whole number")
		}
		into.SetInt(int64(v))
	default:
		panic("mapping: cannot decode into " + into.Type().String())
	}
}

func decodeStruct(n node, into reflect.Value, where string, faults *Faults) {
	t := into.Type()
	fields := map[string]int{}
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			fields[name] = i
			names = append(names, name)
		} else if t.Field(i).Name == "Line" {
			into.Field(i).SetInt(int64(n.line))
		}
	}
	for _, e := range n.entries {
		i, known := fields[e.key]
		if !known {
			faults.add(e.line, below(where, e.key), "is not a key here; those are "+strings.Join(names, ", "))
			continue
		}
		decode(e.value, into.Field(i), below(where, e.key), faults)
	}
}

func (k nodeKind) String() string {
	return [...]string{"empty", "a single value", "a group of keys", "a list", "refused"}[k]
}
