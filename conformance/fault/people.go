package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// The clusters that every consent here is about.
var clusters = []string{"ACCOUNT_BASIC", "TRANSACTIONS"}

// more are the clusters that a recipient may ask for besides, and does in the
// narrow consents of L1.
var more = []string{"ACCOUNT_DETAILED", "BALANCES"}

// lookback is how far back every consent here reaches, in days.
const lookback = 60

// app is one recipient.
type app struct {
	id     string
	config recipient.Config
	client *recipient.Client

	mu    sync.Mutex
	own   recipient.Token // of its own, to end consents and to subscribe; guarded by mu
	since time.Time       // when it got that; guarded by mu
}

// renewAfter is when a token is replaced, well before its end at 15 minutes.
const renewAfter = 8 * time.Minute

// itself returns the recipient's own token.
func (a *app) itself(ctx context.Context) recipient.Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.since) > renewAfter {
		_ = a.identify(ctx) // the old one is good for some minutes yet
	}
	return a.own
}

// customer is one person at the bank, with one browser.
type customer struct {
	username, password string
	browser            *browser.Browser
	second             *browser.Browser // another one of theirs, nil until needed; guarded by mu
	held               int              // accounts
	mu                 sync.Mutex       // one page at a time
}

// grant is one consent in use.
type grant struct {
	id       string
	app      *app
	who      *customer
	accounts []string
	clusters []string
	lookback int // days

	mu    sync.Mutex
	token recipient.Token // guarded by mu
	since time.Time       // when it got that; guarded by mu
}

// old reports whether the token nears its end.
func (g *grant) old() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.since) > renewAfter
}

func (g *grant) now() recipient.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.token
}

func (g *grant) renewed(t recipient.Token) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token, g.since = t, time.Now()
}

// authority signs certificates with the key of the stack's own authority.
type authority struct {
	cert *x509.Certificate
	key  any
}

func (s *stack) authority() (*authority, error) {
	read := func(name string) ([]byte, error) {
		text, err := os.ReadFile(filepath.Join(s.home, "ca", name))
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, errors.New(name + " is not PEM")
		}
		return block.Bytes, nil
	}
	certDER, err1 := read("ca.pem")
	keyDER, err2 := read("ca-key.pem")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	cert, err1 := x509.ParseCertificate(certDER)
	key, err2 := x509.ParsePKCS8PrivateKey(keyDER)
	return &authority{cert, key}, errors.Join(err1, err2)
}

// issue makes a certificate for a day, for clients, and for localhost if
// server is set.
func (a *authority) issue(name string, server bool) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return tls.Certificate{}, err
	}
	want := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(23 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if server {
		want.DNSNames, want.ExtKeyUsage = []string{"localhost"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, want, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// register makes n recipients, every second one bound by certificate and the
// others by DPoP, and subscribes all to ends of consents.
func (s *stack) register(ctx context.Context, n int) ([]*app, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	roots, err := s.dev.TLS()
	if err != nil {
		return nil, err
	}
	var list []*app
	for i := range n {
		a := &app{id: fmt.Sprintf("app%02d", i)}
		callback := "https://localhost/" + a.id + "/callback"
		a.config = recipient.Config{
			Issuer: s.issuer, GatewayBase: s.public + "/fdx/v6", ClientID: a.id, RedirectURI: callback, TLS: roots,
		}
		record := map[string]any{
			"client_id": a.id, "client_name": "App " + a.id, "redirect_uris": []string{callback},
			"duration_period": 365, "lookback_period": 730, "duration_type": []string{"TIME_BOUND"},
			"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
			"scope":       "fdx:accountbasic:read fdx:accountdetailed:read fdx:balances:read fdx:transactions:read grant_management_query grant_management_revoke fdx:notifications:subscribe",
			"purposes":    []map[string]any{{"code": "budgeting", "label": "To plan the month", "clusters": append(slices.Clone(clusters), more...)}},
		}
		if i%2 == 1 {
			cert, err := ca.issue(a.id, false)
			if err != nil {
				return nil, err
			}
			a.config.ClientAuth, a.config.Certificate, a.config.CertificateBound = recipient.TLSClientAuth, &cert, true
			record["token_endpoint_auth_method"], record["tls_client_auth_subject_dn"] = "tls_client_auth", "CN="+a.id
		} else {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return nil, err
			}
			private := jose.JSONWebKey{Key: key, KeyID: "1", Algorithm: "ES256", Use: "sig"}
			a.config.PrivateJWKS = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private}}
			record["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}
		}
		if err := s.enrol(a.id, record); err != nil {
			return nil, err
		}
		if a.client, err = recipient.Connect(ctx, a.config); err != nil {
			return nil, err
		}
		if err := a.identify(ctx); err != nil {
			return nil, err
		}
		if err := s.subscribe(ctx, a); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// enrol registers a client by the record that describes it.
func (s *stack) enrol(id string, record map[string]any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, id+".record.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	_, err = s.headgate("recipient", "add", "-f", file)
	return err
}

// tellerID is who introspects by certificate.
const tellerID = "teller"

// teller registers a resource server of the bank that authenticates by a
// certificate of its own, whoever has issued that.
func (s *stack) teller(ctx context.Context) (*recipient.Client, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	cert, err := ca.issue(tellerID, false)
	if err != nil {
		return nil, err
	}
	roots, err := s.dev.TLS()
	if err != nil {
		return nil, err
	}
	public := jose.JSONWebKey{Key: cert.PrivateKey.(crypto.Signer).Public(), KeyID: "1", Use: "sig"}
	err = s.enrol(tellerID, map[string]any{
		"client_id": tellerID, "client_name": "Teller", "role": "resource_server",
		"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}},
		"scope": "fdx:accountbasic:read fdx:accountdetailed:read fdx:balances:read fdx:transactions:read",
	})
	if err != nil {
		return nil, err
	}
	return recipient.Connect(ctx, recipient.Config{
		Issuer: s.issuer, GatewayBase: s.public + "/fdx/v6", ClientID: tellerID, TLS: roots,
		ClientAuth: recipient.SelfSignedTLSClientAuth, Certificate: &cert, CertificateBound: true,
	})
}

// ownScope is what a recipient asks for itself.
const ownScope = "grant_management_query grant_management_revoke fdx:notifications:subscribe"

// identify gets the recipient a token of its own. Nobody else uses it then, or
// mu is held.
func (a *app) identify(ctx context.Context) error {
	key, err := recipient.NewDPoPKey(jose.ES256)
	if err != nil {
		return err
	}
	own, err := a.client.ClientCredentials(ctx, ownScope, key)
	if err == nil {
		a.own, a.since = own, time.Now()
	}
	return err
}

func (s *stack) subscribe(ctx context.Context, a *app) error {
	r, err := a.client.SubscribeRequest(a.own, "CONSENT_REVOKED", "CONSENT", "https://localhost:"+s.sink.port+"/"+a.id)
	if err != nil {
		return err
	}
	resp, err := a.client.Do(ctx, r)
	if err != nil {
		return err
	}
	if resp.Status != http.StatusCreated {
		return resp.Refusal("subscription")
	}
	return nil
}

// movements is how many an account has, and dayOfMovement how many days ago the
// i-th was.
const movements = 25

func dayOfMovement(i int) int { return 1 + i%28 }

// statement is a bank statement about some accounts.
func statement(numbers []string) string {
	day := func(back int) string { return time.Now().UTC().AddDate(0, 0, -back).Format("20060102") }
	text := "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\nOLDFILEUID:NONE\nNEWFILEUID:NONE\n\n" +
		"<OFX>\n<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>" + day(0) + "120000<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>\n<BANKMSGSRSV1>"
	for n, number := range numbers {
		text += "<STMTTRNRS><TRNUID>" + fmt.Sprint(n) + "<STATUS><CODE>0<SEVERITY>INFO</STATUS>\n<STMTRS><CURDEF>USD\n" +
			"<BANKACCTFROM><BANKID>121000358<ACCTID>" + number + "<ACCTTYPE>CHECKING</BANKACCTFROM>\n" +
			"<BANKTRANLIST><DTSTART>" + day(30) + "<DTEND>" + day(0) + "\n"
		for i := range movements {
			text += fmt.Sprintf("<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>%s120000<TRNAMT>-%d.50<FITID>F%d<NAME>SHOP %d</STMTTRN>\n", day(dayOfMovement(i)), 1+i, i, i)
		}
		text += "</BANKTRANLIST>\n<LEDGERBAL><BALAMT>100.00<DTASOF>" + day(0) + "120000</LEDGERBAL>\n</STMTRS></STMTTRNRS>\n"
	}
	return text + "</BANKMSGSRSV1>\n</OFX>\n"
}

// accountNumbers are those of a customer's accounts. The first few customers
// have three.
func accountNumbers(i int) []string {
	list := []string{fmt.Sprintf("40721%05d", 3*i+10_007)}
	if i < 4 {
		list = append(list, fmt.Sprintf("50721%05d", 3*i+10_007), fmt.Sprintf("60721%05d", 3*i+10_007))
	}
	return list
}

// enlist makes n customers of the bank.
func (s *stack) enlist(n int) ([]*customer, error) {
	roots, err := s.dev.TLS()
	if err != nil {
		return nil, err
	}
	var list []*customer
	for i := range n {
		c := &customer{username: fmt.Sprintf("person%02d", i)}
		c.password, c.held = c.username+"-pass", len(accountNumbers(i))
		if c.browser, err = browser.New(browser.Config{Home: []string{s.issuer, s.pages}, TLS: roots}); err != nil {
			return nil, err
		}
		file := filepath.Join(s.dir, c.username+".ofx")
		if err := os.WriteFile(file, []byte(statement(accountNumbers(i))), 0o600); err != nil {
			return nil, err
		}
		if _, err := s.headgate("bank", "import", "ofx", "--customer", c.username, file); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// grant walks a customer to a consent and returns it with its first token.
func (s *stack) grant(ctx context.Context, a *app, who *customer) (*grant, error) {
	attempt, err := recipient.Ask(wanted())
	if err != nil {
		return nil, err
	}
	pushed, err := a.client.Push(ctx, attempt)
	if err != nil {
		return nil, err
	}
	who.mu.Lock()
	back, err := browser.ApproveAll(ctx, who.browser, a.client.AuthorizationURL(pushed.RequestURI), who.username, who.password)
	who.mu.Unlock()
	if err != nil {
		return nil, err
	}
	code, err := a.client.ReadRedirect(back, attempt)
	if err != nil {
		return nil, err
	}
	token, err := a.client.Redeem(ctx, attempt, code)
	if err != nil {
		return nil, err
	}
	return &grant{id: token.GrantID, app: a, who: who, clusters: clusters, lookback: lookback, token: token, since: time.Now()}, nil
}
