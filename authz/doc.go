// Package authz is the authorization server: pushed authorization requests,
// the authorize dispatcher, token, revocation, grant management and metadata
// endpoints, under FAPI 2.0.
//
// It owns the protocol towards recipients: client authentication, the
// profile's checks as pure functions, what is said in which error, and the
// order in which a decision becomes a grant and a code. It must not know how
// pages look, how a person signs in, SQL or Redis, and it never imports the
// gateway.
//
// Every refusal that can happen at PAR happens at PAR: a consumer never sees
// what the recipient has to mend.
//
// Specs: FAPI 2.0 Security Profile and Message Signing, JARM, OpenID Connect
// Core (code flow, ID token), Grant Management for OAuth 2.0, RFC 6749, RFC 7009, RFC 7523, RFC 7636,
// RFC 8414, RFC 9126, RFC 9207, RFC 9396, RFC 9449.
package authz
