package fdx

import (
	"encoding/json"
	"errors"
	"time"
)

// Timestamp is a point in time in UTC with whole seconds. The zero value is
// no time. Timestamps compare with == and with Compare.
type Timestamp struct {
	t time.Time
}

// ErrInvalidTimestamp is returned for text that is no RFC 3339 date-time.
var ErrInvalidTimestamp = errors.New("not an RFC 3339 date-time")

// TimestampOf returns t in UTC with the fraction of the second cut off.
func TimestampOf(t time.Time) Timestamp {
	return Timestamp{t.UTC().Truncate(time.Second)}
}

// ParseTimestamp reads an RFC 3339 date-time with any offset. It returns
// ErrInvalidTimestamp.
func ParseTimestamp(s string) (Timestamp, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Timestamp{}, ErrInvalidTimestamp
	}
	ts := TimestampOf(t)
	// An offset can carry the year out of the four digits of RFC 3339.
	if y := ts.t.Year(); y < 1 || y > 9999 {
		return Timestamp{}, ErrInvalidTimestamp
	}
	return ts, nil
}

// IsZero reports whether ts is no time. It also serves the omitzero option.
func (ts Timestamp) IsZero() bool { return ts.t.IsZero() }

// Time returns the time in UTC, the zero time for no time.
func (ts Timestamp) Time() time.Time { return ts.t }

// Date returns the UTC date, no date for no time.
func (ts Timestamp) Date() Date { return DateOf(ts.t) }

// Compare returns -1, 0 or 1 as ts is before, equal to or after other.
func (ts Timestamp) Compare(other Timestamp) int { return ts.t.Compare(other.t) }

// String returns RFC 3339 with seconds and Z, "" for no time.
func (ts Timestamp) String() string {
	if ts.IsZero() {
		return ""
	}
	return ts.t.Format(time.RFC3339)
}

// MarshalJSON returns RFC 3339 with seconds and Z, null for no time; fields
// use omitzero.
func (ts Timestamp) MarshalJSON() ([]byte, error) {
	if ts.IsZero() {
		return []byte("null"), nil
	}
	return ts.append(make([]byte, 0, len(time.RFC3339)+2)), nil
}

// append appends what MarshalJSON writes of a time.
func (ts Timestamp) append(b []byte) []byte {
	return append(ts.t.AppendFormat(append(b, '"'), time.RFC3339), '"')
}

// UnmarshalJSON does what ParseTimestamp does; null gives no time. On an
// error ts is left as it was.
func (ts *Timestamp) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return ErrInvalidTimestamp
	}
	if s == nil {
		*ts = Timestamp{}
		return nil
	}
	parsed, err := ParseTimestamp(*s)
	if err != nil {
		return err
	}
	*ts = parsed
	return nil
}
