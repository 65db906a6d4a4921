// Package inbox holds what people are told about what they share: notices, how
// each person wants to get them, and the mail that is made of them.
//
// It owns the kinds of notices, which of them nobody can switch off, when mail
// is tried again and given up, and the interfaces that stores and banks keep.
// It must not know HTTP, SQL, SMTP or the words of a notice.
//
// Specs: FDX User Experience Guidelines v3 (a notice at least 30 days before
// the end). docs/notices.md says what Headgate promises.
package inbox
