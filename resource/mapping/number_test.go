package mapping

import (
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	two := 2
	german := rule{Decimal: ",", Thousands: "."}
	for _, c := range []struct {
		name, text, want string
		r                rule
	}{
		{"plain", "12.50", "12.50", rule{}},
		{"sign", "+0012", "12", rule{}},
		{"negative", "-0.5", "-0.5", rule{}},
		{"comma", "1.234.567,8", "1234567.8", german},
		{"ungrouped", "1234567,8", "1234567.8", german},
		{"negative grouped", "-1.234", "-1234", german},
		{"a space for thousands", "1 234.5", "1234.5", rule{Thousands: " "}},
		{"minor", "1234", "12.34", rule{Minor: &two}},
		{"minor of few digits", "-5", "-0.05", rule{Minor: &two}},
		{"minor of none", "0", "0.00", rule{Minor: &two}},
		{"trailing", "12.5-", "-12.5", rule{Negative: "trailing"}},
		{"parentheses", "(12.5)", "-12.5", rule{Negative: "parentheses"}},
		{"zero", "000", "0", rule{}},

		{"empty", "", "", rule{}}, {"a sign alone", "-", "", rule{}}, {"two signs", "--1", "", rule{}},
		{"a point alone", ".", "", rule{}}, {"no whole", ".5", "", rule{}}, {"no fraction", "5.", "", rule{}},
		{"a comma that is not announced", "1,5", "", rule{}},
		{"short groups", "12.34", "", german}, {"a group at the start", ".123", "", german}, {"a long first group", "1234.567", "", german},
		{"thousands in the fraction", "1,234.567", "", german},
		{"a fraction of minor units", "12.5", "", rule{Minor: &two}},
		{"parentheses that are not announced", "(5)", "", rule{}}, {"parentheses with a sign", "(-5)", "", rule{Negative: "parentheses"}},
		{"a trailing sign that is not announced", "5-", "", rule{}}, {"both signs", "-5-", "", rule{Negative: "trailing"}},
		{"NaN", "NaN", "", rule{}}, {"infinity", "Infinity", "", rule{}}, {"exponent", "1e3", "", rule{}}, {"hex", "0x1", "", rule{}},
		{"other digits", "\u0661", "", rule{}}, {"too many digits", "123456789012345678901", "", rule{}}, {"a long fraction", "1.1234567890123456789", "", rule{}},
	} {
		f := newNumberForm(c.r, func(fault string) { t.Errorf("%s: %s", c.name, fault) })
		if got, reason := f.parse(c.text); got.String() != c.want || (reason == "") != (c.want != "") {
			t.Errorf("%s: %s, %s; want %s", c.name, got, reason, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	seventy, hundred := 70, 100
	prague := "Europe/Prague"
	for _, c := range []struct {
		name, text, day, at string
		r                   rule
	}{
		{"a day", "2026-01-31", "2026-01-31", "2026-01-31T00:00:00Z", rule{}},
		{"a day keeps its day in a zone", "2026-01-31", "2026-01-31", "2026-01-31T00:00:00Z", rule{Zone: prague}},
		{"RFC 3339", "2026-01-31T23:30:00Z", "2026-01-31", "2026-01-31T23:30:00Z", rule{}},
		{"the day of a zone", "2026-01-31T23:30:00Z", "2026-02-01", "2026-01-31T23:30:00Z", rule{Zone: prague}},
		{"without an offset", "2026-07-01T00:30:00", "2026-07-01", "2026-06-30T22:30:00Z", rule{Zone: prague}},
		{"as PostgreSQL writes it", "2026-01-31 23:30:00.123456+00", "2026-01-31", "2026-01-31T23:30:00Z", rule{}},
		{"digits", "20260131", "2026-01-31", "2026-01-31T00:00:00Z", rule{Format: "YYYYMMDD"}},
		{"two digits below the pivot", "690131", "2069-01-31", "2069-01-31T00:00:00Z", rule{Format: "YYMMDD", Pivot: &seventy}},
		{"two digits at the pivot", "700131", "1970-01-31", "1970-01-31T00:00:00Z", rule{Format: "YYMMDD", Pivot: &seventy}},
		{"two digits of this century", "990131", "2099-01-31", "2099-01-31T00:00:00Z", rule{Format: "YYMMDD", Pivot: &hundred}},
		{"short", "1.2.2026", "2026-02-01", "2026-02-01T00:00:00Z", rule{Format: "D.M.YYYY"}},
		{"with a time", "31/01/2026 23:59:59", "2026-01-31", "2026-01-31T23:59:59Z", rule{Format: "DD/MM/YYYY hh:mm:ss"}},
		{"epoch", "1767225600", "2026-01-01", "2026-01-01T00:00:00Z", rule{Format: "epoch"}},
		{"milliseconds", "1767225599999", "2025-12-31", "2025-12-31T23:59:59Z", rule{Format: "epoch-millis"}},

		{"no such day", "2026-02-30", "", "", rule{}}, {"no such day in digits", "20260230", "", "", rule{Format: "YYYYMMDD"}},
		{"no such hour", "2026013124", "", "", rule{Format: "YYYYMMDDhh"}},
		{"too short", "2026013", "", "", rule{Format: "YYYYMMDD"}}, {"too long", "202601310", "", "", rule{Format: "YYYYMMDD"}},
		{"year 0", "00000101", "", "", rule{Format: "YYYYMMDD"}}, {"an infinite day", "infinity", "", "", rule{}},
		{"before Christ", "0044-03-15 BC", "", "", rule{}}, {"too far", "9999999999999999", "", "", rule{Format: "epoch"}},
		{"out of the years", "253402300800", "", "", rule{Format: "epoch"}},
		{"words", "yesterday", "", "", rule{}}, {"spaces for digits", "2026 131", "", "", rule{Format: "YYYYMMDD"}},
	} {
		f := newTimeForm(c.r, func(fault string) { t.Errorf("%s: %s", c.name, fault) })
		m, ok := f.parse(c.text)
		if ok != (c.day != "") {
			t.Errorf("%s: %v", c.name, ok)
			continue
		}
		if !ok {
			continue
		}
		day := (&conversion{kind: dateKind}).moment(m).Interface()
		at := (&conversion{kind: timestampKind}).moment(m).Interface()
		if day.(fdx.Date).String() != c.day || at.(fdx.Timestamp).String() != c.at {
			t.Errorf("%s: %s %s", c.name, day, at)
		}
	}
}
