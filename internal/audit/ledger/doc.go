// Package ledger makes the records of reads tamper-evident. Records become the
// leaves of one append-only Merkle tree; from time to time its size and root
// hash are signed and copied to where the administrator of the database cannot
// write. Whoever holds such a checkpoint can later tell whether any record
// below it was changed, removed, added or swapped.
//
// It owns the canonical form of a record, the tree, the signed checkpoints,
// where they are copied to, when all of this happens (Keeper), and the
// verification. It must not know SQL: a Store keeps what it is given, and is
// not trusted with it.
//
// Specs: RFC 6962 section 2.1 (the tree, inclusion and consistency), as in
// golang.org/x/mod/sumdb/tlog, and the signed-note and tlog-checkpoint formats
// of C2SP, as in golang.org/x/mod/sumdb/note.
package ledger
