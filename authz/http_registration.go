package authz

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// registration adds registration (RFC 7591) and its management (RFC 7592), if
// they are offered.
func (s *Server) registration(e *gin.Engine) {
	if s.cfg.Registrations == nil {
		return
	}
	e.POST(pathRegister, func(g *gin.Context) {
		err := s.limits.anybody(g.Request)
		var a reply
		if err == nil {
			a, err = s.register(g.Request)
		}
		respond(g, a, err)
	})
	for method, handle := range map[string]func(*http.Request, string) (reply, error){
		http.MethodGet: s.readBack, http.MethodPut: s.replace, http.MethodDelete: s.close,
	} {
		e.Handle(method, pathRegister+"/:id", func(g *gin.Context) {
			err := s.limits.anybody(g.Request)
			var a reply
			if err == nil {
				a, err = handle(g.Request, g.Param("id"))
			}
			respond(g, a, err)
		})
	}
}

// respond answers. A 401 names the scheme that would do (RFC 6750 section 3).
func respond(g *gin.Context, a reply, err error) {
	if err == nil {
		a.write(g.Writer)
		return
	}
	if wire(err).Status == http.StatusUnauthorized {
		g.Header("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	writeError(g.Writer, g.Request, err)
}
