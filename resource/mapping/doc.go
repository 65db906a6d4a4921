// Package mapping is the language in which a bank describes its own data: a
// strict YAML file that says, member by member of the FDX entities, where the
// value stands in the bank's record and how it is written there.
//
// It owns the language, its faults and the evaluation of a record, which is a
// pure function. It must not know where records come from: no SQL, no HTTP, no
// grants. Errors of evaluation name the entity, the member and the rule, and
// never the value, which may be personal data.
//
// Specs: FDX 6.4 for the entities and their members; docs/providers.md is the
// reference of the language.
package mapping
