package authz

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseClaims(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		raw  string
		want claimsRequest
		met  bool
	}{
		"nothing":                {`{}`, claimsRequest{}, true},
		"an empty section":       {`{"id_token":{}}`, claimsRequest{}, true},
		"sections that are null": {`{"id_token":null,"userinfo":null}`, claimsRequest{}, true},
		"auth_time":              {`{"id_token":{"auth_time":null}}`, claimsRequest{AuthTime: true}, true},
		"auth_time, essential":   {`{"id_token":{"auth_time":{"essential":true}}}`, claimsRequest{AuthTime: true}, true},
		"auth_time of userinfo":  {`{"userinfo":{"auth_time":null}}`, claimsRequest{}, true},
		"acr":                    {`{"id_token":{"acr":null}}`, claimsRequest{ACRAsked: true}, true},
		"acr, essential":         {`{"id_token":{"acr":{"essential":true}}}`, claimsRequest{ACRAsked: true, ACREssential: true}, true},
		"an acr by value":        {`{"id_token":{"acr":{"value":"x"}}}`, claimsRequest{ACRAsked: true, ACR: []string{"x"}}, true},
		"an essential acr":       {`{"id_token":{"acr":{"essential":true,"value":"x"}}}`, claimsRequest{ACRAsked: true, ACR: []string{"x"}, ACREssential: true}, false},
		"our acr":                {`{"id_token":{"acr":{"essential":true,"value":"` + ACRPassword + `"}}}`, claimsRequest{ACRAsked: true, ACR: []string{ACRPassword}, ACREssential: true}, true},
		"acrs, ours among them":  {`{"id_token":{"acr":{"essential":true,"values":["x","` + ACRPassword + `"]}}}`, claimsRequest{ACRAsked: true, ACR: []string{"x", ACRPassword}, ACREssential: true}, true},
		"acrs, all others":       {`{"id_token":{"acr":{"essential":true,"values":["x","y"]}}}`, claimsRequest{ACRAsked: true, ACR: []string{"x", "y"}, ACREssential: true}, false},
		"an acr of userinfo":     {`{"userinfo":{"acr":{"essential":true,"value":"x"}}}`, claimsRequest{}, true},
		"sub":                    {`{"id_token":{"sub":{"value":"p"}}}`, claimsRequest{Subject: "p"}, true},
		"sub without a value":    {`{"id_token":{"sub":{"essential":true}}}`, claimsRequest{}, true},
		"names in capitals":      {`{"ID_TOKEN":{"sub":{"value":"p"}},"id_token":{"ACR":{"value":"x"},"sub":{"VALUE":"q"}}}`, claimsRequest{}, true},
		"unknown members":        {`{"x":1,"id_token":{"name":null,"x":{"y":[1]}},"userinfo":{"z":{"value":1}}}`, claimsRequest{}, true},
		"8 KiB":                  {`{"x":"` + strings.Repeat("a", 8<<10-8) + `"}`, claimsRequest{}, true},
	} {
		got, err := parseClaims(tt.raw)
		if err != nil || !reflect.DeepEqual(got, tt.want) || got.met() != tt.met {
			t.Errorf("%s: %+v, %v, met %v", name, got, err, got.met())
		}
	}
	for name, raw := range map[string]string{
		"empty":              ``,
		"no JSON":            `x`,
		"an array":           `[]`,
		"null":               `null`,
		"text":               `"x"`,
		"a tail":             `{}{}`,
		"truncated":          `{"id_token":{}`,
		"a member twice":     `{"id_token":{},"id_token":{}}`,
		"a claim twice":      `{"id_token":{"acr":null,"acr":{"essential":true,"value":"x"}}}`,
		"a section an array": `{"id_token":[]}`,
		"a section text":     `{"userinfo":"x"}`,
		"a claim text":       `{"id_token":{"acr":"x"}}`,
		"a claim a number":   `{"userinfo":{"name": 1}}`,
		"a claim an array":   `{"id_token":{"name":[]}}`,
		"a claim a boolean":  `{"id_token":{"name":true}}`,
		"essential text":     `{"id_token":{"acr":{"essential":"true"}}}`,
		"an acr a number":    `{"id_token":{"acr":{"value":1}}}`,
		"acrs text":          `{"id_token":{"acr":{"values":"x"}}}`,
		"acrs numbers":       `{"id_token":{"acr":{"values":[1]}}}`,
		"a sub a number":     `{"id_token":{"sub":{"value":1}}}`,
		"an empty sub":       `{"id_token":{"sub":{"value":""}}}`,
		"subs":               `{"id_token":{"sub":{"values":["p","q"]}}}`,
		"nested 1,000 deep":  `{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		"over 8 KiB":         `{"x":"` + strings.Repeat("a", 8<<10-7) + `"}`,
		"not UTF-8":          "{\"x\":\"\xff\"}",
	} {
		got, err := parseClaims(raw)
		if err == nil || !reflect.DeepEqual(got, claimsRequest{}) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if wire(err).Code != "invalid_request" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzClaims(f *testing.F) {
	f.Add(`{"id_token":{"auth_time":null,"acr":{"essential":true,"values":["x"]},"sub":{"value":"p"}},"userinfo":{"name":null}}`)
	f.Add(`{"id_token":{"acr":{"value":"x","values":["y"]}}}`)
	f.Add(`{"Id_Token":{"acr":{"value":"x"}}}`)
	f.Add(`{"id_token":{"acr":"x"}}`)
	f.Add(`[]`)
	f.Add(``)
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseClaims(raw)
		if err != nil {
			refused(t, err)
			return
		}
		// A reader that knows no types finds the same.
		var whole map[string]any
		if json.Unmarshal([]byte(raw), &whole) != nil || len(raw) > maxClaims {
			t.Fatalf("taken: %s", raw)
		}
		asked, _ := whole["id_token"].(map[string]any)
		_, authTime := asked["auth_time"]
		_, acrAsked := asked["acr"]
		acr, _ := asked["acr"].(map[string]any)
		sub, _ := asked["sub"].(map[string]any)
		subject, _ := sub["value"].(string)
		essential, _ := acr["essential"].(bool)
		value, hasValue := acr["value"].(string)
		values, _ := acr["values"].([]any)
		want := len(values)
		if hasValue {
			want++
		}
		if got.AuthTime != authTime || got.ACRAsked != acrAsked || got.Subject != subject || got.ACREssential != essential || len(got.ACR) != want || hasValue && !slices.Contains(got.ACR, value) {
			t.Errorf("%+v of %s", got, raw)
		}
	})
}
