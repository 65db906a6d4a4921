package browser

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Page is what a walk ended on: a document, or the place the server sent the
// browser away to. Filling in a form changes the Page and nothing else, so
// it is not safe for concurrent use.
type Page struct {
	// URL of the document, or of the answer that redirected away.
	URL *url.URL
	// Status, Header and Body of the last answer. Body holds secrets of the
	// form (its CSRF token): do not print it.
	Status int
	Header http.Header
	Body   []byte
	// Left is the address outside Config.Home that the server redirected
	// to, the data recipient's redirect URI when all is well. The browser
	// has not gone there. Nil while it is still on the bank's pages.
	Left *url.URL
	// Blocked is what Chromium's console would have complained about on the
	// way here, such as a refused cookie: one line each, nil when none.
	Blocked []string

	root *html.Node // nil when Left is set or the answer was not HTML
}

func readPage(u *url.URL, resp *http.Response) (*Page, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err != nil {
		return nil, fmt.Errorf("read page %s: %w", withoutQuery(u), err)
	}
	if len(body) > maxPage {
		return nil, fmt.Errorf("read page %s: larger than %d bytes", withoutQuery(u), maxPage)
	}
	return &Page{URL: u, Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// NewPage is a page that another browser has loaded: the answer that brought
// it, and the document as it stands now, in HTML. The document does not count
// when the answer was not HTML.
func NewPage(u *url.URL, status int, header http.Header, body []byte, document string) (*Page, error) {
	p := &Page{URL: u, Status: status, Header: header, Body: body}
	return p, p.parseText([]byte(document))
}

// parse builds the document. Scripts are off, so <noscript> counts.
func (p *Page) parse() error { return p.parseText(p.Body) }

func (p *Page) parseText(text []byte) error {
	mediaType, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if mediaType != "text/html" {
		return nil
	}
	root, err := html.ParseWithOptions(bytes.NewReader(text), html.ParseOptionEnableScripting(false))
	if err != nil {
		return fmt.Errorf("parse page %s: %w", withoutQuery(p.URL), err)
	}
	p.root = root
	return nil
}

// referrerPolicy is the policy that the document was served with.
func (p *Page) referrerPolicy() string { return lastKnownPolicy(p.Header.Get("Referrer-Policy"), "") }

// Title is the document's title, "" when it has none.
func (p *Page) Title() string {
	for n := range p.elements() {
		if n.Data == "title" {
			return textOf(n)
		}
	}
	return ""
}

// Text is what a person reads on the page: one line per block, white space
// collapsed, without hidden elements. "" when the answer was not HTML.
func (p *Page) Text() string {
	for n := range p.elements() {
		if n.Data == "body" {
			return textOf(n)
		}
	}
	return ""
}

// IDs lists the element ids that start with prefix, in document order. An id
// that the page uses twice is listed twice.
func (p *Page) IDs(prefix string) []string {
	var ids []string
	for n := range p.elements() {
		if id, ok := attr(n, "id"); ok && strings.HasPrefix(id, prefix) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Has reports whether an element has this id.
func (p *Page) Has(id string) bool { return slices.Contains(p.IDs(id), id) }

// TextOf returns the text that a person reads in one element. It returns
// ErrElement when there is not exactly one with this id.
func (p *Page) TextOf(id string) (string, error) {
	n, err := p.element(id)
	if err != nil {
		return "", err
	}
	return textOf(n), nil
}

// Attr returns an attribute of one element, and whether the element has it.
// A boolean attribute, such as checked or disabled, is present with "".
func (p *Page) Attr(id, name string) (value string, present bool) {
	n, err := p.element(id)
	if err != nil {
		return "", false
	}
	return attr(n, name)
}

// element finds the one element with this id.
func (p *Page) element(id string) (*html.Node, error) {
	var found []*html.Node
	for n := range p.elements() {
		if have, ok := attr(n, "id"); ok && have == id {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w %s: %d of them on %s, one expected", ErrElement, id, len(found), p)
	}
	return found[0], nil
}

// elements walks the document in order; nothing when there is none.
func (p *Page) elements() iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		if p.root == nil {
			return
		}
		for n := range p.root.Descendants() {
			if n.Type == html.ElementNode && !yield(n) {
				return
			}
		}
	}
}

// String names the page for a developer: where, status, title, the ids that
// are there. It holds no query, no text and no form values.
func (p *Page) String() string {
	if p.Left != nil {
		return fmt.Sprintf("page %s (status %d, redirected to %s)", withoutQuery(p.URL), p.Status, withoutQuery(p.Left))
	}
	s := fmt.Sprintf("page %s (status %d, title %q, ids %v)", withoutQuery(p.URL), p.Status, p.Title(), p.IDs(""))
	if len(p.Blocked) > 0 {
		s += fmt.Sprintf("; Chromium complains: %s", strings.Join(p.Blocked, "; "))
	}
	return s
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}

func hasAttr(n *html.Node, name string) bool {
	_, ok := attr(n, name)
	return ok
}

func setAttr(n *html.Node, name, value string) {
	for i := range n.Attr {
		if n.Attr[i].Key == name && n.Attr[i].Namespace == "" {
			n.Attr[i].Val = value
			return
		}
	}
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: value})
}

func removeAttr(n *html.Node, name string) {
	n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name && a.Namespace == "" })
}

// textOf is the visible text below n, one line per block element.
func textOf(n *html.Node) string {
	var b strings.Builder
	appendText(&b, n)
	var lines []string
	for line := range strings.Lines(b.String()) {
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return strings.Join(lines, "\n")
}

func appendText(b *strings.Builder, n *html.Node) {
	switch n.Type {
	case html.TextNode:
		b.WriteString(strings.ReplaceAll(n.Data, "\n", " "))
		return
	case html.ElementNode:
		switch n.Data {
		case "script", "style", "template":
			return
		}
		if hasAttr(n, "hidden") {
			return
		}
	}
	inline := n.Type == html.ElementNode && isInline(n.Data)
	if !inline {
		b.WriteByte('\n')
	}
	for c := range n.ChildNodes() {
		appendText(b, c)
	}
	if !inline {
		b.WriteByte('\n')
	}
}

// isInline reports whether an element's text runs on in the same line.
func isInline(name string) bool {
	switch name {
	case "a", "abbr", "b", "bdi", "bdo", "button", "cite", "code", "data", "dfn", "em", "i", "kbd", "label",
		"mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var":
		return true
	}
	return false
}
