package bearer

import (
	"net/http"
	"strings"
)

// ProofAlgorithms are the DPoP algorithms of FAPI 2.0 (RFC 9449 section 7.1),
// separated by spaces.
const ProofAlgorithms = "PS256 ES256 EdDSA"

// Challenge is what WWW-Authenticate says. The zero Challenge names the
// schemes and no error, for a request without credentials (RFC 6750 section
// 3.1). All values are fixed text, so that none needs escaping.
type Challenge struct {
	Scheme Scheme // that was used, "" for none
	Code   string // OAuth error code
	Scope  string // that would do
	// Metadata is the address of the metadata of the protected resource (RFC
	// 9728 section 5.1), "" for none.
	Metadata string
}

// Set writes one WWW-Authenticate field per scheme, the one that was used
// first and with the error.
func (c Challenge) Set(h http.Header) {
	first, second := DPoP, Bearer
	if c.Scheme == Bearer {
		first, second = second, first
	}
	used := c
	if c.Scheme == "" {
		used = Challenge{Metadata: c.Metadata}
	}
	h.Add("WWW-Authenticate", used.field(first))
	h.Add("WWW-Authenticate", Challenge{Metadata: c.Metadata}.field(second))
}

func (c Challenge) field(s Scheme) string {
	var b strings.Builder
	b.WriteString(string(s))
	separator := " "
	add := func(name, value string) {
		if value == "" {
			return
		}
		b.WriteString(separator + name + `="` + value + `"`)
		separator = ", "
	}
	add("error", c.Code)
	add("scope", c.Scope)
	if s == DPoP {
		add("algs", ProofAlgorithms)
	}
	add("resource_metadata", c.Metadata)
	return b.String()
}
