package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// MaxForm is the largest form body in bytes that OAuth routes read.
const MaxForm = 64 << 10

// The ways in which a form is refused. None tells anything of the form's
// content.
var (
	// ErrFormType: the body is not declared as
	// application/x-www-form-urlencoded in UTF-8.
	ErrFormType = errors.New("web: content type is not application/x-www-form-urlencoded")
	// ErrFormEncoded: the body is declared as compressed.
	ErrFormEncoded = errors.New("web: content encoding is not supported")
	// ErrFormTooLarge: the body is larger than allowed.
	ErrFormTooLarge = errors.New("web: form is too large")
	// ErrFormRepeated: a parameter occurs twice (RFC 6749 section 3.2).
	ErrFormRepeated = errors.New("web: form parameter is repeated")
	// ErrFormMalformed: the body is not form data, is not UTF-8, or holds a
	// NUL.
	ErrFormMalformed = errors.New("web: form is malformed")
	// ErrQuery: the address has a query where none is allowed.
	ErrQuery = errors.New("web: query is not allowed")
)

// Form reads the body of r as a form, at most maxBytes of it, and returns
// each parameter with its one value. The query is never looked at: where it
// has to be refused, call NoQuery as well. The errors are those named
// ErrForm..., or the transport's own when the body cannot be read.
func Form(r *http.Request, maxBytes int64) (url.Values, error) {
	if err := formType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > maxBytes {
		return nil, ErrFormTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read form: %w", err)
	}
	if int64(len(body)) > maxBytes {
		return nil, ErrFormTooLarge
	}
	return parseForm(string(body))
}

// NoQuery returns ErrQuery when the address of r has a query, also an empty
// one.
func NoQuery(r *http.Request) error {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return ErrQuery
	}
	return nil
}

func formType(h http.Header) error {
	if _, given, err := Header(h, "Content-Encoding"); given || err != nil {
		return ErrFormEncoded
	}
	text, _, err := Header(h, "Content-Type")
	if err != nil {
		return ErrFormType
	}
	kind, params, err := mime.ParseMediaType(text)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return ErrFormType
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return ErrFormType
	}
	return nil
}

func parseForm(body string) (url.Values, error) {
	v, err := url.ParseQuery(body)
	if err != nil {
		return nil, ErrFormMalformed // the parser's own text repeats the input
	}
	for name, values := range v {
		if len(values) > 1 {
			return nil, ErrFormRepeated
		}
		if !clean(name) || !clean(values[0]) {
			return nil, ErrFormMalformed
		}
	}
	return v, nil
}

func clean(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
