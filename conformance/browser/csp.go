package browser

import (
	"net/url"
	"strings"
)

// formActionAllows reports whether a page at self with these
// Content-Security-Policy headers may submit a form to target. Every policy
// must agree. form-action has no fallback to default-src (CSP3 section
// 6.4.1). Chromium asks the same for each redirect that follows the form, so
// a consent page that ends in a redirect to the app must allow that app too.
// Paths in the policy are ignored, as they are after a redirect.
func formActionAllows(policies []string, self, target *url.URL) bool {
	for _, header := range policies {
		for policy := range strings.SplitSeq(header, ",") {
			sources, ok := directive(policy, "form-action")
			if ok && !anySource(sources, self, target) {
				return false
			}
		}
	}
	return true
}

// directive returns the values of the first directive of that name: browsers
// ignore later ones.
func directive(policy, name string) ([]string, bool) {
	for part := range strings.SplitSeq(policy, ";") {
		if words := strings.Fields(part); len(words) > 0 && strings.EqualFold(words[0], name) {
			return words[1:], true
		}
	}
	return nil, false
}

func anySource(sources []string, self, target *url.URL) bool {
	for _, s := range sources {
		if sourceMatches(strings.ToLower(s), self, target) {
			return true
		}
	}
	return false
}

// sourceMatches covers 'self', *, scheme: and [scheme://]host[:port][/path]
// with an optional leading "*." (CSP3 section 6.7.2). 'none' matches nothing.
func sourceMatches(source string, self, target *url.URL) bool {
	scheme := strings.ToLower(target.Scheme)
	switch {
	case source == "'self'":
		return Origin(self) == Origin(target)
	case source == "*":
		return scheme == "http" || scheme == "https" || scheme == self.Scheme
	case strings.HasPrefix(source, "'"):
		return false
	case strings.HasSuffix(source, ":"):
		return schemeMatches(strings.TrimSuffix(source, ":"), scheme)
	}
	wantScheme, rest, found := strings.Cut(source, "://")
	if !found {
		wantScheme, rest = self.Scheme, source
	}
	host, _, _ := strings.Cut(rest, "/")
	port := ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
	}
	targetPort := target.Port()
	if targetPort == "" {
		targetPort = defaultPort(scheme)
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	return schemeMatches(wantScheme, scheme) &&
		(port == "*" || port == targetPort) &&
		hostMatches(strings.Trim(host, "[]"), strings.ToLower(target.Hostname()))
}

// schemeMatches allows the upgrade from http to https and nothing else.
func schemeMatches(want, have string) bool { return want == have || want == "http" && have == "https" }

func hostMatches(want, have string) bool {
	if suffix, ok := strings.CutPrefix(want, "*"); ok {
		return strings.HasPrefix(suffix, ".") && strings.HasSuffix(have, suffix) && have != suffix
	}
	return want == have && have != ""
}
