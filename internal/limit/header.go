package limit

import (
	"net/http"
	"strconv"
	"time"
)

// Policy is a limit by its name, as the header fields tell of it.
type Policy struct {
	Name  string // a token: letters, digits, hyphen
	Quota int    // requests per Window; 0 is no limit, which nothing is told of
}

// The header fields, in the canonical form of Go headers.
const (
	policyHeader = "Ratelimit-Policy"
	levelHeader  = "Ratelimit"
	retryHeader  = "Retry-After"
)

// Headers writes the header fields of a fixed list of policies.
type Headers struct {
	names  []string
	policy []string // the whole field; shared by all answers
}

// NewHeaders returns the Headers of these policies. Levels are told in the
// same order.
func NewHeaders(policies ...Policy) Headers {
	var h Headers
	var field []byte
	for _, p := range policies {
		h.names = append(h.names, p.Name)
		if p.Quota <= 0 {
			continue
		}
		field = item(field, p.Name)
		field = strconv.AppendInt(append(field, ";q="...), int64(p.Quota), 10)
		field = strconv.AppendInt(append(field, ";w="...), int64(Window/time.Second), 10)
	}
	if field != nil {
		h.policy = []string{string(field)}
	}
	return h
}

// Set tells of the policies, and of the levels if there are any. Levels
// without a quota are left out.
func (h Headers) Set(to http.Header, levels ...Level) { h.SetIn(to, nil, levels...) }

// SetIn is Set with room for the value of a header, which is then no longer the
// caller's; without room it makes some.
func (h Headers) SetIn(to http.Header, room []string, levels ...Level) {
	if h.policy == nil {
		return
	}
	to[policyHeader] = h.policy
	var space [96]byte
	field := space[:0]
	for i, l := range levels {
		if l.Quota <= 0 {
			continue
		}
		field = item(field, h.names[i])
		field = strconv.AppendInt(append(field, ";r="...), int64(l.Left), 10)
		field = strconv.AppendInt(append(field, ";t="...), Seconds(l.Whole), 10)
	}
	if len(field) > 0 {
		to[levelHeader] = append(room[:0:min(1, len(room))], string(field))
	}
}

// SetRetry tells when to come back.
func SetRetry(to http.Header, wait time.Duration) {
	to.Set(retryHeader, strconv.FormatInt(max(1, Seconds(wait)), 10))
}

// Seconds rounds up to whole seconds.
func Seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// item appends the name of a member of a list (RFC 9651 sections 3.1, 3.3.3).
func item(field []byte, name string) []byte {
	if len(field) > 0 {
		field = append(field, ", "...)
	}
	field = append(field, '"')
	field = append(field, name...)
	return append(field, '"')
}
