// Package passkey is sign-in, a second proof and the keeping of passkeys: the
// two ceremonies of WebAuthn, and what their answers must say.
//
// It owns what an authenticator is asked, how its answer is judged, and when an
// answer counts: once, within five minutes, in the session and for the purpose
// that asked. The user is always verified, so that a passkey is two factors in
// one. It must not know pages, sessions or SQL.
//
// Specs: Web Authentication Level 3 sections 7.1 (adding), 7.2 (using) and
// 6.1.1 (the count of uses); RFC 9052 and 9053 for the keys, which
// go-webauthn reads.
package passkey
