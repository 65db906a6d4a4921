package fdx

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// Decimal is an exact decimal number: a 64-bit coefficient and 0 to 18
// digits after the point. It carries money, rates and quantities; floating
// point never does. In money it counts major units of the currency beside
// it. The zero value is no number, left out of JSON by omitzero and NULL in
// SQL; NewDecimal(0, 2) is the number 0.00.
//
// 1.0 and 1.00 are different values under == and the same under Cmp.
type Decimal struct {
	coef  int64
	scale uint8
	set   bool
}

// MaxScale is the largest number of digits after the point.
const MaxScale = 18

var (
	// ErrDecimalSyntax is returned for text that is no plain decimal.
	ErrDecimalSyntax = errors.New("not a decimal number")
	// ErrDecimalRange is returned for a number whose digits do not fit.
	ErrDecimalRange = errors.New("decimal number out of range")
)

// NewDecimal returns coef divided by ten to the power of scale:
// NewDecimal(1250, 2) is 12.50. It panics when scale is over MaxScale, which
// is a programmer's mistake; text from outside goes through ParseDecimal.
func NewDecimal(coef int64, scale uint8) Decimal {
	if scale > MaxScale {
		panic("fdx: decimal scale over 18")
	}
	return Decimal{coef: coef, scale: scale, set: true}
}

// ParseDecimal reads a decimal as JSON writes it but without an exponent: an
// optional minus or plus sign, digits without needless leading zeros, and
// optionally a point followed by digits. Trailing zeros are kept. It returns
// ErrDecimalSyntax, or ErrDecimalRange when the digits do not fit.
func ParseDecimal(s string) (Decimal, error) {
	digits := s
	negative := false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative = digits[0] == '-'
		digits = digits[1:]
	}
	point := -1
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
		case c == '.' && point < 0:
			point = i
		default:
			return Decimal{}, ErrDecimalSyntax
		}
	}
	whole, fraction := digits, ""
	if point >= 0 {
		whole, fraction = digits[:point], digits[point+1:]
		if fraction == "" {
			return Decimal{}, ErrDecimalSyntax
		}
	}
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return Decimal{}, ErrDecimalSyntax
	}
	if len(fraction) > MaxScale {
		return Decimal{}, ErrDecimalRange
	}
	var magnitude uint64
	for _, part := range [2]string{whole, fraction} {
		for i := range len(part) {
			hi, lo := bits.Mul64(magnitude, 10)
			sum, carry := bits.Add64(lo, uint64(part[i]-'0'), 0)
			if hi != 0 || carry != 0 {
				return Decimal{}, ErrDecimalRange
			}
			magnitude = sum
		}
	}
	coef, ok := signed(magnitude, negative)
	if !ok {
		return Decimal{}, ErrDecimalRange
	}
	return Decimal{coef: coef, scale: uint8(len(fraction)), set: true}, nil
}

func signed(magnitude uint64, negative bool) (int64, bool) {
	switch {
	case magnitude <= math.MaxInt64 && negative:
		return -int64(magnitude), true
	case magnitude <= math.MaxInt64:
		return int64(magnitude), true
	case negative && magnitude == 1<<63:
		return math.MinInt64, true
	}
	return 0, false
}

// magnitude returns the absolute value of the coefficient, which for the
// smallest int64 does not fit an int64.
func (d Decimal) magnitude() uint64 {
	if d.coef < 0 {
		return -uint64(d.coef)
	}
	return uint64(d.coef)
}

// Present reports whether d is a number, that is, not the zero value.
func (d Decimal) Present() bool { return d.set }

// Sign returns -1, 0 or 1; 0 also for no number.
func (d Decimal) Sign() int {
	switch {
	case d.coef < 0:
		return -1
	case d.coef > 0:
		return 1
	}
	return 0
}

// Neg returns d with the opposite sign. It returns ErrDecimalRange for the
// smallest coefficient, which has no opposite. No number stays no number.
func (d Decimal) Neg() (Decimal, error) {
	if d.coef == math.MinInt64 {
		return Decimal{}, ErrDecimalRange
	}
	d.coef = -d.coef
	return d, nil
}

// Abs returns d without its sign, or ErrDecimalRange as Neg does.
func (d Decimal) Abs() (Decimal, error) {
	if d.coef < 0 {
		return d.Neg()
	}
	return d, nil
}

// Add returns d + other with the larger scale of the two, or ErrDecimalRange
// when the sum does not fit. No number counts as nothing added, so a sum may
// start at the zero value.
func (d Decimal) Add(other Decimal) (Decimal, error) {
	switch {
	case !d.set:
		return other, nil
	case !other.set:
		return d, nil
	}
	scale := max(d.scale, other.scale)
	a, ok := d.rescaled(scale)
	if !ok {
		return Decimal{}, ErrDecimalRange
	}
	b, ok := other.rescaled(scale)
	if !ok {
		return Decimal{}, ErrDecimalRange
	}
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return Decimal{}, ErrDecimalRange
	}
	return Decimal{coef: sum, scale: scale, set: true}, nil
}

func (d Decimal) rescaled(scale uint8) (int64, bool) {
	hi, lo := bits.Mul64(d.magnitude(), pow10[scale-d.scale])
	if hi != 0 {
		return 0, false
	}
	return signed(lo, d.coef < 0)
}

// Cmp returns -1, 0 or 1 as d is less than, equal to or greater than other
// as numbers, whatever their scales. No number compares as 0.
func (d Decimal) Cmp(other Decimal) int {
	if sd, so := d.Sign(), other.Sign(); sd != so || sd == 0 {
		return compare(sd, so)
	}
	scale := max(d.scale, other.scale)
	dHi, dLo := bits.Mul64(d.magnitude(), pow10[scale-d.scale])
	oHi, oLo := bits.Mul64(other.magnitude(), pow10[scale-other.scale])
	larger := compare(dHi, oHi)
	if larger == 0 {
		larger = compare(dLo, oLo)
	}
	return larger * d.Sign()
}

// String returns the number with exactly its scale of digits after the
// point, "" for no number.
func (d Decimal) String() string {
	if !d.set {
		return ""
	}
	return string(d.append(nil))
}

func (d Decimal) append(b []byte) []byte {
	if d.coef < 0 {
		b = append(b, '-')
	}
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], d.magnitude(), 10)
	for range int(d.scale) + 1 - len(digits) {
		// Leading zeros up to one digit before the point.
		b = append(b, '0')
	}
	b = append(b, digits...)
	if d.scale == 0 {
		return b
	}
	at := len(b) - int(d.scale)
	b = append(b, 0)
	copy(b[at+1:], b[at:])
	b[at] = '.'
	return b
}

// MarshalJSON returns a JSON number with all digits of the scale, null for no
// number; fields use omitzero.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if !d.set {
		return []byte("null"), nil
	}
	return d.append(make([]byte, 0, 24)), nil
}

// UnmarshalJSON reads a JSON number without an exponent; null gives no
// number. It returns ErrDecimalSyntax for anything else, ErrDecimalRange
// when the digits do not fit, and then leaves d as it was.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*d = Decimal{}
		return nil
	}
	if len(data) > 0 && data[0] == '+' {
		return ErrDecimalSyntax
	}
	return d.parse(string(data))
}

func (d *Decimal) parse(s string) error {
	parsed, err := ParseDecimal(s)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Scan implements sql.Scanner for the text of a numeric column; NULL gives
// no number.
func (d *Decimal) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = Decimal{}
		return nil
	case string:
		return d.parse(v)
	case []byte:
		return d.parse(string(v))
	}
	return fmt.Errorf("scan decimal from %T: %w", src, ErrDecimalSyntax)
}

// Value implements driver.Valuer: the text of the number, which a numeric
// column takes without loss, and NULL for no number.
func (d Decimal) Value() (driver.Value, error) {
	if !d.set {
		return nil, nil
	}
	return d.String(), nil
}

func compare[T int | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// pow10 holds the powers of ten up to MaxScale.
var pow10 = [MaxScale + 1]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}
