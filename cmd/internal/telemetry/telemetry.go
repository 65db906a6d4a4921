// Package telemetry connects a process with those who watch it: metrics for
// Prometheus on a listener of their own, and traces for an OpenTelemetry
// collector. Both are off unless they are configured, and cost nothing then.
//
// It owns the wiring that both processes share, and must not know what they
// do.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/headgate/headgate/internal/metrics"
	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/trace"
	"github.com/headgate/headgate/internal/web"
)

// Config says who watches.
type Config struct {
	// ListenMetrics is address and port of the metrics; empty has none.
	ListenMetrics string
	// OTLPEndpoint is the address of the collector; empty traces nothing.
	OTLPEndpoint string
	// TracePercent of the requests are traced.
	TracePercent int
	// Service and Instance name the process; required.
	Service, Instance string
	Log               *slog.Logger // required
}

// Telemetry is who watches one process. Its methods do nothing for what is
// off. Close it after use.
type Telemetry struct {
	metrics *metrics.Metrics // nil when off
	tracer  *trace.Tracer    // nil when off
	socket  net.Listener     // nil when off
	log     *slog.Logger
}

// flush bounds how long the last spans may take to be sent.
const flush = 3 * time.Second

// Open opens the listener of the metrics, so that an address in use is found
// out at the start. It calls nobody.
func Open(ctx context.Context, c Config) (*Telemetry, error) {
	t := &Telemetry{log: c.Log}
	if c.OTLPEndpoint != "" {
		var err error
		t.tracer, err = trace.New(ctx, trace.Config{
			Endpoint: c.OTLPEndpoint, Percent: c.TracePercent, Service: c.Service, Instance: c.Instance, Log: c.Log,
		})
		if err != nil {
			return nil, fmt.Errorf("otlp_endpoint, trace_percent: %w", err)
		}
	}
	if c.ListenMetrics != "" {
		var err error
		if t.socket, err = net.Listen("tcp", c.ListenMetrics); err != nil {
			t.Close()
			return nil, fmt.Errorf("listen_metrics: %w", err)
		}
		t.metrics = metrics.New()
	}
	return t, nil
}

// Close sends what is left to the collector and closes the listener.
func (t *Telemetry) Close() {
	if t.socket != nil {
		_ = t.socket.Close() // Serve may have closed it
	}
	if t.tracer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), flush)
		defer cancel()
		_ = t.tracer.Close(ctx) // what cannot be sent is lost
	}
}

// Watch returns who watches requests.
func (t *Telemetry) Watch() web.Watch {
	var w web.Watch
	if t.metrics != nil {
		w.Observe = t.metrics.Observe
	}
	if t.tracer != nil {
		w.Request, w.Part = t.tracer.Request, t.tracer.Part
	}
	return w
}

// Traces returns what stores make spans with; nil when nothing is traced.
func (t *Telemetry) Traces() oteltrace.TracerProvider {
	if t.tracer == nil {
		return nil
	}
	return t.tracer.Provider()
}

// Postgres tells of the connections to PostgreSQL.
func (t *Telemetry) Postgres(db *postgres.DB) {
	if t.metrics != nil {
		t.metrics.Watch("postgres", func() metrics.Pool { return metrics.Pool(db.Pool()) })
	}
}

// Stops tells of the connections to PostgreSQL that are kept for stops.
func (t *Telemetry) Stops(db *postgres.DB) {
	if t.metrics != nil {
		t.metrics.Watch("stops", func() metrics.Pool { return metrics.Pool(db.Pool()) })
	}
}

// Redis tells of the connections to Redis and of its circuit breaker.
func (t *Telemetry) Redis(c *redis.Cache) {
	if t.metrics == nil {
		return
	}
	t.metrics.Watch("redis", func() metrics.Pool {
		s := c.Stats()
		return metrics.Pool{Max: s.Max, Open: s.Open, Idle: s.Idle, Waited: s.Waited, GivenUp: s.GivenUp}
	})
	t.metrics.Breaker(func() string { return c.Stats().Breaker })
}

// Gate returns who is told of the gate's statements; nil when nobody is.
func (t *Telemetry) Gate() func(releases int, waited time.Duration) {
	if t.metrics == nil {
		return nil
	}
	return t.metrics.Gate
}

// Alarm counts something that an operator should look at; name is a fixed
// word. To log it is the caller's part.
func (t *Telemetry) Alarm(name string) {
	if t.metrics != nil {
		t.metrics.Alarm(name)
	}
}

// Retained counts consents and reads that were deleted because their time was
// over.
func (t *Telemetry) Retained(consents, reads int64) {
	if t.metrics != nil {
		t.metrics.Retained(consents, reads)
	}
}

// Address is where the metrics are, such as 127.0.0.1:9464; empty when they
// are off.
func (t *Telemetry) Address() string {
	if t.socket == nil {
		return ""
	}
	return t.socket.Addr().String()
}

// Listeners returns the listener of the metrics, none when they are off.
func (t *Telemetry) Listeners() []web.Listener {
	if t.socket == nil {
		return nil
	}
	return []web.Listener{{Server: web.NewServer(t.metrics.Handler(), nil, t.log), Socket: t.socket}}
}
