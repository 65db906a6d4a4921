// Package receipt says what a receipt of a consent is, signs it and checks
// it.
//
// A receipt tells of one change of one grant: what was agreed, changed,
// paused, held or ended, when and by whom, with the words that the person
// decided on. It is made from the version of the grant that the change left
// behind, which the store keeps with the change itself, and from nothing
// else: no template, registration or policy that changes later can change it.
// It is signed once, when it is first asked for, and is the same bytes ever
// after. The public part of each key that ever signed one is kept, so that a
// receipt can be checked when the key is long retired.
//
// A receipt holds no account id, no account number beyond what the person was
// shown, and nothing about the person.
//
// The package owns the form of a receipt and the rules of its signature. It
// must not know HTTP, SQL, pages or languages.
//
// Specs: RFC 7515 (JWS, compact form), RFC 8725 section 3.11 (explicit
// typing), RFC 7517 (keys).
package receipt
