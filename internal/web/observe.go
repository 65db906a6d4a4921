package web

import (
	"context"
	"net/http"
	"time"
)

// Watch is who watches requests. The zero value is nobody, and costs nothing.
type Watch struct {
	// Observe is told of every request once it is answered. It runs on the
	// request's goroutine and must not block.
	Observe func(Observation)
	// Request is called before the handlers of a request, with the template
	// of its route. It returns the context that they get and what is called
	// with the status of the answer.
	Request func(r *http.Request, route string) (context.Context, func(status int))
	// Part is called when a request begins to wait for a named part of its
	// work. It returns the context of that work and what is called at its
	// end. Names are fixed words.
	Part func(ctx context.Context, name string) (context.Context, func())
}

func (w Watch) request(r *http.Request, route string) (context.Context, func(int)) {
	if w.Request == nil {
		return r.Context(), func(int) {}
	}
	return w.Request(r, route)
}

// Begin calls Part, if it is set.
func (w Watch) Begin(ctx context.Context, name string) (context.Context, func()) {
	if w.Part == nil {
		return ctx, func() {}
	}
	return w.Part(ctx, name)
}

// Unmatched is the route of a request that no route matched: its path may
// hold anything.
const Unmatched = "unmatched"

// Observation is how one request ended. Nothing in it was written by the
// client, so that it may label a metric.
type Observation struct {
	Route  string // template, such as /accounts/:accountId, or Unmatched
	Method string // a known method, or "other"
	Status int    // 500 after a panic, also when the answer had begun
	Took   time.Duration
	At     time.Time // when it ended
	// Code and Reason are those of the LogFields, empty when there are none.
	Code, Reason string
	// Gone: the client hung up before the answer was complete.
	Gone bool
}
