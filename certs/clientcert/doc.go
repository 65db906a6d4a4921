// Package clientcert answers two questions about mutual TLS: whose certificate
// a request carries, and whether that is the one a client has registered.
//
// A certificate counts only when its holder proved possession of the key: to
// us, by the TLS handshake of this very connection, or to the one proxy that is
// configured, which then passes it on in a header. The same header from anybody
// else is ignored, or everyone could be everyone.
//
// It does not serve HTTP, knows no client, token or grant, and decides nothing
// but these two questions. Revocation lists and OCSP are not asked.
//
// Specs: RFC 8705 section 2.1 (subject names, tls_client_auth) and section 2.2
// (registered keys, self_signed_tls_client_auth), RFC 9440 (the Client-Cert
// header), RFC 4514 and RFC 4517 section 4.2.11 (how distinguished names are
// written and compared).
package clientcert
