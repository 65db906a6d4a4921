package fdx

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// drawn fills v with what a bank may hold, often with nothing.
func drawn(r *rand.Rand, v reflect.Value) {
	if r.IntN(3) == 0 {
		return
	}
	texts := []string{
		"", "shop", `"quoted" \\ back`, "<b>&amp;</b>", "line\nbreak\r\t\b\f\x00\x1f\x7f", "\u2028\u2029", "\xff\xfe half \xe2\x82",
		"ليلى", "张伟", "\U0001f600", "\ufffd",
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1000) - 500)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		drawn(r, v.Elem())
	case reflect.Slice:
		n := r.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			drawn(r, v.Index(i))
		}
	case reflect.Struct:
		switch v.Interface().(type) {
		case Decimal:
			v.Set(reflect.ValueOf(NewDecimal(r.Int64N(2_000_000)-1_000_000, uint8(r.IntN(5)))))
		case Date:
			v.Set(reflect.ValueOf(DateOf(time.Unix(r.Int64N(2_000_000_000), 0))))
		case Timestamp:
			v.Set(reflect.ValueOf(TimestampOf(time.Unix(r.Int64N(4_000_000_000), 0))))
		default:
			for i := range v.NumField() {
				drawn(r, v.Field(i))
			}
		}
	}
}

// What the encoders write is what encoding/json writes, to the byte.
func TestEncodersWriteWhatEncodingJSONWrites(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, whole := range []reflect.Type{reflect.TypeFor[Transaction](), reflect.TypeFor[Account]()} {
		for i := range whole.NumField() {
			kind := whole.Field(i).Type.Elem()
			t.Run(kind.Name(), func(t *testing.T) {
				e := encoderOf(kind)
				for range 2_000 {
					v := reflect.New(kind)
					drawn(r, v.Elem())
					for f := range kind.NumField() {
						drawn(r, v.Elem().Field(f)) // seldom nothing at all
					}
					want, err := json.Marshal(v.Interface())
					if err != nil {
						t.Fatal(err)
					}
					got, err := e.append([]byte{'{'}, v.Elem(), true)
					if err != nil || string(got)+"}" != string(want) {
						t.Fatalf("%v\n got %s}\nwant %s", err, got, want)
					}
				}
			})
		}
	}
}

// Not parallel: other tests' allocations would count.
func TestEncodingAUsualTransactionDoesNotAllocate(t *testing.T) {
	tx := Transaction{Deposit: &DepositTransaction{TransactionBase: TransactionBase{
		TransactionID: "1", TransactionTimestamp: TimestampOf(time.Unix(1_715_680_800, 0)), PostedTimestamp: TimestampOf(time.Unix(1_715_680_800, 0)),
		Description: "CARD SALE", DebitCreditMemo: Debit, Status: Posted, Amount: NewDecimal(1995, 2), Category: "Sales",
	}}}
	b := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := tx.append(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
