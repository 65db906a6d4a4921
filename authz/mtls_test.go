package authz_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/consent"
)

const mtlsBase = "https://mtls.as.example"

// authority issues client certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a := authority{key: key}
	a.cert = a.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, key.Public())
	return a
}

// issue signs a certificate for a key; without a certificate of its own yet,
// the authority signs itself.
func (a authority) issue(t testing.TB, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 12, 1, 0, 0, 0, 0, time.UTC)
	}
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}

// client returns a client certificate with a subject.
func (a authority) client(t testing.TB, name pkix.Name, public crypto.PublicKey) *x509.Certificate {
	return a.issue(t, &x509.Certificate{Subject: name, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, public)
}

// keyServer is what recipients publish at their jwks_uri.
type keyServer struct {
	mu            sync.Mutex // guards the fields below
	old, new      []byte     // before and after a refresh
	fetched       int
	refuse, fresh bool
}

func (k *keyServer) Keys(_ context.Context, uri string) (certs.JWKS, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse || uri != "https://keys.example/jwks" {
		return certs.JWKS{}, errors.New("unreachable")
	}
	if k.fresh {
		return certs.ParseJWKS(k.new)
	}
	return certs.ParseJWKS(k.old)
}

func (k *keyServer) Refresh(ctx context.Context, uri string) (certs.JWKS, error) {
	k.mu.Lock()
	k.fetched++
	k.fresh = true
	k.mu.Unlock()
	return k.Keys(ctx, uri)
}

// mtlsWorld is a world with a host for certificates and four clients that use
// it: tls by subject, selfsigned by key, uri by a key that is published, and
// app, which signs assertions.
type mtlsWorld struct {
	*world
	ca   authority
	keys *keyServer
	host http.Handler
}

func newMTLSWorld(t *testing.T, bend func(*authz.Config)) *mtlsWorld {
	t.Helper()
	m := &mtlsWorld{ca: newAuthority(t), keys: &keyServer{}}
	pool := x509.NewCertPool()
	pool.AddCert(m.ca.cert)
	var config authz.Config
	m.world = newWorldWith(t, func(c *authz.Config) {
		source, err := clientcert.New(clientcert.Config{ClientCAs: pool, Now: c.Now})
		must(t, err)
		c.MTLSBase, c.Certificates, c.KeySets = mtlsBase, source, m.keys
		if bend != nil {
			bend(c)
		}
		config = *c
	})
	s, err := authz.New(config)
	must(t, err)
	m.host, err = s.MTLS()
	must(t, err)
	k := keys()
	m.keys.old, m.keys.new = set(t, k.ed.Public()), set(t, k.ec.Public())
	for _, r := range recipients(t) {
		switch r.ID {
		case "tls":
			r.CertSubject = consent.CertSubject{Member: clientcert.SubjectDN, Value: "CN=tls,O=App Inc,C=SE"}
			r.DPoPBound = false
		case "narrow":
			r.AuthMethod, r.Purposes = consent.SelfSignedTLS, r.Purposes[:1]
		case "ed":
			r.AssertionAlg, r.JWKS, r.JWKSURI = "ES256", nil, "https://keys.example/jwks"
		default:
			continue
		}
		must(t, m.mem.PutRecipient(t.Context(), r))
	}
	return m
}

var tlsName = pkix.Name{CommonName: "tls", Organization: []string{"App Inc"}, Country: []string{"SE"}}

// over sends a form to the certificate host, over a connection with that
// certificate; nil for none.
func (m *mtlsWorld) over(cert *x509.Certificate, path string, form url.Values, h http.Header) answer {
	r := httptest.NewRequest(http.MethodPost, mtlsBase+path, strings.NewReader(form.Encode()))
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, values := range h {
		r.Header[name] = values
	}
	r.TLS = &tls.ConnectionState{}
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	return m.do(m.host, r)
}

func TestAClientIsKnownByItsCertificate(t *testing.T) {
	t.Parallel()
	m := newMTLSWorld(t, nil)
	k := keys()
	foreign := newAuthority(t)
	good := m.ca.client(t, tlsName, k.ec.Public())
	push := func(id string) url.Values {
		f := m.client(id).request()
		f.Set("client_id", id)
		return f
	}
	expired := m.ca.issue(t, &x509.Certificate{
		Subject: tlsName, NotBefore: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, k.ec.Public())
	for name, c := range map[string]struct {
		cert *x509.Certificate
		form url.Values
		want int
	}{
		"the registered subject":                   {good, push("tls"), http.StatusCreated},
		"a registered key, signed by nobody known": {foreign.client(t, pkix.Name{CommonName: "x"}, k.ec.Public()), push("narrow"), http.StatusCreated},

		"no certificate":  {nil, push("tls"), http.StatusUnauthorized},
		"another subject": {m.ca.client(t, pkix.Name{CommonName: "tls", Organization: []string{"App Inc"}}, k.ec.Public()), push("tls"), http.StatusUnauthorized},
		"the subject from an authority that is not ours": {foreign.client(t, tlsName, k.ec.Public()), push("tls"), http.StatusUnauthorized},
		"an expired certificate":                         {expired, push("tls"), http.StatusUnauthorized},
		"a certificate for servers":                      {m.ca.issue(t, &x509.Certificate{Subject: tlsName, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, k.ec.Public()), push("tls"), http.StatusUnauthorized},
		"another client's id with this certificate":      {good, push("app"), http.StatusUnauthorized},
		"a client that is suspended":                     {good, push("suspended"), http.StatusUnauthorized},
		"a client that does not exist":                   {good, push("nobody"), http.StatusUnauthorized},
		"no client id":                                   {good, m.client("tls").request(), http.StatusUnauthorized},
		"a key that is not registered":                   {foreign.client(t, pkix.Name{CommonName: "x"}, k.rsa.Public()), push("narrow"), http.StatusUnauthorized},
		"an assertion of a client that has no certificate, beside a good certificate": {good, m.client("tls").signed(push("tls")), http.StatusUnauthorized},
		"an assertion of another client beside the certificate":                       {good, m.client("app").signed(push("tls")), http.StatusUnauthorized},
	} {
		a := m.over(c.cert, "/par", c.form, nil)
		if a.status != c.want || c.want == http.StatusUnauthorized && !a.is(c.want, "invalid_client") {
			t.Errorf("%s: %s", name, a)
		}
	}
	// The other host asks nobody for a certificate, and takes none.
	if a := m.post("/par", push("tls"), nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("without a certificate: %s", a)
	}
	header := base64.StdEncoding.EncodeToString(good.Raw)
	if a := m.over(nil, "/par", push("tls"), http.Header{"Client-Cert": {":" + header + ":"}}); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("a Client-Cert header of anybody: %s", a)
	}
}

// A code bound to a key could never be redeemed by a client whose tokens are
// bound to its certificate.
func TestAKeyBindsNothingForACertificateBoundClient(t *testing.T) {
	t.Parallel()
	m := newMTLSWorld(t, nil)
	c := m.client("tls")
	cert := m.ca.client(t, tlsName, keys().ec.Public())
	form := c.request()
	form.Set("client_id", "tls")
	proof := c.proof("/par", func(j *jwt) { j.claims["htu"] = mtlsBase + "/par" })
	if a := m.over(cert, "/par", form, proof); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("a proof: %s", a)
	}
	form.Set("dpop_jkt", thumbprint(t, keys().ec))
	if a := m.over(cert, "/par", form, nil); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("dpop_jkt: %s", a)
	}
}

func TestAnAssertionWorksOnTheCertificateHostToo(t *testing.T) {
	t.Parallel()
	m := newMTLSWorld(t, nil)
	c := m.client("app")
	proof := c.proof("/par", func(j *jwt) { j.claims["htu"] = mtlsBase + "/par" })
	if a := m.over(nil, "/par", c.signed(c.request()), proof); a.status != http.StatusCreated {
		t.Error(a)
	}
	if a := m.over(nil, "/par", c.signed(c.request()), c.proof("/par", nil)); !a.is(http.StatusBadRequest, "invalid_dpop_proof") {
		t.Errorf("a proof for the other host: %s", a)
	}
}

// RFC 8705 section 5: aliases are endpoints that the document names too, and
// never the one that people meet.
func TestTheCertificateHostIsPublished(t *testing.T) {
	t.Parallel()
	m := newMTLSWorld(t, nil)
	a := m.get("/.well-known/oauth-authorization-server")
	if a.body["tls_client_certificate_bound_access_tokens"] != true {
		t.Error("certificate-bound tokens are not published")
	}
	methods, _ := a.body["token_endpoint_auth_methods_supported"].([]any)
	for _, want := range []any{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"} {
		if !slices.Contains(methods, want) {
			t.Errorf("%v is not published", want)
		}
	}
	aliases, _ := a.body["mtls_endpoint_aliases"].(map[string]any)
	if len(aliases) < 3 {
		t.Errorf("aliases %v", aliases)
	}
	for name, alias := range aliases {
		plain, _ := a.body[name].(string)
		address, _ := alias.(string)
		if !strings.HasSuffix(name, "_endpoint") || name == "authorization_endpoint" ||
			strings.TrimPrefix(plain, issuer) != strings.TrimPrefix(address, mtlsBase) {
			t.Errorf("%s: %v beside %v", name, alias, a.body[name])
		}
	}
	for name, v := range newWorld(t).get("/.well-known/oauth-authorization-server").body {
		if name == "mtls_endpoint_aliases" || name == "tls_client_certificate_bound_access_tokens" && v == true {
			t.Errorf("%s without a host for certificates", name)
		}
	}
}

func TestKeysByReferenceAreFetchedAgainWhenNoneFits(t *testing.T) {
	t.Parallel()
	m := newMTLSWorld(t, nil)
	c := m.client("ed")
	c.alg, c.key = "ES256", keys().ec
	if a := c.push(nil); a.status != http.StatusCreated || m.keys.fetched != 1 {
		t.Fatalf("%s after %d refreshes", a, m.keys.fetched)
	}
	if a := c.push(nil); a.status != http.StatusCreated || m.keys.fetched != 1 {
		t.Errorf("%s after %d refreshes", a, m.keys.fetched)
	}
	c.key = func() any { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k }()
	if a := c.push(nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("a key that was never published: %s", a)
	}
	c.key = keys().ec
	m.keys.refuse = true
	if a := c.push(nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("keys that cannot be fetched: %s", a)
	}
}

func TestCertificatesNeedAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.post("/par", func() url.Values {
		f := w.client("tls").request()
		f.Set("client_id", "tls")
		return f
	}(), nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Error(a)
	}
}
