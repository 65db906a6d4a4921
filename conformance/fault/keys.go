package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

// ring is a file of keys of which the first is used and every one is good.
type ring struct {
	path string
	keys []json.RawMessage
	bare bool // an array, not an object with the member keys
}

// readRing reads such a file.
func readRing(path string) (ring, error) {
	r := ring{path: path}
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	var object struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &r.keys) == nil {
		r.bare = true
	} else if err := json.Unmarshal(text, &object); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if !r.bare {
		r.keys = object.Keys
	}
	if len(r.keys) == 0 {
		return r, fmt.Errorf("%s holds no keys", path)
	}
	return r, nil
}

// fresh returns a new key of the ring's form.
func (r ring) fresh() json.RawMessage {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	text, _ := json.Marshal(base64.StdEncoding.EncodeToString(secret))
	if !r.bare {
		// The form of a hash key's id; a hundred keys are more than there will be.
		text, _ = json.Marshal(map[string]string{"id": fmt.Sprintf("%02d", len(r.keys)), "secret": base64.StdEncoding.EncodeToString(secret)})
	}
	return text
}

// write puts these keys in the file, in one step.
func (r ring) write(keys ...json.RawMessage) error {
	text, err := json.Marshal(map[string]any{"keys": keys})
	if r.bare {
		text, err = json.Marshal(keys)
	}
	return errors.Join(err, putFile(r.path, text))
}

// putFile replaces a file in one step.
func putFile(name string, text []byte) error {
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// newAuthority makes another authority for certificates of clients, and
// returns it in PEM as well.
func newAuthority(name string) (*authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	want := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, want, want, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// aged moves a time of each signing key in a state back by a day and an hour, as
// if everything had happened that long ago.
func (s *stack) aged(state, member string) error {
	path := s.signingKeys()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	for _, k := range file.Keys {
		at, err := time.Parse(time.RFC3339, fmt.Sprint(k[member]))
		if k["state"] != state {
			continue
		}
		if err != nil {
			return fmt.Errorf("signing key without %s: %w", member, err)
		}
		k[member] = at.Add(-25 * time.Hour)
	}
	if text, err = json.Marshal(file); err != nil {
		return err
	}
	return putFile(path, text)
}

// published are the kids of the key set that an authorization server publishes.
func (d *driver) published(ctx context.Context, instance string) ([]string, error) {
	o := op{Instance: instance}
	text := d.send(ctx, &o, nil, &recipient.Request{Method: http.MethodGet, URL: d.core.Server.JWKSURI})
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(text, &set); err != nil || !o.good() {
		return nil, fmt.Errorf("the key set is answered %d %s: %w", o.Status, o.Err, err)
	}
	var kids []string
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	return kids, nil
}

// signedBy is the kid of an authorization server's signed introspection answer.
func (d *driver) signedBy(ctx context.Context, g *grant, instance string) (string, error) {
	r, err := d.core.IntrospectRequest(g.now().AccessToken, true)
	if err != nil {
		return "", err
	}
	o := op{Instance: instance}
	head, _, _ := strings.Cut(string(d.send(ctx, &o, nil, r)), ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Kid string }
	if err != nil || !o.good() || json.Unmarshal(text, &header) != nil || header.Kid == "" {
		return "", fmt.Errorf("a signed introspection is answered %d %s", o.Status, o.Err)
	}
	return header.Kid, nil
}

// shows is the certificate that a port shows, in DER.
func (s *stack) shows(port int) ([]byte, error) {
	conf, err := s.dev.TLS()
	if err != nil {
		return nil, err
	}
	conf.ServerName = "localhost"
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), conf)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // nothing was sent
	return c.ConnectionState().PeerCertificates[0].Raw, nil
}

// certifiedBy is a recipient with a certificate of another authority.
func certifiedBy(ctx context.Context, a *app, ca *authority) (*recipient.Client, error) {
	cert, err := ca.issue(a.id, false)
	if err != nil {
		return nil, err
	}
	c := a.config
	c.Certificate = &cert
	return recipient.Connect(ctx, c)
}

// before is what was made under the old keys and is used under the new ones.
type before struct {
	grants  []*grant // one with a key, one with a certificate
	pageKey string   // of the first one's movements
	asked   url.Values
	attempt *recipient.Attempt
	journey string // address of the page that somebody has open
	who     *customer
	browser *browser.Browser // another one of theirs
	kids    []string         // as whoever keeps our key set knows it
	kid     string           // signs
}

// older makes them.
func (d *driver) older(ctx context.Context) (b before, err error) {
	var pairs []pair
	for _, byCert := range []bool{false, true} {
		i := slices.IndexFunc(d.apps, func(a *app) bool { return byCert == (a.config.Certificate != nil) })
		if i < 0 {
			return b, errors.New("there is no recipient of either kind")
		}
		pairs = append(pairs, pair{d.apps[i], d.people[len(d.people)-1]})
	}
	if b.grants, err = d.stock(ctx, pairs, nil); err != nil {
		return b, err
	}
	g := b.grants[0]
	b.asked = url.Values{"startDate": {day(lookback - 2)}, "endDate": {day(0)}, "limit": {"5"}}
	if b.pageKey, err = d.nextPage(ctx, g, gatewayB, b.asked); err != nil {
		return b, err
	}
	var p recipient.Pushed
	if b.attempt, p, err = d.pushed(ctx, g.app); err != nil {
		return b, err
	}
	roots, err := d.stack.dev.TLS()
	if err != nil {
		return b, err
	}
	b.who = pairs[0].c
	if b.browser, err = browser.New(browser.Config{Home: []string{d.stack.issuer, d.stack.pages}, TLS: roots}); err != nil {
		return b, err
	}
	page, err := b.browser.Arrive(ctx, g.app.client.AuthorizationURL(p.RequestURI))
	if err == nil && !page.Has("login_submit") {
		err = fmt.Errorf("a journey begins with %s", page)
	}
	if err != nil {
		return b, err
	}
	b.journey = page.URL.String()
	if b.kids, err = d.published(ctx, authzd); err != nil {
		return b, err
	}
	b.kid, err = d.signedBy(ctx, g, authzd)
	return b, err
}

// with is a query for the page that key names.
func with(query url.Values, key string) url.Values {
	query = maps.Clone(query)
	query.Set("pageKey", key)
	return query
}

func day(back int) string { return time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly) }

// answered: there was an answer that was meant, or a refused certificate.
func answered(o op) bool {
	return o.Status != 0 && o.Status < 500 || strings.Contains(o.Err, "tls: unknown certificate authority")
}

// nextPage is the key of the page after the first one.
func (d *driver) nextPage(ctx context.Context, g *grant, gateway string, query url.Values) (string, error) {
	var body struct {
		Page struct{ NextPageKey string } `json:"page"`
	}
	o, text, err := d.pageOf(ctx, g, gateway, query)
	if err == nil && (!o.good() || json.Unmarshal(text, &body) != nil || body.Page.NextPageKey == "") {
		err = fmt.Errorf("movements are answered %d without a next page", o.Status)
	}
	return body.Page.NextPageKey, err
}

// pageOf reads a page of movements.
func (d *driver) pageOf(ctx context.Context, g *grant, gateway string, query url.Values) (op, []byte, error) {
	r, err := g.app.client.TransactionsRequest(g.now(), g.accounts[0], query)
	if err != nil {
		return op{}, nil, err
	}
	o := op{Kind: opRead, Instance: gateway, Recipient: g.app.id, Consent: g.id, Operation: "searchForAccountTransactions", How: narrow}
	text := d.sendRead(ctx, &o, g.app, r)
	d.history.add(o)
	return o, text, nil
}

// everyKey is K1 in words, as far as it takes restarts.
const everyKey = "what was made under an old key is good after every key was replaced, and refused after that key is gone"

// replace replaces every key of the deployment as docs/operations.md says, while
// callers go through balancers, and then uses what was made under the old ones;
// at the end the old ones are gone, for a moment, and it is refused: K1. The
// second half of the instances begins to use the new keys so much later than the
// first.
func (d *driver) replace(ctx context.Context, late time.Duration) (finding, error) {
	f := finding{ID: "K1", What: everyKey}
	s := d.stack
	var rings []ring
	for _, name := range []string{"hash-keys.json", "seal-keys.json", "page-keys.json"} {
		r, err := readRing(filepath.Join(s.home, "keys", name))
		if err != nil {
			return f, err
		}
		rings = append(rings, r)
	}
	oldCAs, err := os.ReadFile(s.clientCAs())
	if err != nil {
		return f, err
	}
	ca, newCA, err := newAuthority("the next authority")
	if err != nil {
		return f, err
	}
	b, err := d.older(ctx)
	if err != nil {
		return f, fmt.Errorf("before: %w", err)
	}
	renewed, err := certifiedBy(ctx, b.grants[1].app, ca)
	if err != nil {
		return f, err
	}
	good := func(is bool, format string, args ...any) {
		f.Trials++
		if !is {
			f.bad(format, args...)
		}
	}
	used := func(yes bool, when string, list []*grant) {
		for _, g := range list {
			ops := []op{d.read(ctx, gatewayA, g, true), d.read(ctx, gatewayB, g, false), d.introspect(ctx, g)}
			if !yes {
				ops = append(ops, d.refresh(ctx, g)) // which would get it a new one
			}
			for _, o := range ops {
				d.history.add(o)
				good(o.Yes == yes && answered(o), "%s with an old token %s was answered %d %s", o.Kind, when, o.Status, o.Err)
			}
		}
		o, _, err := d.pageOf(ctx, b.grants[0], gatewayB, with(b.asked, b.pageKey))
		good(err == nil && o.good() == yes && answered(o), "an old page key %s was answered %d %s", when, o.Status, o.Err)
	}
	authenticates := func(yes bool, c *recipient.Client, what string) {
		_, err := c.ClientCredentials(ctx, ownScope, nil)
		var refused *recipient.Refusal
		good(yes && err == nil || !yes && errors.As(err, &refused) && refused.Status == http.StatusUnauthorized, "%s: %v", what, err)
	}

	update, restore, err := s.ownSigningKeys()
	if err != nil {
		return f, err
	}
	var parted finding
	var added [][]json.RawMessage // of each ring, the new one first
	err = d.rolling(ctx, &f, "keys", func(restart func(string) (time.Duration, error), _ func() int) error {
		everything := func(names []string) error {
			for _, name := range names {
				if _, err := restart(name); err != nil {
					return err
				}
			}
			return nil
		}
		// Every instance knows the new keys before one of them is used.
		for _, r := range rings {
			fresh := r.fresh()
			added = append(added, append([]json.RawMessage{fresh}, r.keys...))
			if err := r.write(slices.Insert(slices.Clone(r.keys), 1, fresh)...); err != nil {
				return err
			}
		}
		if err := putFile(s.clientCAs(), slices.Concat(oldCAs, newCA)); err != nil {
			return err
		}
		if err := everything(inTurn); err != nil {
			return err
		}
		for i, r := range rings {
			if err := r.write(added[i]...); err != nil {
				return err
			}
		}
		// The next signing key has been published since the stack began.
		if err := s.aged("next", "created"); err != nil {
			return err
		}
		tool := server{name: "headgate", path: filepath.Join(s.bin, "headgate"), dir: s.dir, env: s.env,
			args: []string{"keys", "rotate", s.signingKeys()}}
		if _, err := tool.run(); err != nil {
			return err
		}
		half := len(inTurn) / 2
		if err := everything(inTurn[:half]); err != nil {
			return err
		}
		if late > 0 {
			if parted, err = d.apart(ctx, b, late); err != nil {
				return err
			}
		}
		if err := errors.Join(update(), everything(inTurn[half:])); err != nil {
			return err
		}
		if err := s.newCertificate(); err != nil {
			return err
		}
		return rest(ctx, 1500*time.Millisecond)
	})
	restore()
	if err != nil {
		return f, err
	}
	f.note("%d requests while every instance was restarted twice", f.Trials)
	if late > 0 {
		f = together([]finding{f, parted})[0]
	}

	var old []*grant // with the tokens from before
	for _, g := range b.grants {
		old = append(old, &grant{id: g.id, app: g.app, who: g.who, accounts: g.accounts, token: g.now(), since: g.since})
		o := d.refresh(ctx, g)
		d.history.add(o)
		good(o.Yes, "an old refresh token was answered %d %s", o.Status, o.Err)
	}
	used(true, "after its key was replaced", old)
	back, err := browser.ApproveAll(ctx, b.browser, b.journey, b.who.username, b.who.password)
	good(err == nil, "a journey that was open when keys were replaced: %v", err)
	if err == nil {
		code, err := b.grants[0].app.client.ReadRedirect(back, b.attempt)
		if err == nil {
			_, err = b.grants[0].app.client.Redeem(ctx, b.attempt, code)
		}
		good(err == nil, "a code of a journey that was open when keys were replaced: %v", err)
	}
	authenticates(true, b.grants[1].app.client, "a certificate of the old authority, which is still trusted")
	authenticates(true, renewed, "a certificate of the new authority")
	kid, err := d.signedBy(ctx, b.grants[0], authzd)
	if err != nil {
		return f, err
	}
	good(kid != b.kid, "the old key signs after the rotation")
	good(slices.Contains(b.kids, kid), "whoever keeps our key set for as long as we say does not know the key that signs")
	now, err := d.published(ctx, authzd)
	if err != nil {
		return f, err
	}
	good(slices.Contains(now, b.kid), "the key that signed until a moment ago is not published any more")
	certFile, keyFile := s.certificate()
	put, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return f, err
	}
	for _, name := range []string{authzd, "pages", "mtls", gatewayA, gatewayB} {
		shown, err := s.shows(s.ports[name])
		good(err == nil && bytes.Equal(shown, put.Certificate[0]), "%s shows the old certificate 1.5 s after it was replaced: %v", name, err)
	}

	// The old ones are gone, until this is over.
	d.history.mark("old keys gone", starting)
	defer d.history.mark("old keys gone", healed)
	signing := s.signingKeys()
	was, err := os.ReadFile(signing)
	if err != nil {
		return f, err
	}
	faults := []error{putFile(s.clientCAs(), newCA), s.aged("retired", "retired")}
	for i, r := range rings {
		faults = append(faults, r.write(added[i][0]))
	}
	if err := errors.Join(faults...); err != nil {
		return f, err
	}
	if err := s.again(s.env...); err != nil {
		return f, err
	}
	used(false, "whose key is gone", old)
	authenticates(false, b.grants[1].app.client, "a certificate of an authority that is not trusted any more is taken")
	authenticates(true, renewed, "a certificate of the new authority, alone")
	if now, err = d.published(ctx, authzd); err != nil {
		return f, err
	}
	good(!slices.Contains(now, b.kid), "a key is published after its time")
	// What was signed before is looked at later.
	faults = []error{putFile(s.clientCAs(), slices.Concat(newCA, oldCAs)), putFile(signing, was)}
	for i, r := range rings {
		faults = append(faults, r.write(added[i]...))
	}
	return f, errors.Join(append(faults, s.again(s.env...))...)
}
