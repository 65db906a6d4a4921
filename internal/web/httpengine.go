package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
)

// Config configures an engine.
type Config struct {
	// Log receives one line per request; required.
	Log *slog.Logger
	// Now is the clock of the log line's duration; nil is time.Now.
	Now func() time.Time

	// Watch is told of every request; the zero value tells nobody.
	Watch Watch

	// The three answers that no route gives. Each writes a whole answer,
	// status included; all are required, because only the caller knows its
	// protocol's error form.

	// Failed answers after a panic. It is told nothing of the cause.
	Failed http.HandlerFunc
	// NotFound answers a path that no route has.
	NotFound http.HandlerFunc
	// MethodNotAllowed answers a path that has other methods. Allow is
	// already set (RFC 9110 section 15.5.6).
	MethodNotAllowed http.HandlerFunc
}

// NewEngine returns a router that sends no redirect, trusts no proxy, gives
// every request an id, forbids storing unless a handler says otherwise, turns
// a panic into the caller's bare error, and logs one line per request.
//
// Paths are matched as they were sent, escapes included, and path parameters
// are not unescaped: read them with Param.
func NewEngine(c Config) (*gin.Engine, error) {
	if c.Log == nil || c.Failed == nil || c.NotFound == nil || c.MethodNotAllowed == nil {
		return nil, errors.New("web: an engine needs Log, Failed, NotFound and MethodNotAllowed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.ContextWithFallback = true
	// gin unescapes path parameters as if they were query text, which turns
	// a plus sign into a space.
	e.UseEscapedPath = true
	e.UnescapePathValues = false
	if err := e.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	e.Use(c.around)
	e.NoRoute(gin.WrapF(c.NotFound))
	e.NoMethod(gin.WrapF(c.MethodNotAllowed))
	return e, nil
}

// Param returns a path parameter unescaped, and false when its escapes are
// broken.
func Param(g *gin.Context, name string) (string, bool) {
	v, err := url.PathUnescape(g.Param(name))
	return v, err == nil
}

// around is the one middleware: it opens the request's record, runs the
// handlers, contains a panic and writes the log line.
func (c Config) around(g *gin.Context) {
	start := c.Now()
	route := g.FullPath()
	if route == "" {
		route = Unmatched
	}
	ctx, traced := c.Watch.request(g.Request, route)
	r := newRecord(ctx)
	g.Request = g.Request.WithContext(r)
	r.mark(g.Writer.Header())

	var broken *panicked
	func() {
		defer func() {
			if v := recover(); v != nil {
				broken = newPanicked(v)
			}
		}()
		g.Next()
	}()
	// A panic after the first byte cannot be answered any more: cut the
	// connection, so that the client cannot take the part for the whole.
	cut := broken != nil && g.Writer.Written()
	if broken != nil && !cut {
		h := g.Writer.Header()
		for name := range h {
			switch name {
			case RequestIDHeader, "Cache-Control", "X-Content-Type-Options":
			default:
				h.Del(name) // also cookies: nothing of the failed attempt leaves
			}
		}
		h.Set("Cache-Control", "no-store")
		c.Failed(g.Writer, g.Request)
		g.Writer.WriteHeaderNow()
	}
	o := Observation{
		Route: route, Method: knownMethod(g.Request.Method), Status: g.Writer.Status(), At: c.Now(),
		Code: r.fields.Code, Reason: r.fields.Reason, Gone: errors.Is(ctx.Err(), context.Canceled),
	}
	o.Took = o.At.Sub(start)
	c.line(g, r, broken, o)
	if broken != nil {
		o.Status = http.StatusInternalServerError // also after the first byte
	}
	traced(o.Status)
	if c.Watch.Observe != nil {
		c.Watch.Observe(o)
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// line writes the log line of one request.
func (c Config) line(g *gin.Context, r *record, broken *panicked, o Observation) {
	attrs := append(r.attrs[:0],
		slog.String("id", r.text),
		slog.String("method", o.Method),
		slog.String("route", o.Route),
		slog.Int("status", o.Status),
		slog.Duration("took", o.Took),
	)
	for _, f := range [...]struct{ name, value string }{
		{"client", r.fields.Client},
		{"grant", r.fields.Grant},
		{"result", r.fields.Result},
		{"reason", r.fields.Reason},
		{"interaction", r.fields.Interaction},
	} {
		if f.value != "" {
			attrs = append(attrs, slog.String(f.name, f.value))
		}
	}
	if r.fields.Cause != nil {
		attrs = append(attrs, slog.String("cause", r.fields.Cause.Error()))
	}
	level := slog.LevelInfo
	if o.Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if broken != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("panic", broken.what), slog.String("stack", broken.stack))
	}
	// A group without a name is as good as its members, and no further memory
	// is needed for one attribute.
	c.Log.LogAttrs(g.Request.Context(), level, "request", slog.Attr{Value: slog.GroupValue(attrs...)})
}

// knownMethod keeps a made-up method, which is free text, out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return m
	}
	return "other"
}
