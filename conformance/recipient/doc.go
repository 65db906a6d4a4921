// Package recipient is a small data recipient: a fintech's side of FAPI 2.0
// and the FDX data API, complete enough to obtain a consent, read accounts
// and transactions with it, and give it back. It is written to be read: the
// files follow the flow.
//
//	config.go     who we are: keys, redirect URI; Load reads .headgate/dev.json
//	discovery.go  what the server offers (RFC 8414, OpenID Connect Discovery)
//	assertion.go  proving who we are: private_key_jwt (RFC 7523)
//	mtls.go       or by a certificate, and binding tokens to it (RFC 8705)
//	dpop.go       binding tokens to a key (RFC 9449)
//	attempt.go    what we ask the consumer for (RFC 9396, FDX), with PKCE (RFC 7636)
//	par.go        pushing that to the server (RFC 9126)
//	jar.go        the same as a signed request object (RFC 9101)
//	authorize.go  sending the consumer there, and reading the answer (RFC 9207),
//	              signed or not (JARM)
//	token.go      code to token, refresh, revocation (RFC 6749, RFC 7009)
//	data.go       accounts and transactions, page by page (FDX)
//	verify.go     whether to believe a JWT of the server (RFC 7519, RFC 8725)
//	idtoken.go    who the consumer is (OpenID Connect Core)
//	grants.go     reading and ending a grant (Grant Management for OAuth 2.0)
//	register.go   becoming a client over the wire (RFC 7591, RFC 7592)
//	introspect.go the other side: what a token stands for (RFC 7662, RFC 9701)
//
// Each call exists twice. PushRequest, CodeRequest, AccountsRequest and so
// on return a Request: a value with method, URL, headers and form, signed but
// not sent, which a test may bend in any way before Client.Do sends it. Push,
// Redeem, Accounts and so on are the same calls done properly.
//
// The package also drives the tests and the conformance suite against any
// deployment. It therefore imports nothing of this module: a mistake that
// the server and its own client shared would hide itself. What it speaks, it
// takes from its Config, and refuses when the server's metadata does not offer
// it: private_key_jwt or a certificate, DPoP or a certificate, request objects
// or plain parameters, signed answers or plain ones, in any combination.
package recipient
