package e2e

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/resource/sandbox"
)

// delivery is what a callback got.
type delivery struct {
	header http.Header
	body   []byte
}

// A recipient subscribes at the gateway, a person stops sharing at the
// portal, and whichever authorization server comes first calls the recipient.
func TestARecipientIsToldOfAStop(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	got := make(chan delivery, 10)
	sink := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		got <- delivery{r.Header, body}
		w.WriteHeader(http.StatusNoContent)
	}))
	sink.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, port, err := net.SplitHostPort(sink.Listener.Addr().String())
	must(t, err)

	d := deployWith(t, func(a *authzd.Config, g *gatewayd.Config) {
		a.Notify, a.NotifyWorkers = true, 2
		a.OutboundCAFile, a.OutboundAllow, a.OutboundPorts = a.ClientCAFile, []string{"127.0.0.0/8", "::1/128"}, []string{port}
		g.BankName = a.BankName
	})
	ca, err := devca.Open(devca.Config{Dir: filepath.Dir(d.ca.File())})
	must(t, err)
	pair, err := ca.Server()
	must(t, err)
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	must(t, err)
	sink.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	sink.StartTLS()
	t.Cleanup(sink.Close)

	for _, id := range []consent.RecipientID{"alpha", "beta"} {
		r, err := d.db.Recipients().Recipient(ctx, id)
		must(t, err)
		r.Profile.GrantTypes = append(r.Profile.GrantTypes, "client_credentials")
		if id == "alpha" {
			r.RedirectURIs = append(r.RedirectURIs, "https://localhost/callback")
		}
		must(t, d.db.Recipients().PutRecipient(ctx, r))
	}
	app, stranger := d.client(t, "alpha"), d.client(t, "beta")
	gateway := d.both(t, d.data)[0]
	own := func(c *recipient.Client, scope string) recipient.Token {
		t.Helper()
		key, err := recipient.NewDPoPKey(jose.ES256)
		must(t, err)
		tok, err := c.ClientCredentials(ctx, scope, key)
		must(t, err)
		return tok
	}
	ask := func(r *recipient.Request, err error) *recipient.Response {
		t.Helper()
		must(t, err)
		resp, err := sendBody(t, gateway, r)
		must(t, err)
		return resp
	}
	const scope = "fdx:notifications:subscribe"
	hook := "https://localhost:" + port + "/hook"
	mine := own(app, scope)
	for name, row := range map[string]struct {
		got  *recipient.Response
		want outcome
	}{
		"a token to look at consents": {ask(app.SubscribeRequest(own(app, "grant_management_query"), "CONSENT_REVOKED", "CONSENT", hook)), outcome{403, "403"}},
		"a host of somebody else":     {ask(stranger.SubscribeRequest(own(stranger, scope), "CONSENT_REVOKED", "CONSENT", hook)), outcome{400, "401"}},
		"what is never told":          {ask(app.SubscribeRequest(mine, "BALANCE", "NEW_DATA", hook)), outcome{400, "401"}},
	} {
		if got := judged(row.got); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
	made := ask(app.SubscribeRequest(mine, "CONSENT_REVOKED", "CONSENT", hook))
	var subscription struct {
		ID string `json:"subscriptionId"`
	}
	if err := json.Unmarshal(made.Body, &subscription); err != nil || made.Status != 201 || subscription.ID == "" {
		t.Fatalf("subscribed: %d %s", made.Status, made.Body)
	}
	if got := ask(stranger.DataRequest(own(stranger, scope), recipient.SubscriptionsPath+"/"+subscription.ID, nil)); got.Status != 404 {
		t.Errorf("somebody else's subscription: %d %s", got.Status, got.Body)
	}

	tok := d.granted(t, app, "everyday")
	_, err = browser.Stop(ctx, d.person(t), d.pages+"/portal", "everyday", sandbox.DevPassword("everyday"), appName("alpha"))
	must(t, err)
	told := <-got
	n, err := app.ReadNotification(ctx, told.header, told.body)
	must(t, err)
	if n.Type != "CONSENT_REVOKED" || n.Payload.ID != tok.GrantID || n.Payload.CustomFields.Value != "INDIVIDUAL" {
		t.Errorf("told %s", told.body)
	}
	if _, err := stranger.ReadNotification(ctx, told.header, told.body); err == nil {
		t.Error("it would do for another recipient")
	}
	if _, err := app.ReadNotification(ctx, told.header, append(told.body, ' ')); err == nil {
		t.Error("its body could be another")
	}
	_, err = d.sql.ExecContext(ctx, "UPDATE notification SET created_at = created_at - interval '1 minute'")
	must(t, err)
	if feed := ask(app.DataRequest(mine, recipient.NotificationsPath, nil)); feed.Status != 200 || strings.Count(string(feed.Body), n.ID) != 1 {
		t.Errorf("the feed: %d %s", feed.Status, feed.Body)
	}
	if feed := ask(stranger.DataRequest(own(stranger, scope), recipient.NotificationsPath, nil)); feed.Status != 200 || strings.Contains(string(feed.Body), n.ID) {
		t.Errorf("somebody else's feed: %d %s", feed.Status, feed.Body)
	}
}
