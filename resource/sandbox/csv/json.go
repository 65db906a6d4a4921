package csv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// maxDepth bounds how deep a mapping nests, so that a hostile one cannot take
// the stack.
const maxDepth = 16

// node is a JSON value with its place. encoding/json alone cannot say where
// an unknown or a doubled key stands.
type node struct {
	path   string // such as accounts[0].key
	line   int
	value  any // string, json.Number, bool, nil, []*node or object
	parent *doc
}

type member struct {
	name  string
	value *node
}

type object []member

// doc collects what is wrong with one mapping.
type doc struct {
	file   string
	data   []byte
	faults ledger.Faults
}

func (d *doc) fault(line int, at, what string) {
	if !d.faults.Full() {
		d.faults = append(d.faults, ledger.Fault{File: d.file, Line: line, At: at, What: what})
	}
}

func (n *node) fault(what string) { n.parent.fault(n.line, n.path, what) }

// errSyntax ends the parsing of a mapping that is no JSON; its place is in the
// faults.
var errSyntax = errors.New("csv: not JSON")

// parseJSON returns the tree of a JSON document.
func (d *doc) parseJSON() (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(d.data))
	dec.UseNumber()
	root, err := d.next(dec, "", 0)
	if err == nil {
		if _, tokenErr := dec.Token(); !errors.Is(tokenErr, io.EOF) {
			d.fault(d.lineAt(dec.InputOffset()), "", "there is more after the mapping")
			err = errSyntax
		}
	}
	return root, err
}

func (d *doc) lineAt(offset int64) int {
	return 1 + bytes.Count(d.data[:min(int(offset), len(d.data))], []byte("\n"))
}

func (d *doc) next(dec *json.Decoder, path string, depth int) (*node, error) {
	token, err := dec.Token()
	if err != nil {
		d.fault(d.lineAt(dec.InputOffset()), path, "is not JSON: "+syntax(err))
		return nil, errSyntax
	}
	n := &node{path: path, line: d.lineAt(dec.InputOffset()), value: token, parent: d}
	delim, nested := token.(json.Delim)
	if !nested {
		return n, nil
	}
	if depth == maxDepth {
		n.fault("is nested too deeply")
		return nil, errSyntax
	}
	if delim == '[' {
		var list []*node
		for dec.More() {
			item, err := d.next(dec, path+"["+strconv.Itoa(len(list))+"]", depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		n.value = list
	} else {
		var obj object
		for dec.More() {
			key, err := d.next(dec, path, depth+1)
			if err != nil {
				return nil, err
			}
			name, _ := key.value.(string) // the decoder lets nothing else be a key
			value, err := d.next(dec, strings.TrimPrefix(path+"."+name, "."), depth+1)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(obj, func(m member) bool { return m.name == name }) {
				d.fault(key.line, value.path, "appears twice")
			}
			obj = append(obj, member{name, value})
		}
		n.value = obj
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		d.fault(d.lineAt(dec.InputOffset()), path, "is not JSON: "+syntax(err))
		return nil, errSyntax
	}
	return n, nil
}

func syntax(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	return err.Error()
}

// fields hands each member of an object to the function of that name. Unknown
// members are faults, and so are required ones (marked with a star) that are
// missing.
func (n *node) fields(known map[string]func(*node)) {
	obj, ok := n.value.(object)
	if !ok {
		n.fault("must be an object")
		return
	}
	names := map[string]func(*node){}
	for name, read := range known {
		names[strings.TrimSuffix(name, "*")] = read
	}
	for _, m := range obj {
		read, ok := names[m.name]
		if !ok {
			m.value.fault("is not a key of the mapping; known here are " + listOf(names))
			continue
		}
		read(m.value)
		delete(known, m.name)
		delete(known, m.name+"*")
	}
	for _, name := range sorted(known) {
		if required, star := strings.CutSuffix(name, "*"); star {
			n.fault("needs " + required)
		}
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func listOf[V any](m map[string]V) string { return strings.Join(sorted(m), ", ") }

// each calls read for every member of an object that names things.
func (n *node) each(read func(name string, value *node)) {
	obj, ok := n.value.(object)
	if !ok {
		n.fault("must be an object")
		return
	}
	for _, m := range obj {
		read(m.name, m.value)
	}
}

func (n *node) list(read func(*node)) {
	items, ok := n.value.([]*node)
	if !ok {
		n.fault("must be a list")
		return
	}
	for _, item := range items {
		read(item)
	}
}

func (n *node) string() string {
	s, ok := n.value.(string)
	if !ok {
		n.fault("must be a string")
	}
	return s
}

func (n *node) bool() bool {
	b, ok := n.value.(bool)
	if !ok {
		n.fault("must be true or false")
	}
	return b
}

// int returns a whole number from 0 to most.
func (n *node) int(most int) int {
	number, _ := n.value.(json.Number)
	i, err := strconv.Atoi(number.String())
	if err != nil || i < 0 || i > most {
		n.fault(fmt.Sprintf("must be a whole number from 0 to %d", most))
		return 0
	}
	return i
}
