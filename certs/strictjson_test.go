package certs_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/certs"
)

func TestStrictJSON(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	for name, tt := range map[string]struct {
		data string
		want bool
	}{
		"empty object":            {`{}`, true},
		"spaces around":           {" \r\n{}\t ", true},
		"same name in two places": {`{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}`, true},
		"names differ in case":    {`{"a":1,"A":2}`, true},
		"number beyond floats":    {`{"a":1e999}`, true},
		"depth 8":                 {deep(8), true},
		"depth 9":                 {deep(9), false},
		"name twice":              {`{"a":1,"a":1}`, false},
		"name twice by escape":    {`{"a":1,"\u0061":1}`, false},
		"name twice inside":       {`{"a":[{"b":{"c":1,"d":2,"c":3}}]}`, false},
		"lone surrogates":         {`{"\ud800":1,"\udc00":1}`, false},
		"empty":                   {``, false},
		"spaces only":             {` `, false},
		"array":                   {`[]`, false},
		"string":                  {`"a"`, false},
		"null":                    {`null`, false},
		"cut off":                 {`{"a":1`, false},
		"two values":              {`{}{}`, false},
		"byte order mark":         {"\xef\xbb\xbf{}", false},
		"not UTF-8":               {"{\"a\":\"\xff\"}", false},
		"comment":                 {`{/**/}`, false},
	} {
		err := certs.StrictJSON([]byte(tt.data))
		if (err == nil) != tt.want || err != nil && !errors.Is(err, certs.ErrJSON) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzStrictJSON(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,"\u00e9",null]}}`))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if certs.StrictJSON(data) != nil {
			return
		}
		// What is strict survives a round trip; a duplicate would be lost.
		var m map[string]json.RawMessage
		if err := json.Unmarshal(data, &m); err != nil || m == nil {
			t.Fatalf("accepted what encoding/json does not: %v", err)
		}
		again, err := json.Marshal(m)
		if err != nil || certs.StrictJSON(again) != nil {
			t.Fatalf("%v", err)
		}
	})
}
