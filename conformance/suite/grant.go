package suite

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/conformance/browser"
)

// Persona is somebody who can sign in, by name; "" for the first. Cases that
// name one need the claim Personas.
func (t *T) Persona(name string) Persona {
	if name == "" {
		return t.Target.Personas[0]
	}
	t.Needs(Personas)
	for _, p := range t.Target.Personas {
		if p.Name == name {
			return p
		}
	}
	t.Cannot("find a persona", fmt.Errorf("the target file has no %s", name))
	return Persona{}
}

// Decision is what the consumer says at the end of the journey.
type Decision string

// The decisions.
const (
	Approve Decision = "approve"
	Deny    Decision = "deny"
)

// Walk has the persona of the attempt follow the journey from an address to
// the decision. It returns the last page: Left is where the consumer was sent
// back to, nil when the journey ended elsewhere, such as on a problem page.
func (t *T) Walk(b Person, a *Attempt, address string, decision Decision) *browser.Page {
	page, err := t.TryWalk(b, a, address, decision)
	if err != nil {
		t.Cannot("walk through the consent pages", err)
	}
	return page
}

// maxPages bounds a journey, and maxLooks how often a page is looked at again
// on which there is no way on yet.
const (
	maxPages = 15
	maxLooks = 10
)

// TryWalk is Walk for journeys that may end on a page without a way on; that
// page is returned with an error. Safe for concurrent use.
func (t *T) TryWalk(b Person, a *Attempt, address string, decision Decision) (*browser.Page, error) {
	who, ids := t.Persona(a.Ask.Persona), t.Target.Pages
	page, err := b.Arrive(t.ctx, address)
	signedIn, chosen, proved, looked := 0, false, false, 0
	for range maxPages + maxLooks {
		if err != nil || page.Left != nil {
			return page, err
		}
		if page.Has(ids.Problem) {
			if says, err := page.TextOf(ids.Problem); err == nil {
				t.Logf("the bank shows a problem page with status %d: %s", page.Status, says)
			}
			return page, nil
		}
		final := ids.Approve
		if decision == Deny {
			final = ids.Deny
		}
		switch {
		case page.Find(final) != "" && (decision == Deny || page.Find(ids.Continue) == "" || ids.Continue == ids.Approve && chosen):
			page, err = b.Press(t.ctx, page, page.Find(final))
		case page.Find(ids.SignIn) != "" && page.Find(ids.Username) != "" && signedIn < 2:
			signedIn++
			err = errors.Join(page.Fill(page.Find(ids.Username), who.Username), page.Fill(page.Find(ids.Password), who.Password))
			if err == nil {
				// One at a time: many at once look like somebody guessing.
				unlock := t.world.signingIn(who.Username)
				page, err = b.Press(t.ctx, page, page.Find(ids.SignIn))
				unlock()
			}
		case page.Find(ids.Code) != "" && page.Find(ids.CodeContinue) != "" && !proved:
			proved = true
			if err = t.enterCode(page); err == nil {
				page, err = b.Press(t.ctx, page, page.Find(ids.CodeContinue))
			}
		case page.Find(ids.Continue) != "" && !chosen:
			chosen = true
			if page, err = t.choose(b, page, a.Ask.Accounts); err == nil {
				page, err = b.Press(t.ctx, page, page.Find(ids.Continue))
			}
		default:
			more, looks := b.(looker)
			if !looks || looked == maxLooks {
				return page, fmt.Errorf("no way on from %s", page)
			}
			looked++
			page, err = more.Look(t.ctx)
		}
	}
	return page, errors.Join(err, errors.New("the journey does not end"))
}

// signingIn waits until nobody else of the run signs in by this name.
func (w *world) signingIn(username string) (done func()) {
	one, _ := w.signIns.LoadOrStore(username, &sync.Mutex{})
	one.(*sync.Mutex).Lock()
	return one.(*sync.Mutex).Unlock
}

var sixDigits = regexp.MustCompile(`\b[0-9]{6}\b`)

// enterCode fills in the one-time code of the message that the page speaks of.
func (t *T) enterCode(page *browser.Page) error {
	if t.Target.Mailbox == "" {
		return errors.New("a one-time code is asked for, and the target file names no mailbox")
	}
	reference, err := page.TextOf(page.Find(t.Target.Pages.CodeReference))
	if err != nil {
		return err
	}
	resp, err := t.TrySend(Get(t.Target.Mailbox + "?text=" + url.QueryEscape(reference)))
	if err != nil {
		return err
	}
	code := sixDigits.Find(resp.Body)
	if resp.Status != http.StatusOK || code == nil {
		return fmt.Errorf("no message with a code has come (status %d)", resp.Status)
	}
	return page.Fill(page.Find(t.Target.Pages.Code), string(code))
}

// choose ticks accounts; all when none are named.
func (t *T) choose(b Person, page *browser.Page, accounts []int) (*browser.Page, error) {
	ids := t.Target.Pages
	if accounts == nil {
		if id := page.Find(ids.SelectAll); id != "" {
			return b.Press(t.ctx, page, id)
		}
		return page, nil
	}
	var boxes []string
	for _, id := range page.IDs(ids.AccountBox) {
		if kind, _ := page.Attr(id, "type"); kind == "checkbox" {
			if _, off := page.Attr(id, "disabled"); !off {
				boxes = append(boxes, id)
			}
		}
	}
	for _, i := range accounts {
		if i >= len(boxes) {
			return nil, fmt.Errorf("there are %d accounts on the page, and none with number %d", len(boxes), i)
		}
		if err := page.Tick(boxes[i]); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// Answer reads what came back with the consumer: the query, or the claims of
// the signed answer (JARM), of which only the form is checked here.
func (t *T) Answer(left *url.URL, a *Attempt) url.Values {
	query, err := url.ParseQuery(left.RawQuery)
	if err != nil {
		t.Fatalf("the parameters of the redirect cannot be read")
	}
	signed := query.Get("response")
	if signed == "" {
		return query
	}
	claims := Claimset(signed)
	if claims == nil {
		t.Fatalf("response is not a JWT")
	}
	out := url.Values{}
	for name, value := range claims {
		if s, ok := value.(string); ok {
			out.Set(name, s)
		}
	}
	return out
}

// Claimset is the claims of a compact JWT, whoever has signed it; nil when
// it is none.
func Claimset(compact string) map[string]any {
	_, claims := split(compact)
	return claims
}

// Headerset is the header of a compact JWT; nil when it is none.
func Headerset(compact string) map[string]any {
	header, _ := split(compact)
	return header
}

func split(compact string) (header, claims map[string]any) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, nil
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return nil, nil
		}
	}
	return header, claims
}

// Code walks from a pushed request to the authorization code.
func (t *T) Code(app *App, ask Ask) *Attempt {
	a := t.Push(app, ask)
	t.CodeOf(a)
	return a
}

// CodeOf is Code for an attempt that was pushed already.
func (t *T) CodeOf(a *Attempt) {
	page := t.Walk(t.Person(), a, t.AuthorizeURL(a), Approve)
	if page.Left == nil {
		t.Cannot("obtain a consent", fmt.Errorf("the journey ended on %s", page))
	}
	answer := t.Answer(page.Left, a)
	if a.Code = answer.Get("code"); a.Code == "" {
		t.Cannot("obtain a consent", fmt.Errorf("the app was told %s", answer.Get("error")))
	}
}

// TokenRequest redeems the attempt's code.
func (t *T) TokenRequest(a *Attempt) *Request {
	return t.Post(a.App, "token_endpoint", url.Values{
		"grant_type": {"authorization_code"}, "code": {a.Code}, "redirect_uri": {a.App.RedirectURI}, "code_verifier": {a.Verifier},
	}, a.Key)
}

// Grant is a consent in use.
type Grant struct {
	App     *App
	Attempt *Attempt
	Key     *Key // what the access token is bound to
	Access  string
	Refresh string
	// ID is grant_id, and the FDX consent id.
	ID string
	// Token is the whole answer of the token endpoint. Read it; do not
	// change it.
	Token map[string]any
	// At is when it was issued.
	At time.Time
}

// Redeem trades the code for tokens.
func (t *T) Redeem(a *Attempt) *Grant {
	return t.GrantOf(a, t.Send(t.TokenRequest(a)))
}

// GrantOf reads tokens out of an answer that has to be a 200.
func (t *T) GrantOf(a *Attempt, resp *Response) *Grant {
	g := &Grant{App: a.App, Attempt: a, Key: a.Key, Token: resp.Object(), At: time.Now()}
	g.Access, g.Refresh, g.ID = resp.Text("access_token"), resp.Text("refresh_token"), resp.Text("grant_id")
	if g.ID == "" {
		g.ID = resp.Text("fdxConsentId")
	}
	if resp.Status != http.StatusOK || g.Access == "" {
		t.Cannot("obtain a token", fmt.Errorf("status %d%s", resp.Status, resp.said()))
	}
	return g
}

// Grant obtains a consent of the case's own: it may be changed and ended.
func (t *T) Grant(app *App, ask Ask) *Grant { return t.Redeem(t.Code(app, ask)) }

// Shared is a consent that cases share, one per app and ask: it may be read
// with, and nothing else.
func (t *T) Shared(app *App, ask Ask) *Grant {
	// Access tokens live for some minutes; half of the shortest sensible life
	// keeps a fixture from ending under a case.
	return share(t, "grant "+app.ClientID+" "+ask.key(), 4*time.Minute, func(t *T) *Grant { return t.Grant(app, ask) })
}

// RefreshRequest asks for a new access token, bound to key.
func (t *T) RefreshRequest(g *Grant, key *Key) *Request {
	return t.Post(g.App, "token_endpoint", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh}}, key)
}

// CredentialsRequest asks for a token of the app's own (RFC 6749 section
// 4.4).
func (t *T) CredentialsRequest(app *App, scope string, key *Key) *Request {
	return t.Post(app, "token_endpoint", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}, key)
}

// Own is a token of the app's own, in the form of a Grant without consent,
// shared by cases. It needs the claim ClientCreds.
func (t *T) Own(app *App, scope string) *Grant {
	t.Needs(ClientCreds)
	return share(t, "own "+app.ClientID+" "+scope, 4*time.Minute, func(t *T) *Grant {
		a := &Attempt{App: app, Key: NewKey("ES256")}
		return t.GrantOf(a, t.Send(t.CredentialsRequest(app, scope, a.Key)))
	})
}

// RevokeRequest gives a token back (RFC 7009).
func (t *T) RevokeRequest(app *App, token string) *Request {
	return t.Post(app, "revocation_endpoint", url.Values{"token": {token}}, nil)
}

// IntrospectRequest asks what a token is worth (RFC 7662).
func (t *T) IntrospectRequest(rs *App, token string) *Request {
	return t.Post(rs, "introspection_endpoint", url.Values{"token": {token}}, nil)
}

// Call is a request with the grant's access token to any address: with a
// proof by its key, or with the certificate that it is bound to.
func (t *T) Call(g *Grant, method, address string) *Request {
	r := &Request{Method: method, URL: address, Header: http.Header{"Accept": {"application/json"}}}
	if !g.App.bound() {
		r.Header.Set("Authorization", "Bearer "+g.Access)
		r.Certificate = g.App.Cert
		return r
	}
	r.Header.Set("Authorization", "DPoP "+g.Access)
	r.Proof = NewProof(g.Key, method, address, g.Access)
	return r
}

// Read is a GET of a path below the resource base, such as /accounts, with
// an interaction id.
func (t *T) Read(g *Grant, path string) *Request {
	t.Needs(Resource)
	base := t.Target.ResourceBase
	if !g.App.bound() {
		base = t.Target.MTLSBase
	}
	r := t.Call(g, http.MethodGet, base+path)
	if t.Target.Claim(FDX) {
		r.Header.Set("x-fapi-interaction-id", NewUUID())
	}
	return r
}

// fixture is something that cases share: made by the first that needs it,
// while the others wait.
type fixture struct {
	mu     sync.Mutex // guards the rest
	made   time.Time
	value  any
	record *record
	broken string // why it could not be made; "" when it could
}

// share returns what produce makes, once per run, and again when it is
// older than life; 0 for never. When it cannot be made, every case that needs
// it has failed, and the exchanges are in the report of each.
func share[V any](t *T, key string, life time.Duration, produce func(t *T) V) V {
	entry, _ := t.world.shared.LoadOrStore(key, &fixture{})
	f := entry.(*fixture)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made.IsZero() || life > 0 && time.Since(f.made) > life {
		maker := &T{Target: t.Target, ctx: t.ctx, world: t.world, record: &record{}}
		<-apart(func() { f.value = produce(maker) })
		f.made, f.record, f.broken = time.Now(), maker.record, maker.why()
	}
	if f.broken != "" {
		t.record.append(f.record.all()...)
		t.Cannot("make what cases share", errors.New(f.broken))
	}
	v, ok := f.value.(V)
	if !ok {
		t.Cannot("make what cases share", errors.New("it was not made"))
	}
	return v
}

// apart runs f in a goroutine of its own, which T methods may end.
func apart(f func()) chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// why is what ended the T, "" when nothing did.
func (t *T) why() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.broken != "":
		return t.broken
	case t.unfit != "":
		return t.unfit
	case len(t.failed) > 0:
		return strings.Join(t.failed, "; ")
	}
	return ""
}

// detach is a T of the same case for another goroutine: T methods that end
// the case end the goroutine, and the case with it when the caller waits with
// Do.
func (t *T) detach() *T {
	return &T{Target: t.Target, ctx: t.ctx, world: t.world, record: t.record}
}

// Do runs what stands in each function at the same time, and ends the case
// when one of them ends early.
func (t *T) Do(each ...func(t *T)) {
	var done sync.WaitGroup
	parts := make([]*T, len(each))
	for i, f := range each {
		parts[i] = t.detach()
		done.Go(func() {
			<-apart(func() { f(parts[i]) })
		})
	}
	done.Wait()
	for _, part := range parts {
		t.checks.Add(part.checks.Load())
		t.mu.Lock()
		t.failed = append(t.failed, part.failed...)
		t.notes = append(t.notes, part.notes...)
		if t.broken == "" {
			t.broken = part.broken
		}
		if t.unfit == "" {
			t.unfit = part.unfit
		}
		ended := t.broken != "" || t.unfit != ""
		t.mu.Unlock()
		if ended {
			runtime.Goexit()
		}
	}
}

// HasClaim reports whether the target makes all of these claims.
func (t *T) HasClaim(claims ...Claim) bool {
	return !slices.ContainsFunc(claims, func(c Claim) bool { return !t.Target.Claim(c) })
}
