package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/headgate/headgate/internal/web"
)

// answer writes a bare answer of one word.
func answer(status int, word string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, word)
	}
}

func engine(t *testing.T, log io.Writer, routes func(*gin.Engine)) http.Handler {
	t.Helper()
	e, err := web.NewEngine(web.Config{
		Log:              slog.New(slog.NewJSONHandler(log, nil)),
		Failed:           answer(500, "failed"),
		NotFound:         answer(404, "unknown"),
		MethodNotAllowed: answer(405, "method"),
	})
	if err != nil {
		t.Fatal(err)
	}
	routes(e)
	return e
}

func do(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestEngineNeedsEveryAnswer(t *testing.T) {
	t.Parallel()
	whole := web.Config{
		Log:    slog.New(slog.DiscardHandler),
		Failed: answer(500, ""), NotFound: answer(404, ""), MethodNotAllowed: answer(405, ""),
	}
	for name, strip := range map[string]func(*web.Config){
		"log":                func(c *web.Config) { c.Log = nil },
		"failed":             func(c *web.Config) { c.Failed = nil },
		"not found":          func(c *web.Config) { c.NotFound = nil },
		"method not allowed": func(c *web.Config) { c.MethodNotAllowed = nil },
	} {
		c := whole
		strip(&c)
		if _, err := web.NewEngine(c); err == nil {
			t.Errorf("an engine without %s was made", name)
		}
	}
	if _, err := web.NewEngine(whole); err != nil {
		t.Errorf("a whole config was refused: %v", err)
	}
}

func TestOneLogLinePerRequestWithoutWhatTheClientWrote(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	var log bytes.Buffer
	h := engine(t, &log, func(e *gin.Engine) {
		e.POST("/things/:id", func(g *gin.Context) {
			f := web.Fields(g.Request.Context())
			f.Client, f.Grant, f.Result, f.Reason, f.Interaction = "app-1", "g-1", "refused", "701", "i-1"
			f.Cause = errors.New("why")
			g.String(503, "no")
		})
	})
	r := httptest.NewRequest("POST", "/things/"+canary+"?q="+canary, strings.NewReader(canary))
	r.Header.Set("Authorization", canary)
	r.Header.Set("Cookie", canary)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	do(h, "GET", "/"+canary+"?q="+canary)
	do(h, canary, "/things/1")

	if strings.Contains(log.String(), canary) {
		t.Errorf("the log repeats the request: %s", log.String())
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d log lines for 3 requests", len(lines))
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"level": "WARN", "method": "POST", "route": "/things/:id", "status": 503.0, "id": w.Header().Get("x-headgate-request-id"),
		"client": "app-1", "grant": "g-1", "result": "refused", "reason": "701", "interaction": "i-1", "cause": "why",
	} {
		if got[name] != want {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
	if _, ok := got["took"]; !ok {
		t.Error("no duration")
	}
	if !strings.Contains(lines[1], `"route":"unmatched"`) || !strings.Contains(lines[2], `"method":"other"`) {
		t.Errorf("lines of unknown path and method: %s", lines[1:])
	}
}

func TestEveryAnswerHasItsOwnIDAndIsNotStored(t *testing.T) {
	t.Parallel()
	h := engine(t, io.Discard, func(e *gin.Engine) {
		e.GET("/ok", func(g *gin.Context) {
			id := web.RequestID(g.Request.Context())
			g.String(200, uuid.UUID(id).String())
		})
		e.GET("/boom", func(*gin.Context) { panic("x") })
	})
	seen := map[string]bool{}
	for _, target := range []string{"/ok", "/ok", "/boom", "/unknown"} {
		w := do(h, "GET", target)
		id := w.Header().Get("X-Headgate-Request-Id")
		if u, err := uuid.Parse(id); err != nil || u.Version() != 7 || seen[id] {
			t.Errorf("%s: request id %q", target, id)
		}
		seen[id] = true
		if target == "/ok" && w.Body.String() != id {
			t.Errorf("handlers see id %q, the client %q", w.Body.String(), id)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", target, w.Header())
		}
	}
	if web.RequestID(t.Context()) != [16]byte{} {
		t.Error("an id outside a request")
	}
}

func TestPanicBecomesTheBareError(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := engine(t, &log, func(e *gin.Engine) {
		e.GET("/boom", func(g *gin.Context) {
			g.Header("Set-Cookie", "session=CANARY")
			g.Header("Cache-Control", "public")
			g.Status(200)
			panic("CANARY")
		})
		e.GET("/index", func(*gin.Context) { var none []int; _ = none[len(none)] })
	})
	w := do(h, "GET", "/boom")
	if w.Code != 500 || w.Body.String() != "failed" {
		t.Errorf("answer %d %q", w.Code, w.Body.String())
	}
	if w.Header().Get("Set-Cookie") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers of the failed attempt left: %v", w.Header())
	}
	if strings.Contains(log.String(), "CANARY") {
		t.Error("the log repeats the panic's text")
	}
	if !strings.Contains(log.String(), `"panic":"string"`) || !strings.Contains(log.String(), "httpengine_test.go") {
		t.Errorf("the log does not say where: %s", log.String())
	}
	log.Reset()
	do(h, "GET", "/index")
	if !strings.Contains(log.String(), "index out of range") {
		t.Errorf("a runtime error lost its text: %s", log.String())
	}
}

func TestPanicAfterTheFirstByteCutsTheConnection(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := engine(t, &log, func(e *gin.Engine) {
		e.GET("/half", func(g *gin.Context) {
			g.String(200, "half an answer")
			g.Writer.Flush()
			panic("x")
		})
	})
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.Start()
	defer s.Close()
	res, err := s.Client().Get(s.URL + "/half")
	if err == nil {
		defer res.Body.Close()
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("the client took half an answer for the whole")
		}
	}
	s.Close()
	if !strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("not logged: %s", log.String())
	}
}

func TestPathsAreMatchedAsSent(t *testing.T) {
	t.Parallel()
	h := engine(t, io.Discard, func(e *gin.Engine) {
		e.GET("/things/:id", func(g *gin.Context) {
			id, ok := web.Param(g, "id")
			if !ok {
				g.String(400, "broken")
				return
			}
			g.String(200, id)
		})
		e.GET("/things/:id/parts", func(g *gin.Context) { g.String(200, "parts") })
	})
	for _, tt := range []struct {
		name, method, target string
		status               int
		body                 string
	}{
		{"plain", "GET", "/things/a", 200, "a"},
		{"plus stays plus", "GET", "/things/a+b", 200, "a+b"},
		{"escaped slash belongs to the id", "GET", "/things/a%2Fparts", 200, "a/parts"},
		{"no second unescaping", "GET", "/things/a%252F", 200, "a%2F"},
		{"trailing slash is another path", "GET", "/things/a/", 404, "unknown"},
		{"doubled slash is another path", "GET", "//things/a", 404, "unknown"},
		{"dots are not resolved", "GET", "/things/../things/a", 404, "unknown"},
		{"letter case matters", "GET", "/Things/a", 404, "unknown"},
		{"wrong method", "POST", "/things/a", 405, "method"},
		{"head is no route", "HEAD", "/things/a", 405, "method"},
	} {
		w := do(h, tt.method, tt.target)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.name, w.Code, w.Body.String(), tt.status, tt.body)
		}
		if loc := w.Header().Get("Location"); loc != "" {
			t.Errorf("%s: redirects to %q", tt.name, loc)
		}
		if allow := w.Header().Get("Allow"); (tt.status == 405) != (allow == "GET") {
			t.Errorf("%s: Allow %q", tt.name, allow)
		}
	}
}

func TestWatchers(t *testing.T) {
	t.Parallel()
	type key struct{}
	var seen []web.Observation
	var routes []string
	var ended []int
	e, err := web.NewEngine(web.Config{
		Log:    slog.New(slog.DiscardHandler),
		Failed: answer(500, "failed"), NotFound: answer(404, "unknown"), MethodNotAllowed: answer(405, "method"),
		Watch: web.Watch{
			Observe: func(o web.Observation) { seen = append(seen, o) },
			Request: func(r *http.Request, route string) (context.Context, func(int)) {
				routes = append(routes, route)
				return context.WithValue(r.Context(), key{}, "traced"), func(status int) { ended = append(ended, status) }
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.GET("/things/:id", func(g *gin.Context) {
		if g.Request.Context().Value(key{}) != "traced" {
			t.Error("the handler has another context")
		}
		web.Fields(g.Request.Context()).Code = "701"
		g.Status(404)
	})
	e.GET("/panic", func(*gin.Context) { panic("CANARY") })
	e.GET("/cut", func(g *gin.Context) {
		g.String(200, "half")
		panic("CANARY")
	})
	e.GET("/gone", func(g *gin.Context) { g.Status(503) })
	do(e, "GET", "/things/CANARY?CANARY")
	do(e, "GET", "/panic")
	do(e, "CANARY", "/CANARY")
	func() {
		defer func() { _ = recover() }() // the connection is cut
		do(e, "GET", "/cut")
	}()
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/gone", nil).WithContext(ctx))
	want := []web.Observation{
		{Route: "/things/:id", Method: "GET", Status: 404, Code: "701"}, {Route: "/panic", Method: "GET", Status: 500},
		{Route: web.Unmatched, Method: "other", Status: 404}, {Route: "/cut", Method: "GET", Status: 500}, {Route: "/gone", Method: "GET", Status: 503, Gone: true},
	}
	for i := range seen {
		if seen[i].At.IsZero() || seen[i].Took < 0 {
			t.Errorf("%+v", seen[i])
		}
		seen[i].At, seen[i].Took = time.Time{}, 0
	}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("observed %+v", seen)
	}
	if !reflect.DeepEqual(routes, []string{"/things/:id", "/panic", web.Unmatched, "/cut", "/gone"}) || !reflect.DeepEqual(ended, []int{404, 500, 404, 500, 503}) {
		t.Errorf("routes %v ended with %v", routes, ended)
	}
}

// The headers of every answer share a memory; what a handler adds to one of
// them reaches no other.
func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	h := engine(t, io.Discard, func(e *gin.Engine) {
		e.GET("/", func(c *gin.Context) {
			for _, name := range []string{web.RequestIDHeader, "Cache-Control", "X-Content-Type-Options"} {
				c.Writer.Header().Add(name, "more")
			}
		})
	})
	got := do(h, "GET", "/").Header()
	id := got.Get(web.RequestIDHeader)
	if uuid.Validate(id) != nil {
		t.Errorf("request id %q", id)
	}
	want := http.Header{web.RequestIDHeader: {id, "more"}, "Cache-Control": {"no-store", "more"}, "X-Content-Type-Options": {"nosniff", "more"}}
	for name, values := range want {
		if !reflect.DeepEqual(got[name], values) {
			t.Errorf("%s: %q, want %q", name, got[name], values)
		}
	}
}
