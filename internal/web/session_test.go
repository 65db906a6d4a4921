package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sessionShelf is a SessionStore in memory.
type sessionShelf struct {
	mu     sync.Mutex
	rows   map[string]sessionRow
	writes int
	broken error
}

type sessionRow struct {
	data   []byte
	expiry time.Time
	info   SessionInfo
}

func newShelf() *sessionShelf { return &sessionShelf{rows: map[string]sessionRow{}} }

func (s *sessionShelf) FindCtx(_ context.Context, token string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[token]
	if !ok || !time.Now().Before(row.expiry) {
		return nil, false, nil
	}
	return row.data, true, nil
}

func (s *sessionShelf) CommitCtx(_ context.Context, token string, r SessionRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if _, there := s.rows[token]; !there && !r.New {
		return nil
	}
	s.rows[token] = sessionRow{r.Data, r.Expiry, r.SessionInfo}
	s.writes++
	return nil
}

func (s *sessionShelf) DeleteCtx(_ context.Context, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, token)
	return nil
}

// visit sends one request with these cookies through handle and returns the
// answer; the cookies change as a browser's would.
func visit(t *testing.T, s *Sessions, cookies map[string]string, handle http.HandlerFunc) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://bank.example/", nil)
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	s.Middleware(handle).ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(cookies, c.Name)
		} else {
			cookies[c.Name] = c.Value
		}
	}
	return resp
}

func newSessions(t *testing.T, store SessionStore) *Sessions {
	t.Helper()
	s, err := NewSessions(SessionsConfig{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessionsNeedAStore(t *testing.T) {
	t.Parallel()
	if _, err := NewSessions(SessionsConfig{}); err == nil {
		t.Fatal("made without a store")
	}
}

func TestVisitorWithoutNeedGetsNoSession(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	s := newSessions(t, shelf)
	resp := visit(t, s, map[string]string{SessionCookie: "made-up"}, func(_ http.ResponseWriter, r *http.Request) {
		if b, ok := s.Bound(r.Context()); ok || b != "" {
			t.Error("a stranger is bound")
		}
		if m := s.Mark(r.Context(), "x"); m != "" || s.Marked(r.Context(), "x", "") {
			t.Error("a stranger's mark counts")
		}
		if _, _, ok := s.Consumer(r.Context()); ok {
			t.Error("a stranger is signed in")
		}
	})
	if len(resp.Cookies()) != 0 || len(shelf.rows) != 0 {
		t.Errorf("cookies %v, rows %d", resp.Cookies(), len(shelf.rows))
	}
}

// asked counts the looks into a store.
type asked struct {
	*sessionShelf
	n int
}

func (a *asked) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	a.n++
	return a.sessionShelf.FindCtx(ctx, token)
}

func TestCookieThatCannotBeOursCostsNothing(t *testing.T) {
	t.Parallel()
	store := &asked{sessionShelf: newShelf()}
	s := newSessions(t, store)
	jar := map[string]string{}
	nothing := func(http.ResponseWriter, *http.Request) {}
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { s.Browser(r.Context()) })
	good := jar[SessionCookie]
	for _, value := range []string{"", "made-up", good[1:], good + "A", good[:42] + "+", strings.Repeat("A", 4096)} {
		visit(t, s, map[string]string{SessionCookie: value}, nothing)
		if store.n != 0 {
			t.Errorf("%.50q is looked for", value)
		}
	}
	if visit(t, s, jar, nothing); store.n != 1 {
		t.Error("a good one is not looked for")
	}
}

func TestKnownIsToldOfPeopleWhoAreSignedIn(t *testing.T) {
	t.Parallel()
	known := 0
	s, err := NewSessions(SessionsConfig{Store: newShelf(), Known: func(*http.Request) { known++ }})
	if err != nil {
		t.Fatal(err)
	}
	jar := map[string]string{}
	nothing := func(http.ResponseWriter, *http.Request) {}
	visit(t, s, map[string]string{SessionCookie: strings.Repeat("A", 43)}, nothing)
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { s.Browser(r.Context()) })
	visit(t, s, jar, nothing)
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { _ = s.SignIn(r.Context(), "c-1", time.Now()) })
	if known != 0 {
		t.Errorf("%d requests of nobody", known)
	}
	visit(t, s, jar, nothing)
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { _ = s.SignOut(r.Context()) })
	visit(t, s, jar, nothing)
	if known != 2 {
		t.Errorf("told of %d requests, want 2", known)
	}
}

func TestSessionCookieIsLocked(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	s := newSessions(t, shelf)
	resp := visit(t, s, map[string]string{}, func(_ http.ResponseWriter, r *http.Request) { s.Browser(r.Context()) })
	if len(resp.Cookies()) != 1 {
		t.Fatalf("cookies: %v", resp.Cookies())
	}
	c := resp.Cookies()[0]
	if c.Name != "__Host-headgate" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
		c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("cookie: %s", c.Raw)
	}
	if _, found := shelf.rows[c.Value]; found {
		t.Error("the session id is stored in the clear")
	}
	sum := sha256.Sum256([]byte(c.Value))
	if _, found := shelf.rows[base64.RawURLEncoding.EncodeToString(sum[:])]; !found {
		t.Error("the session is not stored under the hash of its id")
	}
}

func TestBrowserValueOutlivesSignIn(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	s := newSessions(t, shelf)
	jar := map[string]string{}
	var before, mark string
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		before, mark = s.Browser(r.Context()), s.Mark(r.Context(), "form 1")
		if again := s.Browser(r.Context()); again != before {
			t.Error("the value changes within a request")
		}
	})
	planted := maps.Clone(jar)
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		if err := s.SignIn(r.Context(), "c-1", time.Unix(1000, 0)); err != nil {
			t.Error(err)
		}
	})
	if jar[SessionCookie] == planted[SessionCookie] {
		t.Error("signing in keeps the session id")
	}
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := s.Bound(r.Context()); b != before {
			t.Error("signing in changes the browser value")
		}
		if !s.Marked(r.Context(), "form 1", mark) || s.Marked(r.Context(), "form 2", mark) ||
			s.Marked(r.Context(), "form 1", mark[1:]) || s.Marked(r.Context(), "form 1", "") {
			t.Error("marks are not told apart")
		}
		if who, at, ok := s.Consumer(r.Context()); who != "c-1" || !at.Equal(time.Unix(1000, 0)) || !ok {
			t.Errorf("consumer %s %v %v", who, at, ok)
		}
	})
	visit(t, s, planted, func(_ http.ResponseWriter, r *http.Request) {
		if _, _, ok := s.Consumer(r.Context()); ok {
			t.Error("the id from before the sign-in is signed in")
		}
	})
	if len(shelf.rows) != 1 {
		t.Errorf("%d sessions are left, want 1", len(shelf.rows))
	}
}

func TestAnotherBrowserHasAnotherValue(t *testing.T) {
	t.Parallel()
	s := newSessions(t, newShelf())
	var a, b, mark string
	visit(t, s, map[string]string{}, func(_ http.ResponseWriter, r *http.Request) {
		a, mark = s.Browser(r.Context()), s.Mark(r.Context(), "x")
	})
	visit(t, s, map[string]string{}, func(_ http.ResponseWriter, r *http.Request) {
		b = s.Browser(r.Context())
		if s.Marked(r.Context(), "x", mark) {
			t.Error("the mark of another session counts")
		}
	})
	if a == b || a == "" {
		t.Errorf("values %q and %q", a, b)
	}
}

func TestSignInOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	s := newSessions(t, newShelf())
	visit(t, s, map[string]string{}, func(_ http.ResponseWriter, r *http.Request) {
		if err := s.SignIn(r.Context(), "", time.Now()); err == nil {
			t.Error("nobody signed in")
		}
	})
}

func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	s := newSessions(t, shelf)
	jar := map[string]string{}
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { _ = s.SignIn(r.Context(), "c-1", time.Now()) })
	old := maps.Clone(jar)
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		if err := s.SignOut(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if len(jar) != 0 || len(shelf.rows) != 0 {
		t.Errorf("after sign-out: %d cookies, %d rows", len(jar), len(shelf.rows))
	}
	visit(t, s, old, func(_ http.ResponseWriter, r *http.Request) {
		if _, _, ok := s.Consumer(r.Context()); ok {
			t.Error("the old cookie is still signed in")
		}
		if _, ok := s.Bound(r.Context()); ok {
			t.Error("the old cookie is still bound")
		}
	})
}

func TestIdleSignInEndsAndTheBrowserValueStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(t, newShelf())
		jar := map[string]string{}
		var bound string
		visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
			_ = s.SignIn(r.Context(), "c-1", time.Now())
			bound, _ = s.Bound(r.Context())
		})
		in := func() (ok bool) {
			visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
				_, _, ok = s.Consumer(r.Context())
				if b, _ := s.Bound(r.Context()); b != bound {
					t.Error("the browser value is gone")
				}
			})
			return ok
		}
		for range 3 { // each request starts the idle time again
			time.Sleep(SessionIdle - time.Second)
			if !in() {
				t.Fatal("signed out while in use")
			}
		}
		time.Sleep(SessionIdle)
		if in() {
			t.Error("signed in after the idle time")
		}
		if in() {
			t.Error("signed in again by itself")
		}
	})
}

func TestSessionEndsAfterItsLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shelf := newShelf()
		s := newSessions(t, shelf)
		jar := map[string]string{}
		visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { _ = s.SignIn(r.Context(), "c-1", time.Now()) })
		for at := time.Duration(0); at < SessionLifetime; at += 10 * time.Minute {
			visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
				if _, _, ok := s.Consumer(r.Context()); !ok {
					t.Fatalf("signed out after %v in use", at)
				}
			})
			time.Sleep(10 * time.Minute)
		}
		// A store that forgets to drop it must not keep it alive.
		for token, row := range shelf.rows {
			row.expiry = row.expiry.Add(time.Hour)
			shelf.rows[token] = row
		}
		visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
			if _, _, ok := s.Consumer(r.Context()); ok {
				t.Error("signed in past the lifetime")
			}
			if _, ok := s.Bound(r.Context()); ok {
				t.Error("bound past the lifetime")
			}
		})
	})
}

func TestUnchangedSessionIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shelf := newShelf()
		s := newSessions(t, shelf)
		jar := map[string]string{}
		visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { _ = s.SignIn(r.Context(), "c-1", time.Now()) })
		before := shelf.writes
		for range 10 {
			time.Sleep(5 * time.Second)
			visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) { s.Browser(r.Context()) })
		}
		if shelf.writes != before {
			t.Errorf("%d writes in 50 s of use, want 0", shelf.writes-before)
		}
		time.Sleep(touchEvery)
		visit(t, s, jar, func(http.ResponseWriter, *http.Request) {})
		if shelf.writes != before+1 {
			t.Errorf("%d writes after a minute, want 1", shelf.writes-before)
		}
	})
}

func TestSessionThatCannotBeStoredReplacesTheAnswer(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	var cause error
	s, err := NewSessions(SessionsConfig{Store: shelf, Failed: func(w http.ResponseWriter, _ *http.Request, err error) {
		cause = err
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "later")
	}})
	if err != nil {
		t.Fatal(err)
	}
	shelf.broken = errors.New("disk full")
	resp := visit(t, s, map[string]string{}, func(w http.ResponseWriter, r *http.Request) {
		_ = s.SignIn(r.Context(), "c-1", time.Now())
		http.Redirect(w, r, "/inside", http.StatusSeeOther)
	})
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Location") != "" ||
		len(resp.Cookies()) != 0 || !bytes.Equal(body, []byte("later")) {
		t.Errorf("status %d, headers %v, body %s", resp.StatusCode, resp.Header, body)
	}
	if !errors.Is(cause, shelf.broken) {
		t.Errorf("cause: %v", cause)
	}
}

func TestWhatIsStoredBesideASession(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	s := newSessions(t, shelf)
	jar := map[string]string{}
	at := time.Now().Add(-time.Second).Truncate(time.Second)
	var id string
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		if s.ID(r.Context()) != "" {
			t.Error("nobody has an id")
		}
		r.Header.Set("User-Agent", "X Firefox/140.0 Windows")
		if err := s.SignIn(r.Context(), "ada", at); err != nil {
			t.Error(err)
		}
		id = s.ID(r.Context())
	})
	if len(shelf.rows) != 1 || id == "" {
		t.Fatalf("%d rows, id %s", len(shelf.rows), id)
	}
	for token, row := range shelf.rows {
		i := row.info
		if i.ID != id || i.Consumer != "ada" || !i.SignedInAt.Equal(at) || i.SeenAt.Before(at) || i.Browser != "Firefox · Windows" {
			t.Errorf("stored %+v", i)
		}
		if i.ID == token || i.ID == jar[SessionCookie] {
			t.Error("the id gives the cookie away")
		}
	}
}

func TestASessionThatWasEndedIsNotBroughtBack(t *testing.T) {
	t.Parallel()
	shelf := newShelf()
	s := newSessions(t, shelf)
	jar := map[string]string{}
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		if err := s.SignIn(r.Context(), "ada", time.Now()); err != nil {
			t.Error(err)
		}
	})
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		shelf.mu.Lock()
		clear(shelf.rows) // ended from elsewhere, while this request runs
		shelf.mu.Unlock()
		s.scs.Put(r.Context(), keySeen, int64(1))
	})
	if len(shelf.rows) != 0 {
		t.Error("it is back")
	}
	visit(t, s, jar, func(_ http.ResponseWriter, r *http.Request) {
		if _, _, ok := s.Consumer(r.Context()); ok {
			t.Error("still signed in")
		}
	})
}
