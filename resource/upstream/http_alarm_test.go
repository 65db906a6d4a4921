package upstream_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/web"
	"github.com/headgate/headgate/resource/upstream"
)

// An alarm names the recipient's request, and the bank sees its interaction
// id, so that what the bank did can be found on both sides.
func TestAlarmNamesTheRequest(t *testing.T) {
	t.Parallel()
	const interaction = "0f3a7c52-6a1e-4b7d-9c3e-1f2a3b4c5d6e"
	s := newSimulator(t, false, false)
	var told alarms
	c := s.mutual(t, s.config())
	c.Alarm = told.raise
	p := provider(t, c)
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Fapi-Interaction-Id"); got != interaction {
			t.Errorf("interaction %s", got)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"accountCategory":"DEPOSIT_ACCOUNT","accountId":"foreign"}`)
	})
	none := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	e, err := web.NewEngine(web.Config{Log: slog.New(slog.DiscardHandler), Failed: none, NotFound: none, MethodNotAllowed: none})
	if err != nil {
		t.Fatal(err)
	}
	var id [16]byte
	e.GET("/", func(g *gin.Context) {
		ctx := g.Request.Context()
		web.Fields(ctx).Interaction = interaction
		id = web.RequestID(ctx)
		_ = reads(s, p)["account"](ctx)
	})
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	want := upstream.Alarm{Operation: fdx.GetAccount, Kind: upstream.Foreign, RequestID: id}
	if len(told.list) != 1 || told.list[0] != want || id == ([16]byte{}) {
		t.Errorf("alarms %+v, want %+v", told.list, want)
	}
}
