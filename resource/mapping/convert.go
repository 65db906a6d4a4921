package mapping

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/fdx"
)

// kind is what a target holds; its Go type decides.
type kind byte

const (
	noKind kind = iota
	textKind
	codeKind // one of the values of an FDX enumeration
	decimalKind
	dateKind
	timestampKind
	booleanKind
	integerKind
)

func (k kind) String() string {
	return [...]string{"a group", "a text", "a code", "a decimal number", "a date", "a timestamp", "a boolean", "an integer"}[k]
}

// kindOf returns the kind of a type, noKind for one that has members.
func kindOf(t reflect.Type) kind {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[fdx.Decimal]():
		return decimalKind
	case t == reflect.TypeFor[fdx.Date]():
		return dateKind
	case t == reflect.TypeFor[fdx.Timestamp]():
		return timestampKind
	case t.Kind() == reflect.String && codes(t) != nil:
		return codeKind
	case t.Kind() == reflect.String:
		return textKind
	case t.Kind() == reflect.Bool:
		return booleanKind
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return integerKind
	}
	return noKind
}

func isLeaf(t reflect.Type) bool { return kindOf(t) != noKind }

// maxTextLength bounds a text in bytes.
const maxTextLength = 4096

// conversion turns the value of a record into that of a target.
type conversion struct {
	typ  reflect.Type // without its pointer
	kind kind
	name string // the last part of the target

	codes []string // of an enumeration, sorted

	number numberForm
	time   timeForm
	sign   string
	mask   bool
	table  map[string]reflect.Value // nil: none
}

// value converts what a Source returned, or says what is wrong with it. A
// value that is nothing (nil, or a text without a character) is not present.
func (c *conversion) value(v any) (out reflect.Value, present bool, reason string) {
	if t, ok := v.(time.Time); ok && (c.kind == dateKind || c.kind == timestampKind) {
		m, ok := c.time.timed(t)
		if !ok {
			return out, true, notTime
		}
		return c.moment(m), true, ""
	}
	text, reason := textOf(v)
	if reason != "" || text == "" {
		return out, reason != "", reason
	}
	if c.table != nil {
		if out, ok := c.table[text]; ok {
			return out, true, ""
		}
		return out, true, outsideTable
	}
	out, reason = c.convert(text)
	return out, true, reason
}

const outsideTable = "is a code that the table lacks"

// convert reads the text as the rule describes it.
func (c *conversion) convert(text string) (out reflect.Value, reason string) {
	switch {
	case c.kind == codeKind && c.sign != "": // the direction of an amount
		d, reason := c.number.parse(text)
		if reason != "" {
			return out, reason
		}
		if (d.Sign() < 0) == (c.sign == "negative-is-debit") {
			return reflect.ValueOf(fdx.Debit), ""
		}
		return reflect.ValueOf(fdx.Credit), ""
	case c.kind == decimalKind:
		d, reason := c.number.parse(text)
		var err error
		switch {
		case reason != "":
			return out, reason
		case c.sign == "absolute":
			d, err = d.Abs()
		case c.sign == "reverse":
			d, err = d.Neg()
		}
		if err != nil {
			return out, tooLarge
		}
		return reflect.ValueOf(d), ""
	case c.kind == dateKind, c.kind == timestampKind:
		m, ok := c.time.parse(text)
		if !ok {
			return out, notTime
		}
		return c.moment(m), ""
	case c.kind == integerKind:
		if s := strings.TrimLeft(text, "0"); s != "" {
			text = s
		} else {
			text = "0"
		}
	case c.kind == textKind && c.mask:
		text = masked(text)
	}
	return c.literal(text)
}

func (c *conversion) moment(m moment) reflect.Value {
	if c.kind == timestampKind {
		return reflect.ValueOf(fdx.TimestampOf(m.t))
	}
	y, mo, d := m.t.Date()
	day, _ := fdx.NewDate(y, mo, d)
	return reflect.ValueOf(day)
}

// literal reads a value as FDX writes it: that of a constant, of a default,
// and on the right side of a table.
func (c *conversion) literal(text string) (out reflect.Value, reason string) {
	out = reflect.New(c.typ).Elem()
	switch c.kind {
	case textKind:
		if reason := checkText(c.typ, c.name, text); reason != "" {
			return out, reason
		}
		out.SetString(text)
	case codeKind:
		if _, found := slices.BinarySearch(c.codes, text); !found {
			return out, "is not one of " + strings.Join(c.codes, ", ")
		}
		out.SetString(text)
	case decimalKind:
		d, err := fdx.ParseDecimal(text)
		if err != nil {
			return out, "is not a decimal number such as 12.50"
		}
		out.Set(reflect.ValueOf(d))
	case dateKind:
		d, err := fdx.ParseDate(text)
		if err != nil {
			return out, "is not a date such as 2026-01-31"
		}
		out.Set(reflect.ValueOf(d))
	case timestampKind:
		ts, err := fdx.ParseTimestamp(text)
		if err != nil {
			return out, "is not a timestamp such as 2026-01-31T12:00:00Z"
		}
		out.Set(reflect.ValueOf(ts))
	case booleanKind:
		if text != "true" && text != "false" {
			return out, "is not true or false; a table can say which words mean them"
		}
		out.SetBool(text == "true")
	case integerKind:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || out.OverflowInt(n) {
			return out, "is not a whole number of at least 0"
		}
		out.SetInt(n)
	}
	return out, ""
}

// checkText says what is wrong with a text for a member.
func checkText(t reflect.Type, name, s string) string {
	if len(s) > maxTextLength {
		return "is longer than 4096 bytes"
	}
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return "holds a control character"
		}
	}
	switch {
	case strings.HasSuffix(t.Name(), "ID"):
		if _, err := fdx.ParseAccountID(s); err != nil {
			return "is not an identifier of 1 to 256 characters"
		}
	case name == "currencyCode" || name == "foreignCurrency":
		if len(s) != 3 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return "is not a currency code of three capital letters"
		}
	}
	return ""
}

// textOf returns the text of a value, without the spaces around it that
// columns of fixed width have; "" when there is none.
func textOf(v any) (text, reason string) {
	switch v := v.(type) {
	case nil:
	case string:
		text = v
	case json.Number:
		text = string(v)
	case bool:
		text = strconv.FormatBool(v)
	case int:
		text = strconv.Itoa(v)
	case int32:
		text = strconv.FormatInt(int64(v), 10)
	case int64:
		text = strconv.FormatInt(v, 10)
	default:
		return "", "is not a single text, number or boolean"
	}
	return strings.TrimSpace(text), ""
}

// masked returns the form of a number that may be shown: asterisks and the
// last four characters, or fewer of a short one, so that at least half of it
// stays hidden.
func masked(number string) string {
	r := []rune(number)
	shown := min(4, len(r)/2)
	return "****" + string(r[len(r)-shown:])
}
