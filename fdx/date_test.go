package fdx_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
)

func date(t testing.TB, s string) fdx.Date {
	t.Helper()
	if s == "" {
		return fdx.Date{}
	}
	d, err := fdx.ParseDate(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

func TestParseDateTakesCalendarDates(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"2024-05-14", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "1969-12-31"} {
		if got := date(t, s).String(); got != s {
			t.Errorf("%s reads as %s", s, got)
		}
	}
}

func TestParseDateRefuses(t *testing.T) {
	t.Parallel()
	for claim, s := range map[string]string{
		"nothing":                      "",
		"a day the month lacks":        "2023-02-29",
		"a leap day of 1900":           "1900-02-29",
		"day zero":                     "2024-05-00",
		"month zero":                   "2024-00-14",
		"month thirteen":               "2024-13-01",
		"year zero":                    "0000-01-01",
		"a missing zero":               "2024-5-14",
		"a time":                       "2024-05-14T00:00:00Z",
		"a leading space":              " 2024-05-14",
		"a trailing space":             "2024-05-14 ",
		"slashes":                      "2024/05/14",
		"another order":                "14-05-2024",
		"a sign":                       "+024-05-14",
		"a negative year":              "-024-05-14",
		"a fraction":                   "2024-05-1.",
		"digits of another script":     "２024-05-14",
		"a truncated date":             "2024-05",
		"five digits in the year":      "12024-05-14",
		"a date with its quotes":       `"2024-05-1`,
		"ten bytes that are no digits": "abcd-ef-gh",
	} {
		if d, err := fdx.ParseDate(s); !errors.Is(err, fdx.ErrInvalidDateText) || !d.IsZero() {
			t.Errorf("%s: got %v, %v", claim, d, err)
		}
	}
}

func TestDateOf(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("", 9*3600)
	for claim, row := range map[string]struct {
		time time.Time
		want string
	}{
		"the date is that of UTC":        {time.Date(2024, 5, 15, 8, 59, 0, 0, tokyo), "2024-05-14"},
		"the zero time is no date":       {time.Time{}, ""},
		"the first day is a date":        {time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), "0001-01-01"},
		"a time past the calendar ends":  {time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31"},
		"a time before the calendar too": {time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), "0001-01-01"},
	} {
		if got := fdx.DateOf(row.time).String(); got != row.want {
			t.Errorf("%s: got %q", claim, got)
		}
	}
	if got := date(t, "2024-05-14").Time(); !got.Equal(time.Date(2024, 5, 14, 0, 0, 0, 0, time.UTC)) || got.Location() != time.UTC {
		t.Errorf("Time() = %v", got)
	}
	if !(fdx.Date{}).Time().IsZero() {
		t.Error("no date has a time")
	}
}

func TestDateArithmetic(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		claim        string
		start        string
		days, months int
		want         string
	}{
		{"a day after the end of February in a leap year", "2024-02-28", 1, 0, "2024-02-29"},
		{"a day after the end of the year", "2023-12-31", 1, 0, "2024-01-01"},
		{"six days back over a month", "2024-05-03", -6, 0, "2024-04-27"},
		{"no days", "2024-05-14", 0, 0, "2024-05-14"},
		{"days stop at the last date", "9999-12-31", 1, 0, "9999-12-31"},
		{"days stop at the first date", "0001-01-01", -1, 0, "0001-01-01"},
		{"very many days stop too", "2024-05-14", 1 << 62, 0, "9999-12-31"},
		{"very many days back stop too", "2024-05-14", -1 << 62, 0, "0001-01-01"},
		{"a month after 31 January is the end of February", "2023-01-31", 0, 1, "2023-02-28"},
		{"a month after 31 January in a leap year", "2024-01-31", 0, 1, "2024-02-29"},
		{"a month before 31 March", "2023-03-31", 0, -1, "2023-02-28"},
		{"24 months before a leap day", "2024-02-29", 0, -24, "2022-02-28"},
		{"24 months back", "2024-05-14", 0, -24, "2022-05-14"},
		{"twelve months from December", "2024-12-15", 0, 12, "2025-12-15"},
		{"months over a year end", "2024-11-30", 0, 3, "2025-02-28"},
		{"months stop at the last date", "9999-06-01", 0, 12, "9999-12-31"},
		{"months stop at the first date", "0001-06-01", 0, -12, "0001-01-01"},
		{"very many months stop too", "2024-05-14", 0, 1 << 62, "9999-12-31"},
		{"very many months back stop too", "2024-05-14", 0, -1 << 62, "0001-01-01"},
		{"no date stays no date", "", 5, 5, ""},
	} {
		if got := date(t, row.start).AddDays(row.days).AddMonths(row.months).String(); got != row.want {
			t.Errorf("%s: got %s, want %s", row.claim, got, row.want)
		}
	}
}

func TestDateOrder(t *testing.T) {
	t.Parallel()
	ordered := []string{"", "0001-01-01", "2023-12-31", "2024-01-01", "2024-01-31", "2024-02-01", "9999-12-31"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			da, db := date(t, a), date(t, b)
			if da.Compare(db) != want || da.Before(db) != (want < 0) || da.After(db) != (want > 0) || (da == db) != (want == 0) {
				t.Errorf("%q against %q is wrong", a, b)
			}
		}
	}
}

func TestDateJSON(t *testing.T) {
	t.Parallel()
	type holder struct {
		D fdx.Date `json:"d,omitzero"`
	}
	for in, want := range map[string]string{
		`{"d":"2024-05-14"}`: `{"d":"2024-05-14"}`,
		`{"d":null}`:         `{}`,
		`{}`:                 `{}`,
	} {
		var h holder
		if err := json.Unmarshal([]byte(in), &h); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if out, err := json.Marshal(h); err != nil || string(out) != want {
			t.Errorf("%s gives %s, %v", in, out, err)
		}
	}
	for _, in := range []string{`{"d":""}`, `{"d":20240514}`, `{"d":"2024-05-14T00:00:00Z"}`, `{"d":["2024-05-14"]}`, `{"d":"2024-02-30"}`} {
		h := holder{date(t, "2020-01-01")}
		if err := json.Unmarshal([]byte(in), &h); !errors.Is(err, fdx.ErrInvalidDateText) {
			t.Errorf("%s: %v", in, err)
		}
		if h.D != date(t, "2020-01-01") {
			t.Errorf("%s changed the date", in)
		}
	}
	if out, err := json.Marshal(fdx.Date{}); err != nil || string(out) != "null" {
		t.Errorf("no date gives %s, %v", out, err)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := fdx.Window{Start: date(t, "2024-05-01"), End: date(t, "2024-05-10")}
	for s, want := range map[string]bool{
		"2024-04-30": false,
		"2024-05-01": true,
		"2024-05-05": true,
		"2024-05-10": true,
		"2024-05-11": false,
		"":           false,
	} {
		if w.Contains(date(t, s)) != want {
			t.Errorf("%q in the window: want %v", s, want)
		}
	}
	for _, row := range []struct {
		claim              string
		start, end         string
		wantStart, wantEnd string
	}{
		{"an overlap is cut", "2024-05-05", "2024-06-01", "2024-05-05", "2024-05-10"},
		{"a wider window changes nothing", "2024-01-01", "2024-06-01", "2024-05-01", "2024-05-10"},
		{"one shared day is left", "2024-05-10", "2024-06-01", "2024-05-10", "2024-05-10"},
		{"windows side by side share nothing", "2024-05-11", "2024-06-01", "", ""},
		{"a window without a start shares nothing", "", "2024-06-01", "", ""},
		{"a window without an end shares nothing", "2024-05-01", "", "", ""},
		{"a reversed window shares nothing", "2024-05-09", "2024-05-02", "", ""},
		{"the zero window shares nothing", "", "", "", ""},
	} {
		other := fdx.Window{Start: date(t, row.start), End: date(t, row.end)}
		want := fdx.Window{Start: date(t, row.wantStart), End: date(t, row.wantEnd)}
		if got := w.Intersect(other); got != want {
			t.Errorf("%s: got %v", row.claim, got)
		}
		if got := other.Intersect(w); got != want {
			t.Errorf("%s, other way round: got %v", row.claim, got)
		}
		if want.Empty() != (row.wantStart == "") {
			t.Errorf("%s: Empty is wrong", row.claim)
		}
	}
	for claim, open := range map[string]fdx.Window{
		"no start": {End: date(t, "2024-05-10")},
		"no end":   {Start: date(t, "2024-05-01")},
		"reversed": {Start: date(t, "2024-05-10"), End: date(t, "2024-05-01")},
		"zero":     {},
	} {
		if !open.Empty() || open.Contains(date(t, "2024-05-05")) {
			t.Errorf("%s: holds a date", claim)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{"", "2024-05-14", "2024-02-30", "0000-00-00", "9999-12-31", "2024-05-14T", "２024-05-14", "+024-05-14"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := fdx.ParseDate(s)
		// The standard library is the oracle; it also takes year 0.
		want, wantErr := time.Parse(time.DateOnly, s)
		if (err == nil) != (wantErr == nil && want.Year() > 0) {
			t.Fatalf("%q: got %v, oracle says %v", s, err, wantErr)
		}
		if err != nil {
			return
		}
		if got.String() != s || !got.Time().Equal(want) || fdx.DateOf(want) != got && s != "0001-01-01" {
			t.Fatalf("%q reads as %v", s, got)
		}
	})
}
