package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// rows is one code and one refresh token, and a store that notes what it is
// given and decides nothing.
type rows struct {
	code     token.Code
	refresh  token.Refresh
	err      error // of the writes
	redeemed []token.Redemption
	renewed  []token.Access
}

// presented is what the rows say of the code and of the refresh token.
func (s *rows) presented() token.Presented {
	p := token.Presented{Code: s.code, Refresh: s.refresh}
	if !s.code.UsedAt.IsZero() {
		p.Refused = token.ErrUsed
	}
	return p
}

func (s *rows) Redeem(_ context.Context, r token.Redemption) (consent.Grant, error) {
	if s.err != nil {
		return consent.Grant{}, s.err
	}
	s.redeemed = append(s.redeemed, r)
	return consent.Grant{ID: r.Access.Grant}, nil
}

func (s *rows) Renew(_ context.Context, _ token.Hash, a token.Access, _ ...token.Proof) (consent.Grant, error) {
	if s.err != nil {
		return consent.Grant{}, s.err
	}
	s.renewed = append(s.renewed, a)
	return consent.Grant{ID: a.Grant}, nil
}

// stored are the access tokens that were given to the store.
func (s *rows) stored() []token.Access {
	all := slices.Clone(s.renewed)
	for _, r := range s.redeemed {
		all = append(all, r.Access)
	}
	return all
}

var now = time.Date(2026, 11, 21, 12, 0, 0, 400_000_000, time.UTC)

const (
	jkt      = "jkt-of-the-key"
	verifier = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
	// challenge is S256 of verifier.
	challenge = "RqIZl4LIgn8KxW9QO-nTnv7pf0CnNrksx9fF-CXP2FE"
	callback  = "https://app.example/cb"
)

func recipient() consent.Recipient {
	return consent.Recipient{
		ID: "app", Status: consent.RecipientActive, RedirectURIs: []string{callback},
		Scopes: fdx.ScopesOf(fdx.NewClusters(fdx.AccountBasic, fdx.Transactions)),
	}
}

// bench is an engine over rows, with the secrets that the rows are known by.
type bench struct {
	*Engine
	store         *rows
	code, refresh string
}

func newBench(t testing.TB) bench {
	t.Helper()
	hasher, err := token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte("s"), 32)}})
	if err != nil {
		t.Fatal(err)
	}
	code, codeHash := hasher.New(token.KindCode)
	refresh, refreshHash := hasher.New(token.KindRefresh)
	session := sessionText(now.Add(time.Hour), false)
	scopes := recipient().Scopes
	s := &rows{
		code: token.Code{
			Hash: codeHash, Grant: "g", Recipient: "app", RequestID: "chain", RedirectURI: callback, Challenge: challenge,
			Scopes: scopes, Session: session, IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		},
		refresh: token.Refresh{Hash: refreshHash, Grant: "g", Recipient: "app", RequestID: "chain", Scopes: scopes, Session: session},
	}
	e, err := New(config(s, hasher))
	if err != nil {
		t.Fatal(err)
	}
	return bench{e, s, code.Reveal(), refresh.Reveal()}
}

func config(s Store, h *token.Hasher) Config {
	return Config{
		Store: s, Hasher: h, PushedLife: 120 * time.Second, CodeLife: 45 * time.Second, AccessLife: 900 * time.Second,
		IDToken: func(context.Context, consent.Recipient, Identity) (string, error) { return "id", nil },
		Now:     func() time.Time { return now },
	}
}

func sessionText(end time.Time, oneTime bool) []byte {
	b, err := json.Marshal(grantState{ExpiresAt: end, OneTime: oneTime})
	if err != nil {
		panic(err)
	}
	return b
}

func (b bench) redeem(with Binding) (Answer, error) {
	return b.ask(with, b.store.presented(), url.Values{
		"grant_type": {"authorization_code"}, "code": {b.code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	})
}

func (b bench) ask(with Binding, p token.Presented, form url.Values) (Answer, error) {
	return b.Token(context.Background(), Request{Client: recipient(), Form: form, Binding: with, Presented: p, Take: noProofs})
}

// noProofs are the proofs of a request that had none.
func noProofs() []token.Proof { return nil }

func (b bench) renew(with Binding) (Answer, error) {
	p := b.store.presented()
	p.Refused = nil // of the code
	return b.ask(with, p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {b.refresh}})
}

// both are the two grants, each of which makes an access token.
func (b bench) both() map[string]func(Binding) (Answer, error) {
	return map[string]func(Binding) (Answer, error){"code": b.redeem, "refresh": b.renew}
}

func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// The order of the handlers is security relevant: the key must be compared
// before PKCE, and both before anything is stored.
func TestHandlerOrder(t *testing.T) {
	t.Parallel()
	c := newBench(t).config
	for name, tt := range map[string]struct {
		handlers any
		want     []string
	}{
		"token":         {c.TokenEndpointHandlers, []string{"*oauth2.AuthorizeExplicitGrantHandler", "*engine.refreshGrant", "engine.senderConstraint", "*pkce.Handler"}},
		"authorize":     {c.AuthorizeEndpointHandlers, []string{"*oauth2.AuthorizeExplicitGrantHandler", "*pkce.Handler"}},
		"PAR":           {c.PushedAuthorizeEndpointHandlers, []string{"*par.PushedAuthorizeHandler"}},
		"introspection": {c.TokenIntrospectionHandlers, nil},
		"revocation":    {c.RevocationHandlers, nil},
	} {
		var got []string
		list := reflect.ValueOf(tt.handlers)
		for i := range list.Len() {
			got = append(got, fmt.Sprintf("%T", list.Index(i).Interface()))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// What fosite reads and writes belongs to one request. Every method is called
// here, so that a new one is looked at as well.
func TestStorageOutsideARequestRefuses(t *testing.T) {
	t.Parallel()
	// These do nothing at all, whoever calls them.
	idle := []string{"BeginTX", "Rollback", "CreatePKCERequestSession", "DeletePKCERequestSession", "DeletePARSession"}
	b := newBench(t)
	s := reflect.ValueOf(&storage{cfg: b.cfg})
	seen := 0
	for i := range s.NumMethod() {
		name := s.Type().Method(i).Name
		if slices.Contains(idle, name) {
			continue
		}
		seen++
		m := s.Method(i)
		in := []reflect.Value{reflect.ValueOf(context.Background())}
		for j := 1; j < m.Type().NumIn(); j++ {
			in = append(in, reflect.Zero(m.Type().In(j)))
		}
		out := m.Call(in)
		if err, _ := out[len(out)-1].Interface().(error); err == nil {
			t.Errorf("%s works outside a request", name)
		}
		for _, o := range out[:len(out)-1] {
			if !o.IsZero() {
				t.Errorf("%s returns something outside a request", name)
			}
		}
	}
	if seen < 15 || len(b.store.stored()) != 0 {
		t.Errorf("%d methods called, %d tokens stored", seen, len(b.store.stored()))
	}
}

// fosite's own ways to find or authenticate a client lead nowhere.
func TestFositeKnowsNoClientButTheAuthenticatedOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := withUnit(context.Background(), &unit{client: newClient(recipient())})
	s := &storage{cfg: b.cfg}
	if c, err := s.GetClient(ctx, "app"); err != nil || c.GetID() != "app" {
		t.Errorf("%v, %v", c, err)
	}
	for _, id := range []string{"", "other", "APP"} {
		if c, err := s.GetClient(ctx, id); !errors.Is(err, fosite.ErrNotFound) || c != nil {
			t.Errorf("%q: %v, %v", id, c, err)
		}
	}
	if c, err := authenticated(context.Background(), nil, url.Values{"client_id": {"app"}}); !errors.Is(err, fosite.ErrInvalidClient) || c != nil {
		t.Errorf("without a request: %v, %v", c, err)
	}
	var c any = newClient(recipient())
	if _, ok := c.(fosite.OpenIDConnectClient); ok {
		t.Error("the client switches fosite's request objects on")
	}
	if c.(fosite.Client).IsPublic() || c.(fosite.Client).GetHashedSecret() != nil || (noSecrets{}).Compare(ctx, nil, nil) == nil {
		t.Error("the client could be let in by a secret")
	}
}

// Whatever a stored session says, the key is the one that was proved.
func TestABindingIsNeverLost(t *testing.T) {
	t.Parallel()
	end := now.Add(time.Hour).Format(time.RFC3339)
	for name, session := range map[string]string{
		"as it is":            string(sessionText(now.Add(time.Hour), false)),
		"with a null binding": `{"expires_at":"` + end + `","cnf":null,"binding":null,"KeyThumbprint":""}`,
		"with another key":    `{"expires_at":"` + end + `","cnf":{"jkt":"evil"},"KeyThumbprint":"evil"}`,
	} {
		for _, with := range []Binding{{KeyThumbprint: jkt}, {CertThumbprint: "x5t"}} {
			b := newBench(t)
			b.store.code.Session, b.store.refresh.Session = []byte(session), []byte(session)
			for grant, ask := range b.both() {
				a, err := ask(with)
				if err != nil {
					t.Fatalf("%s, %s: %v", name, grant, err)
				}
				if a.Record.KeyThumbprint != with.KeyThumbprint || a.Record.CertThumbprint != with.CertThumbprint {
					t.Errorf("%s, %s: bound to %+v", name, grant, a.Record)
				}
			}
			for _, a := range b.store.stored() {
				if a.KeyThumbprint != with.KeyThumbprint || a.CertThumbprint != with.CertThumbprint {
					t.Errorf("%s: stored %+v", name, a)
				}
			}
			if len(b.store.stored()) != 2 {
				t.Errorf("%s: %d tokens stored", name, len(b.store.stored()))
			}
		}
	}
}

func TestNoTokenWithoutExactlyOneBinding(t *testing.T) {
	t.Parallel()
	for _, with := range []Binding{{}, {KeyThumbprint: jkt, CertThumbprint: "x5t"}} {
		b := newBench(t)
		for grant, ask := range b.both() {
			if a, err := ask(with); codeOf(err) != InvalidRequest || a.Access != (token.Token{}) {
				t.Errorf("%s with %+v: %v", grant, with, err)
			}
		}
		if len(b.store.stored()) != 0 {
			t.Errorf("stored: %+v", b.store.stored())
		}
	}
}

// The sender constraint is a handler, and lists of handlers change. Without
// it nothing unbound is stored all the same.
func TestNothingUnboundIsStoredWhateverTheHandlersDo(t *testing.T) {
	t.Parallel()
	for _, with := range []Binding{{}, {KeyThumbprint: jkt, CertThumbprint: "x5t"}} {
		b := newBench(t)
		b.config.TokenEndpointHandlers = slices.DeleteFunc(b.config.TokenEndpointHandlers, func(h fosite.TokenEndpointHandler) bool {
			_, is := h.(senderConstraint)
			return is
		})
		for grant, ask := range b.both() {
			if a, err := ask(with); codeOf(err) != ServerError || a.Access != (token.Token{}) {
				t.Errorf("%s with %+v: %v", grant, with, err)
			}
		}
		if len(b.store.stored()) != 0 {
			t.Errorf("stored: %+v", b.store.stored())
		}
	}
}

// A composition in which nobody stores must not hand anything out.
func TestNothingLeavesThatWasNotStored(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.config.TokenEndpointHandlers = fosite.TokenEndpointHandlers{free{}}
	if a, err := b.redeem(Binding{KeyThumbprint: jkt}); codeOf(err) != ServerError || a.Access != (token.Token{}) {
		t.Errorf("%v", err)
	}
}

// free gives a token to everybody.
type free struct{ senderConstraint }

func (free) PopulateTokenEndpointResponse(_ context.Context, _ fosite.AccessRequester, r fosite.AccessResponder) error {
	r.SetAccessToken("free")
	r.SetTokenType("DPoP")
	return nil
}

func TestACodeForOneKeyIsForThatKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.store.code.KeyThumbprint = jkt
	for _, with := range []Binding{{KeyThumbprint: "another"}, {CertThumbprint: jkt}} {
		if _, err := b.redeem(with); codeOf(err) != InvalidGrant {
			t.Errorf("%+v: %v", with, err)
		}
	}
	if len(b.store.stored()) != 0 {
		t.Error("something was stored")
	}
	if _, err := b.redeem(Binding{KeyThumbprint: jkt}); err != nil {
		t.Errorf("the right key: %v", err)
	}
}

// A code row without a challenge, should there be one, is worth nothing.
func TestACodeWithoutAChallengeIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.store.code.Challenge = ""
	for _, verifier := range []string{"", verifier} {
		_, err := b.ask(Binding{KeyThumbprint: jkt}, b.store.presented(), url.Values{
			"grant_type": {"authorization_code"}, "code": {b.code}, "redirect_uri": {callback}, "code_verifier": {verifier},
		})
		if err == nil || len(b.store.stored()) != 0 {
			t.Errorf("verifier %q: given", verifier)
		}
	}
}

func TestAOneTimeGrantMakesNoRefreshToken(t *testing.T) {
	t.Parallel()
	for _, oneTime := range []bool{true, false} {
		b := newBench(t)
		b.store.code.Session = sessionText(now.Add(time.Hour), oneTime)
		a, err := b.redeem(Binding{KeyThumbprint: jkt})
		if err != nil || len(b.store.redeemed) != 1 {
			t.Fatal(err)
		}
		if r := b.store.redeemed[0].Refresh; a.HasRefresh() == oneTime || (r == nil) != oneTime {
			t.Errorf("one-time %t: handed out %t, stored %v", oneTime, a.HasRefresh(), r)
		}
		// Nor is one stored, should fosite make one.
		u := &unit{client: newClient(recipient()), code: &b.store.code, session: grantState{OneTime: oneTime}}
		err = (&storage{cfg: b.cfg}).CreateRefreshTokenSession(withUnit(t.Context(), u), b.store.refresh.Hash.String(), "", fosite.NewRequest())
		if err != nil || (u.renew == nil) != oneTime {
			t.Errorf("one-time %t: kept %v, %v", oneTime, u.renew, err)
		}
	}
}

func TestWhatIsStoredOfTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a, err := b.redeem(Binding{KeyThumbprint: jkt})
	if err != nil {
		t.Fatal(err)
	}
	r := b.store.redeemed[0]
	start := now.Truncate(time.Second)
	want := token.Access{
		Hash: a.Record.Hash, Grant: "g", Recipient: "app", RequestID: "chain", Scopes: recipient().Scopes,
		KeyThumbprint: jkt, IssuedAt: start, ExpiresAt: start.Add(900 * time.Second),
	}
	if r.Code != b.store.code.Hash || !reflect.DeepEqual(r.Access, want) || !reflect.DeepEqual(a.Record, want) {
		t.Errorf("access: %+v\nwant    %+v", r.Access, want)
	}
	f := r.Refresh
	if f.Grant != "g" || f.Recipient != "app" || f.RequestID != "chain" || !f.ExpiresAt.Equal(now.Add(time.Hour)) || !slices.Equal(f.Scopes, want.Scopes) {
		t.Errorf("refresh: %+v", f)
	}
	h, err := b.cfg.Hasher.Hash(token.KindAccess, a.Access.Reveal())
	if err != nil || h != want.Hash {
		t.Errorf("the token handed out is not the token stored: %v", err)
	}
	h, err = b.cfg.Hasher.Hash(token.KindRefresh, a.Refresh.Reveal())
	if err != nil || h != f.Hash {
		t.Errorf("the refresh token handed out is not the one stored: %v", err)
	}
	for _, secret := range []string{a.Access.Reveal(), a.Refresh.Reveal(), b.code} {
		if strings.Contains(fmt.Sprintf("%+v %s %s", r, r.Refresh.Session, b.store.code.Session), secret) {
			t.Error("a secret is stored")
		}
	}
}

func TestAccessEndsWithItsGrant(t *testing.T) {
	t.Parallel()
	start := now.Truncate(time.Second)
	for name, tt := range map[string]struct{ grant, want time.Time }{
		"later":      {start.Add(time.Hour), start.Add(900 * time.Second)},
		"at once":    {start.Add(900 * time.Second), start.Add(900 * time.Second)},
		"sooner":     {start.Add(100 * time.Second), start.Add(100 * time.Second)},
		"over":       {start.Add(-time.Second), start.Add(-time.Second)},
		"never said": {time.Time{}, time.Time{}},
	} {
		b := newBench(t)
		b.store.code.Session = sessionText(tt.grant, false)
		b.store.refresh.Session = b.store.code.Session
		for grant, ask := range b.both() {
			if a, err := ask(Binding{KeyThumbprint: jkt}); err != nil || !a.Record.ExpiresAt.Equal(tt.want) {
				t.Errorf("%s, %s: until %s (%v), want %s", name, grant, a.Record.ExpiresAt, err, tt.want)
			}
		}
	}
}

func TestASessionThatCannotBeReadGivesNothing(t *testing.T) {
	t.Parallel()
	for _, session := range []string{"", "x", "[]", `{"expires_at":1}`} {
		b := newBench(t)
		b.store.code.Session, b.store.refresh.Session = []byte(session), []byte(session)
		for grant, ask := range b.both() {
			if _, err := ask(Binding{KeyThumbprint: jkt}); err == nil {
				t.Errorf("%q, %s: given", session, grant)
			}
		}
		if len(b.store.stored()) != 0 {
			t.Errorf("%q: stored", session)
		}
	}
}

// What the store says comes out, not what fosite makes of it.
func TestWhatTheStoreSaysDecides(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want string // code, "" for the error itself
	}{
		"not found":   {token.ErrNotFound, InvalidGrant},
		"revoked":     {token.ErrRevoked, InvalidGrant},
		"unavailable": {consent.ErrUnavailable, ""},
		"anything":    {errors.New("anything"), ""},
	} {
		b := newBench(t)
		b.store.err = tt.err
		for grant, ask := range b.both() {
			a, err := ask(Binding{KeyThumbprint: jkt})
			if a.Access != (token.Token{}) || !errors.Is(err, tt.err) || tt.want != "" && codeOf(err) != tt.want {
				t.Errorf("%s, %s: %v", name, grant, err)
			}
		}
	}
	b := newBench(t)
	b.store.err = token.ErrUsed // a race that was lost
	var used *UsedError
	if _, err := b.redeem(Binding{KeyThumbprint: jkt}); !errors.As(err, &used) || used.Grant != "g" {
		t.Errorf("a lost race: %v", err)
	}
	b = newBench(t)
	b.store.code.UsedAt = now
	if _, err := b.redeem(Binding{}); !errors.As(err, &used) || used.Grant != "g" { // also without a proof
		t.Errorf("a used code: %v", err)
	}
	used = nil
	b.store.code.Recipient = "other"
	if _, err := b.redeem(Binding{KeyThumbprint: jkt}); errors.As(err, &used) || codeOf(err) != InvalidGrant {
		t.Errorf("somebody else's used code: %v", err)
	}
	b.store.code.UsedAt, b.store.refresh.Recipient = time.Time{}, "other"
	for grant, ask := range b.both() {
		if _, err := ask(Binding{KeyThumbprint: jkt}); codeOf(err) != InvalidGrant {
			t.Errorf("somebody else's %s: %v", grant, err)
		}
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pushed := token.Pushed{
		Recipient: "app", KeyThumbprint: jkt,
		Params: map[string]string{"response_type": "code", "redirect_uri": callback, "code_challenge": challenge, "code_challenge_method": "S256"},
	}
	grant := consent.Grant{
		ID: "g", Recipient: "app", ExpiresAt: now.Add(time.Hour), Duration: consent.OneTime,
		Resources: []consent.Resource{{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.Transactions)}},
	}
	secret, code, err := b.Issue(t.Context(), recipient(), pushed, grant, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := b.cfg.Hasher.Hash(token.KindCode, secret.Reveal())
	if err != nil || code.Hash != h || code.Grant != "g" || code.Recipient != "app" || code.RequestID == "" || code.RedirectURI != callback ||
		code.Challenge != challenge || code.KeyThumbprint != jkt || !slices.Equal(code.Scopes, []fdx.Scope{fdx.Transactions.Scope()}) ||
		!code.ExpiresAt.Equal(now.Truncate(time.Second).Add(45*time.Second)) || !bytes.Equal(code.Session, sessionText(now.Add(time.Hour), true)) {
		t.Errorf("%+v, %v", code, err)
	}
	if _, again, err := b.Issue(t.Context(), recipient(), pushed, grant, nil); err != nil || again.Hash == code.Hash || again.RequestID == code.RequestID {
		t.Errorf("a second code is the first: %v", err)
	}
	id := &Identity{Consumer: "p", AuthTime: 7, Nonce: "n", ACR: "a"}
	if _, code, err = b.Issue(t.Context(), recipient(), pushed, grant, id); err != nil ||
		!slices.Equal(code.Scopes, []fdx.Scope{fdx.ScopeOpenID, fdx.Transactions.Scope()}) {
		t.Errorf("with openid: %+v, %v", code, err)
	}
	var kept grantState
	if err := json.Unmarshal(code.Session, &kept); err != nil || *kept.Identity != *id || !kept.OneTime || !kept.ExpiresAt.Equal(grant.ExpiresAt) {
		t.Errorf("with openid: %s, %v", code.Session, err)
	}
	for name, bend := range map[string]func(*token.Pushed){
		"of another client":      func(p *token.Pushed) { p.Recipient = "other" },
		"without a challenge":    func(p *token.Pushed) { delete(p.Params, "code_challenge") },
		"with a plain challenge": func(p *token.Pushed) { p.Params["code_challenge_method"] = "plain" },
		"without a redirect":     func(p *token.Pushed) { delete(p.Params, "redirect_uri") },
		"to http":                func(p *token.Pushed) { p.Params["redirect_uri"] = "http://app.example/cb" },
	} {
		p := pushed
		p.Params = map[string]string{}
		for k, v := range pushed.Params {
			p.Params[k] = v
		}
		bend(&p)
		if secret, code, err := b.Issue(t.Context(), recipient(), p, grant, nil); err == nil || secret != (token.Token{}) || !code.Hash.IsZero() {
			t.Errorf("%s: issued", name)
		}
	}
}

// The ID token is made when nothing else can refuse any more, and before the
// code is redeemed.
func TestTheIDTokenComesBeforeTheRedemption(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var made []Identity
	var fault error
	b.cfg.IDToken = func(_ context.Context, r consent.Recipient, id Identity) (string, error) {
		if r.ID != "app" || len(b.store.redeemed) != 0 {
			t.Errorf("made for %s after %d redemptions", r.ID, len(b.store.redeemed))
		}
		made = append(made, id)
		return "signed", fault
	}
	var err error
	if b.Engine, err = New(b.cfg); err != nil {
		t.Fatal(err)
	}
	if a, err := b.redeem(Binding{KeyThumbprint: jkt}); err != nil || a.IDToken != "" || len(made) != 0 {
		t.Errorf("without openid: %+v, %v", a, err)
	}
	b.store.redeemed = nil
	state, err := json.Marshal(grantState{ExpiresAt: now.Add(time.Hour), Identity: &Identity{Consumer: "p", Nonce: "n"}})
	if err != nil {
		t.Fatal(err)
	}
	b.store.code.Session, b.store.refresh.Session = state, state

	if _, err := b.redeem(Binding{}); err == nil || len(made) != 0 {
		t.Errorf("made for a request without a proof: %v", err)
	}
	fault = errors.New("no key")
	if a, err := b.redeem(Binding{KeyThumbprint: jkt}); !errors.Is(err, fault) || a.IDToken != "" || len(b.store.redeemed) != 0 {
		t.Errorf("not signed: %+v, %v, %d redemptions", a, err, len(b.store.redeemed))
	}
	fault = nil
	if a, err := b.redeem(Binding{KeyThumbprint: jkt}); err != nil || a.IDToken != "signed" || len(b.store.redeemed) != 1 ||
		len(made) != 2 || made[1] != (Identity{Consumer: "p", Nonce: "n"}) {
		t.Errorf("%+v, %v, made %+v", a, err, made)
	}
	if a, err := b.renew(Binding{KeyThumbprint: jkt}); err != nil || a.IDToken != "" || len(made) != 2 {
		t.Errorf("on refresh: %+v, %v", a, err)
	}
}

func TestNewChecksItsLives(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, bend := range map[string]func(*Config){
		"no store":                    func(c *Config) { c.Store = nil },
		"no hasher":                   func(c *Config) { c.Hasher = nil },
		"no ID tokens":                func(c *Config) { c.IDToken = nil },
		"no clock":                    func(c *Config) { c.Now = nil },
		"a request_uri of 600 s":      func(c *Config) { c.PushedLife = 600 * time.Second },
		"a request_uri of no time":    func(c *Config) { c.PushedLife = 0 },
		"a code of 61 s":              func(c *Config) { c.CodeLife = 61 * time.Second },
		"a code of no time":           func(c *Config) { c.CodeLife = 0 },
		"an access token of 901 s":    func(c *Config) { c.AccessLife = 901 * time.Second },
		"an access token of no time":  func(c *Config) { c.AccessLife = 0 },
		"an access token of the past": func(c *Config) { c.AccessLife = -time.Second },
	} {
		c := config(b.store, b.cfg.Hasher)
		bend(&c)
		if e, err := New(c); err == nil || e != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// No name and no text of fosite's may come out.
func TestFositesWordsAreTranslated(t *testing.T) {
	t.Parallel()
	known := []string{InvalidRequest, InvalidGrant, InvalidScope, InvalidClient, UnsupportedGrantType, UnsupportedResponseType, ServerError}
	for _, err := range []error{
		fosite.ErrInvalidatedAuthorizeCode, fosite.ErrRequestUnauthorized, fosite.ErrRequestForbidden, fosite.ErrInvalidRequest,
		fosite.ErrUnauthorizedClient, fosite.ErrAccessDenied, fosite.ErrUnsupportedResponseType, fosite.ErrUnsupportedResponseMode,
		fosite.ErrInvalidScope, fosite.ErrServerError, fosite.ErrTemporarilyUnavailable, fosite.ErrUnsupportedGrantType, fosite.ErrInvalidGrant,
		fosite.ErrInvalidClient, fosite.ErrInvalidState, fosite.ErrMisconfiguration, fosite.ErrInsufficientEntropy, fosite.ErrNotFound,
		fosite.ErrJTIKnown, fosite.ErrTokenExpired, fosite.ErrInvalidRequestURI, fosite.ErrRegistrationNotSupported, errors.New("anything"),
	} {
		var e *Error
		if got := (&unit{}).outcome(err); !errors.As(got, &e) || !slices.Contains(known, e.Code) || e.Text == "" || len(e.Text) > 120 ||
			strings.ContainsFunc(e.Text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) || !errors.Is(got, err) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
