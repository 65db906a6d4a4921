package resource

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/web"
)

// routes is everything the gateway answers.
func (g *Gateway) routes(log *slog.Logger) (http.Handler, error) {
	e, err := web.NewEngine(web.Config{
		Log: log, Now: g.now,
		Failed:           answers(fdx.ErrInternal),
		NotFound:         answers(fdx.ErrDataNotFound.WithDebug("no such resource")),
		MethodNotAllowed: answers(fdx.ErrMethodNotAllowed),
	})
	if err != nil {
		return nil, err
	}
	e.GET(metadataPath, gin.WrapF(g.serveMetadata))

	v6 := e.Group("/fdx/v6")
	v6.GET("/accounts", data(g, &searchForAccounts))
	v6.GET("/accounts/:accountId", data(g, &getAccount))
	v6.GET("/accounts/:accountId/transactions", data(g, &searchForAccountTransactions))
	return e, nil
}

// data is the one kind of handler that leads to data.
func data[T any](g *Gateway, op *operation[T]) gin.HandlerFunc {
	return func(c *gin.Context) {
		account, _ := web.Param(c, "accountId") // empty is no account
		read(g, op, c.Writer, c.Request, account)
	}
}

// answers is the same error for everybody.
func answers(e *fdx.Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, _ := interaction(r.Header)
		w.Header().Set(interactionHeader, id)
		writeError(w, e)
	}
}
