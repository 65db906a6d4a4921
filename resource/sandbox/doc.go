// Package sandbox is the built-in bank: a resource.Provider over PostgreSQL
// tables of its own, filled with made-up personas and with imported bank files.
// It lets a developer run consent and reads end to end without a bank.
//
// It owns the schema "sandbox", the imports (OFX statements, CSV tables), the
// personas and their development passwords, and what its papers say. It must not know grants, tokens,
// HTTP or any other schema. Money is decimal everywhere: numeric in SQL,
// fdx.Decimal in Go.
//
// Specs: FDX 6.4 for what it returns; OFX 1.6 and 2.2 for what it imports.
package sandbox
