// Package login is the built-in sign-in: a username and a password against
// argon2id hashes that a store keeps.
//
// It owns how a password is hashed, how an attempt is judged and how guessing
// is slowed down. It must not know pages, sessions or SQL. A bank with its
// own sign-in replaces the package as a whole.
//
// Specs: RFC 9106 (argon2), PHC string format for stored hashes, NIST
// SP 800-63B section 5.2.2 (rate limiting).
package login
