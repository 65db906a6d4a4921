// Package mail brings notices and one-time codes to people by mail: it finds out the address, has
// the letter written, sends it over SMTP with TLS, and decides when to try
// again and when to give up.
//
// It owns the form of a mail (headers, parts), what an address may look like,
// and the mailbox of the developer's stack. It must not know SQL, the job
// queue or the words of a letter.
//
// Specs: RFC 5322 for headers, RFC 3207 for STARTTLS, RFC 8314 for TLS from the
// start, RFC 2369 for List-Unsubscribe, RFC 3834 for Auto-Submitted.
package mail
