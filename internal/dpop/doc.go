// Package dpop verifies DPoP proofs (RFC 9449) for both servers, and issues
// and checks the nonces that proofs may have to carry.
//
// It answers one question: did the holder of this key make this proof, now,
// for this request and this access token? It does not know which key a token
// is bound to (compare Proof.Thumbprint), does not remember proofs (store
// ReplayKey until Proof.ReplayUntil), does not decide whether a nonce is
// demanded, makes no proofs, and knows neither HTTP nor storage.
//
// Verification runs on every data read, so the proof is parsed by hand, once,
// in reused memory, and the parsed keys of recent callers are kept. What a key
// must be like is decided by package certs.
package dpop
