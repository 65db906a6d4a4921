// Package consent holds what a grant is, how it changes state and who may
// change it.
//
// One grant is one recipient, one purpose, a set of accounts, a set of data
// clusters, a term and a look-back window. It becomes ACTIVE by a consumer's
// decision and ends as REVOKED or EXPIRED; both ends are final. In between it
// may rest: paused until a date, or held. Every change
// raises the grant's epoch, so that a reader who holds an older version can
// be told apart from one who holds the present one.
//
// The package owns the vocabulary of consent (Grant, Share, Request,
// Recipient, Authorization), its rules as pure functions of values and a
// time, and the interfaces a store must keep. It must not know HTTP, SQL,
// HTML or tokens.
//
// Specs: FDX consent (ConsentRequest, ConsentGrant), RFC 9396 for the request
// that carries it.
package consent
