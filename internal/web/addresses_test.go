package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/headgate/headgate/internal/web"
)

func TestAddressOfTheSender(t *testing.T) {
	t.Parallel()
	proxies, err := web.NewAddresses([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		who  *web.Addresses
		peer string
		way  []string
		want string
	}{
		"without proxies nobody is believed":   {&web.Addresses{}, "10.0.0.1:5", []string{"192.0.2.9"}, "10.0.0.1"},
		"a stranger is not believed":           {proxies, "192.0.2.1:5", []string{"192.0.2.9"}, "192.0.2.1"},
		"a proxy is":                           {proxies, "10.0.0.1:5", []string{"192.0.2.9"}, "192.0.2.9"},
		"a proxy that says nothing":            {proxies, "10.0.0.1:5", nil, "10.0.0.1"},
		"what the client wrote counts nothing": {proxies, "10.0.0.1:5", []string{"198.51.100.1, 192.0.2.9"}, "192.0.2.9"},
		"also in a line of its own":            {proxies, "10.0.0.1:5", []string{"198.51.100.1", "192.0.2.9"}, "192.0.2.9"},
		"two proxies":                          {proxies, "10.0.0.1:5", []string{"192.0.2.9, 10.0.0.2"}, "192.0.2.9"},
		"two proxies in two lines":             {proxies, "10.0.0.1:5", []string{"198.51.100.1,192.0.2.9", "10.0.0.2"}, "192.0.2.9"},
		"proxies all the way":                  {proxies, "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"what is no address ends it":           {proxies, "10.0.0.1:5", []string{"192.0.2.9, unknown"}, "10.0.0.1"},
		"an empty element ends it":             {proxies, "10.0.0.1:5", []string{"192.0.2.9, "}, "10.0.0.1"},
		"an empty line says nothing":           {proxies, "10.0.0.1:5", []string{"192.0.2.9", ""}, "192.0.2.9"},
		"IPv6 by its network":                  {proxies, "[2001:db8:1:2:3:4:5:6]:5", nil, "2001:db8:1:2::"},
		"IPv6 behind a proxy":                  {proxies, "[fd00::1]:5", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"},
		"IPv4 in IPv6":                         {proxies, "[::ffff:10.0.0.1]:5", []string{"::ffff:192.0.2.9"}, "192.0.2.9"},
		"with a zone":                          {proxies, "[fe80::1%eth0]:5", nil, "fe80::"},
		"no address":                           {proxies, "@", nil, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = row.peer
		r.Header["X-Forwarded-For"] = row.way
		if got := row.who.Of(r).String(); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
	for _, bad := range []string{"", "10.0.0.1", "10.0.0.0/33", "host"} {
		if _, err := web.NewAddresses([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"", ",", "192.0.2.1", "192.0.2.1,,10.0.0.1", "fe80::1%25,10.0.0.9"} {
		f.Add(seed)
	}
	who, err := web.NewAddresses([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, way string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {way}}}
		if got := who.Of(r); !got.IsValid() {
			t.Errorf("%q: %s", way, got)
		}
		r.RemoteAddr = "192.0.2.7:1"
		if got := who.Of(r); got.String() != "192.0.2.7" {
			t.Errorf("%q: a stranger is believed: %s", way, got)
		}
	})
}
