// Package api serves the FDX consent endpoints to recipients: they look at the
// consents that they hold and end them.
//
// A new endpoint is a row in endpoints and a function; routes and the API
// document are made from the row. Whoever the function is called for has been
// authenticated by a token of its own (client_credentials) that holds the scope
// of the row, and the proof has been spent.
//
// It owns the wire form of a consent and who may see it. It must not know how
// consent is obtained, how data is read, pages, SQL or Redis.
//
// What recipients see beyond FDX: a list of the consents they hold
// (listConsentGrants); the scopes, which are those of Grant Management for
// OAuth 2.0, because the consent id is the grant id and the rights are the
// same; a recipient ends a consent for itself or for the person, never in the
// name of anybody else.
//
// Specs: FDX 6.4 wire format, RFC 6750 section 3, RFC 9449 section 7.
package api
