package resource

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/web"
)

// routes is everything the gateway answers.
func (g *Gateway) routes(log *slog.Logger, watch web.Watch) (http.Handler, error) {
	e, err := web.NewEngine(web.Config{
		Log: log, Now: g.now, Watch: watch,
		Failed:           fdxhttp.Always(fdx.ErrInternal),
		NotFound:         fdxhttp.Always(fdxhttp.ErrNoRoute),
		MethodNotAllowed: fdxhttp.Always(fdx.ErrMethodNotAllowed),
	})
	if err != nil {
		return nil, err
	}
	e.GET(fdxhttp.MetadataPath, gin.WrapF(g.serveMetadata))
	if g.meter != nil {
		e.GET(performancePath, gin.WrapF(g.servePerformance))
	}

	for _, one := range g.endpoints {
		e.GET(fdxhttp.Base+one.about().path, serve(g, one))
	}
	return e, nil
}

// serve is the one kind of handler below fdxhttp.Base.
func serve(g *Gateway, e endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !g.limits.flight.Enter() {
			g.busy(c.Writer, c.Request)
			return
		}
		defer g.limits.flight.Leave()
		var t target
		for _, p := range c.Params {
			// Broken escapes leave it empty, which is no id of anything.
			if p.Key == "accountId" {
				t.account, _ = web.Param(c, p.Key)
			} else {
				t.id, _ = web.Param(c, p.Key)
			}
		}
		e.serve(g, c.Writer, c.Request, t)
	}
}
