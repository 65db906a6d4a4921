package recipient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

var wanted = recipient.ConsentRequest{
	DurationType: recipient.TimeBound, DurationPeriod: 90, LookbackPeriod: 60,
	Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: []string{"ACCOUNT_BASIC", "TRANSACTIONS"}}},
}

// obtain walks from the pushed request to a token.
func obtain(t *testing.T, s *server, c *recipient.Client, a *recipient.Attempt) recipient.Token {
	t.Helper()
	code := obtainCode(t, s, c, a)
	token, err := c.Redeem(t.Context(), a, code)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func obtainCode(t *testing.T, s *server, c *recipient.Client, a *recipient.Attempt) recipient.Secret {
	t.Helper()
	pushed, err := c.Push(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	person, err := browser.New(browser.Config{Home: []string{s.as.URL}, TLS: s.tls()})
	if err != nil {
		t.Fatal(err)
	}
	page, err := person.Arrive(t.Context(), c.AuthorizationURL(pushed.RequestURI))
	if err != nil {
		t.Fatal(err)
	}
	if page.Left == nil {
		t.Fatalf("still at the bank: %s: %s", page, page.Body)
	}
	code, err := c.ReadRedirect(page.Left, a)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func ask(t *testing.T) *recipient.Attempt {
	t.Helper()
	a, err := recipient.Ask(wanted)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func refusalCode(err error) string {
	var refusal *recipient.Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return fmt.Sprint(err)
}

func TestTheWholeFlow(t *testing.T) {
	t.Parallel()
	for _, alg := range allowed {
		for _, nonce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, nonce %v", alg, nonce), func(t *testing.T) {
				t.Parallel()
				s := newServer(t, alg)
				s.wantNonce = nonce
				c := s.connect(t)
				a := ask(t)
				var err error
				if a.Key, err = recipient.NewDPoPKey(alg); err != nil {
					t.Fatal(err)
				}
				token := obtain(t, s, c, a)
				if token.GrantID != "g1" || token.ConsentID != "g1" || token.ExpiresIn != 900 || token.RefreshToken == "" || token.Key != a.Key {
					t.Errorf("token answer was not kept: %+v", token)
				}
				const details = `[{"consentRequest":{"durationType":"TIME_BOUND","durationPeriod":90,"lookbackPeriod":60,` +
					`"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC","TRANSACTIONS"]}]},"type":"fdx_v1.0"}]`
				if string(token.Details) != details {
					t.Errorf("authorization_details on the wire:\n%s", token.Details)
				}

				// A new key, the old refresh token: the old token dies with
				// its key, not before.
				key, err := recipient.NewDPoPKey(alg)
				if err != nil {
					t.Fatal(err)
				}
				fresh, err := c.Refresh(t.Context(), token.RefreshToken, key)
				if err != nil {
					t.Fatal(err)
				}
				if fresh.RefreshToken != token.RefreshToken || fresh.AccessToken == token.AccessToken {
					t.Error("the refresh token was not kept, or the access token was")
				}

				for path, read := range map[string]func() (*recipient.Response, error){
					"/fdx/v6/accounts":      func() (*recipient.Response, error) { return c.Accounts(t.Context(), fresh, nil) },
					"/fdx/v6/accounts/a 1/": func() (*recipient.Response, error) { return c.Account(t.Context(), fresh, "a 1/") },
					"/fdx/v6/accounts/a1/transactions": func() (*recipient.Response, error) {
						return c.Transactions(t.Context(), token, "a1", url.Values{"limit": {"2"}})
					},
				} {
					answer, err := read()
					if err != nil {
						t.Fatal(err)
					}
					var body struct{ Path, Query string }
					if err := answer.JSON(&body); err != nil {
						t.Fatal(err)
					}
					if answer.Status != http.StatusOK || body.Path != path {
						t.Errorf("%s: status %d for %s", path, answer.Status, body.Path)
					}
				}

				if err := c.Revoke(t.Context(), token.RefreshToken); err != nil {
					t.Fatal(err)
				}
				answer, err := c.Accounts(t.Context(), fresh, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := answer.Refusal("accounts request").Error(); got != "accounts request was refused with status 401: 603: Authentication failed" {
					t.Errorf("after revocation: %s", got)
				}
				if _, err := c.Refresh(t.Context(), token.RefreshToken, key); refusalCode(err) != "invalid_grant" {
					t.Errorf("refresh after revocation: %v", err)
				}
			})
		}
	}
}

func TestScopesAloneAreEnough(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	a, err := recipient.AskScopes("fdx:accountbasic:read", "fdx:transactions:read")
	if err != nil {
		t.Fatal(err)
	}
	obtainCode(t, s, c, a)
	req, err := c.PushRequest(a)
	if err != nil {
		t.Fatal(err)
	}
	if got := req.Form.Get("scope"); got != "fdx:accountbasic:read fdx:transactions:read" || req.Form.Has("authorization_details") {
		t.Errorf("scope %q", got)
	}
}

// Every secret of an attempt, an assertion and a proof is new each time.
func TestNothingIsUsedTwice(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	a, b := ask(t), ask(t)
	if a.State == b.State || a.Verifier == b.Verifier || a.Key.Thumbprint() == b.Key.Thumbprint() {
		t.Error("two attempts share a secret")
	}
	r1, err1 := c.PushRequest(a)
	r2, err2 := c.PushRequest(a)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if r1.Form.Get("client_assertion") == r2.Form.Get("client_assertion") || r1.Header.Get("DPoP") == r2.Header.Get("DPoP") {
		t.Error("two requests share an assertion or a proof")
	}
}

func TestABentRequestIsSentAsItIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		bend       func(*testing.T, *recipient.Client, *recipient.Attempt, *recipient.Request)
	}{
		{"untouched", "", func(*testing.T, *recipient.Client, *recipient.Attempt, *recipient.Request) {}},
		{"aud as a list", "invalid_client", func(t *testing.T, c *recipient.Client, _ *recipient.Attempt, r *recipient.Request) {
			claims := c.AssertionClaims()
			claims["aud"] = []any{claims["aud"]}
			assertion, err := c.SignAssertion(claims)
			if err != nil {
				t.Fatal(err)
			}
			r.Form.Set("client_assertion", assertion)
		}},
		{"no proof", "invalid_dpop_proof", func(_ *testing.T, _ *recipient.Client, _ *recipient.Attempt, r *recipient.Request) {
			r.Header.Del("DPoP")
		}},
		{"a proof for another method", "invalid_dpop_proof", func(t *testing.T, _ *recipient.Client, a *recipient.Attempt, r *recipient.Request) {
			proof, err := a.Key.Sign(a.Key.Claims("GET", r.URL, "", "", time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("DPoP", proof)
		}},
		{"two proofs", "invalid_dpop_proof", func(_ *testing.T, _ *recipient.Client, _ *recipient.Attempt, r *recipient.Request) {
			r.Header.Add("DPoP", r.Header.Get("DPoP"))
		}},
		{"no PKCE", "invalid_request", func(_ *testing.T, _ *recipient.Client, _ *recipient.Attempt, r *recipient.Request) {
			r.Form.Del("code_challenge")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			c, a := s.connect(t), ask(t)
			req, err := c.PushRequest(a)
			if err != nil {
				t.Fatal(err)
			}
			tt.bend(t, c, a, req)
			resp, err := c.Do(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Refusal("push"); (err != nil || tt.want != "") && refusalCode(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestSendingTwiceIsAReplayUnlessSignedAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	req, err := c.PushRequest(ask(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{http.StatusCreated, http.StatusUnauthorized, http.StatusCreated} {
		if i == 2 {
			if err := req.Sign(req, ""); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := c.Do(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != want {
			t.Errorf("sending %d: status %d, want %d", i, resp.Status, want)
		}
	}
}

func TestANonceIsTriedTwiceAndRemembered(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	s.wantNonce = true
	c := s.connect(t)
	token := obtain(t, s, c, ask(t)) // PAR is asked for a nonce, the token request has it already
	if par, tok := s.count("/par"), s.count("/token"); par != 2 || tok != 1 {
		t.Errorf("%d pushed requests and %d token requests, want 2 and 1", par, tok)
	}
	for range 3 {
		if _, err := c.Accounts(t.Context(), token, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.count("/fdx/v6/accounts"); n != 4 {
		t.Errorf("%d requests for 3 reads, want 4", n)
	}

	// A server that is never content gets three requests, not a loop.
	s.mu.Lock()
	s.newNonce = true
	s.nonceNo++
	s.mu.Unlock()
	answer, err := c.Accounts(t.Context(), token, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.count("/fdx/v6/accounts"); answer.Status != http.StatusUnauthorized || n != 7 {
		t.Errorf("status %d after %d requests", answer.Status, n-4)
	}
	if _, err := c.Refresh(t.Context(), token.RefreshToken, token.Key); refusalCode(err) != "use_dpop_nonce" {
		t.Errorf("refresh: %v", err)
	}

	// The request that the caller holds stays what it was.
	req, err := c.AccountsRequest(token, nil)
	if err != nil {
		t.Fatal(err)
	}
	proof := req.Header.Get("DPoP")
	if _, err := c.Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if req.Header.Get("DPoP") != proof {
		t.Error("Do has changed the caller's request")
	}

	// A bent request can be kept from being signed again.
	before := s.count("/fdx/v6/accounts")
	if req, err = c.AccountsRequest(token, nil); err != nil {
		t.Fatal(err)
	}
	req.Sign = nil
	if _, err := c.Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if n := s.count("/fdx/v6/accounts") - before; n != 1 {
		t.Errorf("%d requests without Sign", n)
	}
}

// A challenge without a nonce, or a nonce without a challenge, is no reason
// to try again.
func TestOnlyAChallengeIsAnsweredWithANonce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, nonce, challenge, body string
		status                       int
	}{
		{"no nonce", "", `DPoP error="use_dpop_nonce"`, `{"error":"use_dpop_nonce"}`, 401},
		{"another error", "n", `DPoP error="invalid_token"`, `{"error":"invalid_token"}`, 401},
		{"the wrong status", "n", `DPoP error="use_dpop_nonce"`, `{"error":"invalid_request"}`, 400},
		{"a success", "n", `DPoP error="use_dpop_nonce"`, `{"error":"use_dpop_nonce"}`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			s.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/fdx/v6/accounts" {
					return false
				}
				w.Header().Set("DPoP-Nonce", tt.nonce)
				w.Header().Set("WWW-Authenticate", tt.challenge)
				w.Header().Set("x-fapi-interaction-id", r.Header.Get("x-fapi-interaction-id"))
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
				return true
			}
			c := s.connect(t)
			if _, err := c.Accounts(t.Context(), recipient.Token{AccessToken: "t", Key: ask(t).Key}, nil); err != nil {
				t.Fatal(err)
			}
			if n := s.count("/fdx/v6/accounts"); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestATokenAnswerThatIsNotSafeIsRefused(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(map[string]any){
		"a bearer token":  func(m map[string]any) { m["token_type"] = "Bearer" },
		"no token":        func(m map[string]any) { delete(m, "access_token") },
		"no lifetime":     func(m map[string]any) { delete(m, "expires_in") },
		"a lifetime text": func(m map[string]any) { m["expires_in"] = "900" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			s.tokenAnswer = bend
			c, a := s.connect(t), ask(t)
			code := obtainCode(t, s, c, a)
			token, err := c.Redeem(t.Context(), a, code)
			if err == nil || token.AccessToken != "" {
				t.Errorf("got %v and a token", err)
			}
		})
	}
}

func TestACodeIsGoodForItsOwnAttemptOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c, a, other := s.connect(t), ask(t), ask(t)
	other.Key = a.Key
	if _, err := c.Redeem(t.Context(), other, obtainCode(t, s, c, a)); refusalCode(err) != "invalid_grant" {
		t.Errorf("another verifier: %v", err)
	}
	other.Key, other.Verifier = ask(t).Key, a.Verifier
	if _, err := c.Redeem(t.Context(), other, obtainCode(t, s, c, a)); refusalCode(err) != "invalid_grant" {
		t.Errorf("another key: %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/par" {
			return false
		}
		http.Redirect(w, r, s.gateway.URL+"/stolen", http.StatusTemporaryRedirect)
		return true
	}
	c := s.connect(t)
	if _, err := c.Push(t.Context(), ask(t)); err == nil || s.count("/stolen") != 0 {
		t.Errorf("got %v, and %d requests elsewhere", err, s.count("/stolen"))
	}
}

func TestAnInteractionIDThatDoesNotComeBackIsAnError(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	token := obtain(t, s, c, ask(t))
	s.mu.Lock()
	s.noEcho = true
	s.mu.Unlock()
	answer, err := c.Accounts(t.Context(), token, nil)
	if !errors.Is(err, recipient.ErrNotEchoed) || answer == nil || answer.Status != http.StatusOK {
		t.Errorf("got %v, %v", answer, err)
	}
	req, err := c.AccountsRequest(token, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := req.Header.Get("x-fapi-interaction-id")
	if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) {
		t.Errorf("%s is not a random UUID", id)
	}
	req.Header.Del("x-fapi-interaction-id")
	if _, err := c.Do(t.Context(), req); err != nil {
		t.Errorf("nothing sent, nothing expected: %v", err)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	page := func(w http.ResponseWriter, body string) { w.Write([]byte(body)) }
	tests := []struct {
		name   string
		server func(s *server, w http.ResponseWriter, r *http.Request, n int)
		want   string // one status or error per page
	}{
		{"by key, with the filter kept", func(_ *server, w http.ResponseWriter, r *http.Request, n int) {
			q := r.URL.Query()
			if q.Get("limit") != "2" || (n > 1) != (q.Get("pageKey") == fmt.Sprint("k&", n)) {
				w.WriteHeader(http.StatusBadRequest)
			} else if n < 3 {
				page(w, fmt.Sprintf(`{"page":{"nextPageKey":"k&%d"},"links":{"next":{"href":"https://elsewhere.example/"}}}`, n+1))
			} else {
				page(w, `{"page":{"totalElements":5}}`)
			}
		}, "200 200 200"},
		{"by link", func(s *server, w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				page(w, `{"links":{"next":{"href":"`+s.gateway.URL+`/fdx/v6/accounts/a1/transactions?x=1"}}}`)
			} else {
				page(w, `{}`)
			}
		}, "200 200"},
		{"an only page", func(_ *server, w http.ResponseWriter, _ *http.Request, _ int) { page(w, `{}`) }, "200"},
		{"a refusal in between", func(_ *server, w http.ResponseWriter, r *http.Request, n int) {
			if n == 2 {
				w.WriteHeader(http.StatusUnauthorized)
			}
			page(w, `{"page":{"nextPageKey":"k"}}`)
		}, "200 401"},
		{"a circle", func(_ *server, w http.ResponseWriter, _ *http.Request, n int) {
			page(w, fmt.Sprintf(`{"page":{"nextPageKey":"k%d"}}`, n%2))
		}, "200 200 200 paging"},
		{"a link out of the data API", func(_ *server, w http.ResponseWriter, _ *http.Request, _ int) {
			page(w, `{"links":{"next":{"href":"https://elsewhere.example/fdx/v6/accounts"}}}`)
		}, "200 paging"},
		{"a link that climbs out", func(s *server, w http.ResponseWriter, _ *http.Request, _ int) {
			page(w, `{"links":{"next":{"href":"`+s.gateway.URL+`/fdx/v6/../v5/accounts"}}}`)
		}, "200 paging"},
		{"no JSON", func(_ *server, w http.ResponseWriter, _ *http.Request, _ int) { page(w, `<html>`) }, "200 error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.ES256)
			s.transactions = func(w http.ResponseWriter, r *http.Request, n int) { tt.server(s, w, r, n) }
			c := s.connect(t)
			token := obtain(t, s, c, ask(t))
			var got []string
			for answer, err := range c.TransactionPages(t.Context(), token, "a1", url.Values{"limit": {"2"}}) {
				switch {
				case errors.Is(err, recipient.ErrPaging):
					got = append(got, "paging")
				case err != nil:
					got = append(got, "error")
				default:
					got = append(got, fmt.Sprint(answer.Status))
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
			for range c.TransactionPages(t.Context(), token, "a1", nil) {
				break // leaving early is fine
			}
		})
	}
}

// The address of a data request may hold a page key.
func TestAnErrorOfTheNetworkDoesNotTellTheQuery(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	s.gateway.Close()
	_, err := c.Transactions(t.Context(), recipient.Token{AccessToken: "t", Key: ask(t).Key}, "a1", url.Values{"pageKey": {"hunter2"}})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "/transactions") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	token := recipient.Token{AccessToken: "hunter2", RefreshToken: "hunter2"}
	attempt := recipient.Attempt{Verifier: "hunter2"}
	encoded, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		fmt.Sprint(token), fmt.Sprintf("%+v %#v %s %q %x", token, token, token.AccessToken, token.AccessToken, token.AccessToken),
		fmt.Sprintf("%+v %#v", attempt, attempt), string(encoded),
	} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, "68756e74657232") {
			t.Errorf("a secret prints: %s", s)
		}
	}
}
