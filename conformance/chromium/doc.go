// Package chromium is a person at a real headless Chromium, for login and
// consent pages that need script. It walks as package browser does, with the
// same pages: a Page here is the document as it stands after its scripts have
// run, without what nobody can see.
//
//	chromium.go  finding and starting the browser
//	person.go    one person: a fresh profile, opening pages, pressing buttons
//	page.js      reading the document, and typing into it
//	proxy.go     the way out: every request goes through the caller's transport
//
// The browser reaches nothing by itself. Each person has a proxy of their own
// on this machine, which ends the browser's TLS under a key made for the run
// and sends each request through Config.Transport: certificates, client
// certificates, rates, records and bounds are the caller's, as they are for
// package browser. A redirect to another site is not followed but returned.
//
// It must not know OAuth, nor import anything of this module but package
// browser. What it does not do: frames, pop-ups,
// WebSockets, downloads, and redirects to an address that is not of the web.
package chromium
