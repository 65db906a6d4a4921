// Package token owns the form of every artefact that Headgate hands out as a
// secret string: access and refresh tokens, authorization codes,
// request_uris and registration access tokens. It makes them, checks their form, turns them into the keyed
// hash under which alone they are stored, and defines the records that
// stores keep for them.
//
// A token is a recognisable prefix, the id of the hash key, 256 random bits
// and a checksum. Prefix and checksum let a secret scanner find a leaked
// token without asking anybody, and let the gateway refuse garbage without
// a look-up.
//
// The package must not know HTTP, SQL or Redis, and it never writes a token
// into an error.
//
// Specs: RFC 6749 sections 1.4, 1.5, 4.1.2; RFC 9126 section 2.2; RFC 7592
// section 3.
package token
