package browser

import (
	"net"
	"net/url"
	"strings"
)

// Origin is scheme, host and port in one string, the default port left out
// (RFC 6454 section 6.2).
func Origin(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if port == "" || port == defaultPort(scheme) {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// siteRelation is the value of Sec-Fetch-Site for a request from one page to
// another (Fetch Metadata section 2.4). Ports do not count for a site. Two
// hosts are one site here when one is the other or its parent; a browser
// also joins siblings, with the public suffix list. Being stricter is safe:
// it withholds a cookie that a browser would have sent, never the reverse.
func siteRelation(from, to *url.URL) string {
	if Origin(from) == Origin(to) {
		return "same-origin"
	}
	a, b := strings.ToLower(from.Hostname()), strings.ToLower(to.Hostname())
	if from.Scheme == to.Scheme && (a == b || within(a, b) || within(b, a)) {
		return "same-site"
	}
	return "cross-site"
}

// within reports whether host is a subdomain of parent.
func within(host, parent string) bool {
	return net.ParseIP(host) == nil && strings.Contains(parent, ".") && strings.HasSuffix(host, "."+parent)
}

// worse returns the more distant of two Sec-Fetch-Site values: a chain of
// redirects is as foreign as its most foreign member.
func worse(a, b string) string {
	distance := map[string]int{"": 0, "same-origin": 1, "same-site": 2, "cross-site": 3}
	if distance[a] > distance[b] {
		return a
	}
	return b
}

// The referrer policies (Referrer Policy section 3); the empty policy means
// strict-origin-when-cross-origin.
const defaultPolicy = "strict-origin-when-cross-origin"

// lastKnownPolicy reads a Referrer-Policy header: the last token that a
// browser knows wins, otherwise the policy stays what it was.
func lastKnownPolicy(header, before string) string {
	policy := before
	for token := range strings.SplitSeq(header, ",") {
		switch token = strings.ToLower(strings.TrimSpace(token)); token {
		case "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
			"origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url":
			policy = token
		}
	}
	return policy
}

// referrer is the Referer header for a request from one page to another, ""
// for none. Every page here is https and so is every request, so the strict
// policies, which differ on a downgrade alone, need no case of their own.
func referrer(policy string, from, to *url.URL) string {
	full := *from
	full.User, full.Fragment, full.RawFragment = nil, "", ""
	bare := Origin(from) + "/"
	same := Origin(from) == Origin(to)
	if policy == "" {
		policy = defaultPolicy
	}
	switch policy {
	case "no-referrer":
		return ""
	case "origin", "strict-origin":
		return bare
	case "same-origin":
		if !same {
			return ""
		}
	case "origin-when-cross-origin", "strict-origin-when-cross-origin":
		if !same {
			return bare
		}
	}
	return full.String()
}

// postOrigin is the Origin header of a form's POST. A page that asks for
// no-referrer, or for same-origin when posting elsewhere, gets "null" (Fetch,
// append a request Origin header): a server that checks Origin must not
// serve such a page.
func postOrigin(policy string, from, to *url.URL) string {
	if policy == "no-referrer" || policy == "same-origin" && Origin(from) != Origin(to) {
		return "null"
	}
	return Origin(from)
}
