// Package passkeytest is an authenticator in software, for tests: it answers
// what a browser would be given, rightly or as a test wants it wrong.
//
// It must not know the package that judges its answers, or a mistake could be
// in both. Specs: Web Authentication Level 3 sections 5.8.1 (client data), 6.1
// (authenticator data) and 6.5.4 (attestation object), RFC 8949 for CBOR.
package passkeytest
