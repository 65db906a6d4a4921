package paper

import (
	"strings"
	"testing"
	"unicode"
)

func newPrinter(t testing.TB) *Printer {
	t.Helper()
	p, err := New(Config{Bank: "Bank of Tests", Address: []string{"1 Test Street", "Riverton, OH 43001"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDrawn(t *testing.T) {
	t.Parallel()
	l := newPrinter(t).letters
	for _, c := range []struct{ name, text, want string }{
		{"Latin stays", "Emma Everett", "Emma Everett"},
		{"letters beyond Latin-1", "ő Ł ş Ω Ж", "ő Ł ş Ω Ж"},
		{"letters that the font lacks", "贮蓄 for 😀", "?? for ?"},
		{"Arabic is joined and turned around", "ليلى", "ﻰﻠﻴﻟ"},
		{"lam and alef are one letter", "سلام", "ﻡﻼﺳ"},
		{"a line that begins in Arabic is read from the right", "راتب – SALARY", "SALARY – ﺐﺗﺍﺭ"},
		{"a line that begins in Latin from the left", "PAY راتب", "PAY ﺐﺗﺍﺭ"},
		{"brackets are mirrored", "(ب)", "(ﺏ)"},
		{"a vowel sign does not part letters", "بَب", "ﺐَﺑ"},
		{"nothing", "", ""},
	} {
		if got := l.drawn(clean(c.text)); got != c.want {
			t.Errorf("%s: %+q, want %+q", c.name, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" a\r\n\tb\x00c ": "a b c", "\u202eevil\u200f": "evil", "soft\u00adhyphen": "softhyphen", "o\u030b": "ő", "bad\xff": "bad\ufffd", "": "",
	} {
		if got := clean(text); got != want {
			t.Errorf("%+q: %+q, want %+q", text, got, want)
		}
	}
}

// FuzzDrawn asserts that any text becomes glyphs of the font on one line.
func FuzzDrawn(f *testing.F) {
	for _, s := range []string{"abc", "ليلى (1) x", "لا", "\xff\x00", "贮蓄", "\u0640\u0640", strings.Repeat("لَ", 50)} {
		f.Add(s)
	}
	l := newPrinter(f).letters
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range l.drawn(clean(s)) {
			if r > 0xFFFF || !l.has(r) || unicode.IsControl(r) {
				t.Errorf("%U is drawn", r)
			}
		}
	})
}
