// Package logintest is the contract of what internal/login stores, as tests
// that every store runs, and the store in memory that passes them.
package logintest
