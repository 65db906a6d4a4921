package fdx_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func decimal(t testing.TB, s string) fdx.Decimal {
	t.Helper()
	if s == "" {
		return fdx.Decimal{}
	}
	d, err := fdx.ParseDecimal(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

func rat(t testing.TB, d fdx.Decimal) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		t.Fatalf("%s is no number", d)
	}
	return r
}

func TestParseDecimalKeepsEveryDigit(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0":                     "0",
		"-0":                    "0",
		"-0.00":                 "0.00",
		"0.00":                  "0.00",
		"12.50":                 "12.50",
		"+12.5":                 "12.5",
		"-12.5":                 "-12.5",
		"0.05":                  "0.05",
		"-0.05":                 "-0.05",
		"100":                   "100",
		"0.000000000000000001":  "0.000000000000000001",
		"9223372036854775807":   "9223372036854775807",
		"-9223372036854775808":  "-9223372036854775808",
		"-9.223372036854775808": "-9.223372036854775808",
	} {
		if got := decimal(t, in); got.String() != want || !got.Present() {
			t.Errorf("%s reads as %s", in, got)
		}
	}
}

func TestParseDecimalRefuses(t *testing.T) {
	t.Parallel()
	for claim, row := range map[string]struct {
		text string
		want error
	}{
		"nothing":                       {"", fdx.ErrDecimalSyntax},
		"a sign alone":                  {"-", fdx.ErrDecimalSyntax},
		"two signs":                     {"--1", fdx.ErrDecimalSyntax},
		"a point alone":                 {".", fdx.ErrDecimalSyntax},
		"no digit before the point":     {".5", fdx.ErrDecimalSyntax},
		"no digit after the point":      {"5.", fdx.ErrDecimalSyntax},
		"two points":                    {"1.2.3", fdx.ErrDecimalSyntax},
		"a leading zero":                {"01.5", fdx.ErrDecimalSyntax},
		"an exponent":                   {"1e3", fdx.ErrDecimalSyntax},
		"a comma":                       {"1,50", fdx.ErrDecimalSyntax},
		"a space":                       {" 1", fdx.ErrDecimalSyntax},
		"not a number":                  {"NaN", fdx.ErrDecimalSyntax},
		"infinity":                      {"Infinity", fdx.ErrDecimalSyntax},
		"a hexadecimal number":          {"0x10", fdx.ErrDecimalSyntax},
		"an underscore":                 {"1_000", fdx.ErrDecimalSyntax},
		"digits of another script":      {"１", fdx.ErrDecimalSyntax},
		"one more than fits":            {"9223372036854775808", fdx.ErrDecimalRange},
		"one less than fits":            {"-9223372036854775809", fdx.ErrDecimalRange},
		"one more than 64 bits":         {"18446744073709551616", fdx.ErrDecimalRange},
		"digits that fit without point": {"92233720368547758.08", fdx.ErrDecimalRange},
		"nineteen places":               {"0.0000000000000000001", fdx.ErrDecimalRange},
		"very many digits":              {strings.Repeat("9", 1000), fdx.ErrDecimalRange},
		"very many places":              {"1." + strings.Repeat("0", 1000), fdx.ErrDecimalRange},
	} {
		if d, err := fdx.ParseDecimal(row.text); !errors.Is(err, row.want) || d.Present() {
			t.Errorf("%s: got %s, %v, want %v", claim, d, err, row.want)
		}
	}
}

func TestNoNumberIsNotZero(t *testing.T) {
	t.Parallel()
	var none fdx.Decimal
	zero := fdx.NewDecimal(0, 0)
	if none.Present() || !zero.Present() || none == zero || none.String() != "" || zero.String() != "0" {
		t.Error("no number and zero are mixed up")
	}
	type holder struct {
		A fdx.Decimal `json:"a,omitzero"`
	}
	if out, err := json.Marshal(holder{zero}); err != nil || string(out) != `{"a":0}` {
		t.Errorf("zero gives %s, %v", out, err)
	}
	if out, err := json.Marshal(holder{}); err != nil || string(out) != `{}` {
		t.Errorf("no number gives %s, %v", out, err)
	}
}

func TestDecimalArithmetic(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ a, b, want string }{
		{"1.50", "2.25", "3.75"},
		{"1.5", "2.25", "3.75"},
		{"0.10", "0.2", "0.30"},
		{"5", "-5.00", "0.00"},
		{"-1", "-2", "-3"},
		{"9223372036854775806", "1", "9223372036854775807"},
		{"-9223372036854775807", "-1", "-9223372036854775808"},
		{"", "1.50", "1.50"},
		{"1.50", "", "1.50"},
		{"", "", ""},
	} {
		got, err := decimal(t, row.a).Add(decimal(t, row.b))
		if err != nil || got != decimal(t, row.want) {
			t.Errorf("%q + %q = %s, %v", row.a, row.b, got, err)
		}
	}
	for _, row := range []struct{ a, b string }{
		{"9223372036854775807", "1"},
		{"1", "9223372036854775807"},
		{"-9223372036854775808", "-1"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"9223372036854775807", "0.1"},
		{"0.000000000000000001", "10"},
	} {
		if got, err := decimal(t, row.a).Add(decimal(t, row.b)); !errors.Is(err, fdx.ErrDecimalRange) || got.Present() {
			t.Errorf("%s + %s = %s, %v", row.a, row.b, got, err)
		}
	}
	for in, want := range map[string]string{"1.50": "-1.50", "-1.50": "1.50", "0.0": "0.0", "": ""} {
		if got, err := decimal(t, in).Neg(); err != nil || got != decimal(t, want) {
			t.Errorf("-(%q) = %s, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{"1.50": "1.50", "-1.50": "1.50", "": ""} {
		if got, err := decimal(t, in).Abs(); err != nil || got != decimal(t, want) {
			t.Errorf("|%q| = %s, %v", in, got, err)
		}
	}
	smallest := fdx.NewDecimal(math.MinInt64, 0)
	if _, err := smallest.Neg(); !errors.Is(err, fdx.ErrDecimalRange) {
		t.Errorf("Neg of the smallest: %v", err)
	}
	if _, err := smallest.Abs(); !errors.Is(err, fdx.ErrDecimalRange) {
		t.Errorf("Abs of the smallest: %v", err)
	}
}

func TestDecimalOrder(t *testing.T) {
	t.Parallel()
	ordered := []string{"-9223372036854775808", "-10", "-9.99", "-0.000000000000000001", "0", "0.000000000000000001", "0.05", "0.1", "1", "1.01", "9.223372036854775807", "9223372036854775807"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := decimal(t, a).Cmp(decimal(t, b)); got != want {
				t.Errorf("%s against %s is %d", a, b, got)
			}
		}
	}
	for _, pair := range [][2]string{{"1.0", "1.00"}, {"-1", "-1.000"}, {"0", "0.00"}, {"", "0"}} {
		if decimal(t, pair[0]).Cmp(decimal(t, pair[1])) != 0 {
			t.Errorf("%q is not %q", pair[0], pair[1])
		}
	}
	for in, want := range map[string]int{"-0.01": -1, "0.00": 0, "": 0, "7": 1} {
		if got := decimal(t, in).Sign(); got != want {
			t.Errorf("sign of %q is %d", in, got)
		}
	}
}

func TestNewDecimalRefusesAScaleOver18(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	fdx.NewDecimal(1, 19)
}

func TestDecimalJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"12.50": "12.50", "-0.5": "-0.5", "0": "0", "null": "null", " 7 ": "7"} {
		var d fdx.Decimal
		if err := json.Unmarshal([]byte(in), &d); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if out, err := json.Marshal(d); err != nil || string(out) != want {
			t.Errorf("%s gives %s, %v", in, out, err)
		}
	}
	for _, in := range []string{`"12.50"`, `1e3`, `1E3`, `12345678901234567890`, `true`, `{}`, `[]`} {
		d := fdx.NewDecimal(1, 0)
		if err := json.Unmarshal([]byte(in), &d); err == nil || d != fdx.NewDecimal(1, 0) {
			t.Errorf("%s: got %s, %v", in, d, err)
		}
	}
	// A direct caller may pass what encoding/json would not.
	var d fdx.Decimal
	if err := d.UnmarshalJSON([]byte("+1")); !errors.Is(err, fdx.ErrDecimalSyntax) {
		t.Errorf("+1: %v", err)
	}
}

func TestDecimalSQL(t *testing.T) {
	t.Parallel()
	for claim, row := range map[string]struct {
		src  any
		want string
	}{
		"text":  {"12.50", "12.50"},
		"bytes": {[]byte("-0.5"), "-0.5"},
		"NULL":  {nil, ""},
	} {
		d := fdx.NewDecimal(1, 0)
		if err := d.Scan(row.src); err != nil || d != decimal(t, row.want) {
			t.Errorf("%s: got %s, %v", claim, d, err)
		}
	}
	for claim, src := range map[string]any{"a float": 12.5, "an integer": int64(12), "NaN": "NaN", "a time": struct{}{}} {
		d := fdx.NewDecimal(1, 0)
		if err := d.Scan(src); !errors.Is(err, fdx.ErrDecimalSyntax) || d != fdx.NewDecimal(1, 0) {
			t.Errorf("%s: got %s, %v", claim, d, err)
		}
	}
	if v, err := fdx.NewDecimal(1250, 2).Value(); err != nil || v != "12.50" {
		t.Errorf("value is %v, %v", v, err)
	}
	if v, err := (fdx.Decimal{}).Value(); err != nil || v != nil {
		t.Errorf("value of no number is %v, %v", v, err)
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"", "0", "-0.00", "12.50", "+1", "1e3", ".5", "5.", "00", "9223372036854775807", "-9223372036854775808", "0.000000000000000001", "18446744073709551616", "NaN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := fdx.ParseDecimal(s)
		if err != nil {
			if d.Present() {
				t.Fatal("error and a number")
			}
			return
		}
		oracle, ok := new(big.Rat).SetString(s)
		if !ok || oracle.Cmp(rat(t, d)) != 0 {
			t.Fatalf("%q reads as %s", s, d)
		}
		if again := decimal(t, d.String()); again != d {
			t.Fatalf("%q reads back as %s", s, again)
		}
		if out, err := json.Marshal(d); err != nil || !json.Valid(out) || string(out) != d.String() {
			t.Fatalf("%q gives %s, %v", s, out, err)
		}
	})
}

func FuzzDecimalArithmetic(f *testing.F) {
	f.Add(int64(1250), uint8(2), int64(-5), uint8(0))
	f.Add(int64(math.MaxInt64), uint8(0), int64(1), uint8(0))
	f.Add(int64(math.MinInt64), uint8(18), int64(math.MinInt64), uint8(0))
	f.Add(int64(math.MinInt64), uint8(0), int64(0), uint8(1))
	f.Fuzz(func(t *testing.T, coefA int64, scaleA uint8, coefB int64, scaleB uint8) {
		a := fdx.NewDecimal(coefA, scaleA%(fdx.MaxScale+1))
		b := fdx.NewDecimal(coefB, scaleB%(fdx.MaxScale+1))
		if got, want := a.Cmp(b), rat(t, a).Cmp(rat(t, b)); got != want {
			t.Fatalf("%s against %s is %d, want %d", a, b, got, want)
		}
		sum, err := a.Add(b)
		if err != nil {
			return
		}
		if want := new(big.Rat).Add(rat(t, a), rat(t, b)); rat(t, sum).Cmp(want) != 0 {
			t.Fatalf("%s + %s = %s", a, b, sum)
		}
	})
}
