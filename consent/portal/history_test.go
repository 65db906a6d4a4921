package portal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// fetch asks for something that is no page, as somebody who is signed in. The
// answer's body is closed when the test ends.
func (p *person) fetch(path string, header ...string) *http.Response {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	p.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range p.b.Cookies() {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := *p.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (p *person) body(path string) string {
	p.t.Helper()
	resp := p.fetch(path)
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
	return string(b)
}

// two people, each with an app and a read that names them.
func twoPeople(t *testing.T) (w *world, ada, bob audit.Record) {
	w = newWorld(t)
	w.grant("g-ada", "AdaApp")
	w.grant("g-bob", "BobApp", func(g *consent.Grant) { g.Consumer = "c-bob"; g.Recipient = "bobs-app" })
	at := w.now.Add(-time.Hour)
	ada = w.read("g-ada", "c-ada", at, 1111)
	bob = w.read("g-bob", "c-bob", at, 2222)
	w.lookUps = []audit.LookUp{
		{ID: [16]byte{9}, Consumer: "c-bob", At: at, Staff: "STAFF-NAME", Reason: "Bob called."},
		{ID: [16]byte{8}, Consumer: "c-ada", At: at, Staff: "STAFF-NAME", Reason: "=Ada <called>."},
	}
	return w, ada, bob
}

func TestHistoryIsOfOnePerson(t *testing.T) {
	t.Parallel()
	for _, sloppy := range []bool{false, true} {
		w, mine, foreign := twoPeople(t)
		w.sloppy = sloppy
		p := w.person2("ada")
		for _, path := range []string{"/portal/history", "/portal/history/export.csv", "/portal/history/export.json"} {
			body := p.body(path)
			for _, bad := range []string{"BobApp", "Bob called", "2222", "2,222", "g-bob", "b-1", "9999", "STAFF-NAME", uuid.UUID(foreign.RequestID).String()} {
				if strings.Contains(body, bad) {
					t.Errorf("%s tells %q", path, bad)
				}
			}
			if !strings.Contains(body, "AdaApp") || !strings.Contains(body, "Ada") || !strings.Contains(body, "called") {
				t.Errorf("%s lacks what is hers:\n%s", path, body)
			}
		}
		p.on(p.open(accessPath(mine.RequestID)), http.StatusOK, accessPath(mine.RequestID))
		// Another person's is answered like an unknown one, but for the reference.
		theirs, unknown := p.open(accessPath(foreign.RequestID)), p.open(accessPath(uuid.New()))
		p.problem(theirs, http.StatusNotFound, "not_found")
		p.problem(unknown, http.StatusNotFound, "not_found")
		own := mine.RequestID
		for _, bad := range []string{"x", strings.ToUpper(uuid.UUID(own).String()) + "X", "{" + uuid.UUID(own).String() + "}", "urn:uuid:" + uuid.UUID(own).String(), strings.ReplaceAll(uuid.UUID(own).String(), "-", ""), "%00"} {
			p.problem(p.open("/portal/history/"+bad), http.StatusNotFound, "not_found")
		}
	}
}

func TestHistoryNeedsASignIn(t *testing.T) {
	t.Parallel()
	w, mine, _ := twoPeople(t)
	p := w.person()
	for _, path := range []string{"/portal/history", "/portal/history/export.csv", "/portal/history/export.json", accessPath(mine.RequestID)} {
		if resp := p.fetch(path); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/portal/login" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	if resp := p.fetch("/portal/history/stream"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("stream: %d", resp.StatusCode)
	}
}

func TestHostileFilters(t *testing.T) {
	t.Parallel()
	w, _, _ := twoPeople(t)
	p := w.person2("ada")
	for _, q := range []string{
		"app=bobs-app", "app=nobody", "account=b-1", "account=x", "data=EVERYTHING", "answer=maybe", "how=x",
		"app=budgetbee&app=budgetbee", "app=&app=budgetbee", "answer=given&answer=refused", "before=x", "before=A&before=B",
		"account=" + strings.Repeat("x", 300), "answer=%27+OR+true+--",
	} {
		if resp := p.fetch("/portal/history?" + q); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/portal/history" {
			t.Errorf("%s: %d %s", q, resp.StatusCode, resp.Header.Get("Location"))
		}
		if resp := p.fetch("/portal/history/export.csv?" + q); !strings.HasPrefix(q, "before") && resp.StatusCode != http.StatusSeeOther {
			t.Errorf("file for %s: %d", q, resp.StatusCode)
		}
	}
	for q, field := range map[string]string{
		"from=21/11/2026": "filter_from", "from=2026-13-01": "filter_from", "from=0001-01-01": "filter_from", "to=9999-12-31": "filter_to",
		"to=%3Cb%3E": "filter_to", "from=2026-11-22&to=2026-11-21": "filter_to",
	} {
		page := p.open("/portal/history?" + q)
		p.on(page, http.StatusBadRequest, "/portal/history")
		sound(t, page)
		if v, _ := page.Attr(field, "aria-invalid"); v != "true" || !strings.Contains(string(page.Body), `href="#`+field+`"`) {
			t.Errorf("%s: the fault is not at %s", q, field)
		}
	}
	// Fields that nobody filled in, and what is not a field, change nothing.
	p.on(p.open("/portal/history?app=&account=&data=&answer=&how=&from=&to=&utm=x"), http.StatusOK, "/portal/history")
}

func TestFilterKeepsToItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	w.grant("g-2", "TaxPal", func(g *consent.Grant) { g.Recipient = "taxpal" })
	start := w.now.Add(-24 * time.Hour)
	for i := range 130 {
		w.read("g-1", "c-ada", start.Add(-time.Duration(i)*time.Minute), 3000+i)
		w.reads[i].Recipient = []consent.RecipientID{budgetBee, "taxpal"}[i%2]
		w.reads[i].Grant = []consent.GrantID{"g-1", "g-2"}[i%2]
	}
	p := w.person2("ada")
	page := p.open("/portal/history?app=taxpal&how=background")
	older, _ := page.Attr("history_older", "href")
	if !strings.Contains(older, "app=taxpal") || !strings.Contains(older, "how=background") {
		t.Errorf("the next page forgets the filter: %s", older)
	}
	if v, _ := page.Attr("export_csv", "href"); v != "/portal/history/export.csv?app=taxpal&how=background" {
		t.Errorf("the file forgets the filter: %s", v)
	}
	next := p.press(page, "history_older")
	if n := strings.Count(string(page.Body)+string(next.Body), `<td role="cell" data-label="App">TaxPal</td>`); n != 65 {
		t.Errorf("%d reads of the app, want 65", n)
	}
	if strings.Contains(string(page.Body)+string(next.Body), `data-label="App">BudgetBee`) {
		t.Error("reads of another app are shown")
	}
	says(t, p.open("/portal/history?answer=clipped"), "Nothing fits this filter.")
	day := start.Format(time.DateOnly)
	if page = p.open("/portal/history?how=background&from=" + day + "&to=" + day); strings.Count(string(page.Body), "Transaction data</div>") == 0 {
		t.Error("the last day is not within")
	}
	says(t, p.open("/portal/history?how=background&from=2020-01-01&to=2020-01-02"), "Nothing fits this filter.")
}

func TestOneReadInDetail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee", func(g *consent.Grant) { g.Epoch = 3 })
	w.read("g-1", "c-ada", time.Date(2026, 11, 21, 10, 5, 9, 0, time.UTC), 7)
	r := &w.reads[0]
	r.RequestID = uuid.MustParse("0198c2a4-1111-7222-8333-944455556666")
	r.Operation, r.Interaction, r.Bytes, r.Epoch, r.Outcome = "searchForAccountTransactions", "c770aef3-6784-41f7-8e0e-ff5f97bddb3a", 12345, 3, audit.Clipped
	r.Accounts = []fdx.AccountID{"a-1", "a-3", "a-4", "a-gone"}
	start, _ := fdx.ParseDate("2025-11-21")
	end, _ := fdx.ParseDate("2026-11-21")
	r.Window = fdx.Window{Start: start, End: end}
	p := w.person2("ada")
	says(t, p.open("/portal/history"), "Everyday account •••• 4321", "and 2 more", "From 21 November 2025 on.")
	page := p.open(accessPath(r.RequestID))
	sound(t, page)
	says(t, page, "BudgetBee asked for data", "21 November 2026 10:05:09 UTC", "Payments in and out of an account", "Everyday account •••• 4321",
		"Household •••• 8765", "Gold card •••• 0042", "An account that is no longer with us", "21 November 2025 to 21 November 2026", "12,345 bytes",
		"Given in part", "From 21 November 2025 on.", "0198c2a4-1111-7222-8333-944455556666", "c770aef3-6784-41f7-8e0e-ff5f97bddb3a", "Version 3",
		"Transaction data", "postedTimestamp", "description", "amount")
	if strings.Contains(string(page.Body), "currentBalance") {
		t.Error("names a field of another kind of data")
	}
	if v, _ := page.Attr("report_read", "href"); v != "/portal/grants/g-1/hold" {
		t.Errorf("report leads to %q", v)
	}
	w.do(func() {
		r.Outcome, r.Reason, r.Accounts, r.Clusters, r.Window = audit.Refused, "1207", nil, 0, fdx.Window{}
	})
	page = p.open(accessPath(r.RequestID))
	says(t, page, "Refused: nothing given", "The app asked too often.")
	if strings.Contains(page.Text(), "12,345") || strings.Contains(page.Text(), "postedTimestamp") {
		t.Error("tells what a refused read was given")
	}
}

func TestEveryRefusalHasAReason(t *testing.T) {
	t.Parallel()
	c, err := newCatalogue(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range c.texts {
		for _, e := range fdx.Errors() {
			if why := refusalWords(text, e.Code); why == "" || strings.Contains(why, "history.") {
				t.Errorf("%s: %s (%s) is %q", text.Lang, e.Code, e.Message, why)
			}
		}
		for op := range families {
			if words := operationWords(text, string(op)); words == text.T("history.op.other") {
				t.Errorf("%s: %s has no words", text.Lang, op)
			}
		}
	}
	for _, e := range fdx.Entities() {
		if e.Needs.Empty() {
			continue
		}
		found := false
		for _, family := range families {
			found = found || e.Name == family
			for _, prefix := range members {
				found = found || e.Name == prefix+family
			}
		}
		if !found {
			t.Errorf("no operation answers with %s", e.Name)
		}
	}
}

func TestHourThatComesTwice(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCatalogue(zone)
	if err != nil {
		t.Fatal(err)
	}
	en, winter := c.texts[0], time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first, second := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC)
	if got := en.moment(first, winter) + " | " + en.moment(second, winter); got != "25 October 2026, 02:30 CEST | 25 October 2026, 02:30" {
		t.Error(got)
	}
	if got := en.exact(first) + " | " + en.exact(second); got != "25 October 2026 02:30:00 CEST | 25 October 2026 02:30:00 CET" {
		t.Error(got)
	}
	p := &Portal{c: Config{Zone: zone}}
	f, _, _, _, ok := p.parseFilter(en, known{}, map[string][]string{"from": {"2026-10-25"}, "to": {"2026-10-25"}})
	if !ok || f.Until.Sub(f.From) != 25*time.Hour || f.From.UTC() != time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC) {
		t.Errorf("the day with 25 hours: %v to %v", f.From, f.Until)
	}
}

func TestFilesHoldTheWholeList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "=cmd|' /C calc'!A1")
	for i := range 1201 {
		w.read("g-1", "c-ada", w.now.Add(-time.Duration(i)*time.Minute), i)
	}
	w.lookUps = []audit.LookUp{{ID: [16]byte{1}, Consumer: "c-ada", At: w.now.Add(-30 * time.Second), Reason: "+1 \"quoted\"\nline"}}
	p := w.person2("ada")
	body := p.body("/portal/history/export.csv")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 1+1201+2 || !slices.Equal(rows[0], csvColumns) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Fatalf("a formula: %q", cell)
			}
		}
		seen[row[6]] = true
	}
	if len(seen) != 1202 {
		t.Errorf("%d different rows", len(seen))
	}
	if resp := p.fetch("/portal/history/export.csv"); resp.Header.Get("Content-Type") != "text/csv; charset=utf-8" ||
		resp.Header.Get("Content-Disposition") != `attachment; filename="access-history.csv"` || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", resp.Header)
	}
	var file struct {
		Entries  []exported `json:"entries"`
		Complete bool       `json:"complete"`
		Note     string     `json:"note"`
	}
	if err := json.Unmarshal([]byte(p.body("/portal/history/export.json")), &file); err != nil || len(file.Entries) != 1203 || !file.Complete || file.Note != "" {
		t.Errorf("%d entries, %v, %q, %v", len(file.Entries), file.Complete, file.Note, err)
	}
	if e := file.Entries[len(file.Entries)-1]; e.Kind != "read" || e.Records != 1200 || e.RequestID == nil || e.Data[0] != "Transaction data" {
		t.Errorf("%+v", e)
	}
	if err := json.Unmarshal([]byte(p.body("/portal/history/export.json?answer=refused")), &file); err != nil || len(file.Entries) != 0 {
		t.Errorf("%d entries, %v", len(file.Entries), err)
	}
}

func TestFileThatIsTooLongSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("g-1", "BudgetBee")
	p := w.portal
	text := p.catalogue.texts[0]
	for ext, to := range map[string]func(io.Writer) exporter{
		"csv":  func(b io.Writer) exporter { return newCSVExport(b) },
		"json": func(b io.Writer) exporter { return &jsonExport{to: b, made: w.now} },
	} {
		var b bytes.Buffer
		x := to(&b)
		if err := x.begin(); err != nil {
			t.Fatal(err)
		}
		if err := x.end(text.T("export.capped", "Number", "50,000")); err != nil {
			t.Fatal(err)
		}
		if err := x.flush(); err != nil || !strings.Contains(b.String(), "This file ends after 50,000 entries.") {
			t.Errorf("%s: %v:\n%s", ext, err, b.String())
		}
		if ext == "json" && (!json.Valid(b.Bytes()) || !strings.Contains(b.String(), `"complete":false`)) {
			t.Errorf("%s", b.String())
		}
	}
}

func TestHistoryWhileOthersAreDown(t *testing.T) {
	t.Parallel()
	w, mine, _ := twoPeople(t)
	p := w.person2("ada")
	w.do(func() { w.down["usage"], w.down["pulse"], w.down["bank"] = true, true, true })
	page := p.open("/portal/history")
	p.on(page, http.StatusOK, "/portal/history")
	says(t, page, "AdaApp", "1,111")
	if page.Has("history_live") || page.Has("charts_more") {
		t.Error("shows what it does not have")
	}
	w.do(func() { w.down["reads"] = true })
	for _, path := range []string{"/portal/history", accessPath(mine.RequestID), "/portal/history/export.csv"} {
		p.problem(p.open(path), http.StatusServiceUnavailable, "temporarily_unavailable")
	}
}

func TestChartsSayTheSameAsTheirTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.grant(consent.GrantID(fmt.Sprint("g-", i)), fmt.Sprint("App", i))
	}
	n := 0
	for i := range 7 {
		for j := range 10 - i {
			n++
			w.read(consent.GrantID(fmt.Sprint("g-", i)), "c-ada", w.now.Add(-time.Duration(j*9)*24*time.Hour), 100*i+j)
		}
	}
	p := w.person2("ada")
	page := p.open("/portal/history")
	sound(t, page)
	says(t, page, fmt.Sprintf("Apps got data %d times in the last 90 days.", n), "App0", "10 times", "App3", "7 times", "3 other apps", "15 times", "100%")
	body := string(page.Body)
	for _, need := range []string{`role="img" aria-labelledby="chart_days_title chart_days_desc"`, `<title id="chart_days_title">`, `<desc id="chart_days_desc">`, `<caption class="vh">Access history</caption>`} {
		if !strings.Contains(body, need) {
			t.Errorf("no %s", need)
		}
	}
	c := newCharts(w.portal.catalogue.texts[0], known{apps: map[consent.GrantID]string{"g": "A"}},
		[]audit.DayUse{{Day: audit.Today(w.now, time.UTC).AddDays(-chartDays), Grants: map[consent.GrantID]int{"g": 5}}, {Day: audit.Today(w.now, time.UTC).AddDays(9), Grants: map[consent.GrantID]int{"g": 5}}}, audit.Today(w.now, time.UTC))
	if len(c.Days.Columns)+len(c.Weeks.Columns)+len(c.Table) != 0 {
		t.Errorf("days outside are drawn: %+v", c)
	}
	if newCharts(w.portal.catalogue.texts[0], known{}, nil, audit.Today(w.now, time.UTC)) != nil {
		t.Error("nothing is drawn")
	}
}

// events reads a stream line by line.
type events struct {
	t *testing.T
	s *bufio.Scanner
}

func (p *person) stream(header ...string) events {
	p.t.Helper()
	resp := p.fetch("/portal/history/stream", header...)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		p.t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return events{p.t, bufio.NewScanner(resp.Body)}
}

// next returns the next event and its id; "" at the end.
func (e events) next() (kind, id string) {
	e.t.Helper()
	for e.s.Scan() {
		line := e.s.Text()
		switch {
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case strings.HasPrefix(line, "event: "):
			kind = line[7:]
		case line == "" && kind != "":
			return kind, id
		case line == "", strings.HasPrefix(line, "data: changed"), strings.HasPrefix(line, "data: over"), line == "retry: 1000", line == ": here":
		default:
			e.t.Errorf("the stream says %q", line)
		}
	}
	return "", ""
}

func TestStreamTellsEachTheirOwn(t *testing.T) {
	t.Parallel()
	w, _, _ := twoPeople(t)
	ada, bob := w.person2("ada"), w.person2("bob")
	a, b := ada.stream("Last-Event-ID", "pulse-3"), bob.stream("Last-Event-ID", "pulse-3")
	// Each has a grant, a read and a look: nothing is new to either.
	w.do(func() { w.read("g-ada", "c-ada", w.now, 5) })
	if kind, id := a.next(); kind != "changed" || id != "pulse-4" {
		t.Errorf("%s %s", kind, id)
	}
	// The first that bob hears of is his own: the pulse skips ada's.
	w.do(func() { w.lookUps = append(w.lookUps, audit.LookUp{Consumer: "c-bob", At: w.now}) })
	if kind, id := b.next(); kind != "changed" || id != "pulse-4" {
		t.Errorf("%s %s", kind, id)
	}
	// It ends with the sign-in.
	page := ada.open("/portal")
	ada.press(page, "sign_out")
	if kind, _ := a.next(); kind != "over" {
		t.Errorf("after signing out: %s", kind)
	}
	if kind, _ := a.next(); kind != "" {
		t.Errorf("after the end: %s", kind)
	}
	w.portal.EndStreams()
	w.portal.EndStreams()
	if kind, _ := b.next(); kind != "" {
		t.Errorf("after the process has left: %s", kind)
	}
}

func TestStreamEndsWithTheIdleSignIn(t *testing.T) {
	t.Parallel()
	w, _, _ := twoPeople(t)
	p := w.person2("ada")
	s := p.stream("Last-Event-ID", "pulse-3", "Sec-Fetch-Dest", "empty")
	w.do(func() { w.now = w.now.Add(10 * time.Minute) })
	// What a script asks for by itself is no use of the sign-in.
	p.fetch("/portal/history", "Sec-Fetch-Dest", "empty")
	w.do(func() { w.now = w.now.Add(6 * time.Minute) })
	if kind, _ := s.next(); kind != "over" {
		t.Errorf("%s", kind)
	}
	if resp := p.fetch("/portal/history/stream"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestStreamsAreLimited(t *testing.T) {
	t.Parallel()
	s := newStreams()
	var leave []func()
	for range streamsOfOne {
		l, ok := s.enter("a")
		if !ok {
			t.Fatal("refused too early")
		}
		leave = append(leave, l)
	}
	if _, ok := s.enter("a"); ok {
		t.Error("one person has too many")
	}
	if _, ok := s.enter("b"); !ok {
		t.Error("somebody else is refused")
	}
	leave[0]()
	if _, ok := s.enter("a"); !ok {
		t.Error("refused though one has left")
	}
	s.all = streamsOfAll
	if _, ok := s.enter("c"); ok {
		t.Error("too many in all")
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"app=x", "from=2026-11-21&to=2026-11-22", "data=BALANCES&answer=given", "from=%00", "to=0000-00-00"} {
		f.Add(s)
	}
	c, err := newCatalogue(time.UTC)
	if err != nil {
		f.Fatal(err)
	}
	p := &Portal{c: Config{Zone: time.UTC}}
	f.Fuzz(func(t *testing.T, s string) {
		req, err := http.NewRequest(http.MethodGet, "/?"+strings.ReplaceAll(s, "#", ""), nil)
		if err != nil {
			return
		}
		got, form, fault, _, ok := p.parseFilter(c.texts[0], known{}, req.URL.Query())
		if ok && fault == "" && (got.Recipient != "" || got.Account != "" || form.Active != (got != audit.Filter{})) {
			t.Errorf("%q is read as %+v", s, got)
		}
	})
}
