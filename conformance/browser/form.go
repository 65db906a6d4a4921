package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Fill types value into a text field or a text area, or chooses the option
// with that value in a select. It returns ErrElement for anything that a
// person could not type into: a hidden, disabled or read-only field. To send
// what no person could, bend a Submission.
func (p *Page) Fill(id, value string) error {
	n, err := p.element(id)
	if err != nil {
		return err
	}
	if isDisabled(n) || hasAttr(n, "readonly") {
		return fmt.Errorf("%w %s cannot be filled in: disabled or read-only, on %s", ErrElement, id, p)
	}
	switch kind := kindOf(n); kind {
	case "textarea":
		for n.FirstChild != nil {
			n.RemoveChild(n.FirstChild)
		}
		n.AppendChild(&html.Node{Type: html.TextNode, Data: value})
	case "select":
		return p.choose(n, id, value)
	case "checkbox", "radio", "hidden", "submit", "reset", "button", "image", "file", "":
		return fmt.Errorf("%w %s cannot be filled in: it is %s %s, on %s", ErrElement, id, n.Data, kind, p)
	default:
		setAttr(n, "value", value)
	}
	return nil
}

func (p *Page) choose(list *html.Node, id, value string) error {
	var chosen *html.Node
	for o := range list.Descendants() {
		if o.Type == html.ElementNode && o.Data == "option" {
			if optionValue(o) == value && !hasAttr(o, "disabled") {
				chosen = o
			}
			removeAttr(o, "selected")
		}
	}
	if chosen == nil {
		return fmt.Errorf("%w %s has no option with that value, on %s", ErrElement, id, p)
	}
	setAttr(chosen, "selected", "")
	return nil
}

// Tick ticks a checkbox or picks a radio button. It returns ErrElement for
// anything else, and for a disabled one.
func (p *Page) Tick(id string) error { return p.tick(id, true) }

// Untick is the opposite of Tick, for checkboxes.
func (p *Page) Untick(id string) error { return p.tick(id, false) }

// Ticked reports whether the page has this checkbox or radio button, ticked.
func (p *Page) Ticked(id string) bool {
	_, ok := p.Attr(id, "checked")
	return ok
}

func (p *Page) tick(id string, on bool) error {
	n, err := p.element(id)
	if err != nil {
		return err
	}
	kind := kindOf(n)
	if isDisabled(n) || kind != "checkbox" && (kind != "radio" || !on) {
		return fmt.Errorf("%w %s cannot be ticked or unticked: disabled, or no checkbox, on %s", ErrElement, id, p)
	}
	if kind == "radio" {
		name, _ := attr(n, "name")
		for other := range p.elements() {
			if have, _ := attr(other, "name"); kindOf(other) == "radio" && have == name && p.owner(other) == p.owner(n) {
				removeAttr(other, "checked")
			}
		}
	}
	removeAttr(n, "checked")
	if on {
		setAttr(n, "checked", "")
	}
	return nil
}

// Submission is a filled-in form about to be sent. A caller may change any
// part of it first, to send what no person at a browser could.
type Submission struct {
	// Method is GET or POST.
	Method string
	// URL is where the form goes. A GET replaces its query with Form.
	URL *url.URL
	// Form holds the entries, the pressed button's own included.
	Form url.Values
	// Header replaces headers that the browser would send, such as Origin;
	// a name with an empty list removes that header.
	Header http.Header

	from *Page
}

// Press presses a button, or follows a link, by its element id.
func (b *Browser) Press(ctx context.Context, p *Page, id string) (*Page, error) {
	n, err := p.element(id)
	if err != nil {
		return nil, err
	}
	return b.press(ctx, p, n)
}

func (b *Browser) press(ctx context.Context, p *Page, n *html.Node) (*Page, error) {
	if href, ok := attr(n, "href"); ok && n.Data == "a" {
		target, err := p.base().Parse(href)
		if err != nil {
			return nil, fmt.Errorf("follow link on %s: %w", p, err)
		}
		return b.navigate(ctx, &navigation{method: http.MethodGet, url: target, from: p})
	}
	s, err := p.submission(n)
	if err != nil {
		return nil, err
	}
	return b.Submit(ctx, s)
}

// Submit sends a form, as it is. It returns ErrBlocked when the page's
// Content-Security-Policy forbids the target or a redirect that follows, and
// ErrOutside when the form goes to another site.
func (b *Browser) Submit(ctx context.Context, s *Submission) (*Page, error) {
	n := &navigation{method: s.Method, url: s.URL, from: s.from, header: s.Header, isForm: true}
	if s.Method == http.MethodPost {
		n.form = s.Form
	} else {
		u := *s.URL
		u.RawQuery = s.Form.Encode()
		n.url = &u
	}
	return b.navigate(ctx, n)
}

// Submission is what pressing the button with this id would send. It returns
// ErrElement for anything but an enabled submit button with a form, and
// ErrBlocked when a required field of that form is empty.
func (p *Page) Submission(buttonID string) (*Submission, error) {
	n, err := p.element(buttonID)
	if err != nil {
		return nil, err
	}
	return p.submission(n)
}

func (p *Page) submission(button *html.Node) (*Submission, error) {
	id, _ := attr(button, "id")
	form := p.owner(button)
	if kindOf(button) != "submit" || isDisabled(button) || form == nil {
		return nil, fmt.Errorf("%w %s cannot be pressed: not an enabled submit button of a form, on %s", ErrElement, id, p)
	}

	// The button's own attributes win over the form's.
	pick := func(buttonAttr, formAttr string) string {
		if v, ok := attr(button, buttonAttr); ok {
			return v
		}
		v, _ := attr(form, formAttr)
		return v
	}
	s := &Submission{Method: http.MethodGet, Form: url.Values{}, from: p}
	switch method := strings.ToUpper(pick("formmethod", "method")); method {
	case "", http.MethodGet:
	case http.MethodPost:
		s.Method = http.MethodPost
	default:
		return nil, fmt.Errorf("%w %s: the form's method %s is not one this browser knows, on %s", ErrElement, id, method, p)
	}
	if enctype := pick("formenctype", "enctype"); enctype != "" && enctype != "application/x-www-form-urlencoded" {
		return nil, fmt.Errorf("%w %s: the form's enctype %s is not one this browser knows, on %s", ErrElement, id, enctype, p)
	}
	s.URL = p.URL // a form without an action goes to the page it is on
	if action := strings.TrimSpace(pick("formaction", "action")); action != "" {
		target, err := p.base().Parse(action)
		if err != nil {
			return nil, fmt.Errorf("form action on %s: %w", p, err)
		}
		s.URL = target
	}

	validate := !hasAttr(form, "novalidate") && !hasAttr(button, "formnovalidate")
	for n := range p.elements() {
		kind := kindOf(n)
		if kind == "" || p.owner(n) != form || isDisabled(n) {
			continue
		}
		values := entries(n, kind)
		if kind == "submit" && n == button {
			v, _ := attr(n, "value")
			values = []string{v}
		}
		if validate && mustFill(n, kind) && strings.Join(values, "") == "" {
			field, _ := attr(n, "id")
			return nil, fmt.Errorf("%w: required field %s is empty, on %s", ErrBlocked, field, p)
		}
		if name, _ := attr(n, "name"); name != "" {
			for _, v := range values {
				s.Form.Add(name, v)
			}
		}
	}
	return s, nil
}

// Control is what a person has typed into a control, or chosen.
type Control struct {
	// Mark is the value of the attribute by which it was asked for.
	Mark string `json:"mark"`
	// Kind is the type of an input, textarea or select.
	Kind string `json:"kind"`
	// Value is the text, or the value of the chosen option.
	Value string `json:"value"`
	// On is whether a checkbox or radio button is ticked.
	On bool `json:"on"`
}

// Controls lists the controls that have the attribute mark and that a person
// can change, in document order, as they are filled in; nil when none.
func (p *Page) Controls(mark string) []Control {
	var all []Control
	for n := range p.elements() {
		c := Control{Kind: kindOf(n), On: hasAttr(n, "checked")}
		marked := false
		if c.Mark, marked = attr(n, mark); !marked || isDisabled(n) || hasAttr(n, "readonly") {
			continue
		}
		switch c.Kind {
		case "", "hidden", "submit", "reset", "button", "image", "file":
			continue
		case "checkbox", "radio":
			c.Value, _ = attr(n, "value")
		default:
			c.Value = strings.Join(entries(n, c.Kind), "")
		}
		all = append(all, c)
	}
	return all
}

// mustFill reports whether Chromium holds the form back while the control is
// empty. Groups of radio buttons are left to the server.
func mustFill(n *html.Node, kind string) bool {
	return hasAttr(n, "required") && !hasAttr(n, "readonly") && kind != "hidden" && kind != "radio"
}

// entries is what a control adds to its form, buttons apart (HTML,
// constructing the entry list).
func entries(n *html.Node, kind string) []string {
	value, hasValue := attr(n, "value")
	switch kind {
	case "submit", "reset", "button", "image", "file":
		return nil
	case "checkbox", "radio":
		if !hasAttr(n, "checked") {
			return nil
		}
		if !hasValue {
			value = "on"
		}
	case "textarea":
		// The parser has already made every line end a lone line feed.
		value = strings.ReplaceAll(rawText(n), "\n", "\r\n")
	case "select":
		return selected(n)
	}
	return []string{value}
}

// selected is the chosen options of a select. A drop-down that has none
// chosen shows its first option, and sends it.
func selected(list *html.Node) []string {
	var chosen, first []string
	for o := range list.Descendants() {
		if o.Type != html.ElementNode || o.Data != "option" || hasAttr(o, "disabled") {
			continue
		}
		if first == nil {
			first = []string{optionValue(o)}
		}
		if hasAttr(o, "selected") {
			chosen = append(chosen, optionValue(o))
		}
	}
	switch {
	case hasAttr(list, "multiple"):
		return chosen
	case len(chosen) > 0:
		return chosen[len(chosen)-1:]
	}
	return first
}

func optionValue(o *html.Node) string {
	if v, ok := attr(o, "value"); ok {
		return v
	}
	return strings.Join(strings.Fields(rawText(o)), " ")
}

func rawText(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// kindOf names a form control: the type of an input, "submit" for a button
// that submits, the tag name of the others, "" for what is no control.
func kindOf(n *html.Node) string {
	kind, _ := attr(n, "type")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch n.Data {
	case "input":
		if kind == "" {
			return "text"
		}
		return kind
	case "button":
		if kind != "button" && kind != "reset" {
			return "submit"
		}
		return kind
	case "select", "textarea":
		return n.Data
	}
	return ""
}

// isDisabled covers the control itself and a fieldset around it. The
// exception that HTML makes for a fieldset's first legend is left out.
func isDisabled(n *html.Node) bool {
	if hasAttr(n, "disabled") {
		return true
	}
	for a := range n.Ancestors() {
		if a.Data == "fieldset" && hasAttr(a, "disabled") {
			return true
		}
	}
	return false
}

// owner is the form that a control belongs to: the one that its form
// attribute names, otherwise the one around it.
func (p *Page) owner(n *html.Node) *html.Node {
	if id, ok := attr(n, "form"); ok {
		if form, err := p.element(id); err == nil && form.Data == "form" {
			return form
		}
		return nil
	}
	for a := range n.Ancestors() {
		if a.Type == html.ElementNode && a.Data == "form" {
			return a
		}
	}
	return nil
}

// base is what relative addresses on the page start from.
func (p *Page) base() *url.URL {
	for n := range p.elements() {
		if href, ok := attr(n, "href"); ok && n.Data == "base" {
			if u, err := p.URL.Parse(href); err == nil {
				return u
			}
		}
	}
	return p.URL
}
