package portal

import (
	"slices"
	"unicode"

	"golang.org/x/text/unicode/bidi"
)

// How much of an app's own text a page shows, in characters.
const (
	maxName    = 60
	maxPurpose = 240
)

// plain makes text from outside fit to stand in a sentence of ours: one line,
// at most limit characters, no control or formatting characters, and no
// piles of combining marks. Text that runs from right to left is kept apart,
// so that it cannot reorder our words around it. Escaping is the template's
// work and comes on top.
func plain(s string, limit int) string {
	var out []rune
	marks, rtl, gap := 0, false, false
	for _, r := range s {
		if unicode.IsSpace(r) {
			gap = len(out) > 0
			continue
		}
		if !shows(r) {
			continue
		}
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		if marks > 2 {
			continue
		}
		if gap {
			out = append(out, ' ')
			gap = false
		}
		out = append(out, r)
		if len(out) > limit {
			out = append(out[:limit-1], '…')
			break
		}
	}
	for _, r := range out {
		p, _ := bidi.LookupRune(r)
		rtl = rtl || p.Class() == bidi.R || p.Class() == bidi.AL
	}
	if rtl {
		const firstStrongIsolate, popIsolate = '\u2068', '\u2069'
		out = append(slices.Insert(out, 0, firstStrongIsolate), popIsolate)
	}
	return string(out)
}

// shows reports whether a person can see r. Not graphic are controls, private
// use, what is not assigned, and formats such as direction overrides and
// zero-width characters. The rest are letters and symbols without a shape.
func shows(r rune) bool {
	switch r {
	case unicode.ReplacementChar, '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u2800', '\u3164', '\uffa0':
		return false
	}
	return unicode.IsGraphic(r)
}
