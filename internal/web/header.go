package web

import (
	"errors"
	"net/http"
)

// ErrRepeatedHeader: a header that may occur once occurs more often.
var ErrRepeatedHeader = errors.New("web: header repeated")

// Header returns the value of a header that may occur at most once, and
// whether it occurs. Two are ErrRepeatedHeader: picking one would let two
// readers of the same request see different things. name may be in any case.
func Header(h http.Header, name string) (value string, given bool, err error) {
	switch v := h[http.CanonicalHeaderKey(name)]; len(v) {
	case 0:
		return "", false, nil
	case 1:
		return v[0], true, nil
	default:
		return "", false, ErrRepeatedHeader
	}
}
