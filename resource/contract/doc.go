// Package contract is the executable form of the contract that
// resource.Provider declares: a list of named checks that run without the
// testing package, so that a bank can run them on its own provider before
// anything goes live. resourcetest runs the same list in tests.
//
// It owns what is checked, what each rule is called and how a bank's engineer
// mends a breach. It adds no rules of its own: each repeats a sentence of the
// interface's documentation, or of package fdx about values that are always
// given. It must not know any particular provider, and nothing it reports
// holds personal data: counts, positions and names of fields only.
//
// Providers are only read from. What cannot be checked for lack of data is
// reported as such, never as passed.
package contract
