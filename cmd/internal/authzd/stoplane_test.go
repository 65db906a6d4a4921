package authzd

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// Beyond the quota of its address a request of nobody is served outside the
// lane; people who are signed in do not count.
func TestStrangersLeaveTheLane(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	where := netip.MustParseAddr("192.0.2.1")
	l := stopLane{strangers: &strangers{
		quota: 3, address: func(*http.Request) netip.Addr { return where }, now: func() time.Time { return now },
	}}
	signedIn, by := false, ""
	l.consumer = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		by = "lane"
		if signedIn {
			l.strangers.known(r)
		}
	})
	pages := l.beside(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { by = "pages" }))
	get := func(path, want string) {
		t.Helper()
		if pages.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)); by != want {
			t.Errorf("%s is served by %s, want %s", path, by, want)
		}
	}
	signedIn = true
	for range 10 {
		get("/portal", "lane")
	}
	signedIn = false
	for range 10 {
		get("/portal/history", "pages")
		get("/consent/x/login", "pages")
	}
	for _, path := range []string{"/portal", "/portal/login", "/portal/grants/x/stop"} {
		get(path, "lane")
	}
	get("/portal", "pages")
	where = netip.MustParseAddr("192.0.2.2")
	get("/portal", "lane")
	where = netip.MustParseAddr("192.0.2.1")
	now = now.Add(20 * time.Second)
	get("/portal", "lane")
	get("/portal", "pages")

	l.strangers = nil
	pages = l.beside(http.NotFoundHandler())
	for range 10 {
		get("/portal", "lane")
	}
}
