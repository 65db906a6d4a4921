// Package resourcetest holds the executable form of the contracts that
// package resource declares, one function per interface, run by every
// implementation; and an in-memory bank, gate and token source that keep
// them, for tests and benchmarks that are about something else.
//
// It owns no rules of its own: each check repeats a sentence of the
// interface's documentation.
package resourcetest
