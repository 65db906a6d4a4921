package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// Everything that the personas have comes through the gateway: no operation on
// no account ends in a fault of the bank.
func throughTheGateway(t *testing.T, s *Store) {
	now := func() time.Time { return today }
	truth := resourcetest.NewTruth(now)
	hasher, err := token.NewHasher([]token.Key{{ID: "k1", Secret: bytes.Repeat([]byte{1}, 32)}})
	if err != nil {
		t.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	g, err := resource.New(resource.Config{
		Public: "https://gateway", Issuer: "https://auth.example", Instance: "one", Log: slog.New(slog.DiscardHandler), Now: now,
		Hasher: hasher, Proofs: proofs, Tokens: truth, Provider: s, Gate: truth, PageKeys: [][]byte{bytes.Repeat([]byte{7}, 32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t)
	every := fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...))

	answers := map[string]int{}
	for _, p := range Personas() {
		held := accountsOf(t, s, p.Username)
		if len(held) == 0 {
			continue // nobody consents without an account
		}
		who := consent.ConsumerID(customer(t, s, p.Username).ID)
		var ids []fdx.AccountID
		for _, h := range held {
			ids = append(ids, h.Account.ID())
		}
		secret, hash := hasher.New(token.KindAccess)
		share := resourcetest.Everything(who, today, ids...)
		truth.Issue(token.Live{Share: share, Access: token.Access{
			Hash: hash, Grant: share.Grant, Recipient: share.Recipient, Scopes: every, IssuedAt: today, ExpiresAt: today.Add(time.Minute),
			CertThumbprint: certs.CertificateThumbprint(cert),
		}})
		get := func(target string) (int, []byte) {
			r := httptest.NewRequest(http.MethodGet, "/fdx/v6"+target, nil)
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
			r.Header.Set("Authorization", "Bearer "+secret.Reveal())
			w := httptest.NewRecorder()
			g.Handler().ServeHTTP(w, r)
			return w.Code, w.Body.Bytes()
		}
		targets := []string{"/accounts?resultType=details", "/reward-programs", "/customers", "/customers/current", "/availability", "/capability?resultType=details"}
		for _, id := range ids {
			one := "/accounts/" + string(id)
			targets = append(targets, one, one+"/contact", one+"/payment-networks", one+"/asset-transfer-networks", one+"/transactions?startDate=2024-03-18&endDate=2026-03-18&limit=500",
				one+"/statements?startDate=2024-03-18&endDate=2026-03-18", one+"/statements/2026-02", one+"/transaction-images/x", one+"/terms-and-conditions")
		}
		for _, target := range targets {
			status, body := get(target)
			var answer struct{ Code string }
			if !json.Valid(body) {
				t.Fatalf("%s %s: %q", p.Username, target, body)
			}
			_ = json.Unmarshal(body, &answer) // data has no code
			kind, _, _ := strings.Cut(target[strings.LastIndexByte(target, '/')+1:], "?")
			switch {
			case status == 200:
				answers[kind]++
			case status == 501 && answer.Code == "1106" && (kind == "x" || kind == "terms-and-conditions"): // not offered
			case status == 403 && answer.Code == "706" && p.Username == "quirks":
			case status == 409 && answer.Code == "705" && p.Username == "saver":
			case status == 404 && (answer.Code == "1107" && kind == "payment-networks" || answer.Code == "1108"):
			case kind == "2026-02" && (status == 400 && answer.Code == "1300" || status == 404 && answer.Code == "1104"):
				answers[kind]++
			case status == 406 && (kind == "x" || kind == "terms-and-conditions" || kind == "2026-02"):
			default:
				t.Errorf("%s %s: %d %.300s", p.Username, target, status, body)
			}
		}
	}
	for _, kind := range []string{"accounts", "reward-programs", "customers", "current", "contact", "payment-networks", "asset-transfer-networks", "transactions", "statements", "2026-02"} {
		if answers[kind] == 0 {
			t.Errorf("nobody was given %s", kind)
		}
	}
}

// certificate returns a certificate that nobody signed but itself.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: today.Add(-time.Hour), NotAfter: today.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
