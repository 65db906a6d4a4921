package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// patience is how long the one who asks waits for an answer: longer than any
// answer may take, so that a late one is seen.
const patience = 8 * time.Second

// requestID is the header by which the gateway names a request of its own.
const requestID = "X-Headgate-Request-Id"

// driver asks, and writes down what came of it.
type driver struct {
	stack   *stack
	history *history
	apps    []*app
	people  []*customer
	core    *recipient.Client // the bank's own server, which introspects
	teller  *recipient.Client // another, which authenticates by certificate
	asked   atomic.Int64      // introspections, so that both take turns

	clients sync.Map // clientKey: *http.Client

	mu     sync.Mutex
	steady []*grant // read under load; guarded by mu
	spare  []*grant // for races and stops; guarded by mu
	free   []pair   // who may make a new consent; guarded by mu
	keep   int      // spare grants for what comes last
	lost   int      // operations that the driver itself did not get to

	suspended *app // who may get no more consents; nil for nobody

	signing []byte // the signing keys as they were at first; with mutants alone

	sentMu sync.Mutex
	sent   map[string][]string // secrets by what they are, for K2; guarded by sentMu
}

// idleBelow is how long a connection is kept unused: less than the five seconds
// after which a server closes one that nothing was ever asked over. When many
// ask at once some are opened and not needed, and as no request is sent twice,
// one that met such an end would count as unanswered.
const idleBelow = 4 * time.Second

type clientKey struct {
	instance string
	app      string // "" shows no certificate
}

// client returns an HTTP client whose every connection goes to one instance,
// whatever the address says: a balancer that always chooses the same one.
func (d *driver) client(instance string, certificate *tls.Certificate, a string) *http.Client {
	if certificate == nil {
		a = ""
	}
	if known, ok := d.clients.Load(clientKey{instance, a}); ok {
		return known.(*http.Client)
	}
	roots := d.apps[0].config.TLS.Clone()
	if certificate != nil {
		roots.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	fresh := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: roots, MaxIdleConnsPerHost: 256, IdleConnTimeout: idleBelow,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, network, d.stack.instanceAddress(instance, address))
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	known, _ := d.clients.LoadOrStore(clientKey{instance, a}, fresh)
	return known.(*http.Client)
}

// forget begins a new history.
func (d *driver) forget() {
	d.clients.Range(func(_, c any) bool {
		c.(*http.Client).CloseIdleConnections()
		return true
	})
	d.history = newHistory()
	d.sentMu.Lock()
	d.sent = map[string][]string{}
	d.sentMu.Unlock()
	d.stack.sink.begin(d.history.began)
}

// once is an empty body that cannot be sent a second time: the transport must
// not repeat a request by itself, each is one operation of the history.
type once struct{}

func (once) Read([]byte) (int, error) { return 0, io.EOF }
func (once) Close() error             { return nil }

// emptyBody has the transport send the body as it is. Otherwise it reads one
// byte of it first, and takes it for a long one when that takes 200 ms: on a
// busy machine a GET would be chunked, and rightly refused.
var emptyBody = []string{"identity"}

// send sends a request once and completes o.
func (d *driver) send(ctx context.Context, o *op, a *app, r *recipient.Request) []byte {
	d.carried(r)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader = once{}
	switch {
	case r.Form != nil:
		body = io.NopCloser(strings.NewReader(r.Form.Encode()))
	case r.Body != nil:
		body = io.NopCloser(bytes.NewReader(r.Body))
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		o.Err = err.Error()
		return nil
	}
	switch {
	case r.Form != nil:
		req.ContentLength = int64(len(r.Form.Encode()))
	case r.Body != nil:
		req.ContentLength = int64(len(r.Body))
	default:
		req.TransferEncoding = emptyBody
	}
	maps.Copy(req.Header, r.Header)
	name := tellerID // nobody else who is no app has a certificate
	if a != nil {
		name = a.id
	}
	o.Interaction = r.Header.Get("X-Fapi-Interaction-Id")
	if o.Interaction == "" {
		o.Interaction = r.Header.Get("x-fapi-interaction-id")
	}
	o.Start = d.history.now()
	resp, err := d.client(o.Instance, r.Certificate, name).Do(req)
	var text []byte
	if err == nil {
		text, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	o.End = d.history.now()
	if err != nil {
		// The transport's own error quotes the URL.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		o.Err = err.Error()
		return nil
	}
	o.Status = resp.StatusCode
	o.RequestID = resp.Header.Get(requestID)
	o.Retry = resp.Header.Get("Retry-After") != ""
	o.Told = resp.Header.Get("RateLimit") != ""
	if o.Status >= 400 {
		var refusal struct {
			Code    any    `json:"code"`
			Message string `json:"message"`
			Debug   string `json:"debugMessage"`
			Error   string `json:"error"`
		}
		o.Shaped = json.Unmarshal(text, &refusal) == nil && (refusal.Code != nil && refusal.Message != "" || refusal.Error != "")
		o.Why = refusal.Debug
		if o.How == "" {
			o.How = refusal.Error
		}
	}
	return text
}

// digest names a secret in the history.
func digest(secret recipient.Secret) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}

// read reads data under a grant: its accounts, or a window of transactions.
func (d *driver) read(ctx context.Context, instance string, g *grant, accounts bool) op {
	token := g.now()
	o := op{Kind: opRead, Instance: instance, Recipient: g.app.id, Consent: g.id, Token: digest(token.AccessToken)}
	var r *recipient.Request
	var err error
	if accounts || len(g.accounts) == 0 {
		o.Operation = "searchForAccounts"
		r, err = g.app.client.AccountsRequest(token, nil)
	} else {
		o.Operation, o.Accounts = "searchForAccountTransactions", []string{g.accounts[rand.IntN(len(g.accounts))]}
		day := func(back int) string { return time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly) }
		o.From, o.To = day(1+rand.IntN(lookback-2)), day(0)
		r, err = g.app.client.TransactionsRequest(token, o.Accounts[0], url.Values{"startDate": {o.From}, "endDate": {o.To}, "limit": {strconv.Itoa(5 + rand.IntN(20))}})
	}
	if err != nil {
		o.Err = err.Error()
		return o
	}
	d.sendRead(ctx, &o, g.app, r)
	return o
}

// sendRead sends a read, completes o by what was given and returns the body.
func (d *driver) sendRead(ctx context.Context, o *op, a *app, r *recipient.Request) []byte {
	text := d.send(ctx, o, a, r)
	if !o.good() {
		return text
	}
	o.Yes = true
	sum := sha256.Sum256(text)
	o.Bytes, o.BodyHash = len(text), hex.EncodeToString(sum[:])
	var got struct {
		Accounts []struct {
			ID string `json:"accountId"`
		} `json:"accounts"`
		Transactions []json.RawMessage `json:"transactions"`
	}
	if json.Unmarshal(text, &got) != nil {
		o.Err = "the body is not JSON"
	}
	o.Count = len(got.Transactions)
	if o.Operation == "searchForAccounts" {
		o.Count = len(got.Accounts)
		for _, account := range got.Accounts {
			o.Accounts = append(o.Accounts, account.ID)
		}
		slices.Sort(o.Accounts)
	}
	return text
}

// introspect asks what the grant's token is worth.
func (d *driver) introspect(ctx context.Context, g *grant) op { return d.introspectAt(ctx, g, authzd) }

func (d *driver) introspectAt(ctx context.Context, g *grant, instance string) op {
	token := g.now().AccessToken
	o := op{Kind: opIntrospect, Instance: instance, Recipient: g.app.id, Consent: g.id, Token: digest(token)}
	// An assertion is spent in PostgreSQL, which hides what a server does that
	// knows its caller by the certificate alone.
	who := d.core
	if d.asked.Add(1)%2 == 0 {
		who = d.teller
	}
	r, err := who.IntrospectRequest(token, false)
	if err != nil {
		o.Err = err.Error()
		return o
	}
	text := d.send(ctx, &o, nil, r)
	var got struct{ Active bool }
	o.Yes = o.good() && json.Unmarshal(text, &got) == nil && got.Active
	return o
}

// refresh gets the grant another access token.
func (d *driver) refresh(ctx context.Context, g *grant) op { return d.refreshAt(ctx, g, authzd) }

func (d *driver) refreshAt(ctx context.Context, g *grant, instance string) op {
	old := g.now()
	o := op{Kind: opRefresh, Instance: instance, Recipient: g.app.id, Consent: g.id, Token: digest(old.RefreshToken)}
	r, err := g.app.client.RefreshRequest(old.RefreshToken, old.Key)
	if err != nil {
		o.Err = err.Error()
		return o
	}
	text := d.send(ctx, &o, g.app, r)
	fresh := old
	if o.good() && json.Unmarshal(text, &fresh) == nil && fresh.AccessToken != old.AccessToken {
		o.Yes = true
		fresh.RefreshToken = old.RefreshToken
		g.renewed(fresh)
	}
	return o
}

// The ways in which a consent ends.
const (
	byGrantManagement = "DELETE grant"
	byConsentAPI      = "PUT revocation"
	byRefreshToken    = "RFC 7009"
	byPortal          = "portal"
	byBank            = "headgate revoke"
)

var ways = []string{byGrantManagement, byConsentAPI, byConsentAPI, byRefreshToken, byGrantManagement}

// revoke ends a grant in one of the ways.
func (d *driver) revoke(ctx context.Context, g *grant, how, instance string) op {
	o := op{Kind: opRevoke, Instance: authzd, Recipient: g.app.id, Consent: g.id, How: how}
	var r *recipient.Request
	var err error
	switch how {
	case byGrantManagement:
		r, err = g.app.client.GrantRequest(http.MethodDelete, g.app.itself(ctx), g.id)
	case byConsentAPI:
		o.Instance = instance
		r, err = g.app.client.RevokeConsentRequest(g.app.itself(ctx), g.id, "USER_ACTION", "INDIVIDUAL")
	case byRefreshToken:
		r, err = g.app.client.RevokeRequest(g.now().RefreshToken)
	case byBank:
		o.Start = d.history.now()
		_, err = d.stack.headgate("revoke", g.id)
		o.End = d.history.now()
		if err == nil {
			o.Status = http.StatusOK
		}
	case byPortal:
		d.stop(ctx, &o, g)
		return o
	}
	if err != nil {
		o.Err = err.Error()
		return o
	}
	if r != nil {
		d.send(ctx, &o, g.app, r)
	}
	return o
}
