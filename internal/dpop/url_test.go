package dpop

import "testing"

func TestSameURL(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		htu, configured string
		want            bool
	}{
		"equal":                           {"https://h.example/a/b", "https://h.example/a/b", true},
		"no path":                         {"https://h.example", "https://h.example/", true},
		"no path but a query":             {"https://h.example?a", "https://h.example", true},
		"slash in the query":              {"https://h.example?/a", "https://h.example/", true},
		"question mark in the fragment":   {"https://h.example/a#b?c", "https://h.example/a", true},
		"default port of https":           {"https://h.example:443/a", "https://h.example/a", true},
		"default port of http":            {"http://h.example:80/a", "http://h.example/a", true},
		"empty port":                      {"https://h.example:/a", "https://h.example/a", true},
		"another port on both":            {"https://h.example:8443/a", "https://H.example:8443/a", true},
		"IPv6 with the default port":      {"https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a", true},
		"encoding in another case":        {"https://h.example/a%2fb", "https://h.example/a%2Fb", true},
		"needless encoding":               {"https://h.example/%7Ea%2D", "https://h.example/~a-", true},
		"http port on https":              {"https://h.example:80/a", "https://h.example/a", false},
		"port with a leading zero":        {"https://h.example:0443/a", "https://h.example/a", false},
		"IPv6 of another address":         {"https://[2001:db8::2]/a", "https://[2001:db8::1]/a", false},
		"encoded slash is no slash":       {"https://h.example/a%2Fb", "https://h.example/a/b", false},
		"encoded question mark":           {"https://h.example/a%3Fb", "https://h.example/a", false},
		"encoded percent":                 {"https://h.example/%2541", "https://h.example/A", false},
		"path in another case":            {"https://h.example/A", "https://h.example/a", false},
		"double slash":                    {"https://h.example//a", "https://h.example/a", false},
		"trailing slash":                  {"https://h.example/a/", "https://h.example/a", false},
		"prefix of the host":              {"https://h.example.evil/a", "https://h.example/a", false},
		"host in the user information":    {"https://h.example@evil/a", "https://h.example/a", false},
		"backslash":                       {"https://h.example\\a", "https://h.example/a", false},
		"trailing dot":                    {"https://h.example./a", "https://h.example/a", false},
		"a letter that folds to k":        {"https://\u212a.example/a", "https://k.example/a", false},
		"a letter that folds to s":        {"http\u017f://h.example/a", "https://h.example/a", false},
		"space":                           {"https://h.example/a ", "https://h.example/a", false},
		"no scheme":                       {"//h.example/a", "https://h.example/a", false},
		"one slash":                       {"https:/h.example/a", "https://h.example/a", false},
		"another scheme on both":          {"ftp://h.example/a", "ftp://h.example/a", false},
		"no host on both":                 {"https:///a", "https:///a", false},
		"empty on both":                   {"", "", false},
		"cut-off encoding":                {"https://h.example/%4", "https://h.example/A", false},
		"encoding that is no hexadecimal": {"https://h.example/%4G", "https://h.example/O", false},
	}
	for name, tt := range tests {
		if got := sameURL([]byte(tt.htu), tt.configured); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if tt.configured != "" && tt.want != sameURLReference(tt.htu, tt.configured) {
			t.Errorf("%s: net/url does not agree", name)
		}
	}
}
