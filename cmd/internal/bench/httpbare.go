package bench

import (
	"bytes"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource"
)

// bare is the route without any check: the same router and log line, the same
// question to the provider, the same filter, the same encoding and so the same
// body as the gateway's, but nobody is asked who they are and nothing is
// recorded.
type bare struct {
	provider resource.Provider
	access   resource.Access
	// next is what a page says about the one after it. The gateway seals a
	// fresh page key for each answer; here it is always the same, of the same
	// length.
	page    fdx.PageMetadata
	links   fdx.Links
	buffers *sync.Pool
}

func (b bare) handler(log *slog.Logger) (http.Handler, error) {
	failed := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	absent := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	e, err := web.NewEngine(web.Config{Log: log, Failed: failed, NotFound: absent, MethodNotAllowed: absent})
	if err != nil {
		return nil, err
	}
	e.GET("/fdx/v6/accounts/:accountId/transactions", func(c *gin.Context) { b.answer(c.Writer, c.Request) })
	return e, nil
}

func (b bare) answer(w http.ResponseWriter, r *http.Request) {
	page, err := b.provider.Transactions(r.Context(), b.access, resource.PageRequest{Limit: limit})
	if err != nil {
		web.Fields(r.Context()).Cause = err
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for i := range page.Items {
		fdx.FilterTransaction(&page.Items[i], b.access.Accounts()[0].Clusters)
	}
	body, _ := b.buffers.Get().(*bytes.Buffer) // kept as the gateway keeps its own
	if body == nil {
		body = new(bytes.Buffer)
	}
	body.Reset()
	defer b.buffers.Put(body)
	if err := (fdx.TransactionsAnswer{Page: b.page, Links: b.links, Transactions: page.Items}).WriteJSON(body); err != nil {
		web.Fields(r.Context()).Cause = err
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body.Bytes()) // a client that hung up cannot be told
}
