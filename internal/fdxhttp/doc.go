// Package fdxhttp is what all endpoints below /fdx/v6 have in common: the id of
// the interaction, the content types that a client takes, page keys, and the
// form of a refusal, so that data and consents speak alike.
//
// It must not know any endpoint, what a caller may do, or how a grant's token
// is looked up.
//
// Specs: FDX 6.4 wire format, RFC 6750 section 3, RFC 9110 section 12.5.1.
package fdxhttp

// Base is the path below which all endpoints are.
const Base = "/fdx/v6"

// MetadataPath is where RFC 9728 section 3 has a client look.
const MetadataPath = "/.well-known/oauth-protected-resource"
