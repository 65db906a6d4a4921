package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
)

// bankProvider is the bank's own OpenID provider, cut down to what it takes to
// sign in. banklogin has the tests of what is refused.
type bankProvider struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	who    string                // guarded by mu
	visits map[string]url.Values // by code; guarded by mu
}

const bankSecret = "secret at the bank"

func newBankProvider(t *testing.T, pair tls.Certificate) *bankProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p := &bankProvider{key: key, visits: map[string]url.Values{}}
	p.Server = httptest.NewUnstartedServer(p)
	p.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *bankProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/login", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	case "/keys":
		answer(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	case "/token":
		p.mu.Lock()
		defer p.mu.Unlock()
		asked, known := p.visits[r.PostFormValue("code")]
		delete(p.visits, r.PostFormValue("code"))
		if _, password, _ := r.BasicAuth(); !known || password != url.QueryEscape(bankSecret) {
			w.WriteHeader(http.StatusBadRequest)
			answer(map[string]any{"error": "invalid_grant"})
			return
		}
		now := time.Now()
		claims, _ := json.Marshal(map[string]any{
			"iss": p.URL, "aud": "headgate", "sub": "s", "customer": p.who, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			"auth_time": now.Unix(), "nonce": asked.Get("nonce"), "acr": asked.Get("acr_values"),
		})
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
		if err != nil {
			return
		}
		jws, _ := signer.Sign(claims)
		token, _ := jws.CompactSerialize()
		answer(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": token})
	default:
		http.NotFound(w, r)
	}
}

// visit is what the person does there: they sign in, and are sent back.
func (p *bankProvider) visit(t *testing.T, b *browser.Browser, page *browser.Page) *browser.Page {
	t.Helper()
	if page.Left == nil || !strings.HasPrefix(page.Left.String(), p.URL+"/login?") {
		t.Fatalf("not sent to the bank: %s", page)
	}
	asked, code := page.Left.Query(), rand.Text()
	p.mu.Lock()
	p.visits[code] = asked
	p.mu.Unlock()
	back, err := b.Arrive(t.Context(), asked.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {asked.Get("state")}}.Encode())
	must(t, err)
	return back
}

// Somebody shares account numbers with nothing but the bank's own sign-in: no
// password and no code of ours.
func TestSignInAtTheBanksOwnProvider(t *testing.T) {
	t.Parallel()
	var p *bankProvider
	d := deployWith(t, func(a *authzd.Config, _ *gatewayd.Config) {
		if p == nil {
			pair, err := tls.LoadX509KeyPair(a.TLSCertFile, a.TLSKeyFile)
			must(t, err)
			p = newBankProvider(t, pair)
		}
		secret := filepath.Join(t.TempDir(), "secret")
		must(t, certs.WritePrivate(secret, []byte(bankSecret)))
		u, err := url.Parse(p.URL)
		must(t, err)
		a.OIDCIssuer, a.OIDCClientID, a.OIDCSecretFile, a.OIDCStepUp, a.OIDCConsumer = p.URL, "headgate", secret, "two", "customer"
		a.OutboundCAFile, a.OutboundAllow, a.OutboundPorts = a.ClientCAFile, []string{"127.0.0.0/8"}, []string{u.Port()}
	})
	ctx, app := t.Context(), d.client(t, "alpha")
	saver, err := d.bank.Customer(ctx, "saver")
	must(t, err)
	p.who = string(saver.ID)
	r, err := d.db.Recipients().Recipient(ctx, "alpha")
	must(t, err)
	r.Scopes = fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...))
	r.Purposes[0].Code, r.Purposes[0].Clusters = "switching", fdx.NewClusters(fdx.AllClusters()...)
	must(t, d.db.Recipients().PutRecipient(ctx, r))
	attempt, err := recipient.Ask(recipient.ConsentRequest{
		DurationType: recipient.TimeBound, DurationPeriod: 30, LookbackPeriod: 30,
		Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: []string{"ACCOUNT_BASIC", "PAYMENT_SUPPORT"}}},
	})
	must(t, err)
	pushed, err := app.Push(ctx, attempt)
	must(t, err)
	b := d.person(t)
	page, err := b.Arrive(ctx, app.AuthorizationURL(pushed.RequestURI))
	must(t, err)
	press := func(id string) {
		t.Helper()
		page, err = b.Press(ctx, page, id)
		must(t, err)
	}
	press("login_submit")
	page = p.visit(t, b, page)
	press("accounts_select_all")
	press("accounts_continue")
	press("consent_approve")
	press("step_up_continue")
	page = p.visit(t, b, page)
	if page.Left == nil {
		t.Fatalf("not sent back to the app: %s", page)
	}
	code, err := app.ReadRedirect(page.Left, attempt)
	must(t, err)
	tok, err := app.Redeem(ctx, attempt, code)
	must(t, err)
	if got, _ := accounts(t, app, tok); got.status != http.StatusOK {
		t.Errorf("a read: %v", got)
	}
	notes, err := d.db.SignIns().SignIns(ctx, consent.ConsumerID(p.who), 5)
	must(t, err)
	if len(notes) != 2 || notes[0].Method != login.BankLogin {
		t.Errorf("noted %+v", notes)
	}
}
