package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

// maxForm is the largest form in bytes that a page sends: 500 accounts with
// the longest ids that are usual.
const maxForm = web.MaxForm

// Handler returns the handler of all pages and of /static/. It brings the
// sessions with it and has to be the only one below /consent/, /portal,
// /receipts/ and /static/.
func (p *Portal) Handler() (http.Handler, error) {
	as := func(pr Problem) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { p.Problem(w, r, pr) }
	}
	e, err := web.NewEngine(web.Config{
		Log: p.c.Log, Now: p.c.Now, Watch: p.c.Watch,
		Failed:           as(Problem{Status: http.StatusInternalServerError, Code: "server_error", title: "problem.unavailable"}),
		NotFound:         as(notFound),
		MethodNotAllowed: as(notAllowed),
	})
	if err != nil {
		return nil, err
	}
	e.Use(p.sameSite)

	e.GET("/consent/:id/login", p.journey(p.getLogin))
	e.POST("/consent/:id/login", p.journeyForm(p.postLogin))
	e.GET("/consent/:id/whose", p.journey(p.getWhose))
	e.POST("/consent/:id/whose", p.journeyForm(p.postWhose))
	e.GET("/consent/:id/accounts", p.journey(p.getAccounts))
	e.POST("/consent/:id/accounts", p.journeyForm(p.postAccounts))
	e.GET("/consent/:id/review", p.journey(p.getReview))
	e.POST("/consent/:id/review", p.journeyForm(p.postReview))
	e.GET("/consent/:id/step-up", p.journey(p.getStepUp))
	e.POST("/consent/:id/step-up", p.journeyForm(p.postStepUp))
	if p.c.Bank != nil {
		e.GET("/consent/:id/bank", p.journey(p.getBank))
		e.GET(portalBank, p.getPortalBank)
		e.GET(ReturnPath, p.getReturn)
	}
	e.POST("/consent/:id/leave", p.journeyForm(p.postLeave))
	e.POST("/consent/:id/stay", p.journeyForm(p.postJourneyStay))
	e.GET("/consent/:id/done", p.journey(p.getDone))

	e.GET("/portal", p.signedIn(p.getHome))
	e.GET("/portal/login", p.getPortalLogin)
	e.POST("/portal/login", p.postPortalLogin)
	e.POST("/portal/signout", p.postSignOut)
	e.POST(stayPath, p.signedIn(p.postStay))
	e.GET(signInPath, p.signedIn(p.getSignIns))
	e.POST(signInPath, p.signedIn(p.postSignIns))
	e.GET("/portal/history", p.signedIn(p.getHistory))
	e.GET("/portal/history/export.csv", p.signedIn(p.getHistoryCSV))
	e.GET("/portal/history/export.json", p.signedIn(p.getHistoryJSON))
	e.GET("/portal/history/stream", p.getStream)
	e.GET("/portal/history/:read", p.signedIn(p.getAccess))
	e.GET("/portal/grants/:id", p.signedIn(p.getGrant))
	e.GET("/portal/grants/:id/stop", p.signedIn(p.getStop))
	e.POST("/portal/grants/:id/stop", p.signedIn(p.postStop))
	e.GET("/portal/grants/:id/stopped", p.signedIn(p.getStopped))
	e.POST("/portal/grants/:id/answer", p.signedIn(p.postAnswer))
	e.GET("/portal/grants/:id/pause", p.signedIn(p.getPause))
	e.POST("/portal/grants/:id/pause", p.signedIn(p.postPause))
	e.GET("/portal/grants/:id/hold", p.signedIn(p.getHold))
	e.POST("/portal/grants/:id/hold", p.signedIn(p.postHold))
	e.GET("/portal/grants/:id/resting", p.signedIn(p.getResting))
	e.POST("/portal/grants/:id/resting", p.signedIn(p.postResting))
	e.GET("/portal/stop", p.signedIn(p.getStopAll))
	e.POST("/portal/stop", p.signedIn(p.postStopAll))
	e.GET("/portal/ended", p.signedIn(p.getEnded))

	e.GET(languagePath+":lang", p.getLanguage)

	p.receiptRoutes(e)
	p.recordRoutes(e)
	p.eraseRoutes(e)
	p.changeRoutes(e)
	p.switchRoutes(e)
	if p.c.Passkeys != nil {
		p.passkeyRoutes(e)
	}
	if p.c.Inbox != nil {
		e.GET(noticesPath, p.signedIn(p.getNotices))
		e.POST(noticesPath, p.signedIn(p.postNotices))
		e.GET(preferencesPath, p.signedIn(p.getPreferences))
		e.POST(preferencesPath, p.signedIn(p.postPreferences))
		e.POST(noticesPath+"/:id/read", p.signedIn(p.postNotice))
	}

	pages := p.c.Sessions.Middleware(e)
	// Not http.ServeMux: it tidies paths with a 307, which would have a
	// browser send a password again (FAPI 2.0 section 5.3.2.2).
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Redirects too: whoever comes by an old address is told to stay.
		ui.Secure(w.Header())
		if strings.HasPrefix(r.URL.Path, "/static/") {
			p.c.UI.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}

// sameSite refuses forms that another site sent.
func (p *Portal) sameSite(g *gin.Context) {
	if err := http.NewCrossOriginProtection().Check(g.Request); err != nil {
		g.Abort()
		p.failed(g.Writer, g.Request, otherSite, err)
	}
}

// form reads the body. When it cannot be read it answers and returns false.
func (p *Portal) form(g *gin.Context) (url.Values, bool) {
	v, err := web.Form(g.Request, maxForm)
	switch {
	case err == nil:
		return v, true
	case errors.Is(err, web.ErrFormTooLarge):
		p.failed(g.Writer, g.Request, tooLarge, err)
	default:
		p.failed(g.Writer, g.Request, badForm, err)
	}
	return nil, false
}

// see sends the browser to another page of this server.
func see(g *gin.Context, path string) {
	g.Header("Cache-Control", "no-store")
	g.Header("Location", path)
	g.Status(http.StatusSeeOther)
	g.Writer.WriteHeaderNow()
}
