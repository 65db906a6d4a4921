// Package outbound is the one way out of the process to an address that
// somebody else chose: key sets at a jwks_uri, logos, web hooks.
//
// Such an address is a lever: whoever names it makes this process send a
// request from inside the network (server-side request forgery). So a call goes
// by HTTPS to a public unicast address on a permitted port, or not at all. The
// address is judged at the moment of connecting, after the name was resolved,
// so that a name which resolves differently the second time gains nothing.
// Nothing is followed, kept or taken from the environment: no redirects, no
// cookies, no proxies, no connections. Size and time of every answer are
// bounded.
//
// It knows nothing of recipients or grants, decides nothing about who may name
// an address, and keeps nothing but key sets in memory.
//
// Specs: FAPI 2.0 Security Profile section 5.2.1 (TLS of outbound calls), RFC
// 6890 and the IANA special-purpose address registries, RFC 7517 section 5 and
// RFC 9111 section 5.2.2 (key sets and how long they may be kept).
package outbound
