package portal

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

// The addresses of the portal.
const (
	homePath    = "/portal"
	loginPath   = "/portal/login"
	signOutPath = "/portal/signout"
	historyPath = "/portal/history"
)

// visit is one request of somebody who is signed in.
type visit struct {
	*gin.Context
	who consent.ConsumerID
	t   *text
	// script is the address of the page's script; empty for none.
	script string
}

// signedIn lets nobody through who is not signed in.
func (p *Portal) signedIn(handle func(*visit)) gin.HandlerFunc {
	return func(g *gin.Context) {
		who, _, ok := p.c.Sessions.Consumer(g.Request.Context())
		if !ok {
			see(g, loginPath)
			return
		}
		handle(&visit{Context: g, who: consent.ConsumerID(who), t: p.text(g.Request, nil)})
	}
}

// away answers when something behind the page does not.
func (p *Portal) away(v *visit, cause error) {
	pr := unavailable
	pr.RetryURI = v.Request.URL.Path
	p.failed(v.Writer, v.Request, pr, cause)
}

// render shows a page of the portal with its menu.
func (p *Portal) render(v *visit, status int, template, title, current string, data any) {
	f := p.frame(v.t, title)
	f.NavLabel = v.t.T("frame.nav")
	f.Nav = []ui.Link{
		{Text: v.t.T("frame.sharing"), Href: homePath, Current: current == homePath},
		{Text: v.t.T("frame.history"), Href: historyPath, Current: current == historyPath},
		{Text: v.t.T("receipts.nav"), Href: receiptsPath, Current: current == receiptsPath},
	}
	if p.c.Inbox != nil {
		f.Nav = append(f.Nav, p.noticesLink(v, current))
	}
	f.Nav = append(f.Nav, ui.Link{Text: v.t.T("frame.signin"), Href: signInPath, Current: current == signInPath})
	f.SignOut = &ui.Button{Text: v.t.T("frame.sign_out"), Action: signOutPath}
	f.Wide = current == historyPath
	if f.Wide {
		f.Style = p.historyStyle
	}
	p.idleAt(v, &f)
	if v.script != "" {
		f.Scripts = append(f.Scripts, v.script)
	}
	if err := p.pages.Render(v.Writer, status, template, f, data); err != nil {
		p.away(v, err)
	}
}

// Sign in and out.

func (p *Portal) getPortalLogin(g *gin.Context) {
	if _, _, ok := p.c.Sessions.Consumer(g.Request.Context()); ok {
		see(g, homePath)
		return
	}
	p.showPortalLogin(g, http.StatusOK, "", refusedBefore(g.Request, p.text(g.Request, nil)), "")
}

func (p *Portal) showPortalLogin(g *gin.Context, status int, username, fault, notice string) {
	t := p.text(g.Request, nil)
	v := loginPage{Title: t.T("login.title", "Bank", p.c.UI.Bank()), Username: username, Portal: true}
	v.page, v.Action = page{text: t}, loginPath
	v.Fault, v.Field, v.Notice = fault, "username", notice
	if p.c.Bank != nil {
		v.Leave, v.Field = portalBank, "login_submit"
	}
	f := p.frame(t, faulty(t, v.Title, fault))
	if p.c.Passkeys != nil {
		v.Passkey = portalPasskeyPath
		p.passkeyOn(&f, v.Passkey)
	}
	if err := p.pages.Render(g.Writer, status, "login", f, v); err != nil {
		p.failed(g.Writer, g.Request, unavailable, err)
	}
}

func (p *Portal) postPortalLogin(g *gin.Context) {
	form, ok := p.form(g)
	if !ok {
		return
	}
	if p.c.Bank != nil {
		p.failed(g.Writer, g.Request, badForm, errors.New("nobody signs in here"))
		return
	}
	ctx, t := g.Request.Context(), p.text(g.Request, nil)
	var who consent.ConsumerID
	var err error
	byPasskey := form.Get("action") == "passkey" && p.c.Passkeys != nil
	if byPasskey {
		who, err = p.c.Passkeys.SignIn(ctx, p.c.Sessions.Browser(ctx), passkeyToPortal, form.Get("passkey"), p.c.Addresses.Of(g.Request))
	} else {
		who, err = p.c.Login.Authenticate(ctx, p.attempt(g.Request, form))
	}
	if err == nil {
		err = p.c.Sessions.SignIn(ctx, string(who), p.c.Now())
	}
	if err == nil {
		see(g, homePath)
		return
	}
	if status, words, ok := passkeyFault(t, err, g.Writer.Header()); ok && byPasskey {
		p.showPortalLogin(g, status, "", "", words)
		return
	} else if ok {
		p.showPortalLogin(g, status, plain(form.Get("username"), 256), words, "")
		return
	}
	pr := unavailable
	pr.RetryURI = loginPath
	p.failed(g.Writer, g.Request, pr, fmt.Errorf("sign in: %w", err))
}

func (p *Portal) postSignOut(g *gin.Context) {
	if err := p.c.Sessions.SignOut(g.Request.Context()); err != nil {
		p.failed(g.Writer, g.Request, unavailable, err)
		return
	}
	see(g, loginPath)
}

// Data sharing.

func (p *Portal) getHome(v *visit) {
	grants, err := p.c.Grants.GrantsOf(v.Request.Context(), v.who)
	if err != nil {
		p.away(v, fmt.Errorf("list grants: %w", err))
		return
	}
	h := homePage{page: page{text: v.t}, Title: v.t.T("home.title"), CanErase: p.c.Erasures != nil}
	if p.c.Switch != nil {
		off, err := p.c.Switch.SharingOff(v.Request.Context(), v.who)
		if err != nil { // the page can do without
			web.Fields(v.Request.Context()).Cause = fmt.Errorf("load switch: %w", err)
		}
		h.Switch, h.Off = switchPath, !off.IsZero()
	}
	p.list(v, &h, grants, plain(v.Query("q"), maxName), v.Query("state"))
	p.render(v, http.StatusOK, "home", h.Title, homePath, h)
}

// purpose returns the app's sentence for a grant's purpose, "" when its
// registration does not have it any more. A page can do without.
func (p *Portal) purpose(v *visit, g consent.Grant, seen map[consent.RecipientID]consent.Recipient) string {
	app, ok := seen[g.Recipient]
	if !ok {
		var err error
		if app, err = p.c.Recipients.Recipient(v.Request.Context(), g.Recipient); err != nil && !errors.Is(err, consent.ErrNotFound) {
			web.Fields(v.Request.Context()).Cause = fmt.Errorf("find recipient: %w", err)
		}
		seen[g.Recipient] = app
	}
	purpose, _ := app.Purpose(g.Purpose)
	return purpose.Label
}

// One app.

// grant loads the grant that the path names. One of another person is exactly
// as unknown as one that does not exist.
func (p *Portal) grant(v *visit) (consent.Grant, bool) {
	id, clean := web.Param(v.Context, "id")
	if !clean {
		p.failed(v.Writer, v.Request, notFound, nil)
		return consent.Grant{}, false
	}
	g, err := p.c.Grants.GrantOfConsumer(v.Request.Context(), v.who, consent.GrantID(id))
	switch {
	case err != nil && !errors.Is(err, consent.ErrNotFound):
		p.away(v, fmt.Errorf("load grant: %w", err))
		return consent.Grant{}, false
	case err != nil:
		p.failed(v.Writer, v.Request, notFound, nil)
		return consent.Grant{}, false
	}
	web.Fields(v.Request.Context()).Grant = string(g.ID)
	return g, true
}

// grantPage is what grant.html gets.
type grantPage struct {
	page
	grantRow
	Shares     []accountRow
	Data       []useRow
	Parties    []partyRow
	Events     []eventRow
	Disclosure consent.Disclosure
	Change     string // address where less can be shared; empty when it cannot
	Changed    bool   // less is shared since the last page
	Pause      bool   // it can be paused
	Reads      string // address of its reads
	Receipt    string // address; empty when there is none
	Whose      string // whose accounts; empty where all are in one name
	Benefit    string // what the app says people get; empty when it may not say so
	Looked     string // how often it looked so far; empty when not known
}

func (p *Portal) getGrant(v *visit) {
	g, ok := p.grant(v)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	events, err := p.c.Grants.Events(ctx, g.ID)
	if err != nil {
		p.away(v, fmt.Errorf("load history of grant: %w", err))
		return
	}
	seen := map[consent.RecipientID]consent.Recipient{}
	d := grantPage{
		page:     page{text: v.t},
		grantRow: p.row(v.t, g, p.purpose(v, g, seen)),
		Parties:  partyRows(v.t, g.Parties), Events: eventRows(v.t, events, p.c.UI.Bank()), Disclosure: g.Disclosure,
		Pause: g.RestAt(p.c.Now()) == "" && p.lastPauseDay(g, p.c.Now()) > 0, Reads: readsOf(g.Recipient), Receipt: p.receipt(g),
	}
	if accounts, data := p.takeable(g); accounts != nil || data != nil {
		d.Change = changePath(g.ID)
	}
	_, d.Changed = v.GetQuery("changed")
	d.lastRead(p, v, g.ID)
	uses, known := p.uses(v, []consent.GrantID{g.ID})
	d.Data = useRows(v.t, g.Clusters(), uses[g.ID], known)
	if d.Benefit = plain(seen[g.Recipient].Benefit, maxPurpose); known {
		d.Looked = v.t.T("use.all", "Count", uses[g.ID].Reads)
	}
	if g.Holder != (consent.Holder{}) {
		d.Whose = holderName(v.t, g.Holder)
	}
	d.Shares = p.shares(v, g)
	p.render(v, http.StatusOK, "grant", d.App, "", d)
}

// shares lists the accounts of a grant as the person knows them. When the
// bank cannot say, the page shows their number instead.
func (p *Portal) shares(v *visit, g consent.Grant) []accountRow {
	choices, err := p.c.Accounts.Choices(v.Request.Context(), v.who)
	if err != nil {
		web.Fields(v.Request.Context()).Cause = fmt.Errorf("list accounts: %w", err)
		return nil
	}
	return heldAccounts(v.t, g, choices)
}

// Stop.

// stopPage is what stop.html gets.
type stopPage struct {
	page
	grantRow
	Title, Mark string
}

// stopMark names the form that stops a grant. It stays good when the grant
// changes: stopping is right in whatever version it is.
func stopMark(id consent.GrantID) string { return "stop\n" + string(id) }

func (p *Portal) getStop(v *visit) {
	if g, ok := p.grant(v); ok {
		p.showStop(v, g, http.StatusOK, "")
	}
}

func (p *Portal) showStop(v *visit, g consent.Grant, status int, notice string) {
	if g.StatusAt(p.c.Now()) != consent.StatusActive {
		see(v.Context, grantPath(g.ID)+"/stopped")
		return
	}
	d := stopPage{
		page: page{text: v.t}, grantRow: p.row(v.t, g, ""),
		Mark: p.c.Sessions.Mark(v.Request.Context(), stopMark(g.ID)),
	}
	d.Notice, d.Title = notice, v.t.T("stop.title", "App", d.App)
	p.render(v, status, "stop", d.Title, "", d)
}

func (p *Portal) postStop(v *visit) {
	g, _, ok := p.decided(v, "stop", stopMark, func(g consent.Grant, notice string) { p.showStop(v, g, http.StatusConflict, notice) })
	if !ok {
		return
	}
	// Also when it has been stopped already, because that stop may still be
	// waiting; and when its time is over, because that is by our clock.
	_, err := p.c.Stopper.StopByConsumer(v.Request.Context(), v.who, g.ID)
	if err != nil && !errors.Is(err, consent.ErrEnded) {
		p.failed(v.Writer, v.Request, Problem{
			Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable",
			RetryURI: grantPath(g.ID) + "/stop", title: "problem.stop",
		}, fmt.Errorf("stop grant: %w", err))
		return
	}
	see(v.Context, grantPath(g.ID)+"/stopped")
}

// stoppedPage is what stopped.html gets.
type stoppedPage struct {
	page
	grantRow
	Title   string
	Exactly string // when it ended, to the second
	Told    string // how far the app has been told
	Receipt string // address; empty when there is none
	Ask     bool   // why it was stopped
	Mark    string
	Thanks  bool // the question was answered
}

func (p *Portal) getStopped(v *visit) {
	g, ok := p.grant(v)
	if !ok {
		return
	}
	if g.StatusAt(p.c.Now()) == consent.StatusActive {
		see(v.Context, grantPath(g.ID))
		return
	}
	d := stoppedPage{page: page{text: v.t}, grantRow: p.row(v.t, g, "")}
	d.Title = v.t.T("stopped.other", "App", d.App)
	if g.Status == consent.StatusRevoked && g.EndedBy == consent.ActorConsumer {
		d.Title = v.t.T("stopped.title", "App", d.App)
	}
	d.lastRead(p, v, g.ID)
	if d.Last == v.t.T("fact.never") {
		d.Last = v.t.T("stopped.none")
	}
	ctx := v.Request.Context()
	var err error
	if d.Told, err = p.told(ctx, v.t, g, d.App); err != nil {
		web.Fields(ctx).Cause = fmt.Errorf("find out whether the app was told: %w", err)
	}
	d.Exactly, d.Receipt = v.t.Instant(endOf(g)), p.receipt(g)
	_, d.Thanks = v.GetQuery("thanks")
	d.Ask = mayAnswer(g) && !d.Thanks
	d.Mark = p.c.Sessions.Mark(ctx, answerMark(g.ID))
	p.render(v, http.StatusOK, "stopped", d.Title, "", d)
}
