// Package limit decides how many requests a minute are let through, and says
// so to whoever asks too often.
//
// It owns the arithmetic (GCRA), the counter of one process, and the header
// fields. It must not know whom it counts, nor what a request is. The counter
// that all instances share is in internal/redis and keeps to the same
// arithmetic.
//
// # Arithmetic
//
// A quota of q requests a minute is a bucket of one minute. Each request fills
// it by a minute divided by q, and it drains by one second a second. A request
// that would make it run over is refused and fills nothing. So the whole quota
// may come at once, and after that one request each minute/q; in any minute
// there are fewer than twice q.
//
// Specs: draft-ietf-httpapi-ratelimit-headers-10 (RateLimit,
// RateLimit-Policy), RFC 9651, RFC 9110 section 10.2.3 (Retry-After).
package limit
