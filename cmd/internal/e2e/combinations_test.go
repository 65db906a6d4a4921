package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/authz"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/resource/sandbox"
)

// combination is one way in which a client may speak FAPI 2.0.
type combination struct {
	method                         consent.AuthMethod
	certBound, jar, jarm           bool
	openID, details                bool
	assertion, response, identical string // algorithms: of the client, of responses, of ID tokens
}

func (c combination) String() string {
	return fmt.Sprintf("%s, certificate-bound %t, JAR %t, JARM %t, OpenID %t, RAR %t", c.method, c.certBound, c.jar, c.jarm, c.openID, c.details)
}

// combinations are all of them. Algorithms take turns.
func combinations() []combination {
	var all []combination
	algs := []string{"ES256", "PS256", "EdDSA"}
	for _, method := range []consent.AuthMethod{consent.PrivateKeyJWT, consent.TLSClientAuth, consent.SelfSignedTLS} {
		for bits := range 32 {
			on := func(i int) bool { return bits>>i&1 == 1 }
			c := combination{
				method: method, certBound: on(0), jar: on(1), jarm: on(2), openID: on(3), details: on(4),
				assertion: []string{"ES256", "EdDSA"}[bits%2], response: algs[bits%3], identical: algs[(bits+1)%3],
			}
			// The two ways to present a certificate differ in how it is
			// recognised and in nothing after that.
			if method != consent.SelfSignedTLS || c.jar == c.jarm && c.openID == c.details {
				all = append(all, c)
			}
		}
	}
	return all
}

// speaker registers a client that speaks as c says, the way an operator does.
func (d *deployment) speaker(t *testing.T, id string, c combination) recipient.Config {
	t.Helper()
	var key crypto.Signer
	var err error
	if c.assertion == "EdDSA" {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	must(t, err)
	files, err := d.ca.Client(id)
	must(t, err)
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	must(t, err)
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	must(t, err)
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: key.Public(), KeyID: "1"}, {Key: cert.PublicKey, KeyID: "tls"},
	}})
	must(t, err)
	record, err := json.Marshal(map[string]any{
		"client_id": id, "client_name": appName(id), "redirect_uris": []string{callback(id)}, "jwks": json.RawMessage(public),
		"scope": "openid fdx:accountdetailed:read fdx:transactions:read",
	})
	must(t, err)
	r, err := authz.Registration(record)
	must(t, err)
	r.AuthMethod, r.DPoPBound, r.AssertionAlg = c.method, !c.certBound, c.assertion
	if c.method == consent.TLSClientAuth {
		r.CertSubject = consent.CertSubject{Member: "tls_client_auth_subject_dn", Value: "CN=" + id}
	}
	r.Profile = consent.Profile{SignedRequests: c.jar, ResponseAlg: c.response, IDTokenAlg: c.identical}
	if c.jarm {
		r.Profile.ResponseModes = []string{"jwt"}
	}
	must(t, d.db.Recipients().PutRecipient(t.Context(), r))
	out := recipient.Config{
		Issuer: d.issuer, GatewayBase: d.public + "/fdx/v6", ClientID: id, RedirectURI: callback(id), TLS: d.roots,
		ClientAuth: recipient.AuthMethod(c.method), Certificate: &pair, CertificateBound: c.certBound, SignRequests: c.jar,
		PrivateJWKS: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1"}}},
	}
	if c.jarm {
		out.ResponseMode = "jwt"
	}
	return out
}

// Every combination of client authentication, sender constraint, request,
// response, sign-in and kind of authorization request leads from the push to
// the data, and what binds the token binds it.
func TestEveryCombinationOfFAPILeadsToData(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	for i, c := range combinations() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			id := fmt.Sprintf("app%d", i)
			client, err := recipient.Connect(t.Context(), d.speaker(t, id, c))
			must(t, err)
			attempt, err := recipient.AskScopes("fdx:accountdetailed:read", "fdx:transactions:read")
			if c.details {
				attempt, err = recipient.Ask(wanted())
			}
			must(t, err)
			if c.openID {
				attempt.AskIdentity()
			}
			pushed, err := client.Push(t.Context(), attempt)
			must(t, err)
			back, err := browser.ApproveAll(t.Context(), d.person(t), client.AuthorizationURL(pushed.RequestURI), "saver", sandbox.DevPassword("saver"))
			must(t, err)
			if signed := back.Query().Has("response"); signed != c.jarm || signed && len(back.Query()) != 1 {
				t.Errorf("answered with %v", back.Query())
			}
			code, err := client.ReadAnswer(t.Context(), back, attempt)
			must(t, err)
			tok, err := client.Redeem(t.Context(), attempt, code)
			must(t, err)
			if c.openID != (tok.IDToken != "") {
				t.Errorf("ID token %t", tok.IDToken != "")
			}
			if c.openID {
				_, err := client.ReadIDToken(t.Context(), tok, attempt)
				must(t, err)
			}
			if want := map[bool]string{true: "Bearer", false: "DPoP"}[c.certBound]; !strings.EqualFold(tok.TokenType, want) {
				t.Errorf("token type %s, want %s", tok.TokenType, want)
			}
			renewed, err := client.Refresh(t.Context(), tok.RefreshToken, tok.Key)
			must(t, err)
			for _, tok := range []recipient.Token{tok, renewed} {
				a, err := client.Accounts(t.Context(), tok, nil)
				if err != nil || a.Status != http.StatusOK {
					t.Fatalf("accounts: %v, %v", a, err)
				}
			}
			// Without what it is bound to, it is worth nothing.
			r, err := client.AccountsRequest(tok, nil)
			must(t, err)
			r.Header.Del("DPoP")
			r.Certificate = nil
			if a, err := client.Do(t.Context(), r); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("an unbound read: %v, %v", a, err)
			}
		})
	}
}
