// Package browser is a person at Chromium with scripts switched off. It
// opens server-rendered pages, fills in their forms, presses their buttons
// and follows their redirects, until a redirect leaves for another site: the
// data recipient's redirect URI, usually. Tests, the demo and the conformance
// suite drive sign-in, consent and the consumer's portal through it.
//
// It owns what makes a real browser strict, because a page that works only
// for a lenient client strands real people:
//
//   - cookies: the __Host- and __Secure- prefixes, Secure, Path, Domain and
//     SameSite, also along a chain of redirects that began on another site
//     (RFC 6265bis);
//   - Origin, Referer and Referrer-Policy (Fetch, Referrer Policy), and the
//     Sec-Fetch-* request headers (Fetch Metadata);
//   - Content-Security-Policy form-action, which Chromium also enforces on
//     every redirect that follows a form;
//   - form submission as HTML defines it: owner, formaction, disabled and
//     required fields, the pressed button's own name and value.
//
// It reads pages by element id, and ids are a contract: one that is missing
// or that a page uses twice is an error that names it.
//
// It must not know OAuth, nor import anything of this module: it is told
// where to go and which buttons to press. The ids of the consent journey and
// the portal are known to journey.go and stop.go alone.
package browser
