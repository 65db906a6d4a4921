// Package bearer answers who holds the access token of a request: it finds
// the token, verifies the DPoP proof or takes the client certificate, and
// compares what that proves with what the token is bound to. Every protected
// interface goes through it, so that none is softer than another.
//
// It owns the rules of presenting a token and the form of a challenge. It must
// not know how an interface words its errors: what went wrong is a Fault. It
// must not know how a consent's token is looked up, because only the gateway
// has a cache in front of those.
//
// Specs: RFC 6750 sections 2.1 and 3, RFC 9449 sections 7 to 9, RFC 8705
// section 3, FAPI 2.0 Security Profile section 5.3.4.
package bearer
