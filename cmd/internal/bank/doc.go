// Package bank opens the bank behind a deployment from one file, the same for
// every process: gatewayd reads its data, authzd lists its accounts, and
// 'headgate provider check' checks it before either does.
//
// It owns the form of the bank file and which provider each kind is. It must
// not know tokens, grants or pages, nor how a provider works.
//
// Specs: docs/provider-check.md describes the file.
package bank
