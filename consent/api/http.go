package api

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/web"
)

// routes is everything that Handler answers.
func (a *API) routes(log *slog.Logger, watch web.Watch) (http.Handler, error) {
	e, err := web.NewEngine(web.Config{
		Log: log, Now: a.now, Watch: watch,
		Failed:           fdxhttp.Always(fdx.ErrInternal),
		NotFound:         fdxhttp.Always(fdxhttp.ErrNoRoute),
		MethodNotAllowed: fdxhttp.Always(fdx.ErrMethodNotAllowed),
	})
	if err != nil {
		return nil, err
	}
	for _, one := range a.endpoints {
		e.Handle(one.method, fdxhttp.Base+one.path, func(c *gin.Context) {
			var id string
			for _, p := range c.Params {
				id, _ = web.Param(c, p.Key) // broken escapes leave it empty, which is no id of anything
			}
			a.serve(c.Writer, c.Request, one, id)
		})
	}
	return e, nil
}
