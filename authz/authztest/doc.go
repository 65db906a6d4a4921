// Package authztest is the executable contract of the stores behind the
// authorization server (token.Requests, token.Store, token.Guard), and a
// store in memory that keeps it.
//
// Requests, TokenStore, Spends and Guard are run by every implementation. Memory
// serves unit tests that need a store and no database. The package must not
// know OAuth messages, nor any particular implementation but its own.
package authztest
