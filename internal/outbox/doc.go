// Package outbox carries notifications to recipients: it signs them, sends
// them through the guarded way out, and decides when to try again and when to
// give up.
//
// It owns the form of a delivery (headers, signature), the schedule and the
// fairness between subscriptions. It must not know SQL or the job queue: who
// runs Work, and keeps the deliveries, is for the caller to say. Nothing that
// a consumer or a recipient does waits for it.
//
// Specs: FDX Notification for the body, RFC 7515 appendix F for the signature,
// RFC 9110 section 10.2.3 for Retry-After.
package outbox
