package e2e

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// accessRecord is an access record, on the one side as it is stored and on
// the other as the recipient would write it after what it was given. Lists
// are sorted and joined, days are YYYY-MM-DD, and Window is "" for none.
type accessRecord struct {
	RequestID, Recipient, Grant, Consumer string
	Epoch                                 int64
	Operation, Accounts, Clusters, Window string
	Count, Bytes                          int
	BodyHash, Outcome, Interaction        string
	Instance                              string
}

// discrepancies compares what recipients were given with what is recorded:
// one record for each answer, equal in everything, and none besides.
func discrepancies(given, stored []accessRecord) []string {
	var found []string
	left := map[string]accessRecord{}
	for _, r := range stored {
		if _, twice := left[r.RequestID]; twice {
			found = append(found, "recorded twice: "+r.RequestID)
		}
		left[r.RequestID] = r
	}
	for _, want := range given {
		got, ok := left[want.RequestID]
		switch {
		case !ok:
			found = append(found, fmt.Sprintf("given and not recorded, or given twice under one id: %+v", want))
		case got != want:
			found = append(found, fmt.Sprintf("recorded as something else:\n  given    %+v\n  recorded %+v", want, got))
		}
		delete(left, want.RequestID)
	}
	for _, r := range left {
		found = append(found, fmt.Sprintf("recorded and not given: %+v", r))
	}
	return found
}

func TestDiscrepanciesAreFound(t *testing.T) {
	t.Parallel()
	a, b := accessRecord{RequestID: "a", Count: 1}, accessRecord{RequestID: "b", Count: 2}
	altered := b
	altered.BodyHash = "00"
	for name, c := range map[string]struct {
		given, stored []accessRecord
		want          int
	}{
		"both the same":        {[]accessRecord{a, b}, []accessRecord{b, a}, 0},
		"one is missing":       {[]accessRecord{a, b}, []accessRecord{a}, 1},
		"one is too many":      {[]accessRecord{a}, []accessRecord{a, b}, 1},
		"one is there twice":   {[]accessRecord{a}, []accessRecord{a, a}, 1},
		"one differs":          {[]accessRecord{a, b}, []accessRecord{a, altered}, 1},
		"one id for two reads": {[]accessRecord{a, a}, []accessRecord{a}, 1},
	} {
		if got := discrepancies(c.given, c.stored); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// reading is one kind of read that the test does, with what the recipient
// expects of its record besides what the answer says.
type reading struct {
	path   string
	query  url.Values
	status int
	// of a 200:
	operation string
	clusters  string
	window    func(h http.Header) string // nil for none
}

func days(back int) string { return time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly) }

// between asks for days, and expects just those.
func between(from, to int) (url.Values, func(http.Header) string) {
	return url.Values{"startDate": {days(from)}, "endDate": {days(to)}}, func(h http.Header) string {
		if h.Get("x-fdx-effective-start") != "" {
			return "the answer says that it was clipped"
		}
		return days(from) + "/" + days(to)
	}
}

// clipped asks for days before the look-back, and expects the answer to say
// where it begins.
func clipped(from, to, lookback int) (url.Values, func(http.Header) string) {
	v, _ := between(from, to)
	return v, func(h http.Header) string {
		if h.Get("x-fdx-effective-start") != days(lookback) {
			return "the answer does not say where it begins"
		}
		return days(lookback) + "/" + days(to)
	}
}

// readings are what a holder of a grant on accounts tries, with a look-back
// of 60 days and all clusters.
func readings(accounts []fdx.AccountID, foreign fdx.AccountID) []reading {
	const (
		list, one, moves = "searchForAccounts", "getAccount", "searchForAccountTransactions"
		basic, full      = "ACCOUNT_BASIC", "ACCOUNT_BASIC,ACCOUNT_DETAILED,BALANCES"
	)
	first := "/accounts/" + url.PathEscape(string(accounts[0]))
	all := []reading{
		{path: "/accounts", status: 200, operation: list, clusters: basic},
		{path: "/accounts", query: url.Values{"resultType": {"details"}}, status: 200, operation: list, clusters: full},
		{path: "/accounts", query: url.Values{"limit": {"1"}}, status: 200, operation: list, clusters: basic},
		{path: "/accounts", query: url.Values{"accountIds": {string(accounts[0]) + "," + string(foreign)}}, status: 200, operation: list, clusters: basic},
		{path: "/accounts", query: url.Values{"accountIds": {string(foreign)}}, status: 404},
		{path: "/accounts", query: url.Values{"limit": {"0"}}, status: 400},
		{path: first, status: 200, operation: one, clusters: full},
		{path: "/accounts/" + string(foreign), status: 404},
		{path: "/accounts/" + string(foreign) + "/transactions", status: 404},
		{path: first + "/transactions", query: url.Values{"startDate": {"2026-13-01"}, "endDate": {days(0)}}, status: 400},
		{path: first + "/transactions", query: url.Values{"pageKey": {"AAAA"}}, status: 400},
	}
	add := func(query url.Values, window func(http.Header) string) {
		all = append(all, reading{
			path: first + "/transactions", query: query, status: 200, operation: moves, clusters: "TRANSACTIONS", window: window,
		})
	}
	add(between(6, 0))
	add(between(59, 3))
	add(between(1, 1))
	add(between(60, 0))
	add(clipped(61, 0, 60))
	add(clipped(300, 30, 60))
	query, window := between(6, 0)
	query.Set("limit", "2")
	add(query, window)
	add(nil, window)
	query, _ = between(200, 100)
	return append(all, reading{path: first + "/transactions", query: query, status: 400}) // wholly before the look-back
}

// after is what the recipient writes down after an answer.
func (r reading) after(tok recipient.Token, g consent.Grant, sent *recipient.Request, resp *recipient.Response, instance string) accessRecord {
	rec := accessRecord{
		RequestID: resp.Header.Get("X-Headgate-Request-Id"), Recipient: string(g.Recipient), Grant: tok.GrantID,
		Consumer: string(g.Consumer), Epoch: 1, Operation: r.operation, Clusters: r.clusters,
		Bytes: len(resp.Body), Outcome: "given", Interaction: sent.Header.Get("x-fapi-interaction-id"), Instance: instance,
	}
	sum := sha256.Sum256(resp.Body)
	rec.BodyHash = hex.EncodeToString(sum[:])
	if resp.Header.Get("x-fdx-effective-start") != "" {
		rec.Outcome = "clipped"
	}
	if r.window != nil {
		rec.Window = r.window(resp.Header)
	}
	var body struct {
		AccountID    string `json:"accountId"`
		Accounts     []struct{ AccountID string }
		Transactions []json.RawMessage
	}
	if err := json.Unmarshal(resp.Body, &body); err != nil {
		rec.Operation = "an answer that is not JSON"
	}
	switch r.operation {
	case "searchForAccounts":
		var ids []string
		for _, a := range body.Accounts {
			ids = append(ids, a.AccountID)
		}
		slices.Sort(ids)
		rec.Accounts, rec.Count = strings.Join(ids, ","), len(ids)
	case "getAccount":
		rec.Accounts, rec.Count = body.AccountID, 1
	default:
		rec.Accounts = strings.TrimSuffix(strings.TrimPrefix(r.path, "/accounts/"), "/transactions")
		rec.Count = len(body.Transactions)
	}
	return rec
}

// stored returns the records of reads that were given something.
func stored(t *testing.T, db *sql.DB) []accessRecord {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `
		SELECT request_id::text, recipient_id, grant_id, (SELECT bank_id FROM person WHERE pseudonym = consumer_id), epoch, operation,
		       (SELECT coalesce(string_agg(a, ',' ORDER BY a COLLATE "C"), '') FROM unnest(accounts) a),
		       (SELECT coalesce(string_agg(c, ',' ORDER BY c COLLATE "C"), '') FROM unnest(clusters) c),
		       coalesce(window_start::text || '/' || window_end::text, ''),
		       record_count, body_bytes, encode(body_hash, 'hex'), outcome, interaction_id, instance_id
		FROM access_record WHERE outcome <> 'refused'`)
	must(t, err)
	defer rows.Close() //nolint:errcheck // read to its end
	var all []accessRecord
	for rows.Next() {
		var r accessRecord
		must(t, rows.Scan(&r.RequestID, &r.Recipient, &r.Grant, &r.Consumer, &r.Epoch, &r.Operation, &r.Accounts, &r.Clusters,
			&r.Window, &r.Count, &r.Bytes, &r.BodyHash, &r.Outcome, &r.Interaction, &r.Instance))
		all = append(all, r)
	}
	must(t, rows.Err())
	return all
}

func TestEveryAnswerHasOneRecord(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	gateways := d.both(t, d.data)
	key, err := recipient.NewDPoPKey(jose.ES256)
	must(t, err)
	_, foreign := holder(t, d.bank, "heavy")

	type work struct {
		reading
		app   *recipient.Client
		token recipient.Token
		grant consent.Grant
	}
	var todo []work
	var grants []consent.Grant
	for i, username := range []string{"saver", "joint", "borrower", "investor"} {
		who, accounts := holder(t, d.bank, username)
		id := []string{"alpha", "beta"}[i%2]
		app := d.client(t, id)
		for range 2 {
			tok, err := issue(t.Context(), d.db, d.hasher, key, terms{
				recipient: consent.RecipientID(id), consumer: who, accounts: accounts[:1+i%2], lookback: 60,
				clusters: fdx.NewClusters(fdx.AccountDetailed, fdx.Balances, fdx.Transactions),
			})
			must(t, err)
			g := d.grant(t, tok.GrantID)
			grants = append(grants, g)
			for range rounds(3) {
				for _, r := range readings(accounts, foreign[0]) {
					todo = append(todo, work{r, app, tok, g})
				}
			}
		}
	}
	stops := map[int]consent.Grant{len(todo) / 3: grants[0], 2 * len(todo) / 3: grants[1]}
	rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })

	var mu sync.Mutex
	var given []accessRecord
	refused, ended := 0, 0
	queue := make(chan int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range queue {
				w, instance := todo[i], rand.IntN(2)
				sent, err := w.app.DataRequest(w.token, w.path, w.query)
				if err != nil {
					t.Error(err)
					continue
				}
				resp, err := send(t.Context(), gateways[instance], sent)
				if err != nil {
					t.Error(err)
					continue
				}
				mu.Lock()
				switch {
				case resp.Status == http.StatusOK && w.status == http.StatusOK:
					given = append(given, w.after(w.token, w.grant, sent, resp, instances[instance]))
				case resp.Status == http.StatusUnauthorized && (w.grant.ID == grants[0].ID || w.grant.ID == grants[1].ID):
					ended++
				case resp.Status != w.status:
					t.Errorf("%s?%s: status %d, want %d", w.path, w.query.Encode(), resp.Status, w.status)
				default:
					refused++
				}
				mu.Unlock()
			}
		})
	}
	stop, err := consent.NewService(consent.ServiceConfig{Store: d.db.Grants()})
	must(t, err)
	for i := range todo {
		if g, now := stops[i]; now {
			_, err := stop.StopByConsumer(context.WithoutCancel(t.Context()), g.Consumer, g.ID)
			must(t, err)
		}
		queue <- i
	}
	close(queue)
	all.Wait()

	t.Logf("%d reads given, %d refused, %d after a stop", len(given), refused, ended)
	if len(given) < 200 || refused < 100 || ended == 0 {
		t.Error("too few reads of a kind to prove anything")
	}
	found := discrepancies(given, stored(t, d.sql))
	for _, f := range found[:min(5, len(found))] {
		t.Error(f)
	}
	if len(found) > 0 {
		t.Errorf("%d discrepancies", len(found))
	}
	if n := d.count(t, "SELECT count(*) FROM access_record WHERE outcome = 'refused' AND (record_count, body_bytes) <> (0, 0)"); n > 0 {
		t.Errorf("%d refusals are recorded as having given something", n)
	}
	if n := d.count(t, "SELECT count(*) FROM access_record WHERE outcome = 'refused'"); n < refused || n > refused+ended {
		t.Errorf("%d refusals are recorded, the recipients saw %d and %d after a stop", n, refused, ended)
	}
}
