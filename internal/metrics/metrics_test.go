package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/metrics"
	"github.com/headgate/headgate/internal/web"
)

func scrape(t *testing.T, m *metrics.Metrics, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	ok := web.Observation{Route: "/a/:id", Method: "GET", Status: 200, Took: 40 * time.Millisecond}
	m.Observe(ok)
	ok.Status = 206
	m.Observe(ok)
	m.Observe(web.Observation{Route: "/a/:id", Method: "GET", Status: 504, Took: 3 * time.Second, Code: "501", Reason: "bank_timeout"})
	m.Observe(web.Observation{Route: web.Unmatched, Method: "other", Status: 404, Code: "1107", Reason: ""})
	m.Gate(3, 2*time.Millisecond)
	m.Alarm("sweep")
	if _, text := scrape(t, m, "GET", "/metrics"); strings.Contains(text, "headgate_clock_ahead_seconds") {
		t.Error("tells of a clock that nobody has looked at")
	}
	m.ClockAhead(-1500 * time.Millisecond)
	pool := metrics.Pool{Max: 16, Open: 4, Idle: 3, Waited: 2, GivenUp: 1}
	m.Watch("postgres", func() metrics.Pool { return pool })
	m.Watch("redis", func() metrics.Pool { return metrics.Pool{} })
	state := "closed"
	m.Breaker(func() string { return state })
	pool.Open, state = 5, "half-open"

	status, text := scrape(t, m, "GET", "/metrics")
	if status != 200 {
		t.Fatal(status)
	}
	for _, want := range []string{
		`headgate_http_requests_total{method="GET",route="/a/:id",status="2xx"} 2`,
		`headgate_http_requests_total{method="GET",route="/a/:id",status="5xx"} 1`,
		`headgate_http_requests_total{method="other",route="unmatched",status="4xx"} 1`,
		`headgate_http_request_duration_seconds_bucket{method="GET",route="/a/:id",le="0.05"} 2`,
		`headgate_http_request_duration_seconds_count{method="GET",route="/a/:id"} 3`,
		`headgate_fdx_errors_total{code="501",reason="bank_timeout"} 1`,
		`headgate_provider_errors_total{kind="timeout"} 1`,
		`headgate_gate_batch_releases_sum 3`, `headgate_gate_wait_seconds_count 1`, `headgate_alarms_total{alarm="sweep"} 1`, `headgate_clock_ahead_seconds -1.5`,
		`headgate_pool_connections_max{pool="postgres"} 16`, `headgate_pool_connections_open{pool="postgres"} 5`,
		`headgate_pool_connections_idle{pool="postgres"} 3`, `headgate_pool_waits_total{pool="postgres"} 2`,
		`headgate_pool_given_up_total{pool="postgres"} 1`, `headgate_pool_connections_max{pool="redis"} 0`,
		`headgate_redis_breaker{state="half-open"} 1`, `headgate_redis_breaker{state="closed"} 0`, `headgate_redis_breaker{state="open"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, no := range [][2]string{{"POST", "/metrics"}, {"GET", "/"}, {"GET", "/debug/pprof/"}} {
		if status, _ := scrape(t, m, no[0], no[1]); status == 200 {
			t.Errorf("%s answered", no)
		}
	}
	// Another process's metrics are its own.
	if _, text := scrape(t, metrics.New(), "GET", "/metrics"); strings.Contains(text, "/a/:id") {
		t.Error("two processes share a registry")
	}
}
