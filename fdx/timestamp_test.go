package fdx_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/headgate/headgate/fdx"
)

func TestTimestampIsUTCWithSeconds(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", -4*3600)
	ts := fdx.TimestampOf(time.Date(2024, 5, 14, 21, 30, 5, 999_999_999, zone))
	if got := ts.String(); got != "2024-05-15T01:30:05Z" {
		t.Errorf("got %s", got)
	}
	if ts.Date() != date(t, "2024-05-15") {
		t.Errorf("date is %v", ts.Date())
	}
	if same := fdx.TimestampOf(time.Date(2024, 5, 15, 1, 30, 5, 0, time.UTC)); ts != same || ts.Compare(same) != 0 {
		t.Error("the same second does not compare equal")
	}
	if later := fdx.TimestampOf(ts.Time().Add(time.Second)); ts.Compare(later) != -1 || later.Compare(ts) != 1 {
		t.Error("order is wrong")
	}
}

func TestTimestampJSON(t *testing.T) {
	t.Parallel()
	type holder struct {
		T fdx.Timestamp `json:"t,omitzero"`
	}
	for in, want := range map[string]string{
		`{"t":"2024-05-14T10:00:00Z"}`:          `{"t":"2024-05-14T10:00:00Z"}`,
		`{"t":"2024-05-14T10:00:00.123Z"}`:      `{"t":"2024-05-14T10:00:00Z"}`,
		`{"t":"2024-05-14T10:00:00+02:00"}`:     `{"t":"2024-05-14T08:00:00Z"}`,
		`{"t":"2024-05-14T10:00:00.000-04:00"}`: `{"t":"2024-05-14T14:00:00Z"}`,
		`{"t":null}`:                            `{}`,
		`{}`:                                    `{}`,
	} {
		var h holder
		if err := json.Unmarshal([]byte(in), &h); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if out, err := json.Marshal(h); err != nil || string(out) != want {
			t.Errorf("%s gives %s, %v", in, out, err)
		}
	}
	for claim, in := range map[string]string{
		"nothing":                        `{"t":""}`,
		"a date alone":                   `{"t":"2024-05-14"}`,
		"no zone":                        `{"t":"2024-05-14T10:00:00"}`,
		"a space for the T":              `{"t":"2024-05-14 10:00:00Z"}`,
		"seconds since 1970":             `{"t":1715680800}`,
		"a day the month lacks":          `{"t":"2024-02-30T10:00:00Z"}`,
		"an offset past the last year":   `{"t":"9999-12-31T23:59:59-01:00"}`,
		"an offset before the first one": `{"t":"0001-01-01T00:00:00+01:00"}`,
	} {
		before := fdx.TimestampOf(time.Unix(0, 0))
		h := holder{before}
		if err := json.Unmarshal([]byte(in), &h); !errors.Is(err, fdx.ErrInvalidTimestamp) || h.T != before {
			t.Errorf("%s: got %v, %v", claim, h.T, err)
		}
	}
	var none fdx.Timestamp
	if out, err := json.Marshal(none); err != nil || string(out) != "null" || none.String() != "" || !none.Date().IsZero() {
		t.Errorf("no time gives %s, %v", out, err)
	}
}

func FuzzParseTimestamp(f *testing.F) {
	for _, seed := range []string{"", "2024-05-14T10:00:00Z", "2024-05-14T10:00:00.5+02:00", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "2024-05-14"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ts, err := fdx.ParseTimestamp(s)
		if err != nil {
			if !ts.IsZero() {
				t.Fatal("error and a time")
			}
			return
		}
		again, err := fdx.ParseTimestamp(ts.String())
		if ts.IsZero() {
			return // 0001-01-01T00:00:00Z is the zero value.
		}
		if err != nil || again != ts {
			t.Fatalf("%q reads back as %v, %v", s, again, err)
		}
	})
}
