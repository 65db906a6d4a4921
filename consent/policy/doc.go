// Package policy holds what the law and the custom of a place say about
// consents, as data: policy packs.
//
// A pack is one JSON file in packs/, named by the pack and its version. It
// has a day from which it holds; a law that changes is a new version with a
// later day, never a change of an old file. Reading is strict: a key that is
// unknown, missing or twice, and a value that makes no sense, are faults, and
// all faults are told at once. Nothing in the code asks which pack it is.
//
// Purposes are a taxonomy of few codes, the same in every pack. A recipient's
// registered purpose code is one of them, or it counts as "other", which
// reaches no data that asks for step-up.
//
// The package owns the packs, their rules as pure functions of values and a
// time, and who a newer version would affect. It must not know HTTP, SQL or
// pages.
//
// Specs: FDX User Experience Guidelines v3, and the sources that each pack
// names under "laws".
package policy
