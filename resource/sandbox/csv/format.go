package csv

import (
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
)

// format says how the files are written.
type format struct {
	delimiter byte
	quote     byte // 0 when nothing is quoted
	decimal   byte // '.' or ','
	date      dateFormat
}

// dateFormat is a layout of fixed width: YYYY or YY, MM, DD, hh, mm, ss, and
// anything else as it stands.
type dateFormat struct {
	layout  string
	century int // added to YY
}

var dateParts = []string{"YYYY", "YY", "MM", "DD", "hh", "mm", "ss"}

// check returns what is wrong with the layout.
func (f dateFormat) check() string {
	for _, needed := range []string{"YY", "MM", "DD"} {
		if strings.Count(strings.Replace(f.layout, "YYYY", "YY", 1), needed) != 1 {
			return "needs YYYY or YY, MM and DD once each"
		}
	}
	if !strings.Contains(f.layout, "YYYY") && f.century == 0 {
		return "has YY, so the format needs a century"
	}
	return ""
}

// parse reads a date. What is wrong is returned as the rest of a sentence.
func (f dateFormat) parse(s string) (t time.Time, problem string) {
	wrong := "is not a date of the form " + f.layout
	if len(s) != len(f.layout) {
		return t, wrong
	}
	got := map[string]int{}
	for i := 0; i < len(f.layout); {
		part := partAt(f.layout[i:])
		if part == "" {
			if s[i] != f.layout[i] {
				return t, wrong
			}
			i++
			continue
		}
		n := 0
		for _, c := range []byte(s[i : i+len(part)]) {
			if c < '0' || c > '9' {
				return t, wrong
			}
			n = n*10 + int(c-'0')
		}
		got[part] = n
		i += len(part)
	}
	year, long := got["YYYY"]
	if !long {
		year = f.century + got["YY"]
	}
	t = time.Date(year, time.Month(got["MM"]), got["DD"], got["hh"], got["mm"], got["ss"], 0, time.UTC)
	if t.Year() != year || int(t.Month()) != got["MM"] || t.Day() != got["DD"] ||
		t.Hour() != got["hh"] || t.Minute() != got["mm"] || t.Second() != got["ss"] || year < 1900 {
		return t, "is not a date that the calendar has"
	}
	return t, ""
}

func partAt(s string) string {
	for _, p := range dateParts {
		if strings.HasPrefix(s, p) {
			return p
		}
	}
	return ""
}

// money reads an amount with at least so many digits after the point.
func (f format) money(s string, digits int) (d fdx.Decimal, problem string) {
	whole, fraction, pointed := strings.Cut(s, string(f.decimal))
	for _, c := range []byte(strings.TrimLeft(whole, "+-") + fraction) {
		if c < '0' || c > '9' {
			return d, "is not a decimal number: there is a '" + string(rune(c)) + "' in it"
		}
	}
	if pointed && fraction == "" {
		return d, "is not a decimal number: nothing follows the point"
	}
	for len(fraction) < digits {
		fraction += "0"
	}
	sign := ""
	if whole != "" && (whole[0] == '-' || whole[0] == '+') {
		sign, whole = whole[:1], whole[1:]
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	text := sign + whole
	if fraction != "" {
		text += "." + fraction
	}
	d, err := fdx.ParseDecimal(text)
	if err != nil {
		return d, "is " + err.Error()
	}
	return d, ""
}
