package trace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/headgate/headgate/internal/trace"
)

const canary = "CANARY"

func open(t *testing.T, exporter sdktrace.SpanExporter, percent int, log *bytes.Buffer) *trace.Tracer {
	t.Helper()
	tr, err := trace.New(t.Context(), trace.Config{
		Service: "gatewayd", Instance: "one", Percent: percent, Exporter: exporter, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// kept takes spans as a collector would: what it was told, and not the memory
// of the process.
type kept struct{ spans tracetest.SpanStubs }

func (k *kept) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.spans = append(k.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (*kept) Shutdown(context.Context) error { return nil }

func TestSpansSayNoMoreThanTheyMay(t *testing.T) {
	t.Parallel()
	var k kept
	tr := open(t, &k, 100, &bytes.Buffer{})
	r := httptest.NewRequest("GET", "/accounts/"+canary+"?q="+canary, nil)
	r.Header.Set("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00")
	r.Header.Set("tracestate", "vendor="+canary)
	// Whatever was made of it on the way.
	extracted := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, done := tr.Request(r.WithContext(extracted), "/accounts/:id")
	part, end := tr.Part(ctx, "bank")
	// A library that says too much.
	_, library := tr.Provider().Tracer("library").Start(part, "select")
	library.SetAttributes(attribute.String("db.statement", canary), attribute.String("db.system", "redis"))
	library.RecordError(errors.New(canary))
	library.AddEvent(canary)
	library.SetStatus(codes.Error, canary)
	library.End()
	end()
	done(503)
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := map[string]tracetest.SpanStub{}
	for _, s := range k.spans {
		spans[s.Name] = s
	}
	request, bank, inner := spans["/accounts/:id"], spans["bank"], spans["select"]
	if len(k.spans) != 3 || inner.Parent.SpanID() != bank.SpanContext.SpanID() || bank.Parent.SpanID() != request.SpanContext.SpanID() {
		t.Fatalf("%+v", k.spans)
	}
	if text := fmt.Sprintf("%+v", k.spans); strings.Contains(text, canary) {
		t.Error(text)
	}
	if inner.Status.Code != codes.Error || request.Status.Code != codes.Error || len(inner.Attributes) != 1 {
		t.Errorf("%+v, %+v", inner, request.Status)
	}
	want := []attribute.KeyValue{attribute.String("http.route", "/accounts/:id"), attribute.Int("http.response.status_code", 503)}
	if fmt.Sprint(request.Attributes) != fmt.Sprint(want) || request.SpanKind != oteltrace.SpanKindServer {
		t.Errorf("%v, want %v", request.Attributes, want)
	}
	// The client's trace is neither continued nor obeyed, only named.
	if request.Parent.IsValid() || request.SpanContext.TraceID().String() == "0123456789abcdef0123456789abcdef" ||
		len(request.Links) != 1 || request.Links[0].SpanContext.TraceID().String() != "0123456789abcdef0123456789abcdef" || request.Links[0].SpanContext.TraceState().Len() != 0 {
		t.Errorf("parent %v, links %+v", request.Parent, request.Links)
	}
}

func TestHostileTraceparents(t *testing.T) {
	t.Parallel()
	var k kept
	tr := open(t, &k, 0, &bytes.Buffer{})
	for _, header := range []string{
		"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", // asks to be sampled
		"00-00000000000000000000000000000000-0123456789abcdef-01", "ff", canary, strings.Repeat("0", 10_000),
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("traceparent", header)
		ctx, done := tr.Request(r, "/")
		if oteltrace.SpanFromContext(ctx).IsRecording() {
			t.Errorf("%.60s: is traced", header)
		}
		done(200)
	}
	if err := tr.Close(t.Context()); err != nil || len(k.spans) != 0 {
		t.Errorf("%v, %+v", err, k.spans)
	}
}

type broken struct{ kept }

func (*broken) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return errors.New("away") }

func TestALostCollectorIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	tr := open(t, &broken{}, 100, &log)
	_, done := tr.Request(httptest.NewRequest("GET", "/", nil), "/")
	done(200)
	if err := tr.Close(t.Context()); err != nil || !strings.Contains(log.String(), "traces are lost") {
		t.Errorf("%v, %s", err, &log)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]trace.Config{
		"no service":    {Endpoint: "https://c", Instance: "i", Log: log},
		"no instance":   {Endpoint: "https://c", Service: "s", Log: log},
		"no log":        {Endpoint: "https://c", Service: "s", Instance: "i"},
		"no endpoint":   {Service: "s", Instance: "i", Log: log},
		"another kind":  {Endpoint: "grpc://c", Service: "s", Instance: "i", Log: log},
		"no host":       {Endpoint: "https:///v1", Service: "s", Instance: "i", Log: log},
		"less than 0":   {Endpoint: "https://c", Service: "s", Instance: "i", Log: log, Percent: -1},
		"more than 100": {Endpoint: "https://c", Service: "s", Instance: "i", Log: log, Percent: 101},
	} {
		if _, err := trace.New(t.Context(), c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	tr, err := trace.New(t.Context(), trace.Config{Endpoint: "https://collector.example:4318", Service: "s", Instance: "i", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	_ = tr.Close(t.Context())
}
