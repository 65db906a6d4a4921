// Package certs holds the X.509 and JWK material that the two servers share:
// TLS configurations (RFC 9325, FAPI 2.0 Security Profile section 5.2), the
// public keys that recipients register (RFC 7517, RFC 7518, RFC 8037), their
// thumbprints (RFC 7638, RFC 8705 section 3.1), our own signing keys with their
// rotation (RFC 7515), and the keys that seal what is stored and read again
// (NIST SP 800-38D).
//
// It decides which keys are good enough and nothing else: it does not fetch
// key sets, does not serve HTTP, knows no client, token or grant, and keeps
// nothing outside the files it is pointed at.
package certs
