package mapping

import (
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/fdx"
)

// numberForm is how a bank writes numbers.
type numberForm struct {
	point     byte   // of the fraction
	thousands string // one character, or none
	minor     uint8  // the number counts units of ten to the power of -minor
	trailing  bool   // a minus may stand behind the number
	parens    bool   // parentheses are a minus
}

const (
	notNumber = "is not a number as the rule describes it"
	tooLarge  = "is a number with more digits than money has"
)

// maxNumberLength bounds what is looked at, in bytes.
const maxNumberLength = 64

// parse reads a number, or says what is wrong. Nothing is rounded.
func (f numberForm) parse(text string) (fdx.Decimal, string) {
	if len(text) > maxNumberLength {
		return fdx.Decimal{}, tooLarge
	}
	s, negative := text, false
	switch {
	case f.parens && strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")"):
		s, negative = s[1:len(s)-1], true
	case f.trailing && strings.HasSuffix(s, "-"):
		s, negative = s[:len(s)-1], true
	case strings.HasPrefix(s, "-"):
		s, negative = s[1:], true
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	whole, fraction, broken := strings.Cut(s, string(f.point))
	if broken && (fraction == "" || f.minor > 0) {
		return fdx.Decimal{}, notNumber
	}
	whole, ok := f.ungroup(whole)
	if !ok || !digits(whole) || broken && !digits(fraction) {
		return fdx.Decimal{}, notNumber
	}
	if n := int(f.minor); n > 0 {
		if len(whole) <= n {
			whole = strings.Repeat("0", n+1-len(whole)) + whole
		}
		whole, fraction = whole[:len(whole)-n], whole[len(whole)-n:]
	}
	whole = strings.TrimLeft(whole[:len(whole)-1], "0") + whole[len(whole)-1:]
	if fraction != "" {
		whole += "." + fraction
	}
	d, err := fdx.ParseDecimal(whole)
	if err == nil && negative {
		d, err = d.Neg()
	}
	if err != nil {
		return fdx.Decimal{}, tooLarge
	}
	return d, ""
}

// ungroup removes the thousands separators. They have to stand before every
// three digits, so that a fraction behind a misunderstood point is not taken
// for thousands.
func (f numberForm) ungroup(whole string) (string, bool) {
	if f.thousands == "" || !strings.Contains(whole, f.thousands) {
		return whole, true
	}
	groups := strings.Split(whole, f.thousands)
	for i, g := range groups {
		if len(g) != 3 && (i > 0 || g == "" || len(g) > 3) {
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// newNumberForm checks the keys of a rule about numbers.
func newNumberForm(r rule, fault func(string)) numberForm {
	f := numberForm{point: '.'}
	switch r.Decimal {
	case "", ".":
	case ",":
		f.point = ','
	default:
		fault(`decimal is "." or ","`)
	}
	if r.Thousands != "" {
		c, _ := utf8.DecodeRuneInString(r.Thousands)
		if utf8.RuneCountInString(r.Thousands) != 1 || c >= '0' && c <= '9' || strings.ContainsRune("+-()", c) || r.Thousands == string(f.point) {
			fault("thousands is one character that is no digit, no sign and not the decimal point")
		}
		f.thousands = r.Thousands
	}
	if r.Minor != nil {
		if *r.Minor < 1 || *r.Minor > 8 {
			fault("minor is how many digits stand after the point, 1 to 8; leave it out for none")
		} else {
			f.minor = uint8(*r.Minor)
		}
		if r.Decimal != "" {
			fault("a number in minor units has no decimal point: remove minor or decimal")
		}
	}
	switch r.Negative {
	case "", "leading":
	case "trailing":
		f.trailing = true
	case "parentheses":
		f.parens = true
	default:
		fault("negative is leading, trailing or parentheses")
	}
	return f
}
