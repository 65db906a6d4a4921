// Package e2e proves the promises of docs/architecture.md on the whole path
// and on real parts: two instances of each server behind TLS, a real
// PostgreSQL, a real Redis, and recipients and browsers that share no code
// with them. It holds tests only.
//
// It owns the proofs that no package can give alone: no read after a stop
// whatever happens to Redis, every artefact accepted once across instances,
// one record for each answer, no secret in a log or a table, the life of the
// developer's stack as a process, and hostile input on the wire. Each checker
// is a pure function, or is shown to fail on a product that is broken on
// purpose. It must not repeat what a package tests through its own front door.
//
// HEADGATE_E2E_ROUNDS=N repeats everything that is left to chance N times as
// often; the default is 1.
package e2e
