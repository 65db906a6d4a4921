package ofx

import (
	"regexp"
	"slices"
	"strings"
	"time"

	xcurrency "golang.org/x/text/currency"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// checker walks the tree, puts every leaf into the one form ofxgo reads, and
// notes what is missing or malformed.
type checker struct {
	file   string
	faults ledger.Faults
}

func (c *checker) fault(line int, at, what string) {
	if !c.faults.Full() {
		c.faults = append(c.faults, ledger.Fault{File: c.file, Line: line, At: at, What: what})
	}
}

// walk keeps of an aggregate what grammar names, so that nothing else is
// decoded.
func (c *checker) walk(e *element) {
	parts := strings.Fields(grammar[e.name])
	seen := make([]bool, len(parts))
	kept := e.children[:0]
	for _, child := range e.children {
		i := slices.IndexFunc(parts, func(p string) bool { return strings.TrimRight(p, "!*") == child.name })
		switch {
		case i < 0 && strings.Contains(records, " "+child.name+" "):
			c.fault(child.line, child.name, "does not belong in "+e.name)
		case i < 0: // not read
		case seen[i] && !strings.HasSuffix(parts[i], "*"):
			c.fault(child.line, e.name+" "+child.name, "appears twice")
		default:
			seen[i] = true
			c.keep(e, child)
			kept = append(kept, child)
		}
	}
	e.children = kept
	for i, p := range parts {
		if name, needed := strings.CutSuffix(p, "!"); needed && !seen[i] {
			c.fault(e.line, e.name+" "+name, "is missing or empty")
		}
	}
}

// keep checks one child that grammar names.
func (c *checker) keep(parent, child *element) {
	if leaves[child.name] == 0 {
		c.walk(child)
		return
	}
	value, problem := normalize(child.name, child.text)
	if problem != "" {
		c.fault(child.line, parent.name+" "+child.name, problem)
	}
	child.text = value
}

// normalize returns the value of a leaf as ofxgo reads it, or what is wrong
// with it.
func normalize(name, value string) (normal, problem string) {
	switch leaves[name] {
	case integer:
		if !integerForm.MatchString(value) {
			return "", "is not a whole number"
		}
	case date:
		return normalizeDate(value)
	case amount:
		return normalizeAmount(value)
	case currency:
		value = strings.ToUpper(value)
		if _, err := xcurrency.ParseISO(value); err != nil {
			return "", "is not an ISO 4217 currency code"
		}
	case code:
		value = strings.ToUpper(value)
		if slices.Contains(words[name], value) {
			return value, ""
		}
		if name != "TRNTYPE" {
			return "", "is none of " + strings.Join(words[name], ", ")
		}
		return "OTHER", ""
	}
	return value, ""
}

var (
	integerForm = regexp.MustCompile(`^[0-9]{1,9}$`)
	amountForm  = regexp.MustCompile(`^([+-]?)([0-9]*)(?:[.,]([0-9]*))?$`)
	dateForm    = regexp.MustCompile(`^([0-9]{8})([0-9]{2})?([0-9]{2})?([0-9]{2})?(?:\.[0-9]{1,6})?\s*(?:\[\s*([+-]?)([0-9]{1,2})(?:[.:]([0-9]{1,2}))?\s*(?::[^\]]*)?\])?$`)
)

// normalizeAmount accepts a point or a comma before the fraction (OFX 1.6
// section 3.2.9.1) and nothing else: no group separators, no currency signs,
// no exponent. An amount has at most 32 characters there.
func normalizeAmount(s string) (normal, problem string) {
	parts := amountForm.FindStringSubmatch(s)
	if parts == nil || parts[2]+parts[3] == "" {
		return "", "is not a decimal number" + odd(s, "0123456789+-.,")
	}
	if len(s) > 32 {
		return "", "has more than 32 characters"
	}
	sign, whole, fraction := parts[1], strings.TrimLeft(parts[2], "0"), strings.TrimRight(parts[3], "0")
	if whole == "" {
		whole = "0"
	}
	if sign == "+" || whole == "0" && fraction == "" {
		sign = ""
	}
	if fraction == "" {
		return sign + whole, ""
	}
	return sign + whole + "." + fraction, ""
}

// odd names the first character of s that cannot be part of the value. One
// character tells what is wrong without repeating the value.
func odd(s, allowed string) string {
	for _, r := range s {
		if !strings.ContainsRune(allowed, r) {
			return ": there is a '" + string(r) + "' in it"
		}
	}
	return ""
}

// normalizeDate accepts YYYYMMDD with optional time, fraction and offset from
// GMT (OFX 1.6 section 3.2.8.2), leniently about the name of the time zone.
func normalizeDate(s string) (normal, problem string) {
	p := dateForm.FindStringSubmatch(s)
	if p == nil {
		return "", "is not a date of the form YYYYMMDD or YYYYMMDDHHMMSS" + odd(s, "0123456789[].:+-")
	}
	or := func(s, instead string) string {
		if s == "" {
			return instead
		}
		return s
	}
	digits := p[1] + or(p[2], "00") + or(p[3], "00") + or(p[4], "00")
	t, err := time.Parse("20060102150405", digits)
	if err != nil || t.Year() < 1900 {
		return "", "is not a date that the calendar has"
	}
	if p[6] == "" {
		return digits, ""
	}
	hours, hundredths := or(p[6], "0"), or(p[7], "0")
	if len(hundredths) == 1 {
		hundredths += "0"
	}
	if len(hours) == 1 {
		hours = "0" + hours
	}
	if hours > "14" {
		return "", "has an offset from GMT that no time zone has"
	}
	// ofxgo takes hundredths of an hour.
	return digits + "[" + or(p[5], "+") + hours + "." + hundredths + ":GMT]", ""
}
