package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
)

// Protocol returns the handler that recipients talk to: metadata, keys, PAR,
// token, revocation, introspection. It sets no cookie and no CORS header.
func (s *Server) Protocol() (http.Handler, error) {
	e, err := s.protocol(s.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	// Made anew each time: keys rotate while the server runs.
	e.GET("/.well-known/openid-configuration", published(s.metadata))
	e.GET("/.well-known/oauth-authorization-server", published(s.metadata))
	e.GET(pathKeys, published(s.cfg.Keys.Public))
	return e, nil
}

// MTLS returns the handler for the host on which clients present their
// certificates: the same endpoints, and none of the documents.
func (s *Server) MTLS() (http.Handler, error) { return s.protocol(s.cfg.MTLSBase) }

// protocol returns an engine with what authenticated clients use, as reached
// under base.
func (s *Server) protocol(base string) (*gin.Engine, error) {
	e, err := web.NewEngine(web.Config{
		Log: s.cfg.Log, Now: s.cfg.Now, Watch: s.cfg.Watch,
		Failed:           s.fixed(&Error{Status: http.StatusInternalServerError, Code: engine.ServerError, Text: "the request could not be processed"}),
		NotFound:         s.fixed(&Error{Status: http.StatusNotFound, Code: engine.InvalidRequest, Text: "no such endpoint: see the metadata document"}),
		MethodNotAllowed: s.fixed(&Error{Status: http.StatusMethodNotAllowed, Code: engine.InvalidRequest, Text: "this endpoint has another method: see the Allow header"}),
	})
	if err != nil {
		return nil, err
	}
	s.endpoints(e, base)
	return e, nil
}

// endpoints adds what authenticated clients use, as reached under base.
func (s *Server) endpoints(e *gin.Engine, base string) {
	e.POST(pathPush, gin.WrapF(s.endpoint(base, laneClient, s.push)))
	e.POST(pathToken, gin.WrapF(s.endpointLoading(base, laneClient, s.presenting, s.token)))
	e.POST(pathRevoke, gin.WrapF(s.endpoint(base, laneStop, s.revoke)))
	asked := s.remembering()
	e.POST(pathIntrospect, gin.WrapF(asked.endpoint(base, laneIntrospect, asked.introspect)))
	s.registration(e)
	e.GET(pathGrants+"/:id", gin.WrapF(s.protected(base, laneClient, ScopeGrantQuery, s.queryGrant)))
	e.DELETE(pathGrants+"/:id", gin.WrapF(s.protected(base, laneStop, ScopeGrantRevoke, s.revokeGrant)))
}

// Browser returns the handler of the authorization endpoint, for the host
// that people meet.
func (s *Server) Browser() (http.Handler, error) {
	gone := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			s.cfg.Pages.Problem(w, r, Problem{Status: status, Code: engine.InvalidRequest, Text: "no such page"})
		}
	}
	e, err := web.NewEngine(web.Config{
		Log: s.cfg.Log, Now: s.cfg.Now, Watch: s.cfg.Watch,
		Failed: func(w http.ResponseWriter, r *http.Request) {
			protect(w.Header()) // a failed attempt loses its headers
			s.cfg.Pages.Problem(w, r, Problem{
				Status: http.StatusInternalServerError, Code: engine.ServerError, Text: "the request could not be processed",
				RetryURI: r.URL.RequestURI(),
			})
		},
		NotFound:         gone(http.StatusNotFound),
		MethodNotAllowed: gone(http.StatusMethodNotAllowed),
	})
	if err != nil {
		return nil, err
	}
	e.GET(pathAuthorize, func(g *gin.Context) {
		s.visit(g.Writer, g.Request, s.open)
	})
	e.GET(pathAuthorize+"/:id", func(g *gin.Context) {
		s.visit(g.Writer, g.Request, func(v *visit) error {
			return s.resume(v, consent.AuthorizationID(g.Param("id")))
		})
	})
	return secured(s.cfg.Browsers.Middleware(e)), nil
}

// secured protects every answer of the browser host.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		next.ServeHTTP(w, r)
	})
}

// protect adds what every page of the browser host carries (FAPI 2.0 section
// 5.3.2.3: no downgrade, no CORS).
func protect(h http.Header) {
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Referrer-Policy", "no-referrer")
}

// published serves a document that anybody may keep for a while.
func published(document func() []byte) gin.HandlerFunc {
	return func(g *gin.Context) {
		g.Header("Cache-Control", "public, max-age="+strconv.Itoa(int(certs.JWKSMaxAge/time.Second)))
		g.Data(http.StatusOK, "application/json", document())
	}
}

func (s *Server) fixed(e *Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { writeError(w, r, e) }
}

// write sends the answer; no answer of a protocol endpoint is kept by caches.
func (a reply) write(w http.ResponseWriter) {
	switch {
	case a.kind != "":
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.text)) // the client hung up: nothing to do
	case a.body != nil:
		writeJSON(w, a.status, a.body)
	default:
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(a.status)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Our own answer types always marshal; anything else is a programming
		// mistake that the engine's recovery reports.
		panic(fmt.Sprintf("authz: marshal answer: %v", err))
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client hung up: nothing to do
}

// retryAfter is when to try again after most 503, in seconds.
const retryAfter = "2"

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := wire(err)
	note(r.Context(), e)
	if e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryIn(e))
	}
	writeJSON(w, e.Status, struct {
		Code string `json:"error"`
		Text string `json:"error_description"`
	}{e.Code, e.Text})
}

// note puts a refusal into the request's log line.
func note(ctx context.Context, e *Error) {
	f := web.Fields(ctx)
	f.Result, f.Reason = "refused", e.Code
	f.Cause = e.Cause
}
