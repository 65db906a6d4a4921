package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
)

// Problem is what went wrong, for a page that a person reads.
type Problem struct {
	Status int // HTTP status; 0 is 400
	// Code and Text are for the app's developers, such as an OAuth error
	// code and its description. They are shown as they are, made plain.
	Code, Text string
	// AppName and BackURI are the app and its home page, from its
	// registration; empty when the app is not known. A BackURI that is not
	// https (or http on this machine) is not linked.
	AppName, BackURI string
	// RetryURI is a path, with its query, on this server that may work a
	// second time. Anything else is not linked.
	RetryURI string
	// Journey is the decision in progress that cannot go on now, as this browser
	// has it, and RedirectURIs are its app's: the way back then ends it, and the
	// app is told temporarily_unavailable. The zero value leads to BackURI.
	Journey      consent.Authorization
	RedirectURIs []string
	// Reference finds the request in the log; empty is the request's id.
	Reference string
	// UILocales is the app's wish, preferred first (ui_locales).
	UILocales []string

	// title is the catalogue key of a problem of our own, whose text is
	// under the same key and ".text". Empty is the general one.
	title string
}

// The problems of our own.
var (
	notFound    = Problem{Status: http.StatusNotFound, Code: "not_found", title: "problem.not_found"}
	unavailable = Problem{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", title: "problem.unavailable"}
	badForm     = Problem{Status: http.StatusBadRequest, Code: "invalid_form", title: "problem.form"}
	tooLarge    = Problem{Status: http.StatusRequestEntityTooLarge, Code: "form_too_large", title: "problem.form"}
	otherSite   = Problem{Status: http.StatusForbidden, Code: "cross_site_request", title: "problem.other_site"}
	notAllowed  = Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", title: "problem.not_found"}
)

// problemPage is what problem.html gets.
type problemPage struct {
	page
	Title, Lead      string
	Code, Text       string
	Reference        string
	App, Back, Retry string
	Leave            leaving // answers the app; zero when there is nothing to answer
}

// retryAfter is when to try again after a 503, in seconds.
const retryAfter = "2"

// Problem answers with the page for what cannot go back to an app by itself:
// an unknown request, a broken form, a server that is down. The element
// oauth_error holds code and text. There is always a way on: the app's home
// when it is known, a second try where that may help, Data sharing otherwise.
func (p *Portal) Problem(w http.ResponseWriter, r *http.Request, pr Problem) {
	t := p.text(r, pr.UILocales)
	if pr.Status == 0 {
		pr.Status = http.StatusBadRequest
	}
	if pr.Status == http.StatusNotFound {
		// What is another's and what does not exist have the same page, byte
		// for byte, so that it holds no address either.
		t.here = homePath
	}
	v := problemPage{
		page: page{text: t},
		Code: plain(pr.Code, maxName), Text: plain(pr.Text, 2*maxPurpose),
		Reference: plain(pr.Reference, maxName),
		App:       plain(pr.AppName, maxName), Back: webAddress(pr.BackURI), Retry: ownPath(pr.RetryURI),
	}
	if v.App == "" {
		v.App = t.T("problem.app")
	}
	if v.Reference == "" {
		v.Reference = reference(r)
	}
	switch {
	case pr.title != "":
		v.Title, v.Lead = t.T(pr.title), t.T(pr.title+".text")
	case pr.Status >= http.StatusInternalServerError, pr.Status == http.StatusTooManyRequests:
		v.Title, v.Lead = t.T("problem.unavailable"), t.T("problem.unavailable.text")
	default:
		v.Title, v.Lead = t.T("problem.title"), t.T("problem.text", "App", v.App)
	}
	if h := w.Header(); pr.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", retryAfter)
	}
	f := p.frame(t, v.Title)
	if leave, ok := p.leavable(r, pr.Journey); ok && pr.Status >= http.StatusInternalServerError {
		v.Leave, f.FormTargets = leave, formTargets(pr.RedirectURIs)
	}
	if err := p.pages.Render(w, pr.Status, "problem", f, v); err != nil {
		web.Fields(r.Context()).Cause = err
		http.Error(w, "server error", http.StatusInternalServerError)
	}
}

// failed answers with a problem of our own and leaves the cause for the log.
func (p *Portal) failed(w http.ResponseWriter, r *http.Request, pr Problem, cause error) {
	f := web.Fields(r.Context())
	f.Result, f.Reason, f.Cause = "refused", pr.Code, cause
	p.Problem(w, r, pr)
}

// reference is the request's id, or a fresh one outside the request log.
func reference(r *http.Request) string {
	id := uuid.UUID(web.RequestID(r.Context()))
	if id == uuid.Nil {
		id = uuid.New()
	}
	return id.String()
}

// ownPath returns an address that leads to this server whatever a browser
// makes of it, "" for any other.
func ownPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' }) {
		return ""
	}
	return s
}

// webAddress returns an address that a page may link to, "" for any other: a
// link must not run anything, nor lead to an unprotected page.
func webAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	switch host := u.Hostname(); {
	case u.Scheme == "https":
	case u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1"):
	default:
		return ""
	}
	return u.String()
}

// formTarget returns the source under which a form's redirect to this address
// is allowed (CSP3 section 2.3.1), "" when it cannot be written down safely.
func formTarget(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme == "" {
		return ""
	}
	source := u.Scheme + "://" + u.Host
	switch {
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && u.Host != "":
	case strings.Contains(u.Scheme, "."):
		source = u.Scheme + ":" // an app's own scheme (RFC 8252 section 7.1)
	default:
		return ""
	}
	for _, r := range source {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r == ':', r == '/', r == '.', r == '-', r == '+', r == '_', r == '[', r == ']':
		default:
			return "" // such as ; or , which would end the directive
		}
	}
	return source
}
