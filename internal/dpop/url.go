package dpop

import "strings"

// sameURL reports whether an htu names the configured URL. Query and fragment
// are ignored (RFC 9449 section 4.3, check 9), and the two are compared after
// the normalisation of RFC 3986 sections 6.2.2.1, 6.2.2.2 and 6.2.3: letter
// case of scheme, host and percent-encodings, needless percent-encodings, the
// default port, the empty path. Dot segments are not resolved: an HTTP client
// resolves them before it sends a request, so an htu that has them is refused.
func sameURL(htu []byte, configured string) bool {
	a, okA := splitURL(string(htu))
	b, okB := splitURL(configured)
	return okA && okB &&
		equalFold(a.scheme, b.scheme) && equalFold(a.host, b.host) && a.port == b.port &&
		samePath(a.path, b.path)
}

// parts are the parts of a URL that identify a request's target, as they were
// written, except that port is "" when it is the default.
type parts struct{ scheme, host, port, path string }

// splitURL splits an absolute http or https URL.
func splitURL(u string) (parts, bool) {
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		u = u[:i]
	}
	var p parts
	var ok bool
	if p.scheme, u, ok = strings.Cut(u, "://"); !ok {
		return parts{}, false
	}
	p.host, p.path = u, "/"
	if i := strings.IndexByte(u, '/'); i >= 0 {
		p.host, p.path = u[:i], u[i:]
	}
	// A colon after the last bracket is the port's; those before belong to an
	// IPv6 address.
	if i := strings.LastIndexByte(p.host, ':'); i > strings.LastIndexByte(p.host, ']') {
		p.host, p.port = p.host[:i], p.host[i+1:]
	}
	switch {
	case equalFold(p.scheme, "https"):
		if p.port == "443" {
			p.port = ""
		}
	case equalFold(p.scheme, "http"):
		if p.port == "80" {
			p.port = ""
		}
	default:
		return parts{}, false
	}
	return p, p.host != ""
}

// equalFold compares without regard to the case of ASCII letters.
// strings.EqualFold would also take the Kelvin sign for a k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// samePath compares two paths with needless percent-encodings decoded. An
// encoded character that is not unreserved differs from the plain one: %2F is
// not a path separator.
func samePath(a, b string) bool {
	for a != "" && b != "" {
		ca, encodedA, restA := pathChar(a)
		cb, encodedB, restB := pathChar(b)
		if ca != cb || encodedA != encodedB {
			return false
		}
		a, b = restA, restB
	}
	return a == b
}

// pathChar returns the next character, and whether it is one whose encoding
// has a meaning.
func pathChar(s string) (c byte, encoded bool, rest string) {
	if s[0] != '%' || len(s) < 3 || !isHex(s[1]) || !isHex(s[2]) {
		return s[0], false, s[1:]
	}
	c = hexValue(s[1])<<4 | hexValue(s[2])
	return c, !unreserved(c), s[3:]
}

// unreserved is RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}
