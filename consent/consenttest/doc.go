// Package consenttest is the executable contract of the stores that package
// consent declares, and a store in memory that keeps it.
//
// Store and Authorizations are run by every implementation. Memory serves
// unit tests that need a store and no database. The package must not know any
// particular implementation but its own.
package consenttest
