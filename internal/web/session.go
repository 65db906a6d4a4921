package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/alexedwards/scs/v2"
)

// SessionCookie is the name of the cookie that carries a browser session.
// The prefix makes a browser refuse it without Secure, with a Domain or with
// another path (RFC 6265bis section 4.1.3.2), so that no neighbouring host
// can plant one.
const SessionCookie = "__Host-headgate"

// The times of a session.
const (
	// SessionIdle is how long a sign-in lasts without a request.
	SessionIdle = 15 * time.Minute
	// SessionLifetime is the most that a session lasts, counted from its
	// start or from the last sign-in.
	SessionLifetime = 8 * time.Hour

	// touchEvery bounds how often an unchanged session is written only to
	// note that it is in use. A sign-in may end this much early, never late.
	touchEvery = time.Minute
)

// The keys of a session's values. Values are strings and int64 only, which
// the session's encoding knows without registration.
const (
	keySecret   = "secret"   // random; the browser value and marks derive from it
	keyConsumer = "consumer" // id of the person signed in
	keyAt       = "at"       // when they proved who they are, Unix seconds
	keySeen     = "seen"     // last noted use of the sign-in, Unix seconds
	keyLeft     = "left"     // secrets of sign-ins elsewhere, as JSON
	keyID       = "id"       // names the sign-in on pages; no secret
)

// SessionStore keeps sessions under the hash of their id. It is the part of
// scs.CtxStore that is used. Implementations are safe for concurrent use.
type SessionStore interface {
	// FindCtx returns the data; false when it is unknown or past its expiry.
	FindCtx(ctx context.Context, token string) (b []byte, found bool, err error)
	// CommitCtx stores a session in place of what was there. One that is not
	// New and not there any more was ended meanwhile: it stays so, and that is
	// no error.
	CommitCtx(ctx context.Context, token string, r SessionRecord) error
	// DeleteCtx removes the data; a token that is not there is no error.
	DeleteCtx(ctx context.Context, token string) error
}

// SessionRecord is a session as it is stored.
type SessionRecord struct {
	Data   []byte
	Expiry time.Time
	// New: nothing is stored under this token yet.
	New bool
	SessionInfo
}

// SessionInfo is what people are shown of their sessions. All is empty until
// somebody has signed in.
type SessionInfo struct {
	// ID names the session on pages. It is worth nothing as a cookie.
	ID         string
	Consumer   string
	SignedInAt time.Time
	// SeenAt is the last use, up to a minute late.
	SeenAt time.Time
	// Browser is the kind of browser, as BrowserFamily tells it.
	Browser string
}

// SessionsConfig configures Sessions.
type SessionsConfig struct {
	Store SessionStore // required
	// Now is the clock of the sign-in's times; nil is time.Now.
	Now func() time.Time
	// Failed answers a request whose session could not be read or written;
	// it writes a whole answer and sees to the cause, which no answer may
	// repeat. nil is a bare 503.
	Failed func(w http.ResponseWriter, r *http.Request, cause error)
	// Known is told of each request to which somebody is signed in, before it
	// is served; nil tells nobody.
	Known func(r *http.Request)
}

// Sessions keeps browser sessions: one random secret that decisions are
// bound to, and who is signed in. It is safe for concurrent use.
//
// The sign-in ends after SessionIdle without a request. The secret stays
// until SessionLifetime, because a person who comes back late must still be
// shown their own page and led back to the app.
type Sessions struct {
	scs    *scs.SessionManager
	now    func() time.Time
	failed func(http.ResponseWriter, *http.Request, error)
	known  func(*http.Request)
}

// NewSessions returns Sessions. It does no I/O.
func NewSessions(c SessionsConfig) (*Sessions, error) {
	if c.Store == nil {
		return nil, errors.New("web: sessions need a store")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Failed == nil {
		c.Failed = func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "service unavailable", http.StatusServiceUnavailable)
		}
	}
	if c.Known == nil {
		c.Known = func(*http.Request) {}
	}
	// Not scs.New: it starts a memory store that sweeps in the background
	// for ever and that nothing here would use.
	m := &scs.SessionManager{
		Store: ctxStore{c.Store}, HashTokenInStore: true,
		Lifetime: SessionLifetime, Codec: scs.GobCodec{},
	}
	return &Sessions{scs: m, now: c.Now, failed: c.Failed, known: c.Known}, nil
}

// Middleware gives next a session. Everything below must run inside it.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var token string
		if c, err := r.Cookie(SessionCookie); err == nil && isToken(c.Value) {
			token = c.Value
		}
		ctx, err := s.scs.Load(r.Context(), token)
		if err == nil {
			err = s.age(ctx, background(r))
		}
		if err != nil {
			s.failed(w, r, fmt.Errorf("load session: %w", err))
			return
		}
		if _, _, ok := s.Consumer(ctx); ok {
			s.known(r)
		}
		r = r.WithContext(ctx)
		sw := &sessionWriter{ResponseWriter: w, r: r, s: s, loaded: s.scs.Token(ctx)}
		next.ServeHTTP(sw, r)
		sw.commit()
	})
}

// isToken reports whether the session manager may have made this token: 32
// bytes. No other is worth a look into the store.
func isToken(text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(b) == 32
}

// background reports whether a script sent the request: browsers say so (Fetch
// Metadata, Sec-Fetch-Dest). A page that keeps itself up to date must not keep
// a sign-in alive that nobody uses.
func background(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Dest") == "empty" }

// age ends what is over and notes that the rest is in use, unless the request
// is no use.
func (s *Sessions) age(ctx context.Context, background bool) error {
	now := s.now()
	// The store drops sessions past their end; a slow store must not
	// lengthen them.
	if !now.Before(s.scs.Deadline(ctx)) {
		return s.scs.Destroy(ctx)
	}
	if s.scs.GetString(ctx, keyConsumer) == "" {
		return nil
	}
	idle := now.Sub(time.Unix(s.scs.GetInt64(ctx, keySeen), 0))
	switch {
	case idle >= SessionIdle:
		s.forget(ctx)
	case idle >= touchEvery && !background:
		s.scs.Put(ctx, keySeen, now.Unix())
	}
	return nil
}

func (s *Sessions) forget(ctx context.Context) {
	s.scs.Remove(ctx, keyConsumer)
	s.scs.Remove(ctx, keyAt)
	s.scs.Remove(ctx, keySeen)
	s.scs.Remove(ctx, keyID)
}

// Browser returns the value that a decision in progress is bound to: a hash
// of the session's secret, which it makes when there is none. The value
// outlives signing in and ends with the session.
func (s *Sessions) Browser(ctx context.Context) string {
	if s.scs.GetString(ctx, keySecret) == "" {
		s.scs.Put(ctx, keySecret, rand.Text())
	}
	b, _ := s.Bound(ctx)
	return b
}

// Bound returns what Browser returned before in this session; false when it
// was never called. It starts no session, so that a stranger's request for a
// page leaves nothing behind.
func (s *Sessions) Bound(ctx context.Context) (string, bool) {
	secret := s.scs.GetString(ctx, keySecret)
	if secret == "" {
		return "", false
	}
	return digest(secret, "browser"), true
}

// Mark returns a value for a hidden form field that only a page of this
// session can hold. what says what the form is for; another what gives
// another mark. It is empty in a session without a Browser value.
func (s *Sessions) Mark(ctx context.Context, what string) string {
	secret := s.scs.GetString(ctx, keySecret)
	if secret == "" {
		return ""
	}
	return digest(secret, "mark "+what)
}

// Marked reports whether mark is the one of this session for what.
func (s *Sessions) Marked(ctx context.Context, what, mark string) bool {
	want := s.Mark(ctx, what)
	return want != "" && hmac.Equal([]byte(want), []byte(mark))
}

func digest(secret, what string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(what))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// SignIn notes that consumer proved at the given time who they are. The
// session gets a new id, so that one planted before is worth nothing, and its
// lifetime starts again.
func (s *Sessions) SignIn(ctx context.Context, consumer string, at time.Time) error {
	if consumer == "" {
		return errors.New("web: sign-in of nobody")
	}
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	s.Browser(ctx)
	s.scs.Put(ctx, keyConsumer, consumer)
	s.scs.Put(ctx, keyAt, at.Unix())
	s.scs.Put(ctx, keySeen, s.now().Unix())
	s.scs.Put(ctx, keyID, rand.Text())
	return nil
}

// departures is how many sign-ins elsewhere a session can have under way: one
// per tab, within reason.
const departures = 4

// Keep holds a secret of this session under a state, until it is taken. The
// oldest of more than four is forgotten.
func (s *Sessions) Keep(ctx context.Context, state, secret string) {
	s.Browser(ctx)
	all := append(s.kept(ctx), [2]string{state, secret})
	s.keep(ctx, all[max(0, len(all)-departures):])
}

// Take returns the secret that is held under a state, once; false when there is
// none.
func (s *Sessions) Take(ctx context.Context, state string) (secret string, ok bool) {
	all := s.kept(ctx)
	i := slices.IndexFunc(all, func(e [2]string) bool { return hmac.Equal([]byte(e[0]), []byte(state)) })
	if i < 0 || state == "" {
		return "", false
	}
	secret = all[i][1]
	s.keep(ctx, slices.Delete(all, i, i+1))
	return secret, true
}

func (s *Sessions) kept(ctx context.Context) [][2]string {
	var all [][2]string
	_ = json.Unmarshal([]byte(s.scs.GetString(ctx, keyLeft)), &all) // nothing was kept yet
	return all
}

func (s *Sessions) keep(ctx context.Context, all [][2]string) {
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings always can be
	}
	s.scs.Put(ctx, keyLeft, string(text))
}

// Stay notes that whoever is signed in is there still, whoever sent the request,
// and to within seconds: a page that says when time is up must be right.
func (s *Sessions) Stay(ctx context.Context) {
	seen := time.Unix(s.scs.GetInt64(ctx, keySeen), 0)
	if s.scs.GetString(ctx, keyConsumer) != "" && s.now().Sub(seen) >= 5*time.Second {
		s.scs.Put(ctx, keySeen, s.now().Unix())
	}
}

// ID returns what names this sign-in on pages; "" when nobody is signed in.
func (s *Sessions) ID(ctx context.Context) string {
	if s.scs.GetString(ctx, keyConsumer) == "" {
		return ""
	}
	return s.scs.GetString(ctx, keyID)
}

// info returns what is stored beside the data.
func (s *Sessions) info(r *http.Request) SessionInfo {
	ctx := r.Context()
	consumer, at, ok := s.Consumer(ctx)
	if !ok {
		return SessionInfo{}
	}
	return SessionInfo{
		ID: s.ID(ctx), Consumer: consumer, SignedInAt: at,
		SeenAt: time.Unix(s.scs.GetInt64(ctx, keySeen), 0), Browser: BrowserFamily(r.UserAgent()),
	}
}

// Consumer returns who is signed in and since when (whole seconds); false
// when nobody is.
func (s *Sessions) Consumer(ctx context.Context) (consumer string, at time.Time, ok bool) {
	consumer = s.scs.GetString(ctx, keyConsumer)
	if consumer == "" {
		return "", time.Time{}, false
	}
	return consumer, time.Unix(s.scs.GetInt64(ctx, keyAt), 0), true
}

// bare is a context without values: a session is found in those.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }

// Still reports whether the consumer of this session is signed in still: the
// session is read from the store anew. It does not count as use. It is for
// answers that last.
func (s *Sessions) Still(ctx context.Context) (bool, error) {
	who := s.scs.GetString(ctx, keyConsumer)
	if who == "" {
		return false, nil
	}
	now, err := s.scs.Load(bare{ctx}, s.scs.Token(ctx))
	if err != nil {
		return false, fmt.Errorf("load session: %w", err)
	}
	idle := s.now().Sub(time.Unix(s.scs.GetInt64(now, keySeen), 0))
	return s.scs.GetString(now, keyConsumer) == who && idle < SessionIdle && s.now().Before(s.scs.Deadline(now)), nil
}

// SignOut ends the session, its Browser value included.
func (s *Sessions) SignOut(ctx context.Context) error {
	if err := s.scs.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// sessionWriter stores the session before the first byte of the answer. A
// session that cannot be stored replaces the whole answer: a page must not
// claim a sign-in that the next request will not find.
type sessionWriter struct {
	http.ResponseWriter
	r         *http.Request
	s         *Sessions
	loaded    string // the token under which it was found; empty for none
	committed bool
	failed    bool // the answer was replaced; what the handler writes is dropped
}

func (w *sessionWriter) commit() {
	if w.committed {
		return
	}
	w.committed = true
	ctx, m := w.r.Context(), w.s.scs
	switch m.Status(ctx) {
	case scs.Modified:
		token := m.Token(ctx)
		record := SessionRecord{New: token == "" || token != w.loaded, SessionInfo: w.s.info(w.r)}
		token, expiry, err := m.Commit(context.WithValue(ctx, storedKey{}, record))
		if err != nil {
			w.failed = true
			w.Header().Del("Location")
			w.s.failed(w.ResponseWriter, w.r, fmt.Errorf("store session: %w", err))
			return
		}
		w.setCookie(token, expiry)
	case scs.Destroyed:
		w.setCookie("", time.Time{})
	}
}

// setCookie writes the cookie. Not the manager's own way, which also adds a
// Cache-Control header that weakens no-store.
func (w *sessionWriter) setCookie(token string, expiry time.Time) {
	c := &http.Cookie{
		Name: SessionCookie, Value: token, Path: "/",
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if expiry.IsZero() {
		c.MaxAge = -1
	}
	http.SetCookie(w.ResponseWriter, c)
}

// WriteHeader stores the session and then writes the header.
func (w *sessionWriter) WriteHeader(status int) {
	w.commit()
	if !w.failed {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write stores the session and then writes b.
func (w *sessionWriter) Write(b []byte) (int, error) {
	w.commit()
	if w.failed {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Flush stores the session and then sends what was written. A writer around
// this one may look for it (http.Flusher) and not unwrap.
func (w *sessionWriter) Flush() {
	w.commit()
	if !w.failed {
		_ = http.NewResponseController(w.ResponseWriter).Flush() // the next write tells
	}
}

// Unwrap is for http.ResponseController.
func (w *sessionWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ctxStore adds the methods without a context that the manager's interface
// asks for and does not call when the others are there.
type ctxStore struct{ SessionStore }

// storedKey carries what is stored beside the data past the session manager,
// whose call has no place for it.
type storedKey struct{}

// CommitCtx implements scs.CtxStore.
func (c ctxStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	r, _ := ctx.Value(storedKey{}).(SessionRecord)
	r.Data, r.Expiry = b, expiry
	return c.SessionStore.CommitCtx(ctx, token, r)
}

func (c ctxStore) Find(token string) ([]byte, bool, error) {
	return c.FindCtx(context.Background(), token)
}

func (c ctxStore) Commit(token string, b []byte, expiry time.Time) error {
	return c.CommitCtx(context.Background(), token, b, expiry)
}

func (c ctxStore) Delete(token string) error { return c.DeleteCtx(context.Background(), token) }
