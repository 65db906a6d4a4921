// Package sqlviews is a resource.Provider over read-only views in a bank's own
// PostgreSQL: the bank writes views, a mapping file says what their columns
// mean, and no code is written.
//
// It owns the statements that read the views and the check of what the file
// says about them. It must not know grants, tokens or HTTP. It never writes:
// its sessions are read-only, and no text of the mapping file becomes SQL,
// except names of views and columns in a narrow form, quoted. Every statement
// that returns rows of an account asks in the same statement whether the
// consumer holds it.
//
// Specs: FDX 6.4 for what it returns; docs/providers.md for the mapping file.
package sqlviews
