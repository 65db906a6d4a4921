package portal

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/audit"
)

// Tell is inbox.Teller of the world: once a day, as the real one.
func (w *post) Tell(_ context.Context, who consent.ConsumerID, k inbox.Kind) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := (*world)(w).isDown("teller"); err != nil {
		return err
	}
	for _, n := range w.notices {
		if n.Consumer == who && n.Kind == k {
			return nil
		}
	}
	(*world)(w).tell(who, k, func(n *inbox.Notice) { n.Grant, n.App, n.EndsAt = "", "", time.Time{} })
	return nil
}

// recorded is a world in which everything of a record has happened to ada, and
// the same to bob under names of his own.
func recorded(t *testing.T) *world {
	w := newWorld(t)
	for who, app := range map[consent.ConsumerID]string{"c-ada": "AdaApp", "c-bob": "BobApp"} {
		name := string(who[2:])
		for i, state := range []string{"on", "ended", "paused", "held", "over"} {
			g := w.grant(consent.GrantID("g-"+name+"-"+state), app+state, func(g *consent.Grant) {
				g.Consumer, g.CreatedAt = who, w.now.Add(-time.Duration(i+1)*time.Hour)
				switch state {
				case "ended":
					g.Status, g.Epoch, g.EndedAt, g.EndedBy = consent.StatusRevoked, 2, w.now, consent.ActorConsumer
				case "paused":
					g.PausedUntil = w.now.AddDate(0, 0, 7)
				case "held":
					g.HeldAt, g.Case = w.now, "H-"+name
				case "over":
					g.ExpiresAt = w.now.Add(-time.Minute)
				}
			})
			w.events[g.ID][0].Actor = consent.ActorConsumer
			if state == "ended" {
				w.events[g.ID] = append(w.events[g.ID], consent.Event{Grant: g.ID, Epoch: 2, Kind: consent.EventRevoked, Actor: consent.ActorConsumer, At: w.now})
			}
			w.read(g.ID, who, w.now.Add(-time.Duration(i)*time.Minute), len(w.reads)+1)
		}
		w.lookUps = append(w.lookUps, audit.LookUp{ID: [16]byte{byte(len(name)), name[0]}, Consumer: who, At: w.now.Add(-time.Minute), Staff: "s", Reason: "call by " + name})
		w.tell(who, inbox.Policy, func(n *inbox.Notice) { n.App = app })
	}
	return w
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("../../docs/record.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// save presses a button of the page with these parts ticked.
func (p *person) save(button string, parts ...string) *browser.Page {
	p.t.Helper()
	page := p.open(recordPath)
	p.on(page, http.StatusOK, recordPath)
	for _, part := range parts {
		p.tick(page, "record_"+part)
	}
	return p.press(page, button)
}

func TestRecordAsJSONValidates(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	p := w.person2("ada")
	page := p.save("record_json")
	if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "application/json" || page.Header.Get("Cache-Control") != "no-store" ||
		page.Header.Get("Content-Disposition") != `attachment; filename="data-sharing-record.json"` {
		t.Fatalf("%s %v", page, page.Header)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(page.Body))
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t)
	if err := s.Validate(document); err != nil {
		t.Fatal(err)
	}
	var file struct {
		Grants   []recordGrant
		Receipts []recordReceipt
		History  []exported
		Notices  []recordNotice
	}
	if err := json.Unmarshal(page.Body, &file); err != nil {
		t.Fatal(err)
	}
	// Five apps; what became of each: a receipt for each change, a read and a
	// change each, a look of the staff, two notices.
	if len(file.Grants) != 5 || len(file.Receipts) != 6 || len(file.History) != 12 || len(file.Notices) != 2 {
		t.Fatalf("%d grants, %d receipts, %d entries, %d notices", len(file.Grants), len(file.Receipts), len(file.History), len(file.Notices))
	}
	state := map[string]recordGrant{}
	for _, g := range file.Grants {
		state[strings.TrimPrefix(g.App, "AdaApp")] = g
	}
	if state["on"].Ended != nil || state["ended"].Ended == nil || state["ended"].EndedBy != "INDIVIDUAL" || state["paused"].PausedUntil == nil ||
		state["held"].Case != "H-ada" || state["over"].Status != "EXPIRED" || state["over"].EndedBy != "TIME" {
		t.Errorf("%+v", state)
	}
	if got := state["on"].Accounts; !slices.Equal(got, []string{"Everyday account •••• 4321", "An account that is no longer with us"}) {
		t.Errorf("accounts %q", got)
	}
	for _, r := range file.Receipts {
		if got, err := w.portal.c.Receipts.Verify(context.Background(), r.JWS); err != nil || got.ID != r.Number {
			t.Errorf("receipt %s: %v", r.Number, err)
		}
	}
	if no := regexp.MustCompile(`Bob|bob|\b(b-1|a-gone|a-1)\b`).FindString(readable(t, string(page.Body))); no != "" {
		t.Errorf("the file has %q", no)
	}
	// The schema is not one that everything passes.
	for what, change := range map[string]func(map[string]any){
		"without an end":          func(m map[string]any) { delete(m, "complete") },
		"of another form":         func(m map[string]any) { m["format"] = "headgate-record-2" },
		"with more in it":         func(m map[string]any) { m["token"] = "x" },
		"with an unknown state":   func(m map[string]any) { m["grants"].([]any)[0].(map[string]any)["status"] = "DELETED" },
		"with an unsigned paper":  func(m map[string]any) { m["receipts"].([]any)[0].(map[string]any)["jws"] = "a.b" },
		"with a time of no place": func(m map[string]any) { m["history"].([]any)[0].(map[string]any)["time"] = "2026-11-22" },
		"with a bare notice":      func(m map[string]any) { delete(m["notices"].([]any)[0].(map[string]any), "title") },
	} {
		var broken map[string]any
		if err := json.Unmarshal(page.Body, &broken); err != nil {
			t.Fatal(err)
		}
		change(broken)
		if s.Validate(broken) == nil {
			t.Errorf("a file %s validates", what)
		}
	}
}

func TestEmptyRecordValidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, part := range []string{"", "grants", "notices"} {
		var parts []string
		if part != "" {
			parts = []string{part}
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.person2("bob").save("record_json", parts...).Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(t).Validate(document); err != nil {
			t.Error(err)
		}
		if m := document.(map[string]any); part == "grants" && (m["grants"] == nil || m["history"] != nil || len(m["parts"].([]any)) != 1) {
			t.Errorf("more than asked for: %v", m)
		}
	}
}

// unzip reads an archive of CSV files.
func unzip(t *testing.T, b []byte) map[string][][]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][][]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		rest, marked := strings.CutPrefix(string(text), "\ufeff")
		rows, err := csv.NewReader(strings.NewReader(rest)).ReadAll()
		if err != nil || !marked || !strings.Contains(rest, "\r\n") {
			t.Fatalf("%s: %v", f.Name, err)
		}
		files[f.Name] = rows
	}
	return files
}

func TestRecordForASpreadsheet(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	w.grant("g-evil", "=cmd|' /C calc'!A1", func(g *consent.Grant) { g.Disclosure.Text, g.Purpose = "@SUM(1)", "+1" })
	w.tell("c-ada", inbox.Policy, func(n *inbox.Notice) { n.App = "-2+3" })
	page := w.person2("ada").save("record_csv")
	if page.Header.Get("Content-Type") != "application/zip" || page.Header.Get("Content-Disposition") != `attachment; filename="data-sharing-record.zip"` {
		t.Fatal(page.Header)
	}
	files := unzip(t, page.Body)
	for name, want := range map[string]int{"grants.csv": 6, "receipts.csv": 7, "history.csv": 13, "notices.csv": 3} {
		rows := files[name]
		if len(rows) != want+1 || !slices.Equal(rows[0], recordColumns[recordPart(strings.TrimSuffix(name, ".csv"))]) {
			t.Errorf("%s: %d rows, want %d", name, len(rows), want+1)
			continue
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%s: a formula: %q", name, cell)
				}
				if cell = readable(t, cell); strings.Contains(cell, "Bob") || strings.Contains(cell, "bob") {
					t.Errorf("%s: bob's: %q", name, cell)
				}
			}
		}
	}
	files = unzip(t, w.person2("ada").save("record_csv", "receipts").Body)
	if len(files) != 1 || files["receipts.csv"] == nil {
		t.Errorf("more than asked for: %v", files)
	}
}

func TestRecordToPrint(t *testing.T) {
	t.Parallel()
	keys := readCatalogue(t, "en")
	for _, lang := range languages {
		w := recorded(t)
		p := w.person(lang)
		p.home("ada")
		form := p.open(recordPath)
		page := p.press(form, "record_print")
		p.on(page, http.StatusOK, recordPrintPath)
		for _, one := range []*browser.Page{form, page} {
			sound(t, one)
			for key := range keys {
				if strings.Contains(key, ".") && strings.Contains(one.Text(), key) {
					t.Errorf("%s shows the key %s", one, key)
				}
			}
			if strings.Contains(one.Text(), "<no value>") || strings.Contains(one.Text(), "{{") || strings.Contains(one.Text(), "Bob") {
				t.Errorf("%s:\n%s", one, one.Text())
			}
		}
		says(t, page, "AdaAppon", "AdaAppended", "call by ada")
	}
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	for i := range printLimit + 1 {
		w.read("g-1", "c-ada", w.now.Add(-time.Duration(i)*time.Minute), i)
	}
	page := w.person2("ada").save("record_print", "history")
	says(t, page, "This page shows the newest 500.")
	if strings.Contains(page.Text(), "What you share and have shared") {
		t.Error("more than asked for")
	}
}

func TestRecordIsToldBeforeItIsMade(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	p := w.person2("ada")
	told := func() (n int) {
		w.do(func() {
			for _, one := range w.notices {
				if one.Kind == inbox.Export {
					n++
					if one.Consumer != "c-ada" {
						t.Errorf("%s was told", one.Consumer)
					}
				}
			}
		})
		return n
	}
	w.do(func() { w.down["teller"] = true })
	p.problem(p.save("record_json"), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.do(func() { w.down["teller"] = false })
	for range 2 { // a second copy of that day needs no second notice
		p.save("record_json")
	}
	if n := told(); n != 1 {
		t.Errorf("told %d times", n)
	}
	says(t, p.open(noticesPath), "A copy of your record was made", "If that was not you, change your password")
}

func TestRecordFormIsOurs(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	p := w.person()
	for _, path := range []string{recordPath, recordPrintPath} {
		p.on(p.open(path), http.StatusOK, "/portal/login")
	}
	p.home("ada")
	page := p.open(recordPath)
	theirs := w.person2("bob").open(recordPath)
	mark, err := theirs.Submission("record_json")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		status int
		bend   func(*browser.Submission)
	}{
		"without a mark":          {http.StatusConflict, func(s *browser.Submission) { s.Form.Del("mark") }},
		"with another's mark":     {http.StatusConflict, func(s *browser.Submission) { s.Form["mark"] = mark.Form["mark"] }},
		"with two marks":          {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Add("mark", "x") }},
		"for another person":      {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("consumer", "c-bob") }},
		"with an unknown part":    {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("part_tokens", "on") }},
		"with an odd tick":        {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("part_grants", "yes") }},
		"with a part twice":       {http.StatusBadRequest, func(s *browser.Submission) { s.Form["part_grants"] = []string{"on", "on"} }},
		"in an unknown form":      {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("form", "xml") }},
		"in no form":              {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Del("form") }},
		"from another site":       {http.StatusForbidden, func(s *browser.Submission) { s.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"with the decision added": {http.StatusBadRequest, func(s *browser.Submission) { s.Form.Set("action", "json") }},
	} {
		got := p.bent(page, "record_json", c.bend)
		if got.Status != c.status || got.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if w.notices[0].Kind == inbox.Export {
		t.Error("told of nothing")
	}
	for _, q := range []string{"part_tokens=on", "part_grants=1", "part_grants=on&part_grants=on", "consumer=c-bob", "form=json"} {
		p.on(p.open(recordPrintPath+"?"+q), http.StatusOK, recordPath)
	}
	w.do(func() { w.sloppy = true })
	if page := p.save("record_json"); strings.Contains(readable(t, string(page.Body)), "Bob") {
		t.Error("a store that mixes people up gives bob's")
	}
}

// readable puts what a JWS says in its place: base64 may spell any name.
func readable(t *testing.T, text string) string {
	t.Helper()
	return regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`).ReplaceAllStringFunc(text, func(jws string) string {
		said, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[1])
		if err != nil {
			t.Error(err)
		}
		return string(said)
	})
}

// A file that cannot be completed must not look like one that is.
func TestRecordIsCutOff(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	p := w.person2("ada")
	w.do(func() { w.down["grants"] = true })
	p.problem(p.save("record_json"), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.do(func() { w.down["grants"] = false; w.down["reads"] = true })
	page, err := p.b.Press(context.Background(), p.open(recordPath), "record_json")
	if err == nil && json.Valid(page.Body) {
		t.Errorf("a whole file: %s", page.Body)
	}
	page = p.save("record_print")
	p.problem(page, http.StatusServiceUnavailable, "temporarily_unavailable")
}

func FuzzAsked(f *testing.F) {
	for _, s := range []string{"", "part_grants=on", "part_grants=on&part_history=on", "part_x=on", "mark=1&part_grants=off", "part_=on"} {
		f.Add(s)
	}
	p := &Portal{}
	f.Fuzz(func(t *testing.T, s string) {
		form, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		parts, err := p.asked(form, "mark")
		if err == nil && (len(parts) == 0 || len(parts) > 3 || !slices.IsSortedFunc(parts, func(a, b recordPart) int {
			order := p.recordParts()
			return slices.Index(order, a) - slices.Index(order, b)
		})) {
			t.Errorf("%q gives %v", s, parts)
		}
	})
}

// copies counts copies of a world.
type copies struct {
	says  error
	began int
	ended int
}

func (c *copies) Begin(context.Context, consent.ConsumerID) error {
	if c.says == nil {
		c.began++
	}
	return c.says
}

func (c *copies) End(context.Context, consent.ConsumerID) error { c.ended++; return nil }

func TestCopiesAreLimited(t *testing.T) {
	t.Parallel()
	w := recorded(t)
	c := &copies{}
	w.portal.c.Exports = c
	p := w.person2("ada")
	if page := p.save("record_json"); page.Status != http.StatusOK || c.began != 1 || c.ended != 1 {
		t.Errorf("%s, %+v", page, c)
	}
	told := len(w.notices)
	for name, want := range map[string]struct {
		says error
		text string
		wait bool // until tomorrow
	}{
		"one is on its way": {inbox.ErrExportBusy, "One copy is being made right now", false},
		"no more today":     {inbox.ErrExportsOver, "You have had 10 copies made today", true},
	} {
		c.says = fmt.Errorf("begin: %w", want.says)
		page := p.save("record_json")
		p.on(page, http.StatusTooManyRequests, recordPath)
		sound(t, page)
		says(t, page, want.text)
		if wait, err := strconv.Atoi(page.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 24*60*60 || !want.wait && wait != 60 {
			t.Errorf("%s: come back after %q", name, page.Header.Get("Retry-After"))
		}
	}
	if len(w.notices) != told || c.began != 1 || c.ended != 1 {
		t.Errorf("a copy was made: %+v", c)
	}
	c.says = errDown
	p.problem(p.save("record_json"), http.StatusServiceUnavailable, "temporarily_unavailable")
	if page := p.save("record_print"); page.Status != http.StatusOK { // no file
		t.Errorf("to print: %s", page)
	}
}
