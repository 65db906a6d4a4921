package ui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func newUI(t *testing.T, b Brand) *UI {
	t.Helper()
	u, err := New(b)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func get(u *UI, path string) *http.Response {
	w := httptest.NewRecorder()
	u.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Result()
}

func TestBrandIsChecked(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]Brand{
		"no name":              {},
		"blank name":           {Name: " "},
		"colour by name":       {Name: "B", Colour: "red"},
		"short colour":         {Name: "B", Colour: "#fff"},
		"colour with a rule":   {Name: "B", Colour: "#fff;}*{"},
		"signed colour":        {Name: "B", Colour: "#+12345"},
		"logo of no kind":      {Name: "B", Logo: []byte("GIF89a")},
		"oversized logo":       {Name: "B", Logo: []byte("<svg" + strings.Repeat(" ", maxLogo))},
		"font of another kind": {Name: "B", Font: []byte("wOFF0000")},
		"oversized font":       {Name: "B", Font: []byte("wOF2" + strings.Repeat(" ", maxFont))},
		"help without TLS":     {Name: "B", HelpURI: "http://bank.example/help"},
		"help that runs":       {Name: "B", HelpURI: "javascript:alert(1)"},
	} {
		if _, err := New(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// token values by name, of the light and the dark scheme.
func readTokens(t *testing.T, css string) (light, dark map[string]colour) {
	t.Helper()
	declaration := regexp.MustCompile(`--([a-z-]+):\s*(#[0-9a-f]{6})`)
	light, dark = map[string]colour{}, map[string]colour{}
	root := regexp.MustCompile(`(?s)(@media ?\(prefers-color-scheme: ?dark\) ?\{\s*)?:root ?\{(.*?)\}`)
	for _, block := range root.FindAllStringSubmatch(css, -1) {
		for _, d := range declaration.FindAllStringSubmatch(block[2], -1) {
			c, err := parseColour(d[2])
			if err != nil {
				t.Fatal(err)
			}
			if block[1] != "" {
				dark[d[1]] = c
			} else {
				light[d[1]] = c
			}
		}
	}
	return light, dark
}

func TestEveryPairCanBeRead(t *testing.T) {
	t.Parallel()
	for _, brand := range []string{"", "#ffffff", "#000000", "#ffdd00", "#ff0000", "#00ff00", "#c8102e", "#003da5", "#808080", "#f4f6f7"} {
		light, dark := readTokens(t, tokens(mustColour(t, brand))+styleSheet)
		for scheme, c := range map[string]map[string]colour{"light": light, "dark": dark} {
			if len(c) < 15 {
				t.Fatalf("%s: only %d tokens found", scheme, len(c))
			}
			check := func(ratio float64, ink string, on ...string) {
				for _, bg := range on {
					if got := contrast(c[ink], c[bg]); got < ratio {
						t.Errorf("brand %s, %s: %s %s on %s %s has %.2f, want %.1f", brand, scheme, ink, c[ink], bg, c[bg], got, ratio)
					}
				}
			}
			for _, ink := range []string{"ink", "muted", "accent"} {
				check(4.5, ink, "paper", "surface", "sunken")
			}
			for _, tone := range []string{"good", "warn", "bad"} {
				check(4.5, tone, tone+"-bg", "surface")
			}
			check(4.5, "on-accent", "accent")
			check(3, "edge", "paper", "surface", "sunken") // borders of controls (1.4.11)
		}
	}
}

func mustColour(t *testing.T, s string) colour {
	t.Helper()
	if s == "" {
		s = defaultColour
	}
	c, err := parseColour(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSurfacesAreThoseOfTheStyleSheet(t *testing.T) {
	t.Parallel()
	light, dark := readTokens(t, styleSheet)
	for i, name := range []string{"surface", "paper", "sunken"} {
		if light[name] != lightSurfaces[i] || dark[name] != darkSurfaces[i] {
			t.Errorf("%s is %s and %s in the style sheet, %s and %s in the code", name, light[name], dark[name], lightSurfaces[i], darkSurfaces[i])
		}
	}
}

func TestReadableColourStaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"#0f5b66", "#003da5", "#c8102e", "#000000"} {
		if got := mustColour(t, s).readable(false, 4.5, lightSurfaces...); got.String() != s {
			t.Errorf("%s became %s", s, got)
		}
	}
	if got := mustColour(t, "#ffdd00").readable(false, 4.5, lightSurfaces...); got.String() == "#ffdd00" {
		t.Error("yellow on white was kept")
	}
}

func TestContrast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#777777", "#ffffff", 4.48}, {"#0000ff", "#ffffff", 8.59}} {
		if got := contrast(mustColour(t, c.a), mustColour(t, c.b)); got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("%s on %s: %.2f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

func TestHSLComesBack(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"#0f5b66", "#ffdd00", "#c8102e", "#808080", "#ffffff", "#000000", "#123456", "#fedcba", "#ff00ff", "#00ff7f"} {
		if got := fromHSL(mustColour(t, s).hsl()); got.String() != s {
			t.Errorf("%s came back as %s", s, got)
		}
	}
}

func TestStyleSheetIsSmallAndSelfContained(t *testing.T) {
	t.Parallel()
	if len(styleSheet) >= 20<<10 {
		t.Errorf("%d bytes, want less than 20 KB", len(styleSheet))
	}
	for _, bad := range []string{"url(", "@import", "@font-face", "http:", "https:", "</"} {
		if strings.Contains(styleSheet, bad) {
			t.Errorf("holds %s", bad)
		}
	}
	for _, need := range []string{"prefers-color-scheme: dark", "@media print", ":focus-visible", "forced-colors"} {
		if !strings.Contains(styleSheet, need) {
			t.Errorf("has no %s", need)
		}
	}
	// Colours are tokens; print alone has its own.
	body, _, _ := strings.Cut(styleSheet[strings.Index(styleSheet, "@layer base"):], "@layer print")
	if m := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|rgb|hsl`).FindString(body); m != "" {
		t.Errorf("the colour %s is not a token", m)
	}
	if strings.Count(styleSheet, "{") != strings.Count(styleSheet, "}") {
		t.Error("braces do not match")
	}
}

func TestStaticFilesNeverChange(t *testing.T) {
	t.Parallel()
	a, b := newUI(t, Brand{Name: "Northbank"}), newUI(t, Brand{Name: "Northbank", Colour: "#c8102e"})
	if a.css == b.css || a.logo == b.logo {
		t.Error("another brand has the same addresses")
	}
	if again := newUI(t, Brand{Name: "Northbank"}); again.css != a.css {
		t.Error("the same brand has another address: instances would not agree")
	}
	for path, kind := range map[string]string{a.css: "text/css; charset=utf-8", a.logo: "image/svg+xml"} {
		r := get(a, path)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != kind ||
			r.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || r.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(r.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
	}
	for _, path := range []string{"/static/", "/static/x.css", b.css, a.css + "x", "/static/../ui.go"} {
		if r := get(a, path); r.StatusCode != http.StatusNotFound || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodPost, a.css, nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
	w = httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodHead, a.css, nil))
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestFilesOfAPage(t *testing.T) {
	t.Parallel()
	u := newUI(t, Brand{Name: "B"})
	style, err := u.Add("css", []byte("a{}"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := u.Add("js", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]string{style: "text/css; charset=utf-8", script: "text/javascript; charset=utf-8"} {
		if r := get(u, path); r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
	}
	if _, err := u.Add("html", nil); err == nil {
		t.Error("a page is added as a file")
	}
	pages, err := u.Pages(fstest.MapFS{"x.html": {Data: []byte(`{{define "main"}}x{{end}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Frame{{}, {Style: style}, {Scripts: []string{script}}} {
		w := httptest.NewRecorder()
		if err := pages.Render(w, http.StatusOK, "x", f, nil); err != nil {
			t.Fatal(err)
		}
		csp := w.Header().Get("Content-Security-Policy")
		if scripted := len(f.Scripts) > 0; scripted != strings.HasSuffix(csp, "; script-src 'self'; connect-src 'self'") ||
			scripted != strings.Contains(w.Body.String(), `<script src="`+script+`" defer></script>`) {
			t.Errorf("%+v: %s\n%s", f, csp, w.Body)
		}
		if f.Style != "" && !strings.Contains(w.Body.String(), `<link rel="stylesheet" href="`+style+`">`) {
			t.Errorf("no style:\n%s", w.Body)
		}
	}
}

func TestLogoOfTheBank(t *testing.T) {
	t.Parallel()
	png := []byte("\x89PNG\r\n\x1a\nrest")
	u := newUI(t, Brand{Name: "B", Logo: png})
	r := get(u, u.logo)
	if body, _ := io.ReadAll(r.Body); string(body) != string(png) || r.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%s %q", r.Header.Get("Content-Type"), body)
	}
	u = newUI(t, Brand{Name: "<Über & Co>"})
	if body, _ := io.ReadAll(get(u, u.logo).Body); !strings.Contains(string(body), ">Ü</text>") {
		t.Errorf("monogram: %s", body)
	}
}

func TestInitial(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"budgetBee": "B", " «été»": "É", "预算": "预", "7-Pay": "7", "": "·", "!!": "·", "\xff": "·"} {
		if got := Initial(in); got != want {
			t.Errorf("Initial(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	u := newUI(t, Brand{Name: "North & Sons", HelpURI: "https://bank.example/help"})
	pages, err := u.Pages(fstest.MapFS{
		"parts.html":  {Data: []byte(`{{define "part"}}<b>{{.}}</b>{{end}}`)},
		"hello.html":  {Data: []byte(`{{define "main"}}<h1>{{template "part" .}}</h1>{{end}}`)},
		"broken.html": {Data: []byte(`{{define "main"}}{{.Nothing}}{{end}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	err = pages.Render(w, http.StatusTeapot, "hello", Frame{
		Lang: "sv", Title: "Hej", Help: "Hjälp", SignOut: &Button{"Logga ut", "/out"},
		Nav: []Link{{Text: "Ett", Href: "/1", Current: true}, {Text: "Två", Href: "/2"}}, NavLabel: "Sidor", LanguagesLabel: "Språk",
		Languages: []Link{{Text: "Svenska", Href: "/sv?a=1&b=2", Lang: "sv", Current: true}, {Text: "中文", Href: "/zh", Lang: "zh"}}, FormTargets: []string{"https://app.example"},
	}, "<script>")
	if err != nil {
		t.Fatal(err)
	}
	body := w.Body.String()
	for _, s := range []string{
		`<html lang="sv">`, `<title>Hej · North &amp; Sons</title>`, `<h1><b>&lt;script&gt;</b></h1>`, `href="` + u.css + `"`,
		`<a href="/1" aria-current="page">Ett</a>`, `<a href="/2">Två</a>`, `action="/out"`,
		`<nav aria-label="Språk">`, `<a href="/sv?a=1&amp;b=2" id="language_sv" lang="sv" hreflang="sv" aria-current="true">Svenska</a>`, `<a href="/zh" id="language_zh" lang="zh" hreflang="zh">中文</a>`, `href="https://bank.example/help"`,
	} {
		if !strings.Contains(body, s) {
			t.Errorf("%s is not in:\n%s", s, body)
		}
	}
	if w.Code != http.StatusTeapot || !strings.Contains(w.Header().Get("Content-Security-Policy"), "form-action 'self' https://app.example;") {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
	for _, name := range []string{"broken", "none"} {
		w = httptest.NewRecorder()
		if err := pages.Render(w, http.StatusOK, name, Frame{}, "x"); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, w.Body)
		}
	}
	if _, err := u.Pages(fstest.MapFS{"bad.html": {Data: []byte("{{")}}); err == nil {
		t.Error("a broken template is accepted")
	}
}

func FuzzParseColour(f *testing.F) {
	for _, s := range []string{"#0f5b66", "#FFFFFF", "", "#12345g", "0f5b66", "#-00000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseColour(s); err == nil && !strings.EqualFold(c.String(), s) {
			t.Errorf("%q is read as %s", s, c)
		}
	})
}

func TestOwnFontComesFromUs(t *testing.T) {
	t.Parallel()
	u := newUI(t, Brand{Name: "B", Font: []byte("wOF2letters")})
	css, err := io.ReadAll(get(u, u.css).Body)
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`src:url\((/static/[0-9a-f]+\.woff2)\)`).FindSubmatch(css)
	if address == nil {
		t.Fatal("the style sheet does not name the font")
	}
	r := get(u, string(address[1]))
	if body, _ := io.ReadAll(r.Body); string(body) != "wOF2letters" || r.Header.Get("Content-Type") != "font/woff2" {
		t.Errorf("%s %q", r.Header.Get("Content-Type"), body)
	}
	if plain := newUI(t, Brand{Name: "B"}); plain.css == u.css || strings.Contains(string(plain.files[plain.css].body), "@font-face") {
		t.Error("a bank without a font of its own loads one")
	}
	w := httptest.NewRecorder()
	Secure(w.Header())
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "font-src 'self';") {
		t.Errorf("the page may not use it: %s", csp)
	}
}

func TestStyleSheetIsSmall(t *testing.T) {
	t.Parallel()
	const most = 20 << 10
	if n := len(newUI(t, Brand{Name: "B"}).files[newUI(t, Brand{Name: "B"}).css].body); n > most {
		t.Errorf("%d bytes, want at most %d", n, most)
	}
}
