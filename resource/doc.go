// Package resource is the gateway: it authenticates a read, allows it
// against the grant, fetches from the bank, filters by data cluster, records
// the read and only then answers. All data endpoints share one generic
// function, so that none can forget a step.
//
// A new endpoint is an operation and a row in endpoints; what it gives to whom
// is then in docs/enforcement.md and, after make generate, in the API document,
// which are written from these.
//
// It owns enforcement and the Provider interface that a bank implements. It
// must not know how consent is obtained, OAuth beyond presenting a token, or
// SQL and Redis.
//
// What recipients see beyond the specs: a window that the look-back of the
// consent shortens is served and its first day told in x-fdx-effective-start;
// a page key opens only the grant, operation, account and filter that it was
// given for, for 24 hours, and carries no rights; a page is cut to what fits
// into one mebibyte, a document has eight at most; links inside entities lead
// to this gateway only; nothing but contact leaves of a holder who did not
// consent; the description of the API is open to any living token; every answer carries x-fapi-interaction-id and
// x-headgate-request-id.
//
// Specs: FDX 6.4 wire format, RFC 6750 section 3, RFC 9449 section 7,
// FAPI 2.0 Security Profile section 5.3.4.
package resource
