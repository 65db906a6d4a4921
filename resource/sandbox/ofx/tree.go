package ofx

import (
	"html"
	"regexp"
	"strings"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Bounds on a body, far above any real statement, so that a hostile file
// cannot take the memory or the stack.
const (
	maxDepth    = 32
	maxElements = 2_000_000
	maxText     = 4096 // bytes of one leaf; OFX itself allows 255 characters
)

// element is one element of the grammar: a leaf with text, or an aggregate
// with children.
type element struct {
	name     string
	text     string
	line     int
	children []*element
}

// child returns the first child with that name, or nil.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// scanner reads a body tag by tag. SGML (OFX 1.x) leaves the end tags of
// leaves out; an element therefore also ends where the next tag begins when it
// has text or is a leaf of the grammar, and where its parent ends when it
// has no children.
type scanner struct {
	file   string
	rest   string
	line   int
	root   *element
	stack  []*element
	count  int
	faults ledger.Faults
}

// parseTree reads a body into a tree of the grammar's elements. Empty
// leaves are left out, and so are aggregates that hold nothing: banks write
// them for "we do not say".
func parseTree(file string, b body) (*element, error) {
	s := &scanner{file: file, rest: b.text, line: b.line, root: &element{}}
	s.stack = []*element{s.root}
	s.scan()
	if err := s.faults.Err(); err != nil {
		return nil, err
	}
	ofx := s.root.child("OFX")
	if ofx == nil {
		s.fault(b.line, "OFX", "holds nothing that this import reads")
		return nil, s.faults
	}
	return ofx, nil
}

// fault records what is wrong. Scanning stops at the first fault: after broken
// syntax, everything that follows would be a guess.
func (s *scanner) fault(line int, at, what string) {
	s.faults = append(s.faults, ledger.Fault{File: s.file, Line: line, At: at, What: what})
}

// take moves past the next n bytes and returns them.
func (s *scanner) take(n int) string {
	out := s.rest[:n]
	s.rest = s.rest[n:]
	s.line += strings.Count(out, "\n")
	return out
}

// until moves past the next occurrence of mark and returns what came before.
func (s *scanner) until(mark, what string) string {
	i := strings.Index(s.rest, mark)
	if i < 0 {
		s.fault(s.line, "", what+" is not closed")
		s.rest = ""
		return ""
	}
	out := s.take(i)
	s.take(len(mark))
	return out
}

// entity matches the character references OFX knows, and numeric ones. A bare
// "&", as in a shop's name, stays as it is.
var entity = regexp.MustCompile(`&(amp|lt|gt|quot|apos|nbsp|#[0-9]{1,6}|#x[0-9A-Fa-f]{1,6});`)

// printable turns control characters and non-breaking spaces into spaces.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == 0xa0 {
		return ' '
	}
	return r
}

func (s *scanner) scan() {
	for s.rest != "" && len(s.faults) == 0 {
		switch {
		case strings.HasPrefix(s.rest, "<!--"):
			s.take(4)
			s.until("-->", "a comment")
		case strings.HasPrefix(s.rest, "<![CDATA["):
			line := s.line
			s.take(9)
			s.text(line, s.until("]]>", "a CDATA section"))
		case strings.HasPrefix(s.rest, "<?"):
			s.until("?>", "a processing instruction")
		case strings.HasPrefix(s.rest, "<!"):
			s.fault(s.line, "", "document types are not supported")
		case isTag(s.rest):
			line := s.line
			s.take(1)
			s.tag(line, s.until(">", "a tag"))
		default:
			// A "<" that begins no tag is text: banks do not always escape it.
			n := strings.IndexByte(s.rest[1:], '<') + 1
			if n == 0 {
				n = len(s.rest)
			}
			line := s.line
			s.text(line, entity.ReplaceAllStringFunc(s.take(n), html.UnescapeString))
		}
	}
	if len(s.faults) > 0 {
		return
	}
	s.closeLeaves()
	if open := s.top(); open != s.root {
		s.fault(s.line, open.name, "the file ends inside it; it is incomplete")
	}
}

// isTag reports whether s begins a start or end tag.
func isTag(s string) bool {
	s, found := strings.CutPrefix(s, "<")
	if !found {
		return false
	}
	s = strings.TrimPrefix(s, "/")
	return s != "" && (s[0] >= 'A' && s[0] <= 'Z' || s[0] >= 'a' && s[0] <= 'z')
}

func isAggregate(name string) bool { return grammar[name] != "" }

func (s *scanner) top() *element { return s.stack[len(s.stack)-1] }

// text adds text to the open leaf.
func (s *scanner) text(line int, t string) {
	t = strings.TrimSpace(strings.Map(printable, t))
	if t == "" {
		return
	}
	top := s.top()
	if isAggregate(top.name) || top == s.root {
		s.fault(line, top.name, "there is text between its elements")
		return
	}
	if top.text != "" {
		t = top.text + " " + t
	}
	if len(t) > maxText {
		s.fault(line, top.name, "has more than 4096 bytes of text")
		return
	}
	top.text = t
}

// tag handles a start, end or empty tag, given what stands between < and >.
func (s *scanner) tag(line int, inside string) {
	if len(s.faults) > 0 {
		return
	}
	name, ends := strings.CutPrefix(inside, "/")
	name, empty := strings.CutSuffix(name, "/")
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // attributes mean nothing in OFX
	name = strings.ToUpper(strings.TrimSpace(name))
	if ends {
		s.end(line, name)
		return
	}
	s.start(line, name)
	if empty && len(s.faults) == 0 {
		s.end(line, name)
	}
}

func (s *scanner) start(line int, name string) {
	s.closeLeaves()
	s.count++
	switch {
	case s.count > maxElements:
		s.fault(line, name, "there are too many elements in this file")
	case len(s.stack) > maxDepth:
		s.fault(line, name, "elements are nested too deeply")
	case s.top() == s.root && name != "OFX":
		s.fault(line, name, "stands outside <OFX>")
	}
	s.stack = append(s.stack, &element{name: name, line: line})
}

// closeLeaves ends the open element if it can only be a leaf.
func (s *scanner) closeLeaves() {
	top := s.top()
	if top.text != "" || leaves[top.name] != 0 {
		s.pop()
	}
}

// end handles an end tag: it closes the innermost open element of that name.
func (s *scanner) end(line int, name string) {
	at := len(s.stack) - 1
	for at > 0 && s.stack[at].name != name {
		at--
	}
	if at == 0 {
		s.fault(line, name, "is closed but was not open")
		return
	}
	for len(s.stack) > at+1 {
		open := s.top()
		if isAggregate(open.name) {
			s.fault(open.line, open.name, "is not closed before the end of "+name)
			return
		}
		// Without an end tag, the children of an element outside the grammar
		// cannot be told from its siblings: they are its siblings.
		s.pop()
		s.top().children = append(s.top().children, open.children...)
	}
	s.pop()
}

// pop ends the innermost element and keeps it, with what it holds, if it is in
// the grammar and holds something.
func (s *scanner) pop() {
	e := s.top()
	s.stack = s.stack[:len(s.stack)-1]
	parent := s.top()
	known := leaves[e.name] != 0 && e.text != "" || isAggregate(e.name) && len(e.children) > 0
	if known {
		parent.children = append(parent.children, e)
	}
}
