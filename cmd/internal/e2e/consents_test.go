package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/resource/sandbox"
)

// A recipient ends a consent at one gateway: the other one, which had the
// token in its cache a moment before, gives nothing any more, and the person
// sees that the app ended it.
func TestARecipientEndsAConsentAtTheGateway(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	ctx := t.Context()
	for _, id := range []consent.RecipientID{"alpha", "beta"} {
		r, err := d.db.Recipients().Recipient(ctx, id)
		must(t, err)
		r.Profile.GrantTypes = append(r.Profile.GrantTypes, "client_credentials")
		must(t, d.db.Recipients().PutRecipient(ctx, r))
	}
	app, stranger := d.client(t, "alpha"), d.client(t, "beta")
	gateways := d.both(t, d.data)
	own := func(c *recipient.Client, scope string) recipient.Token {
		t.Helper()
		key, err := recipient.NewDPoPKey(jose.ES256)
		must(t, err)
		tok, err := c.ClientCredentials(ctx, scope, key)
		must(t, err)
		return tok
	}
	const query, revoke = "grant_management_query", "grant_management_revoke"
	tok := d.granted(t, app, "everyday")
	// ask sends a request to a gateway.
	ask := func(gateway int) func(r *recipient.Request, err error) *recipient.Response {
		return func(r *recipient.Request, err error) *recipient.Response {
			t.Helper()
			must(t, err)
			resp, err := sendBody(t, gateways[gateway], r)
			must(t, err)
			return resp
		}
	}
	reads := func(want outcome) {
		t.Helper()
		for i := range gateways {
			if got := judged(ask(i)(app.AccountsRequest(tok, nil))); got != want {
				t.Errorf("a read at gateway %d: %v, want %v", i, got, want)
			}
		}
	}
	for range 2 { // filled, and found
		reads(outcome{200, ""})
	}

	mine, path := own(app, query), recipient.ConsentPath(tok.GrantID)
	for i := range gateways {
		if got := ask(i)(app.DataRequest(mine, path, nil)); got.Status != 200 || !strings.Contains(string(got.Body), `"status":"ACTIVE"`) {
			t.Errorf("the consent at gateway %d: %d %s", i, got.Status, got.Body)
		}
		if got := ask(i)(app.DataRequest(mine, "/consents", nil)); got.Status != 200 || !strings.Contains(string(got.Body), tok.GrantID) {
			t.Errorf("the list at gateway %d: %d %s", i, got.Status, got.Body)
		}
		if got := ask(i)(app.DataRequest(mine, "/capability", nil)); got.Status != 200 || !strings.Contains(string(got.Body), "revokeConsentGrant") {
			t.Errorf("the capability at gateway %d: %d %s", i, got.Status, got.Body)
		}
	}
	// The nos, which end nothing.
	foreign := ask(1)(stranger.DataRequest(own(stranger, query), path, nil))
	unknown := ask(1)(stranger.DataRequest(own(stranger, query), recipient.ConsentPath(string(consent.NewGrantID())), nil))
	if foreign.Status != 404 || string(foreign.Body) != string(unknown.Body) {
		t.Errorf("another recipient's: %d %s, unknown: %s", foreign.Status, foreign.Body, unknown.Body)
	}
	if got := ask(0)(stranger.DataRequest(own(stranger, query), "/consents", nil)); got.Status != 200 || strings.Contains(string(got.Body), tok.GrantID) {
		t.Errorf("another recipient's list: %d %s", got.Status, got.Body)
	}
	end := func(c *recipient.Client, by recipient.Token) (*recipient.Request, error) {
		return c.RevokeConsentRequest(by, tok.GrantID, "USER_ACTION", "INDIVIDUAL")
	}
	used, err := app.DataRequest(mine, path, nil)
	must(t, err)
	ask(0)(used, nil)
	for name, row := range map[string]struct {
		got  *recipient.Response
		want outcome
	}{
		"by another recipient":                    {ask(0)(end(stranger, own(stranger, revoke))), outcome{404, "1107"}},
		"with a token to look":                    {ask(0)(end(app, mine)), outcome{403, "403"}},
		"with the grant's token":                  {ask(0)(end(app, tok)), outcome{401, "603"}},
		"data with the app's own token":           {ask(0)(app.AccountsRequest(mine, nil)), outcome{401, "603"}},
		"a proof that the other gateway has seen": {ask(1)(used, nil), outcome{401, "603"}},
	} {
		if got := judged(row.got); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
	reads(outcome{200, ""})

	if got := ask(0)(end(app, own(app, revoke))); got.Status != http.StatusNoContent || len(got.Body) > 0 {
		t.Fatalf("the end: %d %s", got.Status, got.Body)
	}
	reads(outcome{401, "603"})
	if got := judged(ask(1)(end(app, own(app, revoke)))); got != (outcome{409, "409"}) {
		t.Errorf("again at the other gateway: %v", got)
	}
	must(t, app.RevokeConsent(ctx, own(app, revoke), tok.GrantID, "BUSINESS_RULE", "DATA_RECIPIENT")) // as good as done
	if got := ask(1)(app.DataRequest(mine, path+"/revocation", nil)); got.Status != 200 ||
		!strings.Contains(string(got.Body), `"initiator":"INDIVIDUAL"`) || strings.Count(string(got.Body), "REVOKED") != 1 {
		t.Errorf("the history: %d %s", got.Status, got.Body)
	}
	must(t, dialRedis(t, d.redis.URL()).empty())
	reads(outcome{401, "603"})
	if _, err := app.Refresh(ctx, tok.RefreshToken, tok.Key); !isRefusal(err, "invalid_grant") {
		t.Errorf("a refresh: %v", err)
	}

	person := d.person(t)
	page, err := person.Open(ctx, d.pages+"/portal")
	must(t, err)
	must(t, page.Fill("username", "everyday"))
	must(t, page.Fill("password", sandbox.DevPassword("everyday")))
	page, err = person.Press(ctx, page, "login_submit")
	must(t, err)
	if !strings.Contains(page.Text(), appName("alpha")) || !strings.Contains(page.Text(), "The app ended it") {
		t.Errorf("the portal does not say who ended it: %s", page.Text())
	}
}

// sendBody is send with a body that is no form.
func sendBody(t *testing.T, c *http.Client, r *recipient.Request) (*recipient.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, strings.NewReader(string(r.Body)))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	return receive(c.Do(req))
}
