package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/web"
)

const formType = "application/x-www-form-urlencoded"

func post(target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestForm(t *testing.T) {
	t.Parallel()
	chunked := post("/", strings.Repeat("a", 40))
	chunked.ContentLength = -1
	doubled := post("/", "a=1")
	doubled.Header.Add("Content-Type", formType)
	cut := post("/", "")
	cut.Body = io.NopCloser(io.MultiReader(strings.NewReader("a="), brokenReader{}))
	for _, tt := range []struct {
		name string
		r    *http.Request
		want string // encoded
		err  error
	}{
		{"one of each", post("/", "a=1&b=2"), "a=1&b=2", nil},
		{"nothing", post("/", ""), "", nil},
		{"empty value", post("/", "a=&b"), "a=&b=", nil},
		{"plus is a space", post("/", "a=1+2%2B"), "a=1+2%2B", nil},
		{"charset utf-8", post("/", "a=%C3%A5", "Content-Type", formType+"; charset=UTF-8"), "a=%C3%A5", nil},
		{"type in capitals", post("/", "a=1", "Content-Type", "Application/X-WWW-Form-Urlencoded"), "a=1", nil},
		{"the query is not read", post("/?a=2&c=3", "a=1"), "a=1", nil},
		{"the largest", post("/", "a="+strings.Repeat("x", 30)), "a=" + strings.Repeat("x", 30), nil},

		{"one byte too many", post("/", "a="+strings.Repeat("x", 31)), "", web.ErrFormTooLarge},
		{"too many in chunks", chunked, "", web.ErrFormTooLarge},
		{"no type", post("/", "a=1", "Content-Type", ""), "", web.ErrFormType},
		{"json", post("/", "a=1", "Content-Type", "application/json"), "", web.ErrFormType},
		{"multipart", post("/", "a=1", "Content-Type", "multipart/form-data; boundary=x"), "", web.ErrFormType},
		{"other charset", post("/", "a=1", "Content-Type", formType+"; charset=latin1"), "", web.ErrFormType},
		{"two types", doubled, "", web.ErrFormType},
		{"compressed", post("/", "a=1", "Content-Encoding", "gzip"), "", web.ErrFormEncoded},
		{"identity is an encoding too", post("/", "a=1", "Content-Encoding", "identity"), "", web.ErrFormEncoded},
		{"doubled", post("/", "a=1&b=2&a=1"), "", web.ErrFormRepeated},
		{"doubled by escaping", post("/", "a=1&%61=1"), "", web.ErrFormRepeated},
		{"broken escape", post("/", "a=%zz"), "", web.ErrFormMalformed},
		{"semicolon", post("/", "a=1;b=2"), "", web.ErrFormMalformed},
		{"nul in a value", post("/", "a=%00"), "", web.ErrFormMalformed},
		{"nul in a name", post("/", "%00=1"), "", web.ErrFormMalformed},
		{"not utf-8", post("/", "a=%ff"), "", web.ErrFormMalformed},
		{"broken off", cut, "", errBroken},
	} {
		got, err := web.Form(tt.r, 32)
		if !errors.Is(err, tt.err) || got.Encode() != tt.want {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got.Encode(), err, tt.want, tt.err)
		}
	}
}

var errBroken = errors.New("broken off")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestNoQuery(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]error{
		"/":           nil,
		"/?":          web.ErrQuery,
		"/?a=1":       web.ErrQuery,
		"/path%3Fa=1": nil,
	} {
		if err := web.NoQuery(post(target, "")); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", target, err, want)
		}
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	h.Add("DPoP", "one")
	h.Add("Twice", "same")
	h.Add("Twice", "same")
	h.Add("Empty", "")
	for _, tt := range []struct {
		name, value string
		given       bool
		err         error
	}{
		{"dpop", "one", true, nil},
		{"DPoP", "one", true, nil},
		{"Empty", "", true, nil},
		{"Absent", "", false, nil},
		{"Twice", "", false, web.ErrRepeatedHeader},
	} {
		value, given, err := web.Header(h, tt.name)
		if value != tt.value || given != tt.given || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, %v", tt.name, value, given, err)
		}
	}
}

// Whatever the body, a form that is accepted has one clean value per name
// and means the same when written out and read again.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"", "a=1&b=2", "a=1&a=2", "a=%00", "a=%ff", "a;b", "=", "&&", "%61=1&a", "a=%C3%A5+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := web.Form(post("/", body), 1<<10)
		if err != nil {
			if v != nil {
				t.Error("values beside an error")
			}
			return
		}
		for name, values := range v {
			if len(values) != 1 || !utf8.ValidString(name+values[0]) || strings.Contains(name+values[0], "\x00") {
				t.Errorf("accepted %q", body)
			}
		}
		again, err := url.ParseQuery(v.Encode())
		if err != nil || again.Encode() != v.Encode() {
			t.Errorf("%q does not survive being written", body)
		}
	})
}
