package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

func TestACodeBecomesTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(with("scope", "fdx:transactions:read offline_access fdx:accountbasic:read"))
	g := w.grant()
	if !only(a.body, "access_token", "token_type", "expires_in", "refresh_token", "scope", "grant_id", "fdxConsentId", "authorization_details") ||
		a.text("token_type") != "DPoP" || a.text("grant_id") != string(g.ID) || a.text("fdxConsentId") != string(g.ID) ||
		a.text("scope") != "fdx:accountbasic:read fdx:transactions:read" {
		t.Error(a)
	}
	if life, _ := a.body["expires_in"].(float64); life < 890 || life > 900 {
		t.Errorf("expires_in %v", a.body["expires_in"])
	}
	for name, prefix := range map[string]string{"access_token": "hgat_", "refresh_token": "hgrt_"} {
		if s := a.text(name); !strings.HasPrefix(s, prefix) || len(s) < 43 {
			t.Errorf("%s: %s", name, s)
		}
	}
	l := w.live(a.text("access_token"))
	if !l.Active(w.clock.now()) || l.Access.Recipient != "app" || l.Access.Grant != g.ID || l.Access.KeyThumbprint != thumbprint(t, keys().ec) ||
		l.Access.ExpiresAt.After(w.clock.now().Add(900*time.Second)) {
		t.Errorf("%+v", l)
	}
	w.clock.advance(901 * time.Second)
	if w.usable(a.text("access_token")) {
		t.Error("alive after 901 s")
	}
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	code := c.code(nil)
	a := c.tokens(nil)
	access, refresh := a.text("access_token"), a.text("refresh_token")
	unknownCode, _ := w.hasher.New(token.KindCode)
	unknownRefresh, _ := w.hasher.New(token.KindRefresh)
	for name, tt := range map[string]struct {
		bend func(url.Values)
		want string
	}{
		"no grant type":                  {without("grant_type"), "invalid_request"},
		"an empty grant type":            {with("grant_type", ""), "invalid_request"},
		"password":                       {with("grant_type", "password"), "unsupported_grant_type"},
		"implicit":                       {with("grant_type", "implicit"), "unsupported_grant_type"},
		"client_credentials":             {with("grant_type", "client_credentials"), "unauthorized_client"},
		"an extension grant":             {with("grant_type", "urn:openid:params:grant-type:ciba"), "unsupported_grant_type"},
		"two grant types":                {with("grant_type", "authorization_code refresh_token"), "unsupported_grant_type"},
		"a grant type in capitals":       {with("grant_type", "AUTHORIZATION_CODE"), "unsupported_grant_type"},
		"a grant type with a space":      {with("grant_type", " authorization_code"), "unsupported_grant_type"},
		"no code":                        {without("code"), "invalid_request"},
		"an empty code":                  {with("code", ""), "invalid_request"},
		"an unknown code":                {with("code", unknownCode.Reveal()), "invalid_grant"},
		"a code that is none":            {with("code", "x"), "invalid_grant"},
		"a code cut short":               {with("code", code[:len(code)-1]), "invalid_grant"},
		"a code doubled":                 {with("code", code+code), "invalid_grant"},
		"an access token as a code":      {with("code", access), "invalid_grant"},
		"a refresh token as a code":      {with("code", refresh), "invalid_grant"},
		"no redirect_uri":                {without("redirect_uri"), "invalid_grant"},
		"another redirect_uri":           {with("redirect_uri", callback+"?dummy1=lorem&dummy2=ipsum"), "invalid_grant"},
		"no verifier":                    {without("code_verifier"), "invalid_grant"},
		"an empty verifier":              {with("code_verifier", ""), "invalid_grant"},
		"a wrong verifier":               {with("code_verifier", strings.Repeat("x", 43)), "invalid_grant"},
		"a verifier cut short":           {with("code_verifier", verifier[:42]), "invalid_grant"},
		"a verifier of 129":              {with("code_verifier", strings.Repeat("x", 129)), "invalid_grant"},
		"the challenge for the verifier": {with("code_verifier", challengeOf(verifier)), "invalid_grant"},
		"no refresh token":               {with("grant_type", "refresh_token"), "invalid_request"},
		"an unknown refresh token": {func(f url.Values) {
			with("grant_type", "refresh_token")(f)
			f.Set("refresh_token", unknownRefresh.Reveal())
		}, "invalid_grant"},
		"a refresh token that is none": {func(f url.Values) { with("grant_type", "refresh_token")(f); f.Set("refresh_token", "x") }, "invalid_grant"},
		"an access token to refresh":   {func(f url.Values) { with("grant_type", "refresh_token")(f); f.Set("refresh_token", access) }, "invalid_grant"},
		"a code to refresh":            {func(f url.Values) { with("grant_type", "refresh_token")(f); f.Set("refresh_token", code) }, "invalid_grant"},
	} {
		if a := c.redeem(code, tt.bend); !a.is(http.StatusBadRequest, tt.want) || !only(a.body, "error", "error_description") {
			t.Errorf("%s: %s, want 400 %s", name, a, tt.want)
		}
	}
	if a := w.client("other").redeem(code, nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("another client: %s", a)
	}
	// All of that left the code as it was.
	if a := c.redeem(code, nil); a.status != http.StatusOK {
		t.Errorf("the right request on the same code: %s", a)
	}
}

func TestUnknownParametersOfATokenRequestAreIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.redeem(c.code(nil), func(f url.Values) {
		f.Set("scope", "fdx:tax:read")
		f.Set("audience", "x")
		f.Set("resource", "x")
		f.Set("client_id", "app")
		f.Set("state", "x")
	})
	if a.status != http.StatusOK || a.text("scope") != basicScope {
		t.Error(a)
	}
}

func TestACodeLivesForAMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for after, want := range map[time.Duration]int{44 * time.Second: 200, 45 * time.Second: 400, 62 * time.Second: 400, 24 * time.Hour: 400} {
		code := c.code(nil)
		w.clock.advance(after)
		if a := c.redeem(code, nil); a.status != want || want == 400 && a.code() != "invalid_grant" {
			t.Errorf("after %s: %s", after, a)
		}
	}
}

// RFC 6749 section 4.1.2, and in Headgate the whole grant.
func TestACodeThatComesBackEndsTheGrant(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(url.Values){
		"as it was":             nil,
		"with a wrong verifier": with("code_verifier", strings.Repeat("x", 43)),
		"with nothing else":     without("redirect_uri", "code_verifier"),
	} {
		w := newWorld(t)
		c := w.client("app")
		code := c.code(nil)
		first := c.redeem(code, nil)
		w.clock.advance(time.Second)
		if a := c.redeem(code, bend); !a.is(http.StatusBadRequest, "invalid_grant") {
			t.Errorf("%s: %s", name, a)
		}
		if g := w.grant(); g.Status != consent.StatusRevoked || g.EndReason != consent.ReasonCodeReplay || g.EndedBy != consent.ActorProvider {
			t.Errorf("%s: %+v", name, g)
		}
		if w.usable(first.text("access_token")) {
			t.Errorf("%s: the access token still works", name)
		}
		if a := c.refresh(first.text("refresh_token"), nil); !a.is(http.StatusBadRequest, "invalid_grant") {
			t.Errorf("%s: the refresh token: %s", name, a)
		}
		if a := c.redeem(code, nil); !a.is(http.StatusBadRequest, "invalid_grant") { // the grant has ended before
			t.Errorf("%s: a third time: %s", name, a)
		}
	}
}

// What is not there any more looks like what never was.
func TestCodesThatAreGoneLookAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.client("app"), w.client("other")
	unknown, _ := w.hasher.New(token.KindCode)
	want := c.redeem(unknown.Reveal(), nil)
	expired := c.code(nil)
	w.clock.advance(time.Minute)
	used, fresh := c.code(nil), c.code(nil)
	if a := c.redeem(used, nil); a.status != http.StatusOK {
		t.Fatal(a)
	}
	for name, a := range map[string]answer{
		"another client's":         other.redeem(fresh, nil),
		"another client's, used":   other.redeem(used, nil),
		"expired":                  c.redeem(expired, nil),
		"used":                     c.redeem(used, nil),
		"used, and the grant over": c.redeem(used, nil),
		"no code at all":           c.redeem("x", nil),
	} {
		if a.status != want.status || a.raw != want.raw {
			t.Errorf("%s: %s, want %s", name, a, want)
		}
	}
}

func TestAStrangerCannotSpoilACode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, other := w.client("app"), w.client("other")
	code := c.code(nil)
	a := c.redeem(code, nil)
	if b := other.redeem(code, nil); !b.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("a used code of another client: %s", b)
	}
	if g := w.grant(); g.StatusAt(w.clock.now()) != consent.StatusActive || g.Epoch != 1 || !w.usable(a.text("access_token")) {
		t.Errorf("it withdrew something: %+v", g)
	}
}

func TestOfManyRedemptionsOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	code := c.code(nil)
	const n = 32
	forms, proofs := make([]url.Values, n), make([]http.Header, n)
	for i := range n {
		forms[i], proofs[i] = c.signed(c.redemption(code)), c.proof("/token", nil)
	}
	won := 0
	var issued string
	for _, a := range atOnce(n, func(i int) answer { return w.post("/token", forms[i], proofs[i]) }) {
		switch {
		case a.status == http.StatusOK:
			won++
			issued = a.text("access_token")
		case !a.is(http.StatusBadRequest, "invalid_grant"):
			t.Errorf("a loser: %s", a)
		}
	}
	if won != 1 || w.grant().Status != consent.StatusRevoked || w.usable(issued) {
		t.Errorf("%d succeeded, grant %s", won, w.grant().Status)
	}
}

func TestAGrantThatEndedGivesNoTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	code := c.code(nil)
	end := consent.End{Grant: w.grant().ID, Status: consent.StatusRevoked, Actor: consent.ActorConsumer, Reason: consent.ReasonUserAction}
	_, err := w.mem.End(t.Context(), end)
	must(t, err)
	if a := c.redeem(code, nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("its code: %s", a)
	}

	w = newWorld(t)
	c = w.client("app")
	a := c.tokens(nil)
	end.Grant = w.grant().ID
	// It ends between the two looks that the server takes at it.
	w.stores.before = func(call string) error {
		if call == "Renew" {
			_, err := w.mem.End(t.Context(), end)
			must(t, err)
		}
		return nil
	}
	if a := c.refresh(a.text("refresh_token"), nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("its refresh token, at the last moment: %s", a)
	}
	w.stores.before = nil
	if a := c.refresh(a.text("refresh_token"), nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("its refresh token: %s", a)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	first := c.tokens(with("scope", "fdx:accountbasic:read fdx:transactions:read"))
	refresh := first.text("refresh_token")
	both := "fdx:accountbasic:read fdx:transactions:read"
	for _, tt := range []struct {
		name  string
		c     client
		bend  func(url.Values)
		scope string
	}{
		{"plain", c, nil, both},
		{"again", c, nil, both},
		{"with a new key", c.with(keys().otherEC), nil, both},
		{"with a key of another kind", c.with(keys().ed), nil, both},
		{"with the scope", c, with("scope", both), both},
		{"with an empty scope", c, with("scope", ""), both},
		{"with the scope turned round", c, with("scope", "fdx:transactions:read fdx:accountbasic:read"), "fdx:transactions:read fdx:accountbasic:read"},
		{"narrowed", c, with("scope", basicScope), basicScope},
		{"narrowed, with offline_access", c, with("scope", basicScope+" offline_access"), basicScope},
		{"after it was narrowed", c, nil, both},
	} {
		a := tt.c.refresh(refresh, tt.bend)
		if a.status != http.StatusOK || a.text("scope") != tt.scope || a.text("token_type") != "DPoP" || a.body["refresh_token"] != nil {
			t.Errorf("%s: %s", tt.name, a)
			continue
		}
		l := w.live(a.text("access_token"))
		if !l.Active(w.clock.now()) || l.Access.KeyThumbprint != thumbprint(t, tt.c.holder) || scopes(l) != tt.scope {
			t.Errorf("%s: %+v", tt.name, l.Access)
		}
		w.clock.advance(time.Minute)
	}
	if !w.usable(first.text("access_token")) {
		t.Error("a refresh ended the first access token")
	}
	for name, scope := range map[string]string{
		"wider":               both + " fdx:balances:read",
		"other":               "fdx:balances:read",
		"unknown":             "x",
		"offline_access only": "offline_access",
		"in capitals":         strings.ToUpper(basicScope),
		"with a tab":          "fdx:accountbasic:read\tfdx:transactions:read",
	} {
		if a := c.refresh(refresh, with("scope", scope)); !a.is(http.StatusBadRequest, "invalid_scope") {
			t.Errorf("%s: %s", name, a)
		}
	}
	if a := w.client("other").refresh(refresh, nil); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("by another client: %s", a)
	}
	if a := c.refresh(refresh, nil); a.status != http.StatusOK {
		t.Errorf("afterwards: %s", a)
	}
}

func scopes(l token.Live) string {
	var all []string
	for _, s := range l.Access.Scopes {
		all = append(all, string(s))
	}
	return strings.Join(all, " ")
}

// oneTime asks for a grant that is read once.
func oneTime(f url.Values) {
	f.Del("scope")
	f.Set("authorization_details", `[{"type":"fdx_v1.0","consentRequest":{"durationType":"ONE_TIME","resources":[{"resourceType":"ACCOUNT","dataClusters":["BALANCES"]}]}}]`)
}

func TestAOneTimeGrantHasNoRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.client("app").tokens(oneTime)
	if a.body["refresh_token"] != nil || a.text("access_token") == "" {
		t.Error(a)
	}
}

func TestNoTokenOutlivesItsGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := c.tokens(nil)
	w.clock.advance(w.grant().ExpiresAt.Sub(w.clock.now()) - 100*time.Second)
	b := c.refresh(a.text("refresh_token"), nil)
	if life, _ := b.body["expires_in"].(float64); b.status != http.StatusOK || life < 99 || life > 100 {
		t.Fatal(b)
	}
	if l := w.live(b.text("access_token")); !l.Access.ExpiresAt.Equal(w.grant().ExpiresAt) {
		t.Errorf("until %s, the grant until %s", l.Access.ExpiresAt, w.grant().ExpiresAt)
	}
	w.clock.advance(100 * time.Second)
	if c := c.refresh(a.text("refresh_token"), nil); !c.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("after the grant: %s", c)
	}
	if w.usable(b.text("access_token")) {
		t.Error("usable after the grant")
	}
}

// expires_in is positive (RFC 6749 section 5.1, FAPI 2.0), also when less
// than a second is left.
func TestTheLastSecondOfAGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	refresh := c.tokens(nil).text("refresh_token")
	w.clock.advance(w.grant().ExpiresAt.Sub(w.clock.now()) - 300*time.Millisecond)
	if a := c.refresh(refresh, nil); a.status != http.StatusOK || a.body["expires_in"] != 1.0 {
		t.Error(a)
	}
}

func TestTokensSayWhatTheGrantIsNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	first := c.tokens(nil)
	a := c.refresh(first.text("refresh_token"), nil)
	for _, name := range []string{"grant_id", "fdxConsentId"} {
		if a.text(name) != string(w.grant().ID) {
			t.Errorf("%s: %s", name, a)
		}
	}
	if list, _ := a.body["authorization_details"].([]any); len(list) != 1 {
		t.Error(a)
	}
	if a.text("access_token") == first.text("access_token") {
		t.Error("the same access token again")
	}
}
