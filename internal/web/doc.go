// Package web is the HTTP plumbing that every listener shares: a router
// without surprises, a server with every limit set, strict reading of forms
// and headers, one log line per request, health, and leaving without
// breaking a request.
//
// It must not know what is served: no grants, no tokens, no pages. Each
// listener builds an engine of its own, so that browser and API routes never
// share a middleware stack.
//
// Nothing here logs a query, a header, a body or the text of a panic.
package web
