package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed templates/layout.html
var layout embed.FS

//go:embed static/headgate.css
var styleSheet string

// Brand is what a bank sets of its own.
type Brand struct {
	// Name is how the bank calls itself on its pages; required.
	Name string
	// Colour is the bank's main colour as #rrggbb; empty is a deep
	// blue-green. Buttons and links use the nearest shade that can be read.
	Colour string
	// Logo is an SVG or PNG image, square, at most 64 KiB; nil is a tile
	// with the first letter of the name.
	Logo []byte
	// Font is a WOFF2 font for all text, at most 40 KiB: the letters that the
	// bank's languages need and no more. A page does not wait for it, nor moves
	// when it comes: it is used from the next page on. nil is the font of the
	// device.
	Font []byte
	// HelpURI is the https page behind the help link, at the same place on
	// every page; empty shows none.
	HelpURI string
}

const (
	defaultColour = "#0f5b66"
	maxLogo       = 64 << 10
	maxFont       = 40 << 10
	// staticPath is where the files of this package are served.
	staticPath = "/static/"
)

// The surfaces that the accent colour has to be readable on. They are the
// values of --surface, --paper and --sunken in the style sheet; a test
// compares them.
var (
	lightSurfaces = []colour{{0xff, 0xff, 0xff}, {0xf4, 0xf6, 0xf7}, {0xee, 0xf1, 0xf3}}
	darkSurfaces  = []colour{{0x19, 0x20, 0x26}, {0x10, 0x15, 0x19}, {0x21, 0x2a, 0x31}}
)

// UI is the look of one bank. It is safe for concurrent use.
type UI struct {
	brand Brand
	css   string // address of the style sheet
	logo  string // address of the logo
	files map[string]file
}

// file is one static file.
type file struct {
	kind string
	body []byte
}

// New returns the look for a brand. It does no I/O.
func New(b Brand) (*UI, error) {
	if strings.TrimSpace(b.Name) == "" {
		return nil, errors.New("ui: the bank's name is required")
	}
	if b.Colour == "" {
		b.Colour = defaultColour
	}
	c, err := parseColour(b.Colour)
	if err != nil {
		return nil, fmt.Errorf("ui: brand colour: %w", err)
	}
	if help, err := url.Parse(b.HelpURI); b.HelpURI != "" && (err != nil || help.Scheme != "https" || help.Host == "") {
		return nil, errors.New("ui: help address must be an https address")
	}
	u := &UI{brand: b, files: map[string]file{}}
	font := ""
	switch {
	case len(b.Font) > maxFont:
		return nil, errors.New("ui: font is larger than 40 KiB")
	case b.Font == nil:
	case bytes.HasPrefix(b.Font, []byte("wOF2")):
		font = fontRules(u.add("woff2", "font/woff2", b.Font))
	default:
		return nil, errors.New("ui: font is not WOFF2")
	}
	u.css = u.add("css", "text/css; charset=utf-8", []byte(tokens(c)+styleSheet+font))
	switch {
	case len(b.Logo) > maxLogo:
		return nil, errors.New("ui: logo is larger than 64 KiB")
	case b.Logo == nil:
		u.logo = u.add("svg", "image/svg+xml", monogram(b.Name, c))
	case bytes.HasPrefix(b.Logo, []byte("\x89PNG\r\n\x1a\n")):
		u.logo = u.add("png", "image/png", b.Logo)
	case bytes.Contains(b.Logo, []byte("<svg")):
		u.logo = u.add("svg", "image/svg+xml", b.Logo)
	default:
		return nil, errors.New("ui: logo is neither SVG nor PNG")
	}
	return u, nil
}

// Bank returns the bank's name.
func (u *UI) Bank() string { return u.brand.Name }

// add keeps a file under a name that changes with its content, so that it
// can be cached for ever.
func (u *UI) add(ext, kind string, body []byte) (address string) {
	sum := sha256.Sum256(body)
	address = staticPath + hex.EncodeToString(sum[:10]) + "." + ext
	u.files[address] = file{kind, body}
	return address
}

// Add serves one more file, a style sheet (css) or a script (js), and returns
// its address, which a Frame can name. The style sheet of all pages stands in
// front of one that is added, so that each page asks for one. All files are added before the first
// request: Add is not safe beside ServeHTTP.
func (u *UI) Add(ext string, body []byte) (address string, err error) {
	kind, ok := map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}[ext]
	if !ok {
		return "", fmt.Errorf("ui: no files of kind %s", ext)
	}
	if ext == "css" {
		body = slices.Concat(u.files[u.css].body, body)
	}
	return u.add(ext, kind, body), nil
}

// tokens are the part of the style sheet that the brand decides.
func tokens(brand colour) string {
	light := brand.readable(false, 4.5, lightSurfaces...)
	dark := brand.readable(true, 5.5, darkSurfaces...)
	return fmt.Sprintf("@layer tokens,base,layout,parts,print;"+
		"@layer tokens{:root{--brand:%s;--accent:%s;--on-accent:#ffffff}"+
		"@media(prefers-color-scheme:dark){:root{--accent:%s;--on-accent:#0c1114}}}\n", brand, light, dark)
}

// fontRules are the part of the style sheet that brings the bank's own font.
// Letters that it does not have come from the device.
func fontRules(address string) string {
	return fmt.Sprintf(`@font-face{font-family:"bank";src:url(%s) format("woff2");font-weight:100 900;font-display:optional}`+
		`@layer base{body{font-family:"bank",var(--font)}}`+"\n", address)
}

// monogram is the logo of a bank that has none.
func monogram(name string, c colour) []byte {
	white, black := colour{0xff, 0xff, 0xff}, colour{}
	ink := white
	if contrast(c, white) < contrast(c, black) {
		ink = black
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">`+
		`<rect width="40" height="40" rx="11" fill="%s"/>`+
		`<text x="20" y="28" text-anchor="middle" font-family="system-ui,sans-serif" font-size="23" font-weight="700" fill="%s">%s</text></svg>`,
		c, ink, html.EscapeString(Initial(name)))
}

// Initial returns the first letter or digit of a name in upper case, fit for
// a tile; a dot when there is none.
func Initial(name string) string {
	for _, r := range name {
		if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return string(unicode.ToUpper(r))
		}
	}
	return "·"
}

// ServeHTTP serves the style sheet and the logo below /static/. Their names
// are hashes of their content, so they never change.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := u.files[r.URL.Path]
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case !ok:
		h.Set("Cache-Control", "no-store")
		http.Error(w, "not found", http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		// A logo opened on its own must not run what it may contain.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		h.Set("Content-Length", fmt.Sprint(len(f.body)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(f.body)
		}
	}
}

// Link is a link in the frame.
type Link struct {
	Text, Href string
	Current    bool   // it is the page, or the language, that is shown
	Lang       string // BCP 47, where it is not the page's; "" otherwise
	// Badge is a number behind the text, BadgeLabel what it means for
	// assistive software; empty shows none.
	Badge, BadgeLabel string
}

// Button is a form of one button in the frame. It is sent by POST.
type Button struct{ Text, Action string }

// Idle is a warning that shows by itself two minutes before time is up, and
// what stands in its place when it is. It needs no script: the style sheet
// brings it, 13 and 15 minutes after the page was shown.
type Idle struct {
	Soon, Button, Over string // texts
	// Stay is the address at which the time starts again, by POST with mark.
	Stay, Mark string
	// Form is the id of the form of the page that is sent with action=stay, so
	// that what was filled in is not lost; empty is one of its own, which
	// returns to To.
	Form, To string
	// End is where the page goes when time is up.
	End string
}

// Frame is what stands around a page. All texts are in the page's language.
type Frame struct {
	Lang  string // BCP 47
	Title string // of the window; the bank's name is added
	// Skip is the text of the link that leads past the header.
	Skip string
	// Nav is the menu, NavLabel its name for assistive software; nil shows
	// none.
	Nav      []Link
	NavLabel string
	SignOut  *Button // nil shows none
	Help     string  // text of the help link
	Footer   string
	// Languages lead to this page in each language, the shown one included,
	// LanguagesLabel is their name for assistive software; nil shows none.
	Languages      []Link
	LanguagesLabel string
	// Wide gives the page the room that a table needs.
	Wide bool
	// Style is the address of the style sheet that the page has of its own
	// (UI.Add); empty is that of all pages.
	Style string
	// Scripts are the addresses of the page's scripts (UI.Add); nil is none. A
	// page with a script may also ask its own server for more.
	Scripts []string
	// Idle says what happens to somebody who does nothing; nil says nothing.
	Idle *Idle
	// FormTargets are sources, beside the bank's own pages, that a form on
	// this page may end at, redirects included (CSP form-action).
	FormTargets []string
}

// Pages are parsed templates. They are safe for concurrent use.
type Pages struct {
	ui    *UI
	pages map[string]*template.Template
}

// Pages parses every *.html in the root of fsys as one page that defines
// "main", together with what parts.html defines.
func (u *UI) Pages(fsys fs.FS) (*Pages, error) {
	base, err := template.New("layout.html").Funcs(template.FuncMap{"initial": Initial}).
		ParseFS(layout, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("ui: parse layout: %w", err)
	}
	const parts = "parts.html"
	if _, err := fs.Stat(fsys, parts); err == nil {
		if base, err = base.ParseFS(fsys, parts); err != nil {
			return nil, fmt.Errorf("ui: parse parts: %w", err)
		}
	}
	names, err := fs.Glob(fsys, "*.html")
	if err != nil {
		return nil, fmt.Errorf("ui: list pages: %w", err)
	}
	p := &Pages{ui: u, pages: map[string]*template.Template{}}
	for _, name := range names {
		if name == parts {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(fsys, name)
		}
		if err != nil {
			return nil, fmt.Errorf("ui: parse %s: %w", name, err)
		}
		p.pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return p, nil
}

// framed is what the layout gets.
type framed struct {
	Frame
	Bank, CSS, Logo, HelpURI string
	Page                     any
}

// Render writes one whole page: headers, status and body. It writes nothing
// when it returns an error. data is what the page's "main" gets.
func (p *Pages) Render(w http.ResponseWriter, status int, name string, f Frame, data any) error {
	t, ok := p.pages[name]
	if !ok {
		return fmt.Errorf("ui: no page %s", name)
	}
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, "layout.html", framed{
		Frame: f, Bank: p.ui.brand.Name, CSS: p.ui.css, Logo: p.ui.logo, HelpURI: p.ui.brand.HelpURI, Page: data,
	})
	if err != nil {
		return fmt.Errorf("ui: render %s: %w", name, err)
	}
	Secure(w.Header(), f.FormTargets...)
	if len(f.Scripts) > 0 {
		h := w.Header()
		h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; script-src 'self'; connect-src 'self'")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", f.Lang)
	w.Header().Set("Content-Length", fmt.Sprint(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the person has gone; nobody is left to tell
	return nil
}

// Secure sets the headers of a page: nothing is loaded from elsewhere, no
// script runs, nobody frames it, nothing is stored, no address leaks.
// formTargets are added to form-action: browsers apply it to the redirects
// after a form, too (CSP3 section 6.4.1).
func Secure(h http.Header, formTargets ...string) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "+
		strings.Join(append([]string{"form-action 'self'"}, formTargets...), " ")+
		"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
}
