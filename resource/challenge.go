package resource

import (
	"net/http"
	"strings"

	"github.com/headgate/headgate/fdx"
)

// scheme is an HTTP authentication scheme that carries an access token.
type scheme string

// The schemes. With Bearer the token must be bound to the client's
// certificate: a token that anybody could use does not exist here.
const (
	schemeDPoP   scheme = "DPoP"
	schemeBearer scheme = "Bearer"
)

// challenge is what WWW-Authenticate says. The zero challenge names the
// schemes and no error, for a request without credentials (RFC 6750 section
// 3.1).
type challenge struct {
	scheme scheme
	// code is the OAuth error code.
	code  string
	scope fdx.Scope
}

// proofAlgorithms are the DPoP algorithms of FAPI 2.0 (RFC 9449 section 7.1).
const proofAlgorithms = "PS256 ES256 EdDSA"

// challenge writes one WWW-Authenticate field per scheme, the one that was
// used first and with the error.
func (g *Gateway) challenge(h http.Header, c challenge) {
	first, second := schemeDPoP, schemeBearer
	if c.scheme == schemeBearer {
		first, second = second, first
	}
	h.Add("WWW-Authenticate", g.field(first, c.code, c.scope))
	h.Add("WWW-Authenticate", g.field(second, "", ""))
}

// field writes one challenge. All values are fixed text or scopes, so that
// none needs escaping.
func (g *Gateway) field(s scheme, code string, scope fdx.Scope) string {
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
	add("error", code)
	add("scope", string(scope))
	if s == schemeDPoP {
		add("algs", proofAlgorithms)
	}
	add("resource_metadata", g.public+metadataPath)
	return b.String()
}
