package authz_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
)

// profiled registers a client like "app" under another profile.
func (w *world) profiled(id string, bend func(*consent.Recipient)) client {
	w.t.Helper()
	r, err := w.mem.Recipient(w.t.Context(), "app")
	must(w.t, err)
	r.ID = consent.RecipientID(id)
	bend(&r)
	must(w.t, w.mem.PutRecipient(w.t.Context(), r))
	return w.client(id)
}

// object is a good request object, bent.
func (c client) object(bend func(*jwt)) string {
	now := c.w.clock.now()
	j := jwt{alg: c.alg, key: c.key, header: map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims: claims{
		"iss": c.id, "client_id": c.id, "aud": issuer, "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}}
	for name, values := range c.request() {
		j.claims[name] = values[0]
	}
	if bend != nil {
		bend(&j)
	}
	return c.w.secret(j.sign(c.w.t))
}

// pushObject pushes a request object and nothing beside it.
func (c client) pushObject(object string) answer {
	return c.w.post("/par", c.signed(url.Values{"request": {object}}), nil)
}

// record is what is kept of a push that succeeded.
func (w *world) record(a answer) token.Pushed {
	w.t.Helper()
	if a.status != http.StatusCreated {
		w.t.Fatalf("a good request was answered %s", a)
	}
	h, err := w.hasher.Hash(token.KindPushed, a.text("request_uri"))
	must(w.t, err)
	p, err := w.mem.Pushed(w.t.Context(), h)
	must(w.t, err)
	return p
}

func both(bends ...func(*jwt)) func(*jwt) {
	return func(j *jwt) {
		for _, bend := range bends {
			bend(j)
		}
	}
}

// refusedObjects are request objects that "app" may not push.
func refusedObjects(t *testing.T, c client) map[string]string {
	k := keys()
	public, err := json.Marshal(jose.JSONWebKey{Key: k.ec.Public()})
	must(t, err)
	stranger, err := json.Marshal(jose.JSONWebKey{Key: k.otherEC.Public()})
	must(t, err)
	good := c.object(nil)
	head, body, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(body, ".")
	now := c.w.clock.now()
	whole := fmt.Sprintf(`"iss":"app","client_id":"app","aud":%q,"nbf":%d,"exp":%d,"response_type":"code","redirect_uri":%q,"scope":%q,
		"code_challenge":%q,"code_challenge_method":"S256"`, issuer, now.Unix(), now.Unix()+60, callback, basicScope, challengeOf(verifier))
	raw := func(payload string) string { return c.object(func(j *jwt) { j.payload = payload }) }
	if a := c.pushObject(raw("{" + whole + "}")); a.status != http.StatusCreated {
		t.Fatalf("what the rows bend is no good itself: %s", a)
	}
	swap := func(segment, with string) string { return strings.Replace(good, segment, with, 1) }
	rows := map[string]string{
		"empty":                     "",
		"not a JWS":                 "x",
		"two parts":                 head + "." + body,
		"four parts":                good + ".x",
		"encrypted":                 good + ".x.x",
		"doubled":                   good + "." + good,
		"truncated":                 good[:len(good)-1],
		"truncated payload":         head + "." + body[:len(body)-4] + "." + signature,
		"without a signature":       head + "." + body + ".",
		"padded":                    good + "=",
		"in JSON form":              `{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`,
		"another payload":           swap(body, encoded("{"+whole+"}")),
		"another header":            swap(head, encoded(`{"alg":"ES256"}`)),
		"another alg":               swap(head, encoded(`{"alg":"PS256","typ":"oauth-authz-req+jwt"}`)),
		"another signature":         head + "." + body + "." + strings.Repeat("A", len(signature)),
		"alg none":                  encoded(`{"alg":"none"}`) + "." + body + ".",
		"alg none with a signature": encoded(`{"alg":"none"}`) + "." + body + "." + signature,
		"alg NONE":                  encoded(`{"alg":"NONE"}`) + "." + body + "." + signature,
		"alg missing":               encoded(`{"kid":"1"}`) + "." + body + "." + signature,
		"alg twice":                 es256(t, `{"alg":"ES256","alg":"ES256"}`, "{"+whole+"}"),
		"typ twice":                 es256(t, `{"alg":"ES256","typ":"x","typ":"oauth-authz-req+jwt"}`, "{"+whole+"}"),
		"typ a number":              es256(t, `{"alg":"ES256","typ":1}`, "{"+whole+"}"),
		"header an array":           encoded(`["ES256"]`) + "." + body + "." + signature,
		"header no JSON":            encoded(`alg`) + "." + body + "." + signature,
		"claims an array":           raw(`["iss"]`),
		"claims null":               raw(`null`),
		"claims no JSON":            raw(`iss`),
		"claims not UTF-8":          raw("{" + whole + ",\"x\":\"\xff\"}"),
		"claims with a tail":        raw("{" + whole + "}{}"),
		"a claim twice":             raw(`{"iss":"app",` + whole + `}`),
		"a parameter twice":         raw(`{"scope":"` + basicScope + `",` + whole + `}`),
		"a parameter twice, bent":   raw(`{"scop\u0065":"` + basicScope + `",` + whole + `}`),
		"a member twice, inside":    raw("{" + whole + `,"claims":{"id_token":{},"id_token":{}}}`),
		"nested 1,000 deep":         raw("{" + whole + `,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}"),
		"over 32 KiB":               raw("{" + whole + `,"x":"` + strings.Repeat("a", 25<<10) + `"}`),
		"exp beyond all time":       raw(strings.Replace("{"+whole+"}", fmt.Sprint(now.Unix()+60), "1e300", 1)),
		"exp no number of Go":       raw(strings.Replace("{"+whole+"}", fmt.Sprint(now.Unix()+60), "1e999", 1)),
		"state a lone surrogate":    raw("{" + whole + `,"state":"a\ud800b"}`),
		"nonce a lone surrogate":    raw("{" + whole + `,"nonce":"\udfff"}`),
		"a client assertion":        c.assertion(nil),
		"a DPoP proof":              c.proof("/par", nil).Get("DPoP"),
		"another client's":          c.w.client("other").object(nil),
	}
	for name, bend := range map[string]func(*jwt){
		"iss missing":                    dropClaim("iss"),
		"iss another client":             setClaim("iss", "other"),
		"iss the issuer":                 setClaim("iss", issuer),
		"iss null":                       setClaim("iss", nil),
		"iss an array":                   setClaim("iss", []string{"app"}),
		"iss in capitals":                renamed("iss", "ISS"),
		"client_id missing":              dropClaim("client_id"),
		"client_id another client":       setClaim("client_id", "other"),
		"client_id empty":                setClaim("client_id", ""),
		"client_id a number":             setClaim("client_id", 1),
		"aud missing":                    dropClaim("aud"),
		"aud null":                       setClaim("aud", nil),
		"aud empty":                      setClaim("aud", ""),
		"aud foreign":                    setClaim("aud", "https://elsewhere.example"),
		"aud the PAR endpoint":           setClaim("aud", issuer+"/par"),
		"aud with a slash":               setClaim("aud", issuer+"/"),
		"aud in capitals":                setClaim("aud", strings.ToUpper(issuer)),
		"aud an empty array":             setClaim("aud", []string{}),
		"aud an array of others":         setClaim("aud", []string{issuer + "/par", "app"}),
		"aud an array with a number":     setClaim("aud", []any{issuer, 1}),
		"aud an object":                  setClaim("aud", claims{"aud": issuer}),
		"exp missing":                    dropClaim("exp"),
		"exp null":                       setClaim("exp", nil),
		"exp zero":                       setClaim("exp", 0),
		"exp negative":                   setClaim("exp", -1),
		"exp text":                       setClaim("exp", fmt.Sprint(now.Unix()+60)),
		"exp in capitals":                renamed("exp", "EXP"),
		"exp now":                        both(in(c, "nbf", -time.Minute), in(c, "exp", 0)),
		"exp 5 min ago":                  both(in(c, "nbf", -10*time.Minute), in(c, "exp", -5*time.Minute)),
		"exp 61 min after nbf":           in(c, "exp", 61*time.Minute),
		"exp 60 min and 1 s after nbf":   in(c, "exp", time.Hour+time.Second),
		"exp 70 min after an old nbf":    both(in(c, "nbf", -30*time.Minute), in(c, "exp", 40*time.Minute)),
		"exp in ten years":               in(c, "exp", 10*365*24*time.Hour),
		"exp before nbf":                 both(in(c, "nbf", 20*time.Second), in(c, "exp", 10*time.Second)),
		"nbf missing":                    dropClaim("nbf"),
		"nbf null":                       setClaim("nbf", nil),
		"nbf zero":                       setClaim("nbf", 0),
		"nbf text":                       setClaim("nbf", fmt.Sprint(now.Unix())),
		"nbf in capitals":                renamed("nbf", "Nbf"),
		"nbf 61 min ago":                 both(in(c, "nbf", -61*time.Minute), in(c, "exp", time.Minute)),
		"nbf 60 min ago, and a second":   both(in(c, "nbf", -time.Hour-time.Second), in(c, "exp", -time.Second)),
		"nbf a day ago with a long life": both(in(c, "nbf", -24*time.Hour), in(c, "exp", time.Minute)),
		"nbf 32 s ahead":                 in(c, "nbf", 32*time.Second),
		"nbf 62 s ahead":                 in(c, "nbf", 62*time.Second),
		"nbf an hour ahead":              both(in(c, "nbf", time.Hour), in(c, "exp", 90*time.Minute)),
		"iat 62 s ahead":                 in(c, "iat", 62*time.Second),
		"iat text":                       setClaim("iat", "now"),
		"iat negative":                   setClaim("iat", -1),
		"typ JWT":                        setHeader("typ", "JWT"),
		"typ at+jwt":                     setHeader("typ", "at+jwt"),
		"typ of a proof":                 setHeader("typ", "dpop+jwt"),
		"typ nearly":                     setHeader("typ", "oauth-authz-req+jwt "),
		"a key that nobody registered":   func(j *jwt) { j.key = keys().otherEC },
		"a key that another registered":  func(j *jwt) { j.alg, j.key = jose.EdDSA, keys().ed },
		"kid of another key":             setHeader("kid", "2"),
		"kid unknown":                    setHeader("kid", "9"),
		"RS256":                          func(j *jwt) { j.alg, j.key = jose.RS256, keys().rsa },
		"PS384":                          func(j *jwt) { j.alg, j.key = jose.PS384, keys().rsa },
		"HS256 over the public key":      func(j *jwt) { j.alg, j.key = jose.HS256, public },
		"HS256 over the JWKS":            func(j *jwt) { j.alg, j.key = jose.HS256, set(t, keys().ec.Public(), keys().rsa.Public()) },
		"crit":                           func(j *jwt) { j.header["crit"], j.header["x"] = []string{"x"}, 1 },
		"crit exp":                       func(j *jwt) { j.header["crit"], j.header["exp"] = []string{"exp"}, 1 },
		"crit empty":                     setHeader("crit", []string{}),
		"b64":                            setHeader("b64", true),
		"a stranger's key in the jwk":    func(j *jwt) { j.key = keys().otherEC; j.header["jwk"] = json.RawMessage(stranger) },
		"a stranger's key by jku":        func(j *jwt) { j.key = keys().otherEC; j.header["jku"] = "https://evil.example/jwks" },
		"a stranger's key by x5u":        func(j *jwt) { j.key = keys().otherEC; j.header["x5u"] = "https://evil.example/x5u" },
		"a stranger's key in an x5c":     func(j *jwt) { j.key = keys().otherEC; j.header["x5c"] = []string{"AAAA"} },
		"a header 1,000 deep":            setHeader("x", json.RawMessage(strings.Repeat("[", 1000)+strings.Repeat("]", 1000))),
		"request inside":                 setClaim("request", good),
		"request inside, null":           setClaim("request", nil),
		"request_uri inside":             setClaim("request_uri", "urn:ietf:params:oauth:request_uri:x"),
		"request_uri inside, empty":      setClaim("request_uri", ""),
		"state a number":                 setClaim("state", 1),
		"state null":                     setClaim("state", nil),
		"state with a NUL":               setClaim("state", "a\x00b"),
		"scope an array":                 setClaim("scope", []string{basicScope}),
		"redirect_uri an array":          setClaim("redirect_uri", []string{callback}),
		"nonce a boolean":                setClaim("nonce", true),
		"response_type an object":        setClaim("response_type", claims{}),
		"code_challenge a number":        setClaim("code_challenge", 1),
		"dpop_jkt an object":             setClaim("dpop_jkt", claims{}),
		"prompt an array":                setClaim("prompt", []string{"login"}),
		"acr_values an array":            setClaim("acr_values", []string{"x"}),
		"max_age text":                   setClaim("max_age", "60"),
		"max_age a boolean":              setClaim("max_age", false),
		"claims text":                    setClaim("claims", `{"id_token":{}}`),
		"claims null":                    setClaim("claims", nil),
		"authorization_details text":     setClaim("authorization_details", "["+goodDetail+"]"),
		"authorization_details object":   setClaim("authorization_details", json.RawMessage(goodDetail)),
	} {
		rows[name] = c.object(bend)
	}
	return rows
}

func TestRequestObjectsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for name, object := range refusedObjects(t, c) {
		if a := c.pushObject(object); !a.is(http.StatusBadRequest, "invalid_request_object") || !only(a.body, "error", "error_description") {
			t.Errorf("%s: %s", name, a)
		}
	}
	// What does not fit into a form at all is no request.
	if a := c.pushObject(c.object(setClaim("x", strings.Repeat("a", 1<<20)))); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("1 MiB: %s", a)
	}
}

func TestRequestObjectsThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for name, bend := range map[string]func(*jwt){
		"plain":                          nil,
		"typ in capitals":                setHeader("typ", "OAUTH-AUTHZ-REQ+JWT"),
		"typ in mixed case":              setHeader("typ", "OAuth-Authz-Req+JWT"),
		"no typ":                         func(j *jwt) { delete(j.header, "typ") },
		"kid":                            setHeader("kid", "1"),
		"PS256 beside ES256 assertions":  func(j *jwt) { j.alg, j.key = jose.PS256, keys().rsa },
		"aud an array":                   setClaim("aud", []string{issuer}),
		"aud an array with another":      setClaim("aud", []string{"https://elsewhere.example", issuer}),
		"nbf 8 s ahead":                  in(c, "nbf", 8*time.Second),
		"nbf 30 s ahead":                 in(c, "nbf", 30*time.Second),
		"iat 8 s ahead":                  in(c, "iat", 8*time.Second),
		"nbf 59 min ago":                 both(in(c, "nbf", -59*time.Minute), in(c, "exp", 30*time.Second)),
		"exp 60 min after nbf":           both(in(c, "nbf", 0), in(c, "exp", time.Hour)),
		"exp in 1 s":                     in(c, "exp", time.Second),
		"times with fractions":           setClaim("exp", float64(w.clock.now().Unix())+60.5),
		"jti":                            setClaim("jti", "j"),
		"unknown header and claims":      func(j *jwt) { j.header["x"] = 1; j.claims["y"] = claims{"z": []int{1}} },
		"unknown ones of any type":       func(j *jwt) { j.claims["id_token_hint"] = 1; j.claims["display"] = nil },
		"client authentication inside":   setClaim("client_assertion", 1),
		"a jku that is not looked at":    setHeader("jku", "https://evil.example/jwks"),
		"a jwk that is not looked at":    setHeader("jwk", jose.JSONWebKey{Key: keys().otherEC.Public()}),
		"an x5u that is not looked at":   setHeader("x5u", "https://evil.example/x5u"),
		"capitals beside":                setClaim("ISS", "other"),
		"no state":                       dropClaim("state"),
		"a state of 2,000":               setClaim("state", strings.Repeat("s", 2000)),
		"a nonce of 500":                 setClaim("nonce", strings.Repeat("n", 500)),
		"scopes in another order":        setClaim("scope", "fdx:transactions:read offline_access "+basicScope),
		"nearly 32 KiB":                  setClaim("x", strings.Repeat("a", 23<<10)),
		"details, with clusters 8 deep":  both(dropClaim("scope"), setClaim("authorization_details", json.RawMessage(details(`"purpose":"budgeting",`, ``)))),
		"claims with values inside them": setClaim("claims", json.RawMessage(`{"id_token":{"acr":{"values":["urn:headgate:acr:password"]}}}`)),
	} {
		if a := c.pushObject(c.object(bend)); a.status != http.StatusCreated || !only(a.body, "request_uri", "expires_in") {
			t.Errorf("%s: %s", name, a)
		}
	}
	for _, id := range []string{"other", "ed"} { // PS256, EdDSA
		if a := w.client(id).pushObject(w.client(id).object(nil)); a.status != http.StatusCreated {
			t.Errorf("client %s: %s", id, a)
		}
	}
	// The client may name itself beside the object.
	a := w.post("/par", c.signed(url.Values{"request": {c.object(nil)}, "client_id": {"app"}}), nil)
	if a.status != http.StatusCreated {
		t.Errorf("client_id beside it: %s", a)
	}
}

// What stands beside a request object is not used, and cannot mend it.
func TestOnlyTheRequestObjectCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	alone := w.record(c.pushObject(c.object(nil)))
	beside := url.Values{"request": {c.object(nil)}}
	for name, value := range map[string]string{
		"response_type": "token", "redirect_uri": "https://evil.example/cb", "scope": "fdx:balances:read", "state": "evil", "nonce": "evil",
		"code_challenge": strings.Repeat("a", 43), "code_challenge_method": "plain", "response_mode": "fragment", "prompt": "evil",
		"max_age": "evil", "acr_values": "evil", "claims": "{", "login_hint": "evil", "ui_locales": "evil", "dpop_jkt": "evil",
		"authorization_details": "evil", "x": "y",
	} {
		beside.Set(name, value)
	}
	p := w.record(w.post("/par", c.signed(beside), nil))
	if !maps.Equal(p.Params, alone.Params) || p.Request.Clusters() != alone.Request.Clusters() || p.KeyThumbprint != "" {
		t.Errorf("kept: %v, want %v", p.Params, alone.Params)
	}
	for _, name := range []string{"redirect_uri", "code_challenge", "code_challenge_method", "response_type", "scope"} {
		form := c.signed(c.request())
		form.Set("request", c.object(dropClaim(name)))
		if a := w.post("/par", form, nil); a.status != http.StatusBadRequest {
			t.Errorf("%s from beside: %s", name, a)
		}
	}
	// State is not taken from beside either.
	form := c.signed(c.request())
	form.Set("request", c.object(dropClaim("state")))
	if p := w.record(w.post("/par", form, nil)); p.Params["state"] != "" {
		t.Errorf("state %s", p.Params["state"])
	}
}

// The members of a request object are kept as a form would have brought them.
func TestParametersOfARequestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.client("narrow")
	state := strings.Repeat("s", 999) + "\u00e9"
	p := w.record(n.pushObject(n.object(both(dropClaim("scope"), func(j *jwt) {
		j.claims["authorization_details"] = json.RawMessage(" [ " + goodDetail + " ] ")
		j.claims["claims"] = json.RawMessage(`{ "id_token" : { "auth_time" : null } }`)
		j.claims["max_age"], j.claims["state"], j.claims["nonce"] = 3600, state, "n"
		j.claims["prompt"], j.claims["login_hint"], j.claims["ui_locales"] = "login", "<\"&\\>", "sv"
		j.claims["acr_values"], j.claims["dpop_jkt"] = "x", thumbprint(t, keys().ec.Public())
	}))))
	want := map[string]string{
		"response_type": "code", "redirect_uri": callback, "state": state, "nonce": "n", "response_mode": "query",
		"code_challenge": challengeOf(verifier), "code_challenge_method": "S256", "claims": `{"id_token":{"auth_time":null}}`,
		"max_age": "3600", "prompt": "login", "login_hint": "<\"&\\>", "ui_locales": "sv", "acr_values": "x",
		"dpop_jkt": thumbprint(t, keys().ec.Public()),
	}
	if !maps.Equal(p.Params, want) {
		t.Errorf("kept %v, want %v", p.Params, want)
	}
	if p.Request.Purpose.Code != "budgeting" || p.Request.DurationDays != 30 || p.KeyThumbprint != want["dpop_jkt"] {
		t.Errorf("record: %+v", p)
	}
}

// A whole flow out of a request object.
func TestARequestObjectBecomesAGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.profiled("signing", func(r *consent.Recipient) { r.Profile.SignedRequests = true })
	a := c.pushObject(c.object(setClaim("state", "from the object")))
	back := w.person("alice").approve(c.front(a.text("request_uri")))
	if back.Get("state") != "from the object" || back.Get("iss") != issuer {
		t.Fatalf("the app was told %v", back)
	}
	if a := c.redeem(back.Get("code"), nil); a.status != http.StatusOK || a.text("scope") != basicScope {
		t.Error(a)
	}
}

func TestSignedRequestsWhereTheyAreDemanded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.profiled("signing", func(r *consent.Recipient) { r.Profile.SignedRequests = true })
	if a := c.push(nil); !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("a plain request: %s", a)
	}
	if a := c.push(with("request", "")); !a.is(http.StatusBadRequest, "invalid_request_object") {
		t.Errorf("a plain request with an empty object: %s", a)
	}
	if a := c.pushObject(c.object(nil)); a.status != http.StatusCreated {
		t.Errorf("a signed request: %s", a)
	}
	// An algorithm that was agreed on is the only one.
	p := w.profiled("agreed", func(r *consent.Recipient) { r.Profile.RequestAlg = "PS256" })
	if a := p.pushObject(p.object(nil)); !a.is(http.StatusBadRequest, "invalid_request_object") {
		t.Errorf("ES256 where PS256 is agreed: %s", a)
	}
	if a := p.pushObject(p.object(func(j *jwt) { j.alg, j.key = jose.PS256, keys().rsa })); a.status != http.StatusCreated {
		t.Errorf("PS256 as agreed: %s", a)
	}
}

// Who asks is who authenticated, whatever the object says.
func TestARequestObjectWithAnotherClientsAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, o := w.client("app"), w.client("other")
	for name, object := range map[string]string{
		"app's":                        c.object(nil),
		"signed by app for other":      c.object(func(j *jwt) { j.claims["iss"], j.claims["client_id"] = "other", "other" }),
		"app's client_id by other":     o.object(setClaim("client_id", "app")),
		"app's iss by other":           o.object(setClaim("iss", "app")),
		"other's, signed with app's k": c.object(func(j *jwt) { j.claims["client_id"] = "other" }),
	} {
		if a := o.pushObject(object); !a.is(http.StatusBadRequest, "invalid_request_object") {
			t.Errorf("%s: %s", name, a)
		}
	}
	for name, form := range map[string]url.Values{
		"nobody's authentication": {"request": {c.object(nil)}},
		"the object alone":        {"request": {c.object(nil)}, "client_id": {"app"}},
		"another client_id":       c.signed(url.Values{"request": {c.object(nil)}, "client_id": {"other"}}),
	} {
		if a := w.post("/par", form, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
			t.Errorf("%s: %s", name, a)
		}
	}
}

// RFC 9101 section 10.8: one kind of JWT does not pass for the other.
func TestARequestObjectIsNoClientAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	for _, typ := range []string{"oauth-authz-req+jwt", "OAUTH-AUTHZ-REQ+JWT"} {
		f := c.signed(c.request())
		f.Set("client_assertion", c.object(both(setClaim("sub", "app"), setClaim("jti", "j"), setHeader("typ", typ))))
		if a := w.post("/par", f, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
			t.Errorf("%s: %s", typ, a)
		}
	}
}

// A request object may be pushed again, by the client that could have signed
// another; its assertion may not.
func TestManyPushesOfOneRequestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	const n = 32
	object := c.object(setClaim("jti", "one"))
	forms := make([]url.Values, n)
	for i := range n {
		forms[i] = c.signed(url.Values{"request": {object}})
	}
	seen := map[string]bool{}
	for _, a := range atOnce(n, func(i int) answer { return w.post("/par", forms[i], nil) }) {
		if a.status != http.StatusCreated || seen[a.text("request_uri")] {
			t.Errorf("with an assertion of its own: %s", a)
		}
		seen[a.text("request_uri")] = true
	}
	one := c.signed(url.Values{"request": {object}})
	created := 0
	for _, a := range atOnce(n, func(int) answer { return w.post("/par", one, nil) }) {
		switch {
		case a.status == http.StatusCreated:
			created++
		case !a.is(http.StatusUnauthorized, "invalid_client"):
			t.Errorf("a loser: %s", a)
		}
	}
	if created != 1 {
		t.Errorf("%d of one assertion succeeded", created)
	}
}

// A refused request object uses up the assertion that came with it, once.
func TestARefusedRequestObjectSpendsTheAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	form := c.signed(url.Values{"request": {"x"}})
	if a := w.post("/par", form, nil); !a.is(http.StatusBadRequest, "invalid_request_object") {
		t.Fatal(a)
	}
	form.Set("request", c.object(nil))
	if a := w.post("/par", form, nil); !a.is(http.StatusUnauthorized, "invalid_client") {
		t.Errorf("again: %s", a)
	}
}

// Request objects come through PAR only.
func TestNoRequestObjectAtTheAuthorizationEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	a := w.person("alice").open(url.Values{"client_id": {"app"}, "request": {c.object(nil)}})
	if !a.is(http.StatusBadRequest, "invalid_request") {
		t.Errorf("by value: %s", a)
	}
	a = w.person("alice").open(url.Values{"client_id": {"app"}, "request_uri": {"https://app.example/object"}})
	if !a.is(http.StatusBadRequest, "invalid_request_uri") {
		t.Errorf("by address: %s", a)
	}
	// Beside a pushed request it is not looked at.
	q := c.front(c.pushed(nil))
	q.Set("request", c.object(setClaim("state", "evil")))
	if back := w.person("alice").approve(q); back.Get("state") != "st" {
		t.Errorf("beside a pushed request: %v", back)
	}
}

// The signature is good, so that the checks of the object are all that stands
// between the text and a yes. Whatever is accepted must hold to the rules when
// somebody else reads it.
func FuzzRequestObject(f *testing.F) {
	w := newWorld(f)
	c := w.client("app")
	now := w.clock.now()
	good := fmt.Sprintf(`{"iss":"app","client_id":"app","aud":"%s","nbf":%d,"exp":%d,"response_type":"code","redirect_uri":"%s","scope":"%s","code_challenge":"%s","code_challenge_method":"S256"}`,
		issuer, now.Unix(), now.Unix()+60, callback, basicScope, challengeOf(verifier))
	more := func(member string) string { return good[:len(good)-1] + "," + member + "}" }
	f.Add(`{"alg":"ES256"}`, good)
	f.Add(`{"alg":"ES256","typ":"oauth-authz-req+jwt","kid":"1"}`, more(`"iat":1,"max_age":60,"state":"s"`))
	f.Add(`{"alg":"ES256","typ":"JWT"}`, good)
	f.Add(`{"alg":"ES256","crit":["x"],"x":1}`, good)
	f.Add(`{"alg":"none"}`, good)
	f.Add(`{"alg":"ES256"}`, more(`"claims":{"id_token":{"acr":{"essential":true,"values":["x"]}}}`))
	f.Add(`{"alg":"ES256"}`, more(`"authorization_details":[`+goodDetail+`]`))
	f.Add(`{"alg":"ES256"}`, more(`"request_uri":"x"`))
	f.Add(`{"alg":"ES256"}`, more(`"nbf":1`))
	f.Add(`{"alg":"ES256"}`, strings.Replace(good, `"aud":"`+issuer+`"`, `"aud":["x","`+issuer+`"]`, 1))
	f.Add(`{"alg":"ES256"}`, `{}`)
	f.Add(`[]`, ``)
	known := []string{
		"invalid_request", "invalid_request_object", "invalid_scope", "invalid_authorization_details",
		"unsupported_response_type", "unmet_authentication_requirements",
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		w.t = t
		a := c.pushObject(w.secret(es256(t, header, payload)))
		if a.status != http.StatusCreated {
			if a.status != http.StatusBadRequest || !slices.Contains(known, a.code()) {
				t.Fatal(a)
			}
			w.checkLog()
			return
		}
		var h, p claims
		if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(payload), &p) != nil {
			t.Fatalf("accepted: %s %s", header, payload)
		}
		typ, hasTyp := h["typ"].(string)
		exp, _ := p["exp"].(float64)
		nbf, _ := p["nbf"].(float64)
		aud, _ := p["aud"].([]any)
		at := float64(now.UnixMilli()) / 1e3
		const grain = 0.001 // times are read in milliseconds
		if h["alg"] != "ES256" || h["crit"] != nil || h["b64"] != nil || h["typ"] != nil && !hasTyp || typ != "" && !strings.EqualFold(typ, "oauth-authz-req+jwt") ||
			p["iss"] != "app" || p["client_id"] != "app" || p["aud"] != issuer && !slices.Contains(aud, any(issuer)) ||
			exp <= at-grain || exp > nbf+3600+grain || nbf < at-3600-grain || nbf > at+30+grain || p["request"] != nil || p["request_uri"] != nil {
			t.Errorf("accepted: %s %s", header, payload)
		}
		kept := w.record(a)
		w.checkLog()
		for name, value := range kept.Params {
			switch text, isText := p[name].(string); {
			case name == "scope" || name == "response_mode": // normalised
			case isText && text != value, !isText && !slices.Contains([]string{"claims", "max_age"}, name):
				t.Errorf("%s became %q: %s", name, value, payload)
			}
		}
		if kept.Params["redirect_uri"] != callback || len(kept.Params["code_challenge"]) != 43 {
			t.Errorf("kept: %v", kept.Params)
		}
	})
}
