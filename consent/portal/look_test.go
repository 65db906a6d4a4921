package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	if dir == "" {
		t.Skip()
	}
	langs := []string{"en", "zh", "fr", "es", "sv"}
	for _, lang := range langs {
		w := newWorld(t)
		if os.Getenv("TORTURE") != "" {
			r := w.recipients[budgetBee]
			r.Name = strings.Repeat("W", 80)
			r.LegalName = strings.Repeat("ÅÄÖ", 80)
			r.Purposes[0].Label = strings.Repeat("M", 300)
			r.Registry, r.RegistryID = strings.Repeat("R", 90), strings.Repeat("1", 90)
			w.recipients[budgetBee] = r
			w.pending.Request.Purpose = r.Purposes[0]
			c := w.choices["c-ada"]
			c[0].Name, c[0].Display = strings.Repeat("K", 99), strings.Repeat("8", 99)
		}
		w.pending.Request.Account = w.pending.Request.Account.With(fdx.CustomerContact).With(fdx.Statements)
		p := w.person(lang)
		save := func(name string, body []byte) {
			os.WriteFile(fmt.Sprintf("%s/%s-%s.html", dir, lang, name), body, 0o644)
		}
		pg := p.arrive()
		save("login", pg.Body)
		pg.Fill("username", "ada")
		pg.Fill("password", "wrong")
		save("login-wrong", p.press(pg, "login_submit").Body)
		pg = p.open("/authorize/" + string(w.auth().ID))
		pg = p.signIn(pg, "ada")
		save("accounts", pg.Body)
		save("accounts-zero", p.press(pg, "accounts_continue").Body)
		pg2 := p.press(pg, "accounts_select_all")
		save("accounts-all", pg2.Body)
		pg = p.open("/authorize/" + string(w.auth().ID))
		p.tick(pg, "account_1", "account_3")
		pg = p.press(pg, "accounts_continue")
		save("review", pg.Body)
		p.left(p.press(pg, "consent_approve"), "code=c")
		id := string(w.auth().ID)
		save("done", p.open("/authorize/"+id).Body)
		g := w.grants[0]
		w.do(func() {
			for i := range 12 {
				r := audit.Record{Consumer: "c-ada", Grant: g.ID, At: w.now.Add(-time.Duration(i) * 37 * time.Hour), Accounts: []fdx.AccountID{"a"}, Clusters: fdx.NewClusters(fdx.Transactions), Count: 1200 + i*7, Outcome: audit.Given, Attended: i%3 == 0}
				r.RequestID[0] = byte(i)
				if i%4 == 1 {
					r.Outcome = audit.Clipped
				}
				if i%5 == 4 {
					r.Outcome = audit.Refused
					r.Count = 0
				}
				if i%2 == 0 {
					r.Clusters = fdx.NewClusters(fdx.AccountDetailed, fdx.Balances)
				}
				w.reads = append(w.reads, r)
			}
			g2 := g
			g2.ID = "g2"
			g2.Parties = []consent.Party{{Name: "LedgerLark", Type: consent.PartyRecipient, HomeURI: "https://x.example"}}
			g2.ExpiresAt = w.now.Add(9 * 24 * time.Hour)
			g3 := g
			g3.ID = "g3"
			g3.Status = consent.StatusRevoked
			g3.EndedAt = w.now.Add(-100 * time.Hour)
			g3.EndedBy = consent.ActorConsumer
			g3.Parties = []consent.Party{{Name: "TaxToad", Type: consent.PartyRecipient}}
			w.grants = append(w.grants, g2, g3)
		})
		save("home", p.open("/portal").Body)
		save("grant", p.open("/portal/grants/"+string(g.ID)).Body)
		save("history", p.open("/portal/history").Body)
		sp := p.open("/portal/grants/" + string(g.ID) + "/stop")
		save("stop", sp.Body)
		save("stopped", p.press(sp, "stop_confirm").Body)
		save("problem", p.open("/portal/grants/zzz").Body)
		np := w.person(lang)
		save("portal-login", np.open("/portal").Body)
		p2 := w.person(lang)
		w.pending.Pushed = "p2"
		p2.arrive()
		var nid string
		for k, a := range w.auths {
			if a.Decision == "" {
				nid = string(k)
			}
		}
		pg = p2.open("/authorize/" + nid)
		p2.press(pg, "cancel")
		save("denied", p2.open("/authorize/"+nid).Body)
		os.MkdirAll(dir+"/static", 0o755)
		for _, m := range regexp.MustCompile(`/static/[a-z0-9.]+`).FindAllString(string(pg.Body), -1) {
			rec := httptest.NewRecorder()
			w.portal.UI.ServeHTTP(rec, httptest.NewRequest("GET", m, nil))
			os.WriteFile(dir+m, rec.Body.Bytes(), 0o644)
		}
	}
	_ = http.StatusOK
}
