// Package archtest checks what the compiler cannot: which package may import
// which, where each big dependency is allowed, and that every exported name
// says what it is for. The rules are one table in rules_test.go; a package
// without a row fails, so that a new one has to find its place first.
//
// It has tests only. They ask the go command about the whole module, which the
// test cache does not see: run them with -count=1.
package archtest
