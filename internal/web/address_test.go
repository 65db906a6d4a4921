package web_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/headgate/headgate/internal/web"
)

func TestClient(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tt := range map[string]struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		"nobody in between":                 {"192.0.2.7:1", nil, nil, "192.0.2.7"},
		"the header alone is worth nothing": {"192.0.2.7:1", []string{"198.51.100.1"}, nil, "192.0.2.7"},
		"nor from a stranger":               {"192.0.2.7:1", []string{"198.51.100.1"}, trusted, "192.0.2.7"},
		"a proxy tells":                     {"10.1.1.1:1", []string{"198.51.100.1"}, trusted, "198.51.100.1"},
		"of two proxies the first":          {"10.1.1.1:1", []string{"198.51.100.1, 10.2.2.2"}, trusted, "198.51.100.1"},
		"what the client wrote before it":   {"10.1.1.1:1", []string{"203.0.113.9, 198.51.100.1"}, trusted, "198.51.100.1"},
		"in two lines":                      {"10.1.1.1:1", []string{"203.0.113.9", "198.51.100.1"}, trusted, "198.51.100.1"},
		"a proxy that tells nothing":        {"10.1.1.1:1", nil, trusted, "10.1.1.1"},
		"something else":                    {"10.1.1.1:1", []string{"unknown"}, trusted, "10.1.1.1"},
		"mapped":                            {"[::ffff:10.1.1.1]:1", []string{"::ffff:198.51.100.1"}, trusted, "198.51.100.1"},
		"IPv6":                              {"[fd00::1]:1", []string{"2001:db8::1"}, trusted, "2001:db8::1"},
		"proxies without end":               {"10.1.1.1:1", []string{"198.51.100.1," + strings.Repeat("10.3.3.3,", 50) + "10.2.2.2"}, trusted, "10.3.3.3"},
		"no address at all":                 {"pipe", nil, trusted, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
		if got := web.Client(r, tt.trusted).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("10.1.1.1:1", "198.51.100.1, 10.2.2.2")
	f.Add("[fd00::1%a]:1", "fe80::1%eth0,,")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if a := web.Client(r, trusted); a.Zone() != "" || a.Is4In6() {
			t.Errorf("%s", a)
		}
	})
}
