package outbox_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/outbound"
	"github.com/headgate/headgate/internal/outbox"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/testenv"
)

func schemaVersion() string {
	v, err := postgres.Schema()
	if err != nil {
		panic(err)
	}
	return v
}

var env = testenv.New(testenv.Config{Version: schemaVersion(), Migrate: postgres.Migrate})

func TestMain(m *testing.M) { os.Exit(env.Main(m)) }

const issuer = "https://auth.bank.example"

// received is one call of the sink.
type received struct {
	path   string
	header http.Header
	body   []byte
}

// fixture is a bank with one recipient and its sink.
type fixture struct {
	t    *testing.T
	db   *postgres.DB
	keys *certs.Rotator
	box  *outbox.Outbox
	cfg  outbox.Config
	sink *httptest.Server
	log  *bytes.Buffer

	mu     sync.Mutex
	calls  []received
	answer func(received) (status int, header http.Header)
	clock  time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx := context.Background()
	// The database has a clock of its own, which this one is ahead of.
	f := &fixture{t: t, clock: time.Now().Add(time.Minute).Truncate(time.Second), log: &bytes.Buffer{}}
	var err error
	if f.db, err = postgres.Open(ctx, postgres.Config{DSN: env.Postgres(t), Name: "outbox test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.db.Close)

	ca, err := devca.Open(devca.Config{Dir: filepath.Join(t.TempDir(), "ca")})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	f.sink = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.sink.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	f.sink.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.sink.StartTLS()
	t.Cleanup(f.sink.Close)

	keyFile := filepath.Join(t.TempDir(), "keys.json")
	if err := certs.GenerateSigningKeys(keyFile, "ES256", "PS256"); err != nil {
		t.Fatal(err)
	}
	if f.keys, err = certs.NewRotator(ctx, certs.RotatorConfig{Provider: certs.NewKeyFile(keyFile)}); err != nil {
		t.Fatal(err)
	}
	trust, err := certs.ClientTLS(ca.File())
	if err != nil {
		t.Fatal(err)
	}
	f.cfg = outbox.Config{
		Deliveries: f.db.Notices(), Recipients: f.db.Recipients(), Sign: f.keys, Issuer: issuer,
		Post:      f.client(outbound.Config{TLS: trust, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		Publisher: fdx.Party{Name: "Meadow Bank", Type: fdx.DataProvider},
		Log:       slog.New(slog.NewTextHandler(f.log, nil)),
		Now:       f.now, Jitter: func() float64 { return 0 },
	}
	f.rebuild()
	for _, r := range consenttest.Registrations() {
		r.RedirectURIs = append(r.RedirectURIs, "https://127.0.0.1/back")
		f.register(r)
	}
	return f
}

func (f *fixture) client(c outbound.Config) *outbound.Client {
	f.t.Helper()
	c.Ports, c.Timeout = []uint16{netip.MustParseAddrPort(f.sink.Listener.Addr().String()).Port()}, 30*time.Second
	client, err := outbound.New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return client
}

// rebuild makes the outbox anew, as a process that starts does.
func (f *fixture) rebuild() {
	f.t.Helper()
	var err error
	if f.box, err = outbox.New(f.cfg); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) register(r consent.Recipient) {
	f.t.Helper()
	if err := f.db.Recipients().PutRecipient(context.Background(), r); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) recipient() consent.Recipient {
	f.t.Helper()
	r, err := f.db.Recipients().Recipient(context.Background(), consenttest.Recipient)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

func (f *fixture) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := received{r.URL.Path, r.Header, body}
	f.mu.Lock()
	f.calls = append(f.calls, got)
	answer := f.answer
	f.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status, header := answer(got)
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
}

// answers has the sink answer with a status and maybe a header.
func (f *fixture) answers(status int, header ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = func(received) (int, http.Header) {
		h := http.Header{}
		if len(header) == 2 {
			h.Set(header[0], header[1])
		}
		return status, h
	}
}

// received returns the calls so far.
func (f *fixture) received() []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]received(nil), f.calls...)
}

// ids returns the notification ids of all calls.
func (f *fixture) ids() []fdx.NotificationID {
	f.t.Helper()
	var ids []fdx.NotificationID
	for _, c := range f.received() {
		ids = append(ids, f.notification(c).NotificationID)
	}
	return ids
}

func (f *fixture) notification(c received) fdx.Notification {
	f.t.Helper()
	var n fdx.Notification
	if err := json.Unmarshal(c.body, &n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

func revoked() notice.Topic {
	return notice.Topic{Type: fdx.ConsentRevokedEvent, Category: fdx.ConsentNotification}
}

func (f *fixture) subscribe(topic notice.Topic) notice.Subscription {
	f.t.Helper()
	s := notice.Subscription{
		ID: fdx.SubscriptionID(uuid.NewString()), Recipient: consenttest.Recipient, Topic: topic, CallbackURL: f.sink.URL + "/hook",
		Subscriber: fdx.Party{Name: "Contract App", Type: fdx.DataRecipient}, EffectiveDate: fdx.DateOf(time.Now()),
	}
	if err := f.db.Notices().Subscribe(context.Background(), s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// revoke makes and ends a grant.
func (f *fixture) revoke() consent.Grant {
	f.t.Helper()
	g := consenttest.NewGrant("consumer", time.Now())
	if err := f.db.Grants().Create(context.Background(), g); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.db.Grants().End(context.Background(), consent.End{Grant: g.ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}); err != nil {
		f.t.Fatal(err)
	}
	return g
}

// work does the job of the delivery with that number.
func (f *fixture) work(s notice.Subscription, sequence int64) time.Duration {
	f.t.Helper()
	again, err := f.box.Work(context.Background(), notice.Key{Subscription: s.ID, Sequence: sequence})
	if err != nil {
		f.t.Fatal(err)
	}
	return again
}

func (f *fixture) dead() []notice.Letter {
	f.t.Helper()
	letters, err := f.db.Notices().DeadLetters(context.Background(), "", 10)
	if err != nil {
		f.t.Fatal(err)
	}
	return letters
}

// verify does what a recipient does with a call, by docs/notifications.md:
// it fetches our keys, checks the header and puts the body between the dots.
func verify(jwks []byte, c received, client string) (jti string, err error) {
	return verifyFor(jwks, c, issuer, client)
}

func verifyFor(jwks []byte, c received, issuer, client string) (jti string, err error) {
	head, rest, ok := strings.Cut(c.header.Get(outbox.SignatureHeader), "..")
	if !ok {
		return "", errors.New("not detached")
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &keys); err != nil {
		return "", err
	}
	whole := head + "." + base64.RawURLEncoding.EncodeToString(c.body) + "." + rest
	jws, err := jose.ParseSignedCompact(whole, []jose.SignatureAlgorithm{jose.ES256, jose.PS256})
	if err != nil {
		return "", err
	}
	if _, err := jws.Verify(keys); err != nil {
		return "", err
	}
	var header struct {
		Typ string `json:"typ"`
		Iss string `json:"iss"`
		Aud string `json:"aud"`
		Iat int64  `json:"iat"`
		Jti string `json:"jti"`
	}
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return "", err
	}
	if header.Typ != outbox.SignatureType || header.Iss != issuer || header.Aud != client || header.Iat == 0 {
		return "", errors.New("not for us: " + string(text))
	}
	return header.Jti, nil
}

func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, change := range map[string]func(*outbox.Config){
		"no store":       func(c *outbox.Config) { c.Deliveries = nil },
		"no recipients":  func(c *outbox.Config) { c.Recipients = nil },
		"no way out":     func(c *outbox.Config) { c.Post = nil },
		"no keys":        func(c *outbox.Config) { c.Sign = nil },
		"no issuer":      func(c *outbox.Config) { c.Issuer = "" },
		"no log":         func(c *outbox.Config) { c.Log = nil },
		"negative lanes": func(c *outbox.Config) { c.Lanes = -1 },
	} {
		c := f.cfg
		change(&c)
		if _, err := outbox.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestADelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	g := f.revoke()
	if again := f.work(s, 1); again != 0 {
		t.Errorf("again after %v", again)
	}
	calls := f.received()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	c := calls[0]
	n := f.notification(c)
	want := fdx.NotificationPayload{ID: string(g.ID), IDType: fdx.ConsentPayload, CustomField: fdx.CustomField{Name: fdx.InitiatorField, Value: "INDIVIDUAL"}}
	if n.Payload != want || n.Type != fdx.ConsentRevokedEvent || n.Category != fdx.ConsentNotification || n.Publisher != f.cfg.Publisher ||
		n.Subscriber != s.Subscriber || n.SentOn.IsZero() || n.NotificationID == "" {
		t.Errorf("got %s", c.body)
	}
	if c.path != "/hook" || c.header.Get("Content-Type") != "application/json" || uuid.Validate(c.header.Get("X-Fapi-Interaction-Id")) != nil {
		t.Errorf("got %s with %v", c.path, c.header)
	}
	if jti, err := verify(f.keys.Public(), c, string(s.Recipient)); err != nil || jti != string(n.NotificationID) {
		t.Errorf("signature: %q (%v)", jti, err)
	}
	if _, err := verify(f.keys.Public(), c, "another-client"); err == nil {
		t.Error("it would do for another client")
	}
	for name, change := range map[string]func([]byte) []byte{
		"another consent": func(b []byte) []byte { return bytes.Replace(b, []byte(g.ID), []byte(consent.NewGrantID()), 1) },
		"a space more":    func(b []byte) []byte { return append(b, ' ') },
		"truncated":       func(b []byte) []byte { return b[:len(b)-1] },
		"nothing":         func([]byte) []byte { return nil },
	} {
		altered := received{header: c.header, body: change(bytes.Clone(c.body))}
		if _, err := verify(f.keys.Public(), altered, string(s.Recipient)); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
	// Whoever is reminded of what is delivered does nothing.
	if again := f.work(s, 1); again != 0 || len(f.received()) != 1 {
		t.Errorf("delivered again, again after %v", again)
	}
	for _, secret := range []string{string(g.ID), "Contract App", s.CallbackURL} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, f.log)
		}
	}
	if got := strings.Count(f.log.String(), "\n"); got != 1 || !strings.Contains(f.log.String(), "status=204") {
		t.Errorf("%d lines: %s", got, f.log)
	}
}

func TestTheRegisteredAlgorithmSigns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.recipient()
	r.Profile.IDTokenAlg = "PS256"
	f.register(r)
	s := f.subscribe(revoked())
	f.revoke()
	f.work(s, 1)
	c := f.received()[0]
	head, _, _ := strings.Cut(c.header.Get(outbox.SignatureHeader), ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || !strings.Contains(string(text), `"alg":"PS256"`) {
		t.Errorf("signed with %s (%v)", text, err)
	}
	if _, err := verify(f.keys.Public(), c, string(s.Recipient)); err != nil {
		t.Error(err)
	}
}

// tellTwice tells of one grant twice: that it will end, and that an account
// is gone.
func (f *fixture) tellTwice() {
	f.t.Helper()
	ctx := context.Background()
	g := consenttest.NewGrant("consumer", time.Now().AddDate(0, 0, -25))
	err := f.db.Grants().Create(ctx, g)
	if err == nil {
		err = f.db.Notices().Upkeep(ctx)
	}
	if err == nil {
		_, err = f.db.Notices().AccountRemoved(ctx, "account-1")
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestALaterEventWaitsForTheEarlierOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(notice.Custom())
	f.tellTwice()
	f.answers(500)
	// Whichever is reminded of first.
	for range 3 {
		if again := f.work(s, 2); again != time.Second {
			t.Errorf("again after %v, want 1s", again)
		}
	}
	if ids := f.ids(); len(ids) != 1 {
		t.Fatalf("%d calls, want 1", len(ids))
	}
	f.answers(200)
	f.pass(time.Second)
	if again := f.work(s, 2); again != 0 {
		t.Errorf("again after %v", again)
	}
	ids := f.ids()
	if len(ids) != 3 || ids[0] != ids[1] || ids[1] == ids[2] {
		t.Errorf("got %v", ids)
	}
	first, last := f.notification(f.received()[0]), f.notification(f.received()[2])
	if first.Payload.CustomField.Name != notice.FieldExpiring || last.Payload.CustomField.Name != notice.FieldAccountRemoved {
		t.Errorf("first %+v, last %+v", first, last)
	}
}

func TestAFailureOfOneConsentHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	poison, other := f.revoke(), f.revoke()
	f.answer = func(c received) (int, http.Header) {
		if bytes.Contains(c.body, []byte(poison.ID)) {
			return 400, nil
		}
		return 200, nil
	}
	if again := f.work(s, 1); again != time.Second {
		t.Errorf("the first again after %v", again)
	}
	if again := f.work(s, 2); again != 0 {
		t.Errorf("the second again after %v", again)
	}
	if calls := f.received(); len(calls) != 2 || !bytes.Contains(calls[1].body, []byte(other.ID)) {
		t.Errorf("%d calls", len(calls))
	}
}

// dying is a store whose process is killed after a delivery was made and
// before that was written down.
type dying struct{ notice.Deliveries }

var errKilled = errors.New("killed")

func (dying) Settle(context.Context, notice.Key, notice.Outcome) error { return errKilled }

func TestWhatNobodyWroteDownIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	store := f.cfg.Deliveries
	f.cfg.Deliveries = dying{store}
	f.rebuild()
	if _, err := f.box.Work(context.Background(), notice.Key{Subscription: s.ID, Sequence: 1}); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	f.cfg.Deliveries = store
	f.rebuild()
	again := f.work(s, 1)
	if again <= time.Second || again > time.Minute || len(f.received()) != 1 {
		t.Errorf("again after %v, %d calls", again, len(f.received()))
	}
	f.pass(again)
	if again := f.work(s, 1); again != 0 {
		t.Errorf("again after %v", again)
	}
	ids := f.ids()
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("got %v, want the same twice", ids)
	}
	if a, b := f.received()[0].header, f.received()[1].header; a.Get("X-Fapi-Interaction-Id") == b.Get("X-Fapi-Interaction-Id") {
		t.Error("two attempts have one interaction id")
	}
}

func TestARecipientThatIsAwayForDays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	f.answers(502)
	start := f.now()
	var pauses []time.Duration
	for {
		again := f.work(s, 1)
		if again == 0 {
			break
		}
		if len(pauses) > 200 {
			t.Fatal("it goes on for ever")
		}
		pauses = append(pauses, again)
		f.pass(again)
	}
	if pauses[0] != time.Second || pauses[1] != 2*time.Second || pauses[11] != 2048*time.Second || pauses[12] != time.Hour || pauses[len(pauses)-1] != time.Hour {
		t.Errorf("pauses %v", pauses)
	}
	if tried := f.now().Sub(start); tried < 71*time.Hour || tried > 74*time.Hour {
		t.Errorf("gave up after %v", tried)
	}
	letters := f.dead()
	if len(letters) != 1 || letters[0].Attempts != len(f.received()) || letters[0].Status != 502 {
		t.Fatalf("dead: %+v after %d calls", letters, len(f.received()))
	}
	calls := len(f.received())
	if again := f.work(s, 1); again != 0 || len(f.received()) != calls {
		t.Error("the dead are delivered")
	}
	// What was replayed is as new; the clocks agree again.
	f.answers(200)
	if n, err := f.db.Notices().Replay(context.Background(), letters[0].Notification, ""); err != nil || n != 1 {
		t.Fatalf("replayed %d (%v)", n, err)
	}
	f.mu.Lock()
	f.clock = time.Now().Add(time.Minute)
	f.mu.Unlock()
	if again := f.work(s, 1); again != 0 {
		t.Errorf("again after %v", again)
	}
	ids := f.ids()
	if len(ids) != calls+1 || ids[calls] != ids[0] || len(f.dead()) != 0 {
		t.Errorf("%d calls of %v", len(ids), ids[len(ids)-1])
	}
}

// Who could not even try for days does so once before it gives up.
func TestALateFirstAttemptIsMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	f.revoke()
	f.pass(100 * time.Hour)
	if again := f.work(s, 1); again != 0 || len(f.received()) != 2 || len(f.dead()) != 0 {
		t.Errorf("again after %v, %d calls, %d dead", again, len(f.received()), len(f.dead()))
	}
}

func TestARecipientThatComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	const grants = 5
	for range grants {
		f.revoke()
	}
	f.answers(503, "Retry-After", "120")
	for i := range int64(grants) {
		if again := f.work(s, i+1); again != 2*time.Minute {
			t.Errorf("again after %v, want what was asked for", again)
		}
	}
	f.pass(2*time.Minute - time.Second)
	f.work(s, 1)
	if got := len(f.received()); got != grants {
		t.Errorf("%d calls, want %d", got, grants)
	}
	f.answers(200)
	f.pass(time.Second)
	f.work(s, 1)
	seen := map[fdx.NotificationID]int{}
	for _, id := range f.ids() {
		seen[id]++
	}
	if len(seen) != grants || len(f.received()) != 2*grants {
		t.Errorf("got %v", seen)
	}
}

func TestGoneEndsTheSubscription(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	f.revoke()
	f.answers(410)
	if again := f.work(s, 1); again != 0 || len(f.received()) != 1 {
		t.Errorf("again after %v, %d calls", again, len(f.received()))
	}
	if _, err := f.db.Notices().Subscription(context.Background(), s.Recipient, s.ID); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("the subscription: %v", err)
	}
	f.revoke()
	for i := range int64(3) {
		if again := f.work(s, i+1); again != 0 {
			t.Errorf("again after %v", again)
		}
	}
	if len(f.received()) != 1 || len(f.dead()) != 2 {
		t.Errorf("%d calls, %d dead", len(f.received()), len(f.dead()))
	}
}

func TestARedirectIsAFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	f.answers(307, "Location", f.sink.URL+"/elsewhere")
	if again := f.work(s, 1); again != time.Second {
		t.Errorf("again after %v", again)
	}
	if calls := f.received(); len(calls) != 1 {
		t.Errorf("%d calls", len(calls))
	}
}

func TestAnInsideAddressIsNotCalled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	trust, err := certs.ClientTLS("")
	if err != nil {
		t.Fatal(err)
	}
	f.cfg.Post = f.client(outbound.Config{TLS: trust}) // as in production
	f.rebuild()
	if again := f.work(s, 1); again != time.Second {
		t.Errorf("again after %v", again)
	}
	if len(f.received()) != 0 || !strings.Contains(f.log.String(), outbound.ErrRefusedAddress.Error()) {
		t.Errorf("%d calls: %s", len(f.received()), f.log)
	}
}

func TestAHostThatIsNotRegisteredAnyMoreIsNotCalled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	r := f.recipient()
	r.RedirectURIs = []string{"https://app.example/back"}
	f.register(r)
	if again := f.work(s, 1); again != time.Second || len(f.received()) != 0 {
		t.Errorf("again after %v, %d calls", again, len(f.received()))
	}
}

func TestWhoMayNotReadIsNotCalled(t *testing.T) {
	t.Parallel()
	for status, dead := range map[consent.RecipientStatus]bool{
		consent.RecipientSuspended: false, consent.RecipientPending: false, consent.RecipientClosed: true,
	} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s := f.subscribe(revoked())
			f.revoke()
			r := f.recipient()
			r.Status = status
			f.register(r)
			again := f.work(s, 1)
			if len(f.received()) != 0 || (again == 0) != dead || (len(f.dead()) == 1) != dead {
				t.Errorf("%d calls, again after %v, %d dead", len(f.received()), again, len(f.dead()))
			}
			if dead {
				return
			}
			r.Status = consent.RecipientActive
			f.register(r)
			f.pass(again)
			if again := f.work(s, 1); again != 0 || len(f.received()) != 1 {
				t.Errorf("back again: %d calls, again after %v", len(f.received()), again)
			}
		})
	}
}

func TestASlowRecipientHasTwoLanes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	slow, quick := f.subscribe(revoked()), f.subscribe(notice.Custom())
	for range 3 {
		f.revoke()
	}
	entered, leave := make(chan bool), make(chan bool)
	f.answer = func(c received) (int, http.Header) {
		if bytes.Contains(c.body, []byte("CONSENT_REVOKED")) {
			entered <- true
			<-leave
		}
		return 200, nil
	}
	done := make(chan time.Duration, 2)
	for i := range int64(2) {
		go func() {
			again, err := f.box.Work(context.Background(), notice.Key{Subscription: slow.ID, Sequence: i + 1})
			if err != nil {
				t.Error(err)
			}
			done <- again
		}()
	}
	<-entered
	<-entered
	if again := f.work(slow, 3); again != time.Second || len(f.received()) != 2 {
		t.Errorf("a third: again after %v, %d calls", again, len(f.received()))
	}
	f.tellTwice()
	if again := f.work(quick, 5); again != 0 || len(f.received()) != 4 {
		t.Errorf("another subscription: again after %v, %d calls", again, len(f.received()))
	}
	go func() { <-entered }() // one of the lanes takes the third
	close(leave)
	for range 2 {
		<-done // one may find its own delivery in the other lane, and come back later
	}
	if again := f.work(slow, 3); again != 0 {
		t.Errorf("the third again after %v", again)
	}
}

// A drain that runs out of time is no failure of the other side.
func TestAnAttemptThatIsCutOffDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.subscribe(revoked())
	f.revoke()
	ctx, cut := context.WithCancel(context.Background())
	over := make(chan bool)
	f.answer = func(received) (int, http.Header) {
		cut()
		<-over
		return 200, nil
	}
	_, err := f.box.Work(ctx, notice.Key{Subscription: s.ID, Sequence: 1})
	close(over)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.answer = nil
	f.mu.Unlock()
	f.pass(time.Minute)
	if again := f.work(s, 1); again != 0 || !strings.Contains(f.log.String(), "attempt=1 ") || strings.Contains(f.log.String(), "attempt=2 ") {
		t.Errorf("again after %v: %s", again, f.log)
	}
}

// From the stop to the callback, with the job queue in between.
func TestAStopReachesTheRecipient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.subscribe(revoked())
	f.cfg.Now = time.Now
	f.rebuild()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	got := make(chan fdx.NotificationID, 10)
	f.answer = func(c received) (int, http.Header) {
		got <- f.notification(c).NotificationID
		return 200, nil
	}
	rules, err := policy.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		ended <- f.db.RunJobs(ctx, postgres.JobsConfig{Deliver: f.box.Work, Rules: rules, Workers: 4, Grace: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	}()
	const grants = 4
	for range grants {
		f.revoke()
	}
	seen := map[fdx.NotificationID]bool{}
	for len(seen) < grants {
		seen[<-got] = true
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
