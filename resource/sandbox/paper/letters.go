package paper

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// letters knows how text becomes the glyphs of the font, from left to right.
type letters struct {
	has func(rune) bool
	// joined holds, by letter, its forms in the order isolated, final,
	// initial, medial; one, two or four of them. Lam and alef together are
	// one letter.
	joined map[string][]rune
}

// replacement stands for letters that the font lacks.
const replacement = '?'

// lettersOf reads what a font has.
func lettersOf(font []byte) (letters, error) {
	has, err := coverage(font)
	if err != nil {
		return letters{}, err
	}
	l := letters{has: has, joined: map[string][]rune{}}
	// Arabic Presentation Forms-B lists the forms of each letter one after the
	// other; what they are forms of is their compatibility decomposition.
	for r := rune(0xFE80); r <= 0xFEFC; r++ {
		base := norm.NFKC.String(string(r))
		l.joined[base] = append(l.joined[base], r)
	}
	return l, nil
}

// coverage returns which characters a TrueType font has, from the segments of
// its cmap (OpenType 1.9, format 4).
func coverage(font []byte) (func(rune) bool, error) {
	broken := errors.New("font: no cmap of format 4")
	u16 := func(at int) int {
		if at < 0 || at+2 > len(font) {
			return 0
		}
		return int(binary.BigEndian.Uint16(font[at:]))
	}
	u32 := func(at int) int { return u16(at)<<16 | u16(at+2) }
	cmap := 0
	for i := range u16(4) {
		if entry := 12 + 16*i; string(font[entry:entry+4]) == "cmap" {
			cmap = u32(entry + 8)
		}
	}
	if cmap == 0 {
		return nil, broken
	}
	table := 0
	for i := range u16(cmap + 2) {
		if entry := cmap + 4 + 8*i; u16(entry) == 3 && u16(entry+2) == 1 { // Windows, Unicode BMP
			table = cmap + u32(entry+4)
		}
	}
	if table == 0 || u16(table) != 4 {
		return nil, broken
	}
	var covered unicode.RangeTable
	segments := u16(table+6) / 2
	for i := range segments {
		end, start := u16(table+14+2*i), u16(table+16+2*segments+2*i)
		if start <= end && start != 0xFFFF {
			covered.R16 = append(covered.R16, unicode.Range16{Lo: uint16(start), Hi: uint16(end), Stride: 1})
		}
	}
	return func(r rune) bool { return unicode.Is(&covered, r) }, nil
}

// clean returns text without what has no shape, on one line, with spaces
// single. It is what a reader is meant to read.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1 // directions, joiners, soft hyphens
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	return norm.NFC.String(strings.Join(strings.Fields(s), " "))
}

// drawn returns clean text as it is drawn from left to right: letters joined,
// right-to-left parts turned around, and a question mark for what the font
// lacks.
func (l letters) drawn(s string) string {
	if plain(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r > 0xFFFF || !l.has(r) {
			return replacement
		}
		return r
	}, l.join(s))
	var p bidi.Paragraph
	if _, err := p.SetString(s); err != nil {
		return s
	}
	order, err := p.Order()
	if err != nil {
		return s
	}
	// The parts come in the order of reading. A line whose first letter is
	// read from the right has its first part there. Nesting deeper than that,
	// such as a number within Arabic within English, is not turned around; the
	// structure has the order of reading.
	right := fromRight(s)
	var out string
	for i := range order.NumRuns() {
		run := order.Run(i)
		part := run.String()
		if run.Direction() == bidi.RightToLeft {
			part = bidi.ReverseString(part)
		}
		if right {
			out = part + out
		} else {
			out += part
		}
	}
	return out
}

// plain reports whether text is drawn as it is, which nearly all text is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// fromRight reports whether the first letter that has a direction is read from
// the right.
func fromRight(s string) bool {
	for _, r := range s {
		switch p, _ := bidi.LookupRune(r); p.Class() {
		case bidi.L:
			return false
		case bidi.R, bidi.AL:
			return true
		}
	}
	return false
}

// join replaces Arabic letters by the forms that they have between their
// neighbours.
func (l letters) join(s string) string {
	rs := []rune(s)
	var out []rune
	before := false // the letter before joins this one
	for i := 0; i < len(rs); i++ {
		key, width := string(rs[i]), 1
		if i+1 < len(rs) && l.joined[string(rs[i:i+2])] != nil {
			key, width = string(rs[i:i+2]), 2
		}
		forms := l.joined[key]
		if forms == nil {
			out = append(out, rs[i])
			if !unicode.Is(unicode.Mn, rs[i]) { // vowel signs do not part letters
				before = rs[i] == '\u0640' // tatweel joins
			}
			continue
		}
		i += width - 1
		next := i + 1
		for next < len(rs) && unicode.Is(unicode.Mn, rs[next]) {
			next++
		}
		after := len(forms) == 4 && next < len(rs) && (len(l.joined[string(rs[next])]) > 1 || rs[next] == '\u0640')
		form := 0
		if before && len(forms) > 1 {
			form = 1
		}
		if after {
			form += 2
		}
		out = append(out, forms[form])
		before = after
	}
	return string(out)
}
