// Package trace sends traces of requests to a collector (OpenTelemetry, OTLP
// over HTTP).
//
// It owns what a trace may say: a route template, a status, how long each part
// took, and which kind of store was asked. Whatever a library adds beside that
// is taken away before a span leaves the process: there is no way for a token,
// an account number or a person to get out with it. It must not know what is
// traced.
//
// A traceparent (W3C Trace Context) in a request was written by a client:
// every request begins a trace of its own, sampled as we decide, and is linked
// with what the client named.
package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config configures a Tracer.
type Config struct {
	// Endpoint is the https or http address of the collector. Without a path
	// it is /v1/traces. Required unless Exporter is set.
	Endpoint string
	// Service names the process and Instance this one of it; required.
	Service, Instance string
	// Percent of the requests are traced, 0 to 100.
	Percent int
	// Log is told when spans cannot be sent; required.
	Log *slog.Logger
	// Exporter takes the place of the collector.
	Exporter sdktrace.SpanExporter
}

// Tracer traces requests. Safe for concurrent use. Close it after use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracer. It calls nobody: a collector that is away loses spans
// and nothing else.
func New(ctx context.Context, c Config) (*Tracer, error) {
	if c.Service == "" || c.Instance == "" || c.Log == nil {
		return nil, errors.New("trace: Service, Instance and Log are required")
	}
	if c.Percent < 0 || c.Percent > 100 {
		return nil, errors.New("trace: Percent must be 0 to 100")
	}
	exporter := c.Exporter
	if exporter == nil {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, errors.New("trace: the endpoint must be an https or http address")
		}
		if u.Path == "" {
			u.Path = "/v1/traces"
		}
		if exporter, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String())); err != nil {
			return nil, fmt.Errorf("trace: %w", err)
		}
	}
	p := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(sparing{exporter, c.Log}),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(c.Percent)/100))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", c.Service), attribute.String("service.instance.id", c.Instance))),
	)
	return &Tracer{provider: p, tracer: p.Tracer("headgate")}, nil
}

// Provider returns what libraries make spans with.
func (t *Tracer) Provider() trace.TracerProvider { return t.provider }

// Close sends what is left, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// The attributes that leave the process.
const (
	route  = "http.route"
	status = "http.response.status_code"
)

var kept = []attribute.Key{route, status, "db.system", "db.system.name", "db.redis.num_cmd", "db.response.status_code", "service.name"}

// Request starts the span of a request. It implements web.Watch.Request.
func (t *Tracer) Request(r *http.Request, template string) (context.Context, func(int)) {
	options := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String(route, template)),
	}
	if named := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))); named.IsValid() {
		// The ids alone: tracestate is free text.
		link := trace.NewSpanContext(trace.SpanContextConfig{TraceID: named.TraceID(), SpanID: named.SpanID(), Remote: true})
		options = append(options, trace.WithLinks(trace.Link{SpanContext: link}))
	}
	ctx, span := t.tracer.Start(r.Context(), template, options...)
	return ctx, func(code int) {
		span.SetAttributes(attribute.Int(status, code))
		if code >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Part starts the span of a part of a request. It implements web.Watch.Part.
func (t *Tracer) Part(ctx context.Context, name string) (context.Context, func()) {
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, func() { span.End() }
}

// sparing lets spans through without what they may not say.
type sparing struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans sends spans. What cannot be sent is lost.
func (s sparing) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	out := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		out[i] = spare{span}
	}
	if err := s.SpanExporter.ExportSpans(ctx, out); err != nil {
		s.log.Warn("traces are lost", slog.Int("spans", len(spans)), slog.String("cause", err.Error()))
	}
	return nil
}

// spare is a span without the attributes that are not kept, without events and
// without the text of its error, which may repeat what a server said.
type spare struct{ sdktrace.ReadOnlySpan }

// Attributes returns those that are kept.
func (s spare) Attributes() []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Attributes()), func(a attribute.KeyValue) bool { return !slices.Contains(kept, a.Key) })
}

// Events returns nothing.
func (spare) Events() []sdktrace.Event { return nil }

// Status returns the code alone.
func (s spare) Status() sdktrace.Status { return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code} }
