package fdx

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"
)

// Date is a calendar date without a time zone, from 0001-01-01 to
// 9999-12-31. The zero value is no date. Dates compare with == and with
// Compare; no date sorts before every date.
type Date struct {
	year       int16
	month, day uint8
}

// ErrInvalidDateText is returned for text that is not a calendar date in the
// form YYYY-MM-DD.
var ErrInvalidDateText = errors.New("not a date in the form YYYY-MM-DD")

var (
	firstDate = Date{1, 1, 1}
	lastDate  = Date{9999, 12, 31}
)

// NewDate returns the date with this year, month and day, or
// ErrInvalidDateText when the calendar has no such day.
func NewDate(year int, month time.Month, day int) (Date, error) {
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if year < 1 || year > 9999 || t.Year() != year || t.Month() != month || t.Day() != day {
		return Date{}, ErrInvalidDateText
	}
	return dateOf(t), nil
}

// ParseDate reads YYYY-MM-DD and nothing else: no time, no space, no missing
// zero, no day the calendar lacks. It returns ErrInvalidDateText.
func ParseDate(s string) (Date, error) {
	if len(s) != len(time.DateOnly) || s[4] != '-' || s[7] != '-' {
		return Date{}, ErrInvalidDateText
	}
	number := func(digits string) int {
		n := 0
		for i := range len(digits) {
			if digits[i] < '0' || digits[i] > '9' {
				return -1
			}
			n = n*10 + int(digits[i]-'0')
		}
		return n
	}
	return NewDate(number(s[:4]), time.Month(number(s[5:7])), number(s[8:]))
}

// DateOf returns the date of t in UTC, no date for the zero time. A time
// outside the years 1 to 9999 gives the first or the last date.
func DateOf(t time.Time) Date {
	if t.IsZero() {
		return Date{}
	}
	return dateOf(t)
}

func dateOf(t time.Time) Date {
	year, month, day := t.UTC().Date()
	switch {
	case year < 1:
		return firstDate
	case year > 9999:
		return lastDate
	}
	return Date{int16(year), uint8(month), uint8(day)}
}

// IsZero reports whether d is no date. It also serves the omitzero option.
func (d Date) IsZero() bool { return d == Date{} }

// Time returns midnight UTC at the start of the date, the zero time for no
// date.
func (d Date) Time() time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return time.Date(int(d.year), time.Month(d.month), int(d.day), 0, 0, 0, 0, time.UTC)
}

// String returns YYYY-MM-DD, "" for no date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return string(d.append(make([]byte, 0, len(time.DateOnly))))
}

func (d Date) append(b []byte) []byte {
	two := func(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
	b = two(b, int(d.year)/100)
	b = two(b, int(d.year)%100)
	b = two(append(b, '-'), int(d.month))
	return two(append(b, '-'), int(d.day))
}

// AddDays returns the date n days later, or earlier when n is negative, held
// within the first and the last date. No date stays no date.
func (d Date) AddDays(n int) Date {
	if d.IsZero() {
		return d
	}
	// More days than the calendar has would overflow the clock arithmetic.
	const span = 9999 * 366
	n = min(max(n, -span), span)
	return dateOf(d.Time().AddDate(0, 0, n))
}

// AddMonths returns the same day n months later, or earlier when n is
// negative. A day the month lacks becomes its last day, so one month after
// 31 January is the end of February. The result is held within the first and
// the last date. No date stays no date.
func (d Date) AddMonths(n int) Date {
	if d.IsZero() {
		return d
	}
	const span = 9999 * 12
	n = min(max(n, -span), span)
	first := time.Date(int(d.year), time.Month(int(d.month)+n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return dateOf(first.AddDate(0, 0, min(int(d.day), last)-1))
}

// Compare returns -1, 0 or 1 as d is before, equal to or after other.
func (d Date) Compare(other Date) int {
	return cmp.Or(
		cmp.Compare(d.year, other.year),
		cmp.Compare(d.month, other.month),
		cmp.Compare(d.day, other.day),
	)
}

// Before reports whether d is before other.
func (d Date) Before(other Date) bool { return d.Compare(other) < 0 }

// After reports whether d is after other.
func (d Date) After(other Date) bool { return d.Compare(other) > 0 }

// MarshalJSON returns "YYYY-MM-DD", null for no date; fields use omitzero.
func (d Date) MarshalJSON() ([]byte, error) {
	if d.IsZero() {
		return []byte("null"), nil
	}
	b := make([]byte, 0, len(`"2006-01-02"`))
	return append(d.append(append(b, '"')), '"'), nil
}

// UnmarshalJSON reads "YYYY-MM-DD"; null gives no date. It returns
// ErrInvalidDateText and then leaves d as it was.
func (d *Date) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return ErrInvalidDateText
	}
	if s == nil {
		*d = Date{}
		return nil
	}
	parsed, err := ParseDate(*s)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Window is a range of dates with both ends included. A window without a
// start, without an end, or whose start is after its end is empty, and so is
// the zero value: a missing bound never means "everything".
type Window struct {
	Start, End Date
}

// Empty reports whether the window holds no date.
func (w Window) Empty() bool {
	return w.Start.IsZero() || w.End.IsZero() || w.Start.After(w.End)
}

// Contains reports whether d lies in the window. No date lies in no window.
func (w Window) Contains(d Date) bool {
	return !w.Empty() && !d.IsZero() && !d.Before(w.Start) && !d.After(w.End)
}

// Intersect returns the dates both windows hold, the zero Window when there
// are none.
func (w Window) Intersect(other Window) Window {
	if w.Empty() || other.Empty() {
		return Window{}
	}
	both := w
	if other.Start.After(both.Start) {
		both.Start = other.Start
	}
	if other.End.Before(both.End) {
		both.End = other.End
	}
	if both.Empty() {
		return Window{}
	}
	return both
}
