package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/google/uuid"
)

// RequestIDHeader carries the server's own id of the request (UUID version
// 7) on every answer. It is written in the canonical form of Go headers.
const RequestIDHeader = "X-Headgate-Request-Id"

// LogFields is what handlers add to the request's log line. Identifiers and
// fixed words only: never a token, an account number or a person's name. It
// belongs to the goroutine that serves the request.
type LogFields struct {
	Client      string // recipient id
	Grant       string // grant id
	Result      string // such as given, refused
	Reason      string // an error code
	Interaction string // x-fapi-interaction-id, once checked
	// Code is the error code of the answer, for Observation; it is not
	// logged, because Reason says more. One of a fixed list.
	Code string
	// Cause is the private cause of a server error.
	Cause error
}

// record is what the plumbing keeps of one request. It is the context of the
// request that it tells of, so that both are one piece of memory.
type record struct {
	context.Context
	id     uuid.UUID
	text   string // of id
	fields LogFields
	// headers holds the values of the headers of every answer.
	headers [3]string
	attrs   [13]slog.Attr // of the log line
}

type recordKey struct{}

func newRecord(ctx context.Context) *record {
	// Must: the system's randomness does not fail in Go 1.24 and later.
	r := &record{Context: ctx, id: uuid.Must(uuid.NewV7())}
	r.text = r.id.String()
	r.headers = [...]string{r.text, "no-store", "nosniff"}
	return r
}

// mark sets the headers of every answer: its id, that it is not to be stored
// and that it is what it says. Nobody else may have set them before.
func (r *record) mark(h http.Header) {
	h[RequestIDHeader] = r.headers[0:1:1]
	h["Cache-Control"] = r.headers[1:2:2]
	h["X-Content-Type-Options"] = r.headers[2:3:3]
}

// Value implements context.Context.
func (r *record) Value(key any) any {
	if key == (recordKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// Fields returns the log fields of the request that ctx belongs to. Outside
// a request it returns fields that nobody reads.
func Fields(ctx context.Context) *LogFields {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return &r.fields
	}
	return new(LogFields)
}

// RequestID returns the server's id of the request that ctx belongs to; all
// zero outside a request. No two requests have the same.
func RequestID(ctx context.Context) [16]byte {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r.id
	}
	return [16]byte{}
}

// panicked is what may be told of a panic: where it happened and of what
// type it was. Its text may hold anything, a token included, and is dropped
// unless the runtime wrote it.
type panicked struct{ what, stack string }

func newPanicked(v any) *panicked {
	p := &panicked{what: fmt.Sprintf("%T", v), stack: string(debug.Stack())}
	if e, ok := v.(runtime.Error); ok {
		p.what = e.Error()
	}
	return p
}
