package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/token"
)

// A recipient is answered in every way there is while metrics are on and every
// request is traced. Those who watch learn what happened, and nothing of whom
// it happened to.
func TestWatchersSeeNobody(t *testing.T) {
	received := make(chan string, 64)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case received <- r.URL.Path + string(body):
		default: // a test that has seen enough
		}
	}))
	t.Cleanup(collector.Close)
	d := deployWatched(t, "127.0.0.1:0", collector.URL)
	app := d.client(t, "alpha")
	attempt, p := pushed(t, app)
	_ = attempt
	tok := d.granted(t, app, "everyday")

	const canary = "canary7Zq"
	gateway := d.both(t, d.data)[0]
	get := func(path string, query url.Values, change func(http.Header)) (status int, body string) {
		t.Helper()
		r, err := app.DataRequest(tok, path, query)
		must(t, err)
		r.Header.Set("traceparent", "00-c0ffee00c0ffee00c0ffee00c0ffee00-c0ffee00c0ffee00-01")
		r.Header.Set("tracestate", "vendor="+canary)
		r.Header.Set("baggage", "who="+canary)
		r.Header.Set("User-Agent", canary)
		if change != nil {
			change(r.Header)
		}
		got, err := send(t.Context(), gateway, r)
		must(t, err)
		return got.Status, string(got.Body)
	}
	_, accounts := get("/accounts", nil, nil)
	ids := regexp.MustCompile(`"accountId":"([^"]+)"`).FindAllStringSubmatch(accounts, -1)
	if len(ids) == 0 {
		t.Fatal(accounts)
	}
	for path, want := range map[string]int{
		"/accounts/" + ids[0][1]: 200, "/accounts/" + ids[0][1] + "/transactions": 200, "/accounts/" + canary: 404, "/" + canary: 404,
	} {
		if status, body := get(path, nil, nil); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	get("/accounts", url.Values{"limit": {canary}}, nil)
	get("/accounts", nil, func(h http.Header) { h.Set("Authorization", "DPoP "+canary) })

	secrets := map[string]string{
		"a token": string(tok.AccessToken), "a refresh token": string(tok.RefreshToken), "a request_uri": string(p.RequestURI),
		"what the client wrote": canary, "the recipient": "alpha", "the customer": "everyday",
	}
	for _, id := range ids {
		secrets["account "+id[1]] = id[1]
	}
	hash, err := d.hasher.Hash(token.KindAccess, string(tok.AccessToken))
	must(t, err)
	secrets["the hash of a token"] = hash.String()
	rows, err := d.sql.QueryContext(t.Context(), "SELECT g.grant_id, p.bank_id FROM consent_grant g JOIN person p ON p.pseudonym = g.consumer_id")
	must(t, err)
	defer rows.Close() //nolint:errcheck // read to its end
	for rows.Next() {
		var grant, consumer string
		must(t, rows.Scan(&grant, &consumer))
		secrets["a grant"], secrets["a consumer"] = grant, consumer
	}
	must(t, rows.Err())
	clean := func(what, text string) {
		t.Helper()
		for name, value := range secrets {
			if value == "" || strings.Contains(text, value) {
				t.Errorf("%s: %s is in it", what, name)
			}
		}
	}

	var traces strings.Builder
	deadline := time.After(patience)
	for _, want := range []string{
		"/v1/traces", "/fdx/v6/accounts/:accountId/transactions", "unmatched", "\x05token", "bank", "gate", "evalsha", "postgresql",
		"authzd", "gatewayd", "/par", "/token", "\xc0\xff\xee\x00\xc0\xff\xee",
	} {
		for !strings.Contains(traces.String(), want) {
			select {
			case text := <-received:
				traces.WriteString(text)
			case <-deadline:
				t.Fatalf("%q is in no trace", want)
			}
		}
	}
	clean("traces", traces.String())

	var metrics strings.Builder
	for _, address := range d.metrics {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		must(t, err)
		got, err := receive(http.DefaultClient.Do(req))
		must(t, err)
		metrics.Write(got.Body)
		// Each process compares its clock with the database's, at the start.
		if !strings.Contains(string(got.Body), "\nheadgate_clock_ahead_seconds 0\n") {
			t.Errorf("%s: the clock of the process was not compared, or is off", address)
		}
	}
	for _, want := range []string{
		`headgate_http_requests_total{method="GET",route="/fdx/v6/accounts",status="2xx"} 1`,
		`headgate_http_requests_total{method="GET",route="unmatched",status="4xx"} 1`,
		`headgate_http_requests_total{method="POST",route="/token",status="2xx"}`,
		`headgate_http_request_duration_seconds_count{method="GET",route="/fdx/v6/accounts/:accountId/transactions"} 1`,
		`headgate_fdx_errors_total{code="701",reason="701"} 1`, `headgate_fdx_errors_total{code="603",reason="token_malformed"} 1`,
		`headgate_gate_batch_releases_count`, `headgate_gate_wait_seconds_count`,
		`headgate_pool_connections_open{pool="postgres"}`, `headgate_pool_connections_open{pool="redis"}`,
		`headgate_redis_breaker{state="closed"} 1`, `headgate_redis_breaker{state="open"} 0`,
		`go_goroutines`, `process_start_time_seconds`,
	} {
		if !strings.Contains(metrics.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	clean("metrics", metrics.String())
	if t.Failed() {
		t.Log(metrics.String())
	}
}
