// Package banklogin is sign-in at the bank's own OpenID provider: the code flow
// with PKCE, state and nonce, and what the ID token must say.
//
// It owns how a sign-in is asked for, how the answer is judged, and what counts
// as a second proof. It must not know pages, sessions or SQL: what has to be
// remembered between leaving and coming back goes to the caller in one string.
//
// Specs: OpenID Connect Core 1.0 section 3.1 (code flow, ID token), OpenID
// Connect Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (iss in the answer), RFC
// 9700 section 2.1 (state, mix-up), RFC 7523 (private_key_jwt).
package banklogin
