// Package erasure holds what it means to erase a person's record: when it is
// done, what apps are asked, and what became of that.
//
// It owns the times and states of both and the interface that stores keep. It
// must not know HTTP, SQL or the words of a page. What is erased, and what is
// kept without a name, is told in docs/privacy.md.
//
// Specs: GDPR articles 17 and 19 (the record, and whoever it was given to).
package erasure
