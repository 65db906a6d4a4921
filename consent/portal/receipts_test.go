package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/receipt"
)

// receiptKeys are the bank's keys, the same for every world.
var receiptKeys = sync.OnceValue(func() *certs.Rotator {
	dir, err := os.MkdirTemp("", "headgate-test-keys")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // read once
	file := filepath.Join(dir, "keys.json")
	if err := certs.GenerateSigningKeys(file, "ES256"); err != nil {
		panic(err)
	}
	keys, err := certs.LoadSigningKeys(file)
	if err != nil {
		panic(err)
	}
	return keys
})

// shelf keeps the receipts of a world. Versions come from its grants: what
// happened last made what is there now.
type shelf struct {
	w      *world
	mu     sync.Mutex
	signed map[receipt.ID]string
	keys   []receipt.Key
}

func (w *world) desk() *receipt.Desk {
	d, err := receipt.New(receipt.Config{Store: &shelf{w: w, signed: map[receipt.ID]string{}}, Signer: receiptKeys(), Issuer: "https://auth.example"})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (s *shelf) all() []receipt.Version {
	var all []receipt.Version
	for _, g := range s.w.grants {
		for _, e := range s.w.events[g.ID] {
			if s.w.down["versions of "+string(g.ID)] {
				continue
			}
			v := receipt.Version{Event: e, Grant: g}
			v.Event.Grant = g.ID
			if e.Epoch < g.Epoch {
				v.Grant.Epoch, v.Grant.Status, v.Grant.EndedAt = e.Epoch, consent.StatusActive, time.Time{}
			}
			all = append(all, v)
		}
	}
	return all
}

func (s *shelf) Version(_ context.Context, id receipt.ID) (receipt.Version, string, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.all() {
		if v.ID() == id {
			return v, s.signed[id], s.w.isDown("receipts")
		}
	}
	return receipt.Version{}, "", consent.ErrNotFound
}

func (s *shelf) Versions(_ context.Context, who consent.ConsumerID, limit int) ([]receipt.Version, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	all := slices.DeleteFunc(s.all(), func(v receipt.Version) bool { return v.Grant.Consumer != who && !s.w.sloppy })
	slices.Reverse(all)
	return all[:min(limit, len(all))], s.w.isDown("receipts")
}

func (s *shelf) Keep(_ context.Context, id receipt.ID, jws string, key receipt.Key) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed[id] == "" {
		s.signed[id] = jws
		s.keys = []receipt.Key{key}
	}
	return s.signed[id], nil
}

func (s *shelf) Keys(context.Context) ([]json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []json.RawMessage
	for _, k := range s.keys {
		all = append(all, k.JWK)
	}
	return all, nil
}

// href returns where a link leads.
func href(t *testing.T, page *browser.Page, id string) string {
	t.Helper()
	v, ok := page.Attr(id, "href")
	if !ok {
		t.Fatalf("%s has no link %s:\n%s", page, id, page.Text())
	}
	return v
}

func TestReceiptOfADecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	g := p.toShared()
	done := p.open("/authorize/" + string(w.auth().ID))
	page := p.open(href(t, done, "receipt"))
	p.on(page, http.StatusOK, "/portal/receipts/"+string(g.ID)+".1")
	sound(t, page)
	says(t, page, "You started sharing with BudgetBee", "BudgetBee Ltd", "Everyday account •••• 4321", "Gold card •••• 0042", "2 accounts", "You", string(g.ID)+".1")
	shown, err := page.TextOf("disclosure")
	if err != nil || strings.Join(strings.Fields(shown), " ") != strings.Join(strings.Fields(g.Disclosure.Text), " ") {
		t.Errorf("shows %q (%v), want %q", shown, err, g.Disclosure.Text)
	}

	// Whatever the app calls itself later, and whatever it asks for.
	saved := p.open(href(t, page, "receipt_save"))
	w.do(func() {
		app := w.recipients[budgetBee]
		app.Name, app.LegalName, app.Purposes = "Evil Inc", "Evil", nil
		w.recipients[budgetBee] = app
	})
	again := p.open(page.URL.Path)
	if !bytes.Equal(again.Body, page.Body) {
		t.Error("the receipt's page changed with the registration")
	}
	if second := p.open(saved.URL.Path); !bytes.Equal(second.Body, saved.Body) {
		t.Error("the signed copy changed")
	}
	code, _ := page.TextOf("receipt_code")
	if h := saved.Header; h.Get("Content-Type") != "application/json" || h.Get("Content-Disposition") != "attachment; filename=receipt-"+code+".json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	var document struct {
		JWS, Code string
		Receipt   receipt.Receipt
	}
	if err := json.Unmarshal(saved.Body, &document); err != nil || document.Code != code || document.Receipt.Disclosure != g.Disclosure {
		t.Errorf("document %+v (%v)", document, err)
	}
	keys, err := receipt.ParseKeys(p.open("/receipts/jwks.json").Body)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := receipt.Verify(keys, document.JWS); err != nil || r.ID != string(g.ID)+".1" {
		t.Errorf("%+v (%v)", r, err)
	}
}

func TestReceiptOfAStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	g := p.toShared()
	w.do(func() {
		w.events[g.ID] = append(w.events[g.ID], consent.Event{Grant: g.ID, Epoch: 2, Kind: consent.EventTokensRevoked, Actor: consent.ActorRecipient, At: w.now})
		w.grants[0].Epoch = 2
	})
	stopped := p.press(p.open(grantPath(g.ID)+"/stop"), "stop_confirm")
	w.do(func() {
		w.events[g.ID] = append(w.events[g.ID][:2], consent.Event{Grant: g.ID, Epoch: w.grants[0].Epoch, Kind: consent.EventRevoked, Actor: consent.ActorConsumer, At: w.now})
	})
	says(t, p.open(href(t, stopped, "receipt")), "Sharing with BudgetBee was stopped", "Ended on")

	list := p.open("/portal/receipts")
	sound(t, list)
	if ids := list.IDs("receipt_"); len(ids) != 2 {
		t.Errorf("listed %v:\n%s", ids, list.Text())
	}
	says(t, p.open(href(t, list, "receipt_1")), "was stopped")
	says(t, p.open(href(t, list, "receipt_2")), "You started sharing")
	if strings.Contains(list.Text(), "before we made receipts") {
		t.Error("says that something has no receipt")
	}
	// What an app does to its own sign-in is no receipt, and no secret either.
	p.problem(p.open(receiptPath(g.ID, 2)), http.StatusNotFound, "not_found")
}

func TestReceiptsOfOthersAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.person()
	g := ada.toShared()
	unknown := string(g.ID)[:len(g.ID)-4] + "0000"
	bob := w.person()
	if page := bob.open(receiptPath(g.ID, 1)); page.URL.Path != "/portal/login" {
		t.Fatalf("without sign-in: %s", page)
	}
	bob.signIn(bob.open("/portal/login"), "bob")
	w.do(func() { w.sloppy = true })
	says(t, bob.open("/portal/receipts"), "You have no receipts yet.")
	for _, path := range []string{
		receiptPath(g.ID, 1), receiptPath(g.ID, 1) + ".json", receiptPath(consent.GrantID(unknown), 1),
		receiptPath(g.ID, 2), receiptsPath + "/x", receiptsPath + "/.1", receiptsPath + "/" + string(g.ID) + ".01", receiptsPath + "/" + string(g.ID) + ".1.json.json",
	} {
		bob.problem(bob.open(path), http.StatusNotFound, "not_found")
	}
	// Also when there is no receipt of it at all.
	w.do(func() { w.down["versions of "+string(g.ID)] = true })
	bob.problem(bob.open(receiptPath(g.ID, 1)), http.StatusNotFound, "not_found")
}

func TestNoReceiptFromBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	g := p.toShared()
	w.do(func() { w.down["versions of "+string(g.ID)] = true })
	page := p.open(receiptPath(g.ID, 1))
	sound(t, page)
	says(t, page, "There is no receipt for this", "before we made receipts")
	if page.Status != http.StatusNotFound || page.Has("receipt_code") {
		t.Errorf("status %d", page.Status)
	}
	says(t, p.open("/portal/receipts"), "Some of your sharing began before we made receipts")
	w.do(func() { delete(w.down, "versions of "+string(g.ID)); w.down["receipts"] = true })
	p.problem(p.open(receiptPath(g.ID, 1)), http.StatusServiceUnavailable, "temporarily_unavailable")
	p.problem(p.open("/portal/receipts"), http.StatusServiceUnavailable, "temporarily_unavailable")
}

// savedReceipt returns a receipt of ada's as she saved it.
func savedReceipt(t *testing.T, w *world) (document []byte, jws string) {
	t.Helper()
	p := w.person()
	g := p.toShared()
	document = p.open(receiptPath(g.ID, 1) + ".json").Body
	jws, err := receipt.Find(document)
	if err != nil {
		t.Fatal(err)
	}
	return document, jws
}

func TestAnybodyCanCheckAReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document, jws := savedReceipt(t, w)
	p := w.person()
	check := func(text string) *browser.Page {
		t.Helper()
		page := p.open("/receipts/verify")
		sound(t, page)
		if err := page.Fill("receipt_text", text); err != nil {
			t.Fatal(err)
		}
		page = p.press(page, "verify_submit")
		sound(t, page)
		return page
	}
	for name, text := range map[string]string{"the compact form": jws, "in lines": jws[:70] + "\r\n  " + jws[70:], "the document": string(document)} {
		page := check(text)
		if result, _ := page.TextOf("verify_result"); !strings.HasPrefix(result, "This receipt is real. Northbank signed it") {
			t.Errorf("%s: %s", name, result)
		}
		says(t, page, "You started sharing with BudgetBee", "Everyday account", receipt.Code(jws))
	}
	for name, text := range map[string]string{
		"changed": jws[:100] + "A" + jws[101:], "cut": jws[:len(jws)-3], "html": "<script>alert(1)</script>", "forged": "eyJhIjoiYiJ9.eyJFdmlsIjoiRXZpbCJ9.AAAA",
	} {
		page := check(text)
		if result, _ := page.TextOf("verify_result"); page.Status != 200 || !strings.HasPrefix(result, "This is not a receipt from Northbank") || page.Has("disclosure") ||
			strings.Contains(string(page.Body), "alert") || strings.Contains(string(page.Body), "BudgetBee") {
			t.Errorf("%s: %d %s", name, page.Status, page.Text())
		}
	}
	if page := check(" "); page.Status != http.StatusUnprocessableEntity || !page.Has("fault") {
		t.Errorf("nothing: %s", page)
	}
	if logged := w.logged.String(); strings.Contains(logged, jws[:40]) || strings.Contains(logged, "Everyday") {
		t.Error("the log holds the receipt")
	}
	page := p.open("/receipts/verify")
	bend := func(change func(*browser.Submission)) *browser.Page { return p.bent(page, "verify_submit", change) }
	p.problem(bend(func(s *browser.Submission) { s.Form.Add("receipt", "again") }), 400, "invalid_form")
	p.problem(bend(func(s *browser.Submission) { s.Form.Set("other", "x") }), 400, "invalid_form")
	p.problem(bend(func(s *browser.Submission) { s.Form.Set("receipt", strings.Repeat("a", maxForm)) }), 413, "form_too_large")
	p.problem(bend(func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }), 403, "cross_site_request")
}

func TestReceiptAsAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document, _ := savedReceipt(t, w)
	type part struct {
		name string
		body []byte
	}
	send := func(parts ...part) (int, string) {
		t.Helper()
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		for _, one := range parts {
			f, err := m.CreateFormFile(one.name, "../../etc/<b>.json")
			if err == nil {
				_, err = f.Write(one.body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = m.Close()
		r, err := w.server.Client().Post(w.server.URL+"/receipts/verify", m.FormDataContentType(), &b)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(body)
	}
	if status, body := send(part{"file", document}); status != 200 || !strings.Contains(body, "This receipt is real.") || strings.Contains(body, "etc") {
		t.Errorf("%d %s", status, body)
	}
	for name, c := range map[string]struct {
		parts []part
		want  int
	}{
		"not a receipt": {[]part{{"file", []byte{0, 1, 2, 255}}}, 200},
		"empty":         {[]part{{"file", nil}}, 422},
		"another name":  {[]part{{"other", document}}, 400},
		"twice":         {[]part{{"file", document}, {"file", document}}, 400},
		"none":          {nil, 400},
		"too large":     {[]part{{"file", bytes.Repeat([]byte("a"), maxForm+1)}}, 413},
		"far too large": {[]part{{"file", bytes.Repeat([]byte("a"), 10*maxForm)}}, 413},
	} {
		if status, body := send(c.parts...); status != c.want || strings.Contains(body, "is real") {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
}

func TestReceiptPagesInEveryLanguage(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person(lang)
			g := p.toShared()
			w.do(func() {
				for i, kind := range []consent.EventKind{"changed", "paused", "resumed", "held", "revoked", "expired", "something"} {
					w.events[g.ID] = append(w.events[g.ID], consent.Event{Grant: g.ID, Epoch: int64(i + 2), Kind: kind, Actor: []consent.Actor{consent.ActorRecipient, consent.ActorProvider, consent.ActorTime}[i%3], At: w.now})
				}
			})
			list := p.open("/portal/receipts")
			pages := []*browser.Page{list, p.open("/receipts/verify")}
			seen := map[string]bool{}
			for _, id := range list.IDs("receipt_") {
				page := p.open(href(t, list, id))
				pages = append(pages, page)
				seen[page.Title()] = true
			}
			if len(seen) != 8 {
				t.Errorf("8 receipts have the titles %v", seen)
			}
			for _, page := range pages {
				sound(t, page)
				if page.Status != 200 || !strings.Contains(string(page.Body), `<html lang="`+lang+`">`) {
					t.Errorf("%s is not in %s", page, lang)
				}
				for key := range keys {
					if strings.Contains(page.Text(), key) {
						t.Errorf("%s shows the key %s", page, key)
					}
				}
			}
		})
	}
}
