package portal

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/login/logintest"
	"github.com/headgate/headgate/internal/passkey"
	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

const (
	bankName    = "Northbank"
	redirectURI = "https://app.example/callback"
	budgetBee   = consent.RecipientID("budgetbee")
)

// ceramics is the business that cleo acts for.
var ceramics = consent.Holder{ID: "h-biz", Kind: consent.HolderBusiness, Name: "Clay Ceramics"}

// errDown is what a broken part of the world says.
var errDown = errors.New("dial 10.0.0.7: connection refused")

// world is everything behind the pages, in memory. It plays the authorization
// server, too.
type world struct {
	t        *testing.T
	server   *httptest.Server
	sessions *web.Sessions
	portal   *Portal

	mu         sync.Mutex
	now        time.Time
	auths      map[consent.AuthorizationID]consent.Authorization
	pending    *consent.Authorization // what GET /authorize opens
	recipients map[consent.RecipientID]consent.Recipient
	people     map[string]consent.ConsumerID
	loginErr   error
	choices    map[consent.ConsumerID][]consent.AccountChoice
	grants     []consent.Grant // newest first
	events     map[consent.GrantID][]consent.Event
	reads      []audit.Record // newest first
	lookUps    []audit.LookUp // newest first
	rows       map[string]storedSession
	down       map[string]bool // parts that do not answer
	sloppy     bool            // GrantsOf forgets to filter
	replaced   int
	stops      int
	asks       int // to end or to rest
	answers    map[consent.GrantID]consent.StopAnswer
	pauseDays  int // of the rules, like the next three
	unusedDays int
	disclosed  []string // languages; nil is all
	also       string
	told       map[consent.GrantID]ToldState
	logged     *journal
	notices    []inbox.Notice // newest first
	prefer     map[consent.ConsumerID]inbox.Preferences
	wish       map[consent.ConsumerID]erasure.Erasure
	asked      []erasure.Request
	edit       policy.Edit
	codes      *logintest.Memory
	elsewhere  *elsewhere                                 // nil for the built-in sign-in
	codePost   []login.Message                            // codes on their way, oldest first
	switched   map[consent.ConsumerID][]consent.Switching // oldest first
	keys       logintest.PasskeyMemory
}

type storedSession struct {
	data   []byte
	expiry time.Time
	info   web.SessionInfo
}

// newWorld starts a bank with two customers, ada and bob, and one app that
// asks ada for something.
func newWorld(t *testing.T, brand ...ui.Brand) *world { return newWorldAt(t, nil, brand...) }

// config has people sign in elsewhere, where there is one.
func (w *world) config(c Config) Config {
	if w.elsewhere != nil {
		c.Login, c.Bank = nil, w.elsewhere
	}
	return c
}

// newWorldAt is newWorld with a sign-in elsewhere, unless it is nil.
func newWorldAt(t *testing.T, at *elsewhere, brand ...ui.Brand) *world {
	t.Helper()
	w := &world{
		elsewhere: at,
		t:         t, now: time.Now().Truncate(time.Second),
		auths: map[consent.AuthorizationID]consent.Authorization{},
		recipients: map[consent.RecipientID]consent.Recipient{budgetBee: {
			ID: budgetBee, Status: consent.RecipientActive, Name: "BudgetBee", LegalName: "BudgetBee Ltd",
			HomeURI: "https://app.example/", Registry: "FDX", RegistryID: "BB-1", RedirectURIs: []string{redirectURI},
			Purposes: []consent.Purpose{{Code: "budgeting", Label: "See where your money goes and plan each month."}},
		}},
		people:   map[string]consent.ConsumerID{"ada": "c-ada", "bob": "c-bob", "cleo": "c-cleo"},
		switched: map[consent.ConsumerID][]consent.Switching{},
		choices: map[consent.ConsumerID][]consent.AccountChoice{
			"c-ada": {
				{ID: "a-1", Name: "Everyday account", Display: "•••• 4321", Category: "DEPOSIT_ACCOUNT"},
				{ID: "a-2", Name: "Old savings", Display: "•••• 1111", Category: "DEPOSIT_ACCOUNT", Ineligible: consent.IneligibleClosed},
				{ID: "a-3", Name: "Household", Display: "•••• 8765", Category: "DEPOSIT_ACCOUNT", Joint: true},
				{ID: "a-4", Name: "Gold card", Display: "•••• 0042", Category: "LOC_ACCOUNT"},
			},
			// Cleo acts in three names, of which one has nothing to share.
			"c-cleo": {
				{ID: "c-1", Name: "Everyday account", Display: "•••• 1000", Category: "DEPOSIT_ACCOUNT", Holder: consent.Holder{ID: "h-own", Kind: consent.HolderOwn, Name: "Cleo Clay"}},
				{ID: "c-2", Name: "Business account", Display: "•••• 2000", Category: "DEPOSIT_ACCOUNT", Holder: ceramics},
				{ID: "c-3", Name: "Business savings", Display: "•••• 3000", Category: "DEPOSIT_ACCOUNT", Holder: ceramics},
				{ID: "c-4", Name: "Old business", Display: "•••• 4000", Category: "DEPOSIT_ACCOUNT", Ineligible: consent.IneligibleClosed, Holder: ceramics},
				{ID: "c-5", Name: "Club account", Display: "•••• 5000", Category: "DEPOSIT_ACCOUNT", Ineligible: consent.IneligibleLocked, Holder: consent.Holder{ID: "h-club", Name: "Rowing Club"}},
			},
			"c-bob": {{ID: "b-1", Name: "Bob's account", Display: "•••• 9999", Category: "DEPOSIT_ACCOUNT"}},
		},
		events: map[consent.GrantID][]consent.Event{}, pauseDays: 30, unusedDays: unusedDays,
		answers: map[consent.GrantID]consent.StopAnswer{}, told: map[consent.GrantID]ToldState{},
		rows:   map[string]storedSession{},
		down:   map[string]bool{},
		logged: &journal{}, codes: &logintest.Memory{},
		prefer: map[consent.ConsumerID]inbox.Preferences{},
		edit:   policy.EditShrinkAccountsAndClusters,
		wish:   map[consent.ConsumerID]erasure.Erasure{},
	}
	if at != nil {
		at.now = w.clock
	}
	w.pending = &consent.Authorization{
		Recipient: budgetBee, Pushed: "p-1",
		Request: consent.Request{
			Purpose:  w.recipients[budgetBee].Purposes[0],
			Duration: consent.TimeBound, DurationDays: 365, LookbackDays: 730,
			Account: fdx.NewClusters(fdx.AccountBasic, fdx.AccountDetailed, fdx.Balances, fdx.Transactions),
		},
	}
	var err error
	if w.sessions, err = web.NewSessions(web.SessionsConfig{Store: w, Now: w.clock}); err != nil {
		t.Fatal(err)
	}
	look := ui.Brand{Name: bankName}
	if len(brand) > 0 {
		look = brand[0]
	}
	u, err := ui.New(look)
	if err != nil {
		t.Fatal(err)
	}
	codes, err := login.NewCodes(login.CodesConfig{Store: w.codes, Throttle: w.codes, Sender: w, Secret: []byte(strings.Repeat("s", 32)), Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := passkey.New(passkey.Config{
		Base: passkeyBase, Bank: bankName, Store: &w.keys, Throttle: w.codes, Journal: w.codes, Teller: (*post)(w), Secret: []byte(strings.Repeat("s", 32)), Now: w.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.portal, err = New(w.config(Config{
		Passkeys: keys,
		Codes:    codes, Devices: w, SignIns: w,
		UI: u, Sessions: w.sessions, Login: w, Authorizations: w, Recipients: w, Accounts: w,
		Grants: w, Stopper: w, Rests: w, Answers: w, Reads: w, Uses: w, Receipts: w.desk(), Now: w.clock,
		Rules: w, Told: w, Inbox: (*post)(w), Teller: (*post)(w), Erasures: (*wishes)(w), Shrinker: w, Switch: w, Base: "https://bank.example",
		Log: slog.New(slog.NewTextHandler(w.logged, nil)),
	}))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := w.portal.Handler()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /authorize", w.sessions.Middleware(http.HandlerFunc(w.authorize)))
	mux.Handle("GET /authorize/{id}", w.sessions.Middleware(http.HandlerFunc(w.dispatch)))
	mux.Handle("/", pages)
	w.server = httptest.NewTLSServer(mux)
	t.Cleanup(w.server.Close)
	return w
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(b []byte) (int, error) { j.mu.Lock(); defer j.mu.Unlock(); return j.b.Write(b) }
func (j *journal) String() string              { j.mu.Lock(); defer j.mu.Unlock(); return j.b.String() }

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

// do changes the world while nobody looks.
func (w *world) do(change func()) { w.mu.Lock(); defer w.mu.Unlock(); change() }

func (w *world) isDown(part string) error {
	if w.down[part] {
		return errDown
	}
	return nil
}

// The authorization server.

func (w *world) authorize(rw http.ResponseWriter, r *http.Request) {
	a := *w.pending
	a.Browser = w.sessions.Browser(r.Context())
	w.mu.Lock()
	for _, old := range w.auths {
		if old.Browser == a.Browser && old.Pushed == a.Pushed {
			a = old
		}
	}
	if a.ID == "" {
		a.ID, a.Version, a.ExpiresAt = consent.NewAuthorizationID(), 1, w.now.Add(consent.JourneyTime)
		w.auths[a.ID] = a
	}
	w.mu.Unlock()
	http.Redirect(rw, r, "/authorize/"+string(a.ID), http.StatusSeeOther)
}

func (w *world) dispatch(rw http.ResponseWriter, r *http.Request) {
	browser, _ := w.sessions.Bound(r.Context())
	a, err := w.Authorization(r.Context(), consent.AuthorizationID(r.PathValue("id")), browser)
	if err != nil {
		w.portal.Problem(rw, r, Problem{Code: "invalid_request", Text: "unknown"})
		return
	}
	http.Redirect(rw, r, w.next(a), http.StatusSeeOther)
}

// next does what has to happen next and returns where the browser goes.
func (w *world) next(a consent.Authorization) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	answer := ""
	step := a.Next(w.now)
	if a.Consumer != "" && step != consent.StepDeny && step != consent.StepDone && step != consent.StepExpired && w.off(a.Consumer) {
		a.Decision, a.Version = consent.Undecided, a.Version+1
		w.auths[a.ID] = a
		return "/consent/" + string(a.ID) + "/sharing"
	}
	switch step {
	case consent.StepIssue:
		g := a.Grant(consent.NewGrantID(), []consent.Party{w.recipients[a.Recipient].Party()}, w.now)
		w.grants = append([]consent.Grant{g}, w.grants...)
		w.events[g.ID] = []consent.Event{{Grant: g.ID, Epoch: 1, Kind: consent.EventGranted, Actor: consent.ActorConsumer, At: g.CreatedAt}}
		answer = "code=c"
	case consent.StepDeny:
		answer = map[consent.Cause]string{consent.CauseBank: "error=temporarily_unavailable", consent.CauseOff: "error=access_denied&error_description=off"}[a.Cause]
		if answer == "" {
			answer = "error=access_denied"
		}
	case consent.StepExpired:
		a.Decision, a.Cause = consent.Denied, consent.CauseTime
		answer = "error=access_denied&error_description=time"
	default:
		return "/consent/" + string(a.ID) + "/" + string(step)
	}
	a.Answered = true
	w.auths[a.ID] = a
	return redirectURI + "?" + answer
}

// The stores.

func (w *world) Authorization(_ context.Context, id consent.AuthorizationID, browser string) (consent.Authorization, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.auths[id]
	if !ok || a.Browser != browser {
		return consent.Authorization{}, fmt.Errorf("world: %w", consent.ErrNotFound)
	}
	return a, w.isDown("authorizations")
}

func (w *world) Extend(_ context.Context, id consent.AuthorizationID, browser string, now, until time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.auths[id]
	if !ok || a.Browser != browser || a.Answered || !a.ExpiresAt.After(now) {
		return fmt.Errorf("world: %w", consent.ErrNotFound)
	}
	if until.After(a.ExpiresAt) {
		a.ExpiresAt = until
	}
	w.auths[id] = a
	return w.isDown("authorizations")
}

func (w *world) Replace(_ context.Context, a consent.Authorization) (consent.Authorization, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown("replace"); err != nil {
		return consent.Authorization{}, err
	}
	if w.auths[a.ID].Version != a.Version {
		return consent.Authorization{}, consent.ErrConflict
	}
	a.Version++
	w.auths[a.ID] = a
	w.replaced++
	return a, nil
}

func (w *world) off(who consent.ConsumerID) bool {
	all := w.switched[who]
	return len(all) > 0 && all[len(all)-1].Off
}

func (w *world) SharingOff(_ context.Context, who consent.ConsumerID) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.off(who) {
		return time.Time{}, w.isDown("switch")
	}
	return w.switched[who][len(w.switched[who])-1].At, w.isDown("switch")
}

func (w *world) SwitchSharing(_ context.Context, who consent.ConsumerID, off bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off(who) != off && w.isDown("switch") == nil {
		w.switched[who] = append(w.switched[who], consent.Switching{ID: [16]byte{byte(len(w.switched[who]))}, Consumer: who, At: w.now, Off: off})
	}
	return w.isDown("switch")
}

func (w *world) Switchings(_ context.Context, who consent.ConsumerID, _ time.Time, limit int) ([]consent.Switching, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.Clone(w.switched[who])
	slices.Reverse(list)
	return list[:min(limit, len(list))], w.isDown("switch")
}

func (w *world) Recipient(_ context.Context, id consent.RecipientID) (consent.Recipient, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.recipients[id]
	if !ok {
		return consent.Recipient{}, consent.ErrNotFound
	}
	return r, w.isDown("recipients")
}

func (w *world) Choices(_ context.Context, who consent.ConsumerID) ([]consent.AccountChoice, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.choices[who]), w.isDown("bank")
}

func (w *world) GrantOfConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.grants {
		if g.ID == id && g.Consumer == who {
			return g, w.isDown("grants")
		}
	}
	return consent.Grant{}, consent.ErrNotFound
}

func (w *world) GrantsOf(_ context.Context, who consent.ConsumerID) ([]consent.Grant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var mine []consent.Grant
	for _, g := range w.grants {
		if g.Consumer == who || w.sloppy {
			mine = append(mine, g)
		}
	}
	return mine, w.isDown("grants")
}

func (w *world) Events(_ context.Context, id consent.GrantID) ([]consent.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[id], w.isDown("grants")
}

func (w *world) StopByConsumer(_ context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown("stop"); err != nil {
		return consent.Grant{}, err
	}
	w.asks++
	for i, g := range w.grants {
		if g.ID != id || g.Consumer != who {
			continue
		}
		if g.StatusAt(w.now) != consent.StatusActive {
			return g, consent.ErrEnded
		}
		g.Status, g.Epoch, g.EndedAt, g.EndedBy = consent.StatusRevoked, g.Epoch+1, w.now, consent.ActorConsumer
		w.grants[i] = g
		w.stops++
		w.events[id] = append(w.events[id], consent.Event{Grant: id, Epoch: g.Epoch, Kind: consent.EventRevoked, Actor: consent.ActorConsumer, At: w.now})
		return g, nil
	}
	return consent.Grant{}, consent.ErrNotFound
}

func (w *world) Authenticate(_ context.Context, a login.Attempt) (consent.ConsumerID, error) {
	username, password := a.Username, a.Password
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loginErr != nil {
		return "", w.loginErr
	}
	who, ok := w.people[username]
	if !ok || password != "correct horse" {
		return "", login.ErrCredentials
	}
	return who, nil
}

// Send is the way by which codes reach people.
func (w *world) Send(_ context.Context, m login.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.isDown("post"); err != nil {
		return err
	}
	w.codePost = append(w.codePost, m)
	return nil
}

func (w *world) FindCtx(_ context.Context, token string) ([]byte, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	row, ok := w.rows[token]
	return row.data, ok, nil
}

func (w *world) CommitCtx(_ context.Context, token string, r web.SessionRecord) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, there := w.rows[token]; there || r.New {
		w.rows[token] = storedSession{r.Data, r.Expiry, r.SessionInfo}
	}
	return nil
}

func (w *world) SessionsOf(_ context.Context, who consent.ConsumerID) ([]web.SessionInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []web.SessionInfo
	for _, r := range w.rows {
		if r.info.Consumer == string(who) {
			list = append(list, r.info)
		}
	}
	slices.SortFunc(list, func(a, b web.SessionInfo) int { return cmp.Or(b.SeenAt.Compare(a.SeenAt), cmp.Compare(a.ID, b.ID)) })
	return list, w.isDown("devices")
}

func (w *world) EndSession(_ context.Context, who consent.ConsumerID, id string) error {
	return w.endSessions(who, func(other string) bool { return other == id })
}

func (w *world) EndOtherSessions(_ context.Context, who consent.ConsumerID, id string) error {
	return w.endSessions(who, func(other string) bool { return other != id })
}

func (w *world) endSessions(who consent.ConsumerID, ends func(string) bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for token, r := range w.rows {
		if r.info.Consumer == string(who) && ends(r.info.ID) {
			delete(w.rows, token)
		}
	}
	return w.isDown("devices")
}

func (w *world) SignIns(ctx context.Context, who consent.ConsumerID, limit int) ([]login.SignIn, error) {
	list, err := w.codes.SignIns(ctx, who, limit)
	for _, n := range w.keys.Notes() {
		if n.Consumer == who {
			list = append([]login.SignIn{n}, list...)
		}
	}
	return list, err
}

func (w *world) DeleteCtx(_ context.Context, token string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rows, token)
	return nil
}

// People at browsers.

func (w *world) tls() *tls.Config {
	return w.server.Client().Transport.(*http.Transport).TLSClientConfig
}

func (w *world) browser(language ...string) *browser.Browser {
	w.t.Helper()
	c := browser.Config{Home: []string{w.server.URL}, TLS: w.tls(), Codes: w.codeOf}
	if len(language) > 0 {
		c.Language = language[0]
	}
	b, err := browser.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// person is somebody at a browser, who fails the test when anything does not
// work as it does for people.
type person struct {
	*world
	b *browser.Browser
}

func (w *world) person(language ...string) *person { return &person{w, w.browser(language...)} }

func (p *person) open(path string) *browser.Page {
	p.t.Helper()
	page, err := p.b.Open(context.Background(), p.server.URL+path)
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

// arrive is the way from the app to the first page.
func (p *person) arrive() *browser.Page {
	p.t.Helper()
	page, err := p.b.Arrive(context.Background(), p.server.URL+"/authorize")
	if err != nil {
		p.t.Fatal(err)
	}
	return page
}

func (p *person) press(page *browser.Page, id string) *browser.Page {
	p.t.Helper()
	next, err := p.b.Press(context.Background(), page, id)
	if err != nil {
		p.t.Fatal(err)
	}
	return next
}

// bent presses a button after bend has changed what is sent.
func (p *person) bent(page *browser.Page, id string, bend func(*browser.Submission)) *browser.Page {
	p.t.Helper()
	s, err := page.Submission(id)
	if err != nil {
		p.t.Fatal(err)
	}
	s.Header = http.Header{}
	bend(s)
	next, err := p.b.Submit(context.Background(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	return next
}

func (p *person) tick(page *browser.Page, ids ...string) {
	p.t.Helper()
	for _, id := range ids {
		if err := page.Tick(id); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *person) signIn(page *browser.Page, username string) *browser.Page {
	p.t.Helper()
	for id, v := range map[string]string{"username": username, "password": "correct horse"} {
		if err := page.Fill(id, v); err != nil {
			p.t.Fatal(err)
		}
	}
	return p.press(page, "login_submit")
}

// toAccounts, toReview and toShared take ada that far.
func (p *person) toAccounts() *browser.Page { p.t.Helper(); return p.signIn(p.arrive(), "ada") }

func (p *person) toReview() *browser.Page {
	p.t.Helper()
	page := p.toAccounts()
	p.tick(page, "account_1", "account_3")
	return p.press(page, "accounts_continue")
}

func (p *person) toShared() consent.Grant {
	p.t.Helper()
	p.left(p.press(p.toReview(), "consent_approve"), "code=c")
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants[0]
}

// auth returns the only authorization in progress.
func (w *world) auth() consent.Authorization {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.auths) != 1 {
		w.t.Fatalf("%d authorizations, want 1", len(w.auths))
	}
	for _, a := range w.auths {
		return a
	}
	return consent.Authorization{}
}

// left checks that the browser was sent back to the app with this answer.
func (p *person) left(page *browser.Page, query string) {
	p.t.Helper()
	if page.Left == nil || page.Left.String() != redirectURI+"?"+query {
		p.t.Fatalf("not sent back to the app with %s: %s", query, page)
	}
}

// on checks which page this is, and its status.
func (p *person) on(page *browser.Page, status int, path string) {
	p.t.Helper()
	if page.Left != nil || page.Status != status || !strings.HasSuffix(page.URL.Path, path) {
		p.t.Fatalf("want status %d on %s, got %s", status, path, page)
	}
}

// says checks that a page holds these texts.
func says(t *testing.T, page *browser.Page, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(page.Text(), s) {
			t.Errorf("%s does not say %q; it says:\n%s", page, s, page.Text())
		}
	}
}

// problem checks that this is a problem page with a status and a code.
func (p *person) problem(page *browser.Page, status int, code string) {
	p.t.Helper()
	text, err := page.TextOf("oauth_error")
	if err != nil {
		p.t.Fatal(err)
	}
	if page.Status != status || !strings.HasPrefix(text, code) {
		p.t.Fatalf("want problem %d %s, got %s: %s", status, code, page, text)
	}
	for _, secret := range []string{"10.0.0.7", "refused", "world:", "dial"} {
		if strings.Contains(string(page.Body), secret) {
			p.t.Errorf("the page tells %q", secret)
		}
	}
}
