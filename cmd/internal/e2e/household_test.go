package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/resource/sqlviews/pkdd99"
)

// member is somebody of a household of the real bank, who signs in with their
// id there.
type member struct {
	id       string
	accounts []string
	holds    string // as account list and contact have it
}

func (m member) password() string { return "open sesame " + m.id }

// realBank loads the PKDD'99 bank and returns its bank file.
func realBank(t *testing.T) (bankFile string) {
	t.Helper()
	data := os.Getenv("HEADGATE_DATA_DIR")
	if data == "" {
		t.Skip("set HEADGATE_DATA_DIR to a folder with pkdd99/ to run this on a real bank")
	}
	dir, dsn := t.TempDir(), env.Postgres(t)
	must(t, pkdd99.Load(t.Context(), dsn, filepath.Join(data, "pkdd99"), fdx.DateOf(time.Now()).AddDays(-1)))
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		must(t, certs.WritePrivate(path, text))
		return path
	}
	bank := fmt.Sprintf("kind: sqlviews\nsqlviews: {dsn_file: %s, mapping_file: %s}\n", file("dsn", []byte(dsn)), file("mapping.yaml", pkdd99.Mapping()))
	return file("bank.yaml", []byte(bank))
}

// A household of a real bank from end to end: the owner of account 3050, who
// has a loan and a card besides, and the authorised user of that account. Each
// lets the same app read what is theirs, neither sees more, and one stopping
// leaves the other's sharing alone.
func TestAHouseholdOfARealBank(t *testing.T) {
	t.Parallel()
	const joint = "a-3050"
	owner := member{"3687", []string{joint, "", ""}, "PRIMARY"}
	user := member{"3688", []string{joint}, "AUTHORIZED_USER"}
	bankFile := realBank(t)
	d := deployWith(t, func(a *authzd.Config, g *gatewayd.Config) {
		a.BankFile, a.BankDSNFile = bankFile, ""
		g.BankFile, g.BankDSNFile = bankFile, ""
	})
	ctx, app := t.Context(), d.client(t, "alpha")
	for _, m := range []member{owner, user} {
		hash, err := login.Hash(m.password())
		must(t, err)
		must(t, d.db.SignIns().AddLogin(ctx, m.id, "m"+m.id+"@customer.example", login.Credential{Consumer: consent.ConsumerID(m.id), Hash: hash}))
	}
	everything, err := d.db.Recipients().Recipient(ctx, "alpha")
	must(t, err)
	everything.Scopes = fdx.ScopesOf(fdx.NewClusters(fdx.AllClusters()...))
	everything.Purposes[0].Code, everything.Purposes[0].Clusters = "switching", fdx.NewClusters(fdx.AllClusters()...)
	must(t, d.db.Recipients().PutRecipient(ctx, everything))
	ask := recipient.ConsentRequest{
		DurationType: recipient.TimeBound, DurationPeriod: 30, LookbackPeriod: 365,
		Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: []string{
			"ACCOUNT_DETAILED", "BALANCES", "TRANSACTIONS", "CUSTOMER_CONTACT", "PAYMENT_SUPPORT", "STATEMENTS",
		}}},
	}
	grant := func(m member) recipient.Token {
		t.Helper()
		attempt, err := recipient.Ask(ask)
		must(t, err)
		p, err := app.Push(ctx, attempt)
		must(t, err)
		back, err := browser.ApproveAll(ctx, d.person(t), app.AuthorizationURL(p.RequestURI), m.id, m.password())
		must(t, err)
		code, err := app.ReadRedirect(back, attempt)
		must(t, err)
		tok, err := app.Redeem(ctx, attempt, code)
		must(t, err)
		return tok
	}
	ofOwner, ofUser := grant(owner), grant(user)

	get := func(tok recipient.Token, path string, query url.Values) *recipient.Response {
		t.Helper()
		r, err := app.DataRequest(tok, path, query)
		must(t, err)
		resp, err := app.Do(ctx, r)
		must(t, err)
		return resp
	}
	owns := listed(t, get(ofOwner, "/accounts", nil))
	if len(owns) != 3 || !slices.Contains(owns, joint) {
		t.Fatalf("the owner's accounts: %v", owns)
	}
	if uses := listed(t, get(ofUser, "/accounts", nil)); !slices.Equal(uses, []string{joint}) {
		t.Fatalf("the authorised user's accounts: %v", uses)
	}
	read := map[string][]string{}
	for _, m := range []struct {
		member
		tok recipient.Token
	}{{owner, ofOwner}, {user, ofUser}} {
		var account map[string]any
		resp := get(m.tok, "/accounts/"+joint, nil)
		must(t, resp.JSON(&account))
		if resp.Status != 200 || account["accountType"] != "CHECKING" || account["accountNumberDisplay"] != "****50" || account["currentBalance"] == nil {
			t.Errorf("%s: the account: %d %s", m.holds, resp.Status, resp.Body)
		}
		var contact struct {
			Holders []struct{ Relationship string }
		}
		resp = get(m.tok, "/accounts/"+joint+"/contact", nil)
		must(t, resp.JSON(&contact))
		if resp.Status != 200 || len(contact.Holders) != 2 || contact.Holders[0].Relationship != owner.holds || contact.Holders[1].Relationship != user.holds {
			t.Errorf("%s: the contact: %d %+v", m.holds, resp.Status, contact)
		}
		read[m.id] = d.pagesOf(t, app, m.tok, joint)
		// What the bank lacks.
		for _, path := range []string{"/payment-networks", "/asset-transfer-networks", "/statements"} {
			if got := judged(get(m.tok, "/accounts/"+joint+path, nil)); got != (outcome{http.StatusNotImplemented, "1106"}) {
				t.Errorf("%s: %s: %v", m.holds, path, got)
			}
		}
		// Accounts of others, which are as unknown as those that nobody has.
		for _, path := range []string{"", "/transactions", "/contact"} {
			foreign, unknown := get(m.tok, "/accounts/a-576"+path, nil), get(m.tok, "/accounts/a-0"+path, nil)
			if foreign.Status != 404 || string(foreign.Body) != string(unknown.Body) {
				t.Errorf("%s: somebody else's account%s: %d %s, unknown: %s", m.holds, path, foreign.Status, foreign.Body, unknown.Body)
			}
		}
	}
	if len(read[owner.id]) < 20 || !slices.Equal(read[owner.id], read[user.id]) {
		t.Errorf("one account, %d and %d transactions", len(read[owner.id]), len(read[user.id]))
	}
	for _, id := range owns {
		if id == joint {
			continue
		}
		if resp := get(ofOwner, "/accounts/"+id, nil); resp.Status != 200 {
			t.Errorf("the owner's %s: %d %s", id, resp.Status, resp.Body)
		}
		if got := judged(get(ofUser, "/accounts/"+id, nil)); got != (outcome{404, "701"}) {
			t.Errorf("the owner's %s, to the authorised user: %v", id, got)
		}
	}

	if _, err := browser.Stop(ctx, d.person(t), d.pages+"/portal", owner.id, owner.password(), appName("alpha")); err != nil {
		t.Fatal(err)
	}
	for i, gateway := range d.both(t, d.data) {
		for _, m := range []struct {
			member
			tok  recipient.Token
			want outcome
		}{{owner, ofOwner, outcome{401, "603"}}, {user, ofUser, outcome{200, ""}}} {
			r, err := app.TransactionsRequest(m.tok, joint, nil)
			must(t, err)
			resp, err := send(ctx, gateway, r)
			must(t, err)
			if got := judged(resp); got != m.want {
				t.Errorf("after the owner's stop, at gateway %d, %s: %v, want %v", i, m.holds, got, m.want)
			}
		}
	}
	if _, err := app.Refresh(ctx, ofOwner.RefreshToken, ofOwner.Key); !isRefusal(err, "invalid_grant") {
		t.Errorf("a refresh of the owner's: %v", err)
	}
	if _, err := app.Refresh(ctx, ofUser.RefreshToken, ofUser.Key); err != nil {
		t.Errorf("a refresh of the authorised user's: %v", err)
	}

	for consumer, foreign := range map[string]string{owner.id: "692", user.id: owner.id} {
		out := succeed(t, "provider", "check", "--config", bankFile, "--consumer", consumer, "--foreign", foreign, "--patience", "1m")
		if !strings.Contains(out, "\n0 findings.") || !strings.Contains(out, "not offered  getAccountPaymentNetworks") {
			t.Errorf("the check of consumer %s:\n%s", consumer, out)
		}
	}
}

// listed returns the ids of an account list.
func listed(t *testing.T, resp *recipient.Response) (ids []string) {
	t.Helper()
	var body struct{ Accounts []struct{ AccountID string } }
	must(t, resp.JSON(&body))
	for _, a := range body.Accounts {
		ids = append(ids, a.AccountID)
	}
	return ids
}

// pagesOf reads the transactions of an account in pages of ten, the newest
// first, and returns their ids.
func (d *deployment) pagesOf(t *testing.T, app *recipient.Client, tok recipient.Token, account string) (ids []string) {
	t.Helper()
	pages, last := 0, "9999"
	today := fdx.DateOf(time.Now().UTC())
	query := url.Values{"limit": {"10"}, "startDate": {today.AddDays(-360).String()}, "endDate": {today.String()}}
	for resp, err := range app.TransactionPages(t.Context(), tok, account, query) {
		must(t, err)
		var page struct {
			Transactions []struct{ TransactionID, PostedTimestamp, Status string }
		}
		must(t, resp.JSON(&page))
		if resp.Status != 200 || len(page.Transactions) == 0 || len(page.Transactions) > 10 {
			t.Fatalf("page %d: %d, %d transactions: %.300s", pages, resp.Status, len(page.Transactions), resp.Body)
		}
		for _, x := range page.Transactions {
			if x.PostedTimestamp > last || slices.Contains(ids, x.TransactionID) {
				t.Errorf("page %d: a transaction twice, or not the newest first", pages)
			}
			last, ids = x.PostedTimestamp, append(ids, x.TransactionID)
		}
		pages++
	}
	if pages < 3 {
		t.Errorf("%d pages", pages)
	}
	return ids
}
