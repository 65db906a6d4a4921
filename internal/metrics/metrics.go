// Package metrics counts what a process does, in the form that Prometheus
// collects.
//
// It owns the names of the metrics and the registry, and must not know what is
// counted: no grants, no stores. Labels are route templates, codes and other
// words of ours; never anything that a client wrote, and never a recipient,
// whose number has no bound.
package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/headgate/headgate/internal/web"
)

const namespace = "headgate"

// Metrics counts for one process. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	errors   *prometheus.CounterVec
	bank     *prometheus.CounterVec
	gate     prometheus.Histogram
	waited   prometheus.Histogram
	alarms   *prometheus.CounterVec
	retained *prometheus.CounterVec
	ahead    *prometheus.GaugeVec // without labels: there is none until it is known
}

// New returns Metrics with a registry of their own.
func New() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets ...float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total", "Requests by route template, method and class of status.", "route", "method", "status"),
		duration: prometheus.NewHistogramVec(histogram("http_request_duration_seconds", "Time from the header of a request to the end of its answer.",
			.005, .01, .025, .05, .1, .2, .3, .5, 1, 2, 3.5, 5, 15), []string{"route", "method"}),
		errors:   counter("fdx_errors_total", "Refused reads by FDX error code and by the reason in the log.", "code", "reason"),
		bank:     counter("provider_errors_total", "Questions that the bank did not answer properly, by kind.", "kind"),
		gate:     prometheus.NewHistogram(histogram("gate_batch_releases", "Releases that shared a statement of the gate.", 1, 2, 4, 8, 16, 32, 64, 128, 256)),
		waited:   prometheus.NewHistogram(histogram("gate_wait_seconds", "How long the first release of a statement waited for a lane.", .0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1)),
		alarms:   counter("alarms_total", "Things that an operator should look at, by name.", "alarm"),
		retained: counter("retention_deleted_total", "What was deleted because its time was over: consents, and records of reads.", "what"),
		ahead: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "clock_ahead_seconds",
			Help: "By how much the clock of this machine is ahead of that of PostgreSQL, at least; negative is behind."}, nil),
	}
	m.registry.MustRegister(m.requests, m.duration, m.errors, m.bank, m.gate, m.waited, m.alarms, m.retained, m.ahead,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers GET /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// providerReason starts the reasons of refusals that are the bank's doing.
const providerReason = "bank_"

// Observe counts one request.
func (m *Metrics) Observe(o web.Observation) {
	m.requests.WithLabelValues(o.Route, o.Method, strconv.Itoa(o.Status/100)+"xx").Inc()
	m.duration.WithLabelValues(o.Route, o.Method).Observe(o.Took.Seconds())
	if o.Code != "" {
		m.errors.WithLabelValues(o.Code, o.Reason).Inc()
	}
	if kind, ok := strings.CutPrefix(o.Reason, providerReason); ok {
		m.bank.WithLabelValues(kind).Inc()
	}
}

// Gate counts one statement of the gate.
func (m *Metrics) Gate(releases int, waited time.Duration) {
	m.gate.Observe(float64(releases))
	m.waited.Observe(waited.Seconds())
}

// Alarm counts something that an operator should look at. name is a fixed
// word.
func (m *Metrics) Alarm(name string) { m.alarms.WithLabelValues(name).Inc() }

// ClockAhead tells by how much the clock of this machine is ahead of that of
// the database.
func (m *Metrics) ClockAhead(by time.Duration) { m.ahead.WithLabelValues().Set(by.Seconds()) }

// Retained counts what was deleted because its time was over.
func (m *Metrics) Retained(consents, reads int64) {
	m.retained.WithLabelValues("consents").Add(float64(consents))
	m.retained.WithLabelValues("reads").Add(float64(reads))
}

// Pool is what a pool of connections is doing.
type Pool struct {
	Max, Open, Idle int
	// Waited is how often a call had to wait for a connection, and GivenUp
	// how often it got none in time.
	Waited, GivenUp int64
}

// Watch tells of a pool; now returns its present state. The name is
// postgres, stops or redis, each once.
func (m *Metrics) Watch(name string, now func() Pool) {
	labels := prometheus.Labels{"pool": name}
	gauge := func(metric, help string, value func(Pool) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "pool", Name: metric, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(now())) })
	}
	counter := func(metric, help string, value func(Pool) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Subsystem: "pool", Name: metric, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(now())) })
	}
	m.registry.MustRegister(
		gauge("connections_max", "Most connections of the pool.", func(p Pool) int { return p.Max }),
		gauge("connections_open", "Connections that are open.", func(p Pool) int { return p.Open }),
		gauge("connections_idle", "Connections that wait for work.", func(p Pool) int { return p.Idle }),
		counter("waits_total", "Calls that had to wait for a connection.", func(p Pool) int64 { return p.Waited }),
		counter("given_up_total", "Calls that got no connection in time.", func(p Pool) int64 { return p.GivenUp }))
}

// Breaker tells of a circuit breaker; now returns "closed", "half-open" or
// "open".
func (m *Metrics) Breaker(now func() string) {
	for _, state := range []string{"closed", "half-open", "open"} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "redis_breaker", Help: "1 for the state that the circuit breaker of Redis is in.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 {
			if now() == state {
				return 1
			}
			return 0
		}))
	}
}
