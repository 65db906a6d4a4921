// Package login is the built-in sign-in: a username and a password against
// argon2id hashes that a store keeps, and one-time codes as a second proof.
//
// It owns how a password is hashed, how an attempt is judged, how guessing is
// slowed down, and what a one-time code is worth. It must not know pages,
// sessions or SQL. A bank with its own sign-in replaces the package as a
// whole.
//
// Specs: RFC 9106 (argon2), PHC string format for stored hashes, NIST
// SP 800-63B sections 5.1.3 (codes sent by another way) and 5.2.2 (rate
// limiting), RFC 8176 (names of methods).
package login
