package browser

import (
	"fmt"
	"strings"

	"golang.org/x/net/html"
)

// Find returns the id of the control that a person would find by what is
// said of it, "" when the page has none: an element id as it is; label:TEXT
// for the control with that label, or the button or link with that text;
// name:NAME for the control with that name. A control without an id is given
// one, so that the other methods can use it.
func (p *Page) Find(what string) string {
	by, value, marked := strings.Cut(what, ":")
	if !marked || by != "label" && by != "name" {
		if what != "" && p.Has(what) {
			return what
		}
		return ""
	}
	for n := range p.elements() {
		if kindOf(n) == "hidden" || hasAttr(n, "hidden") {
			continue
		}
		if by == "name" {
			if name, _ := attr(n, "name"); name == value && kindOf(n) != "" {
				return p.nameIt(n)
			}
			continue
		}
		if n.Data == "button" || n.Data == "a" {
			if textOf(n) == value {
				return p.nameIt(n)
			}
		}
		if n.Data == "input" {
			kind := kindOf(n)
			label, _ := attr(n, "value")
			aria, _ := attr(n, "aria-label")
			hint, _ := attr(n, "placeholder")
			if kind == "submit" && label == value || aria == value || hint == value {
				return p.nameIt(n)
			}
		}
		if n.Data == "label" && textOf(n) == value {
			if id, ok := attr(n, "for"); ok && p.Has(id) {
				return id
			}
			for c := range n.Descendants() {
				if c.Type == html.ElementNode && kindOf(c) != "" {
					return p.nameIt(c)
				}
			}
		}
	}
	return ""
}

// nameIt returns the element's id, a new one when it had none.
func (p *Page) nameIt(n *html.Node) string {
	id, ok := attr(n, "id")
	for i := 0; !ok || id == ""; i++ {
		if try := fmt.Sprintf("found-%d", i); !p.Has(try) {
			id, ok = try, true
			setAttr(n, "id", id)
		}
	}
	return id
}
