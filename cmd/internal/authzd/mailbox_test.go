package authzd

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/login"
)

func TestMailbox(t *testing.T) {
	t.Parallel()
	m, err := openMailbox("127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.socket.Close() })
	for i := range maxMessages + 1 {
		msg := login.Message{Consumer: "<c>", Code: "123456", Reference: "BCDFG", ExpiresAt: time.Now()}
		if i == 0 {
			msg.Reference = "FIRST"
		}
		if err := m.Send(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	get := func(host, path string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
		r.Host = host
		m.ServeHTTP(w, r)
		return w
	}
	if w := get("localhost:8025", "/BCDFG"); w.Code != 200 || w.Body.String() != "123456" {
		t.Errorf("a code: %d %s", w.Code, w.Body)
	}
	if w := get("127.0.0.1:8025", "/"); w.Code != 200 || !strings.Contains(w.Body.String(), "BCDFG") || strings.Contains(w.Body.String(), "<c>") {
		t.Errorf("the page: %d", w.Code)
	}
	for _, path := range []string{"/FIRST", "/", "/bcdfg", "/BCDF"} {
		if w := get("localhost", path); path != "/" && w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	// A page elsewhere whose name leads here (DNS rebinding).
	for _, host := range []string{"evil.example", "evil.example:8025", "192.0.2.1", ""} {
		if w := get(host, "/BCDFG"); w.Code != 403 || strings.Contains(w.Body.String(), "123456") {
			t.Errorf("asked as %s: %d", host, w.Code)
		}
	}
	for _, address := range []string{"0.0.0.0:0", ":8025", "192.0.2.1:8025", "localhost:8025", "", "127.0.0.1"} {
		if _, err := openMailbox(address, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("listens on %q", address)
		}
	}
}
