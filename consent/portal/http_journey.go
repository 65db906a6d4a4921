package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/web"
)

// journey is one request of somebody who has a decision in progress.
type journey struct {
	*gin.Context
	a   consent.Authorization
	app consent.Recipient
	t   *text
	// name is the app's name as pages show it.
	name string
	// said is the language in which the person asked to read what they decide
	// on, and own the one without that; both empty unless it is another.
	said, own string
	// query is what the person looks for among the accounts.
	query string
}

// dispatcher is the address that decides what comes next.
func (j *journey) dispatcher() string { return "/authorize/" + url.PathEscape(string(j.a.ID)) }

func (j *journey) path(page consent.Step) string {
	return "/consent/" + url.PathEscape(string(j.a.ID)) + "/" + string(page)
}

// what names the form of a page in this version of the authorization: its
// mark is worth nothing on another page, in another journey, or once
// anything has changed.
func (j *journey) what(page consent.Step, more string) string {
	return fmt.Sprintf("%s\n%s\n%d\n%s", page, j.a.ID, j.a.Version, more)
}

// journey loads the decision in progress that the path names. One of another
// browser is as unknown as one that does not exist.
func (p *Portal) journey(handle func(*journey)) gin.HandlerFunc {
	return func(g *gin.Context) {
		id, clean := web.Param(g, "id")
		if !clean {
			p.failed(g.Writer, g.Request, notFound, nil)
			return
		}
		if j, ok := p.load(g, consent.AuthorizationID(id)); ok {
			handle(j)
		}
	}
}

// load returns the decision in progress with that id, or answers.
func (p *Portal) load(g *gin.Context, id consent.AuthorizationID) (*journey, bool) {
	ctx := g.Request.Context()
	browser, bound := p.c.Sessions.Bound(ctx)
	if !bound {
		p.failed(g.Writer, g.Request, notFound, nil)
		return nil, false
	}
	a, err := p.c.Authorizations.Authorization(ctx, id, browser)
	if err == nil && (a.ID != id || a.Browser != browser) {
		err = fmt.Errorf("store returned another authorization: %w", consent.ErrNotFound)
	}
	if errors.Is(err, consent.ErrNotFound) {
		p.failed(g.Writer, g.Request, notFound, nil)
		return nil, false
	}
	j := &journey{Context: g, a: a}
	if err == nil {
		web.Fields(ctx).Client = string(a.Recipient)
		j.app, err = p.c.Recipients.Recipient(ctx, a.Recipient)
	}
	if err != nil {
		p.failed(g.Writer, g.Request, unavailable, fmt.Errorf("load journey: %w", err))
		return nil, false
	}
	j.t = p.text(g.Request, a.UILocales)
	if j.name = plain(j.app.Name, maxName); j.name == "" {
		j.name = j.t.T("problem.app")
	}
	return j, true
}

// journeyForm is journey for a form, which it reads first.
func (p *Portal) journeyForm(handle func(*journey, url.Values)) gin.HandlerFunc {
	return func(g *gin.Context) {
		form, ok := p.form(g)
		if !ok {
			return
		}
		p.journey(func(j *journey) { handle(j, form) })(g)
	}
}

// mine reports whether the person signed in is the one who takes the
// decision. A session can change hands or run out in the middle.
func (p *Portal) mine(j *journey) bool {
	who, _, ok := p.c.Sessions.Consumer(j.Request.Context())
	return ok && consent.ConsumerID(who) == j.a.Consumer
}

// onPage reports whether this page is the one to show now. If not, it sends
// the browser on.
func (p *Portal) onPage(j *journey, page consent.Step) bool {
	step := j.a.Next(p.c.Now())
	inside := step == consent.StepAccounts || step == consent.StepReview || step == consent.StepStepUp
	switch {
	case inside && !p.mine(j):
		if page == consent.StepLogin {
			return true // sign in again, then go on
		}
		see(j.Context, j.path(consent.StepLogin))
		return false
	case step == page, inside && page == consent.StepSharing, (step == consent.StepAccounts || step == consent.StepReview) && (page == consent.StepAccounts || page == consent.StepWhose):
		return true
	}
	see(j.Context, j.dispatcher())
	return false
}

// replace stores j.a and sends the browser on. Losing a race is no error: the
// other tab was faster, and the dispatcher shows what it did.
func (p *Portal) replace(j *journey) {
	j.a.ExpiresAt = p.c.Now().Add(consent.JourneyTime)
	_, err := p.c.Authorizations.Replace(j.Request.Context(), j.a)
	if err != nil && !errors.Is(err, consent.ErrConflict) {
		p.down(j, fmt.Errorf("replace authorization: %w", err))
		return
	}
	see(j.Context, j.dispatcher())
}

// down answers when something behind the page does not.
func (p *Portal) down(j *journey, cause error) {
	pr := unavailable
	pr.AppName, pr.BackURI, pr.RetryURI, pr.UILocales = j.app.Name, j.app.HomeURI, j.dispatcher(), j.a.UILocales
	pr.Journey, pr.RedirectURIs = j.a, j.app.RedirectURIs
	p.failed(j.Writer, j.Request, pr, cause)
}

// cancel ends the journey with a no.
func (p *Portal) cancel(j *journey) {
	j.a.Decision = consent.Denied
	p.replace(j)
}

// journeyPage is what every template of the journey gets.
type journeyPage struct {
	page
	App    string
	Action string // where the form goes
	Mark   string
	Steps  []step
}

// step is one entry of the list of steps.
type step struct {
	Text          string
	Past, Current bool
}

func (p *Portal) journeyPage(j *journey, at consent.Step, more string) journeyPage {
	v := journeyPage{
		page: page{text: j.t}, App: j.name,
		Action: j.path(at), Mark: p.c.Sessions.Mark(j.Request.Context(), j.what(at, more)),
	}
	switch at {
	case consent.StepWhose, consent.StepSharing:
		at = consent.StepAccounts // no steps of their own
	}
	past, steps := true, []consent.Step{consent.StepLogin, consent.StepAccounts, consent.StepReview}
	if !j.a.Request.Guarded().Empty() {
		steps = append(steps, consent.StepStepUp)
	}
	for _, s := range steps {
		past = past && s != at
		v.Steps = append(v.Steps, step{Text: j.t.T("steps." + string(s)), Past: past, Current: s == at})
	}
	return v
}

// show renders a page of the journey. Its forms can end at the app.
func (p *Portal) show(j *journey, status int, template, title string, v any) {
	f := p.frame(j.t, title)
	f.FormTargets = formTargets(j.app.RedirectURIs)
	if err := p.extend(j); err != nil {
		p.down(j, err)
		return
	}
	p.idle(j, &f)
	switch v := v.(type) {
	case loginPage:
		p.passkeyOn(&f, v.Passkey)
	case stepUpPage:
		p.passkeyOn(&f, v.Passkey)
	}
	if err := p.pages.Render(j.Writer, status, template, f, v); err != nil {
		p.down(j, err)
	}
}

// Sign in.

// loginPage is what login.html gets.
type loginPage struct {
	journeyPage
	Title    string
	Username string
	Who      []string // who the app is, and that the bank knows it
	// Leave is the address that leads to a sign-in elsewhere; empty for the
	// built-in one.
	Leave string
	// Passkey is the address of what a passkey is asked by; empty for none.
	Passkey string
	Portal  bool // the sign-in of the portal, without a journey around it
}

func (p *Portal) getLogin(j *journey) {
	if p.onPage(j, consent.StepLogin) {
		p.showLogin(j, http.StatusOK, plain(j.a.LoginHint, 256), refusedBefore(j.Request, j.t), "")
	}
}

func (p *Portal) showLogin(j *journey, status int, username, fault, notice string) {
	v := loginPage{
		journeyPage: p.journeyPage(j, consent.StepLogin, ""),
		Title:       j.t.T("login.title", "Bank", p.c.UI.Bank()), Username: username,
	}
	if legal := plain(j.app.LegalName, maxName); legal != "" {
		v.Who = append(v.Who, j.t.T("review.owner", "App", j.name, "Legal", legal))
	}
	v.Who = append(append(v.Who, between(j.t, j.app)...), j.t.T("review.known", "Bank", p.c.UI.Bank()))
	v.Fault, v.Field, v.Notice = fault, "username", notice
	if p.c.Bank != nil {
		v.Leave, v.Field = j.bankPath(), "login_submit"
	}
	if p.c.Passkeys != nil {
		v.Passkey = j.passkeyPath()
	}
	p.show(j, status, "login", faulty(j.t, v.Title, fault), v)
}

func (p *Portal) postLogin(j *journey, form url.Values) {
	if !p.onPage(j, consent.StepLogin) {
		return
	}
	ctx := j.Request.Context()
	if !p.c.Sessions.Marked(ctx, j.what(consent.StepLogin, ""), form.Get("mark")) {
		p.showLogin(j, http.StatusConflict, "", "", j.t.T("stale"))
		return
	}
	switch form.Get("action") {
	case "cancel":
		p.cancel(j)
		return
	case "stay":
		p.showLogin(j, http.StatusOK, plain(form.Get("username"), 256), "", j.t.T("idle.more"))
		return
	}
	if p.c.Bank != nil {
		p.failed(j.Writer, j.Request, badForm, errors.New("nobody signs in here"))
		return
	}
	if form.Get("action") == "passkey" && p.c.Passkeys != nil {
		p.loginByPasskey(j, form.Get("passkey"))
		return
	}
	who, err := p.c.Login.Authenticate(ctx, p.attempt(j.Request, form))
	if err == nil {
		err = p.c.Sessions.SignIn(ctx, string(who), p.c.Now())
	}
	if err != nil {
		if status, fault, ok := loginFault(j.t, err, j.Writer.Header()); ok {
			p.showLogin(j, status, plain(form.Get("username"), 256), fault, "")
		} else {
			p.down(j, fmt.Errorf("sign in: %w", err))
		}
		return
	}
	p.decides(j, who)
	p.replace(j)
}

// attempt is what the sign-in form holds.
func (p *Portal) attempt(r *http.Request, form url.Values) login.Attempt {
	return login.Attempt{Username: form.Get("username"), Password: form.Get("password"), From: p.c.Addresses.Of(r)}
}

// loginFault puts a refused sign-in into words; false for an error that says
// nothing about the attempt.
func loginFault(t *text, err error, h http.Header) (status int, fault string, ok bool) {
	var wait *login.Wait
	switch {
	case errors.Is(err, login.ErrCredentials):
		return http.StatusUnprocessableEntity, t.T("login.wrong"), true
	case errors.As(err, &wait):
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.For.Seconds()))))
		return http.StatusTooManyRequests, t.T("login.wait", "Count", int(math.Ceil(wait.For.Minutes()))), true
	case errors.Is(err, login.ErrBusy):
		return http.StatusServiceUnavailable, t.T("login.busy"), true
	}
	return 0, "", false
}

// faulty puts the word for an error before a window's title, so that it is
// the first thing that is read out.
func faulty(t *text, title, fault string) string {
	if fault == "" {
		return title
	}
	return t.T("frame.error") + ": " + title
}

// Choose accounts.

// accountsPage is what accounts.html gets.
type accountsPage struct {
	journeyPage
	Title string
	Lead  string
	Rows  []accountRow
	// Eligible is how many of them can be chosen.
	Eligible int
	// Whose says whose accounts these are, and Pick is where to choose others;
	// empty where there is no choice.
	Whose, Pick string
	// Already says what is shared with the app now and can be renewed.
	Already string
	// Search offers to look for an account; Query is what was looked for and
	// Found says how many there are.
	Search       bool
	Query, Found string
}

func (p *Portal) getAccounts(j *journey) {
	if !p.onPage(j, consent.StepAccounts) {
		return
	}
	s, ok := p.picked(j)
	if !ok {
		return
	}
	left, all, ok := p.ticked(j, s.mine)
	if !ok {
		return
	}
	notice := ""
	if !all {
		notice = j.t.T("accounts.gone")
	}
	p.showAccounts(j, http.StatusOK, s, left, "", notice)
}

// ticked returns the accounts that are ticked: only what this person chose, in
// this journey or, until then, in what it replaces; never more. It also
// reports whether all that was chosen can still be shared. ok is as for
// changed.
func (p *Portal) ticked(j *journey, choices []consent.AccountChoice) (ids []fdx.AccountID, all, ok bool) {
	chosen := j.a.Accounts
	if len(chosen) == 0 {
		g, ok := p.changed(j)
		if !ok {
			return nil, false, false
		}
		chosen = kept(j.a.Request.Change, g)
	}
	ids, all = stillEligible(chosen, choices)
	return ids, all, true
}

func (p *Portal) showAccounts(j *journey, status int, s standing, ticked []fdx.AccountID, fault, notice string) {
	v := accountsPage{
		journeyPage: p.journeyPage(j, consent.StepAccounts, ""),
		Title:       j.t.T("accounts.title"),
		Lead:        choosing(j.t, j.name, j.a.Request.Change),
		Rows:        accountRows(j.t, s.mine, ticked), Eligible: len(eligible(s.mine)),
		Already: p.offer(j),
	}
	if j.a.Holder != (consent.Holder{}) {
		v.Whose = j.t.T("review.whose", "Holder", holderName(j.t, j.a.Holder))
	}
	if !s.fixed && len(consent.Holders(s.choices)) > 1 {
		v.Pick = j.path(consent.StepWhose)
	}
	v.search(j)
	v.Fault, v.Field, v.Notice = fault, fieldPrefix+"1", notice
	p.show(j, status, "accounts", faulty(j.t, v.Title, fault), v)
}

func (p *Portal) postAccounts(j *journey, form url.Values) {
	if !p.onPage(j, consent.StepAccounts) {
		return
	}
	ctx := j.Request.Context()
	marked := p.c.Sessions.Marked(ctx, j.what(consent.StepAccounts, ""), form.Get("mark"))
	action := form.Get("action")
	if marked && action == "cancel" {
		p.cancel(j) // also when the bank cannot list the accounts
		return
	}
	s, ok := p.picked(j)
	if !ok {
		return
	}
	choices := s.mine
	before, _, ok := p.ticked(j, choices)
	if !ok {
		return
	}
	if !marked {
		p.showAccounts(j, http.StatusConflict, s, before, "", j.t.T("stale"))
		return
	}
	switch action {
	case "all":
		p.showAccounts(j, http.StatusOK, s, eligible(choices), "", "")
		return
	case "none":
		p.showAccounts(j, http.StatusOK, s, nil, "", "")
		return
	case "find", "stay":
		ids, ours := chosen(form, choices)
		if !ours {
			p.showAccounts(j, http.StatusUnprocessableEntity, s, before, j.t.T("accounts.foreign"), "")
			return
		}
		j.query = plain(form.Get("search"), maxName)
		saying := ""
		if action == "stay" {
			saying = j.t.T("idle.more")
		}
		p.showAccounts(j, http.StatusOK, s, ids, "", saying) // what was ticked stays so
		return
	case "renew":
		if !p.renew(j) {
			p.showAccounts(j, http.StatusConflict, s, before, "", j.t.T("stale"))
		}
		return
	case "continue":
	default:
		p.failed(j.Writer, j.Request, badForm, errors.New("unknown action"))
		return
	}
	ids, ours := chosen(form, choices)
	switch {
	case !ours:
		p.showAccounts(j, http.StatusUnprocessableEntity, s, before, j.t.T("accounts.foreign"), "")
	case len(ids) == 0:
		p.showAccounts(j, http.StatusUnprocessableEntity, s, nil, j.t.T("accounts.zero"), "")
	default:
		j.a.Accounts = ids
		p.replace(j)
	}
}

// Review and decide.

// reviewPage is what review.html gets.
type reviewPage struct {
	journeyPage
	review
	AsOf   int64  // Unix seconds at which the texts were made
	Change string // address of the account page
	In     string // the language that was asked for; empty for the usual one
	Also   *alsoIn
}

// alsoIn leads to the same page in another language. Its text is in that one.
type alsoIn struct{ Href, Lang, Text string }

// languageParameter asks for the review page in another language.
const languageParameter = "in"

// read puts the review page into a language that it may be agreed to in. What
// was asked for counts only if it is the one that the page offers.
func (p *Portal) read(j *journey, asked []string) {
	usual := p.agreeing(j.t, "")
	j.t, j.own, j.said = usual, usual.Lang, ""
	if len(asked) != 1 {
		return
	}
	if t := p.agreeing(usual, asked[0]); t.Lang != usual.Lang {
		j.t, j.said = t, t.Lang
	}
}

// also is the way to the other language; nil when the rules ask for none.
func (p *Portal) also(j *journey) *alsoIn {
	_, also := p.c.Rules.Languages()
	lang, href := also, j.path(consent.StepReview)+"?"+url.Values{languageParameter: {also}}.Encode()
	if j.said != "" {
		lang, href = j.own, j.path(consent.StepReview)
	}
	if lang == "" || lang == j.t.Lang {
		return nil
	}
	return &alsoIn{Href: href, Lang: lang, Text: p.catalogue.in(lang).T("review.read")}
}

func (p *Portal) getReview(j *journey) {
	if p.onPage(j, consent.StepReview) {
		p.read(j, j.Request.URL.Query()[languageParameter])
		p.showReview(j, http.StatusOK, "")
	}
}

// reviewed returns what the page says at a time; false when it sent the
// browser on because one of the accounts cannot be shared any more.
func (p *Portal) reviewed(j *journey, at time.Time) (review, bool) {
	s, ok := p.picked(j)
	if !ok {
		return review{}, false
	}
	if _, all := stillEligible(j.a.Accounts, s.mine); !all {
		see(j.Context, j.path(consent.StepAccounts))
		return review{}, false
	}
	was, ok := p.earlier(j, s.choices)
	if !ok {
		return review{}, false
	}
	var rows []accountRow
	for _, row := range accountRows(j.t, s.mine, j.a.Accounts) {
		if row.Checked {
			rows = append(rows, row)
		}
	}
	app := j.app
	app.Name = j.name
	return newReview(j.t, p.c.UI.Bank(), app, j.a, rows, was, at), true
}

func (p *Portal) showReview(j *journey, status int, notice string) {
	at := p.c.Now().Truncate(time.Second)
	r, ok := p.reviewed(j, at)
	if !ok {
		return
	}
	v := reviewPage{
		journeyPage: p.journeyPage(j, consent.StepReview, shown(r, at.Unix())),
		review:      r, AsOf: at.Unix(), Change: j.path(consent.StepAccounts), In: j.said, Also: p.also(j),
	}
	v.Notice = notice
	p.show(j, status, "review", r.Question, v)
}

// shown ties a mark to every word of the page. A yes counts only for the text
// that was on the screen.
func shown(r review, asOf int64) string {
	sum := sha256.Sum256([]byte(r.Disclosure().Text))
	return strconv.FormatInt(asOf, 10) + " " + hex.EncodeToString(sum[:])
}

func (p *Portal) postReview(j *journey, form url.Values) {
	if !p.onPage(j, consent.StepReview) {
		return
	}
	p.read(j, form[languageParameter])
	// The text is made again as of the time at which it was shown. A page
	// older than the journey lasts has another version by then.
	asOf, err := strconv.ParseInt(form.Get("as_of"), 10, 64)
	now := p.c.Now()
	at := time.Unix(asOf, 0)
	fresh := err == nil && !at.After(now) && now.Sub(at) <= consent.JourneyTime
	if !fresh {
		p.showReview(j, http.StatusConflict, j.t.T("stale"))
		return
	}
	r, ok := p.reviewed(j, at)
	if !ok {
		return
	}
	if !p.c.Sessions.Marked(j.Request.Context(), j.what(consent.StepReview, shown(r, asOf)), form.Get("mark")) {
		p.showReview(j, http.StatusConflict, j.t.T("stale"))
		return
	}
	switch form.Get("action") {
	case "share":
		j.a.Decision = consent.Approved
	case "decline":
		j.a.Decision = consent.Denied
	case "stay":
		p.showReview(j, http.StatusOK, j.t.T("idle.more"))
		return
	default:
		p.failed(j.Writer, j.Request, badForm, errors.New("unknown action"))
		return
	}
	j.a.Disclosure = r.Disclosure()
	p.replace(j)
}

// Done.

// donePage is what done.html gets.
type donePage struct {
	page
	App    string
	Shared bool
	Title  string
	Again  string // what somebody can do who shared nothing
	Back   string // the app's home; empty when it has none
	// Accounts, Ends and Over are empty when not known here.
	Accounts, Ends, Over string
	Grant                string // address of its page
	Receipt              string // address of the receipt; empty when not known
}

func (p *Portal) getDone(j *journey) {
	if j.a.Next(p.c.Now()) != consent.StepDone {
		see(j.Context, j.dispatcher())
		return
	}
	v := donePage{
		page: page{text: j.t}, App: j.name,
		Shared: j.a.Decision == consent.Approved, Back: webAddress(j.app.HomeURI), Title: j.t.T("done.not"),
		Again: j.t.T("done.again", "App", j.name),
	}
	if why := causeWords(j.t, p.c.UI.Bank(), j.name, j.a.Cause); why != "" {
		v.Again = why
	}
	if j.a.Request.Change.Asked() { // neither says whether anything is shared
		v.Title = j.t.T("done.unchanged")
		if j.a.Cause == "" {
			v.Again = j.t.T("done.retry", "App", j.name)
		}
	}
	if v.Shared {
		v.Title = j.t.T("done.shared", "App", j.name)
		v.Accounts = j.t.T("fact.count", "Count", len(j.a.Accounts))
		if p.mine(j) {
			p.describeGrant(j, &v)
		}
	}
	f := p.frame(j.t, v.Title)
	if err := p.pages.Render(j.Writer, http.StatusOK, "done", f, v); err != nil {
		p.down(j, err)
	}
}

// causeWords says why a journey ended that the person did not end, and what
// they can do; "" for their own no.
func causeWords(t *text, bank, app string, c consent.Cause) string {
	switch c {
	case consent.CauseBank:
		return t.T("done.bank", "App", app)
	case consent.CauseOff:
		return t.T("done.off", "App", app)
	case consent.CauseTime:
		return t.T("done.time", "App", app)
	case consent.CauseApp:
		return t.T("done.app", "App", app, "Bank", bank)
	}
	return ""
}

// describeGrant adds what the decision led to. The page is right without it,
// so a store that does not answer is only noted.
func (p *Portal) describeGrant(j *journey, v *donePage) {
	grants, err := p.c.Grants.GrantsOf(j.Request.Context(), j.a.Consumer)
	if err != nil {
		web.Fields(j.Request.Context()).Cause = fmt.Errorf("list grants: %w", err)
		return
	}
	for _, g := range grants {
		if g.Recipient != j.a.Recipient || g.Disclosure != j.a.Disclosure {
			continue
		}
		v.Grant, v.Receipt = grantPath(g.ID), decided(g.ID, j.a.Request.Change)
		if g.StatusAt(p.c.Now()) == consent.StatusActive {
			v.Ends = j.t.Date(g.ExpiresAt)
		} else {
			v.Over = j.t.T("done.over", "Date", j.t.Date(endOf(g)))
		}
		return
	}
}
