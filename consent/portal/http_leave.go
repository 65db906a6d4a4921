package portal

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/headgate/headgate/consent"
)

// The way back from a journey that cannot go on now. It is a form: an answer
// to the app uses the request up, which nothing but a person's own press may
// do.

const stepLeave consent.Step = "leave"

// leaving is the form of a problem page that answers the app.
type leaving struct{ Action, Mark string }

// leavable returns the form for a journey that is still open in this browser;
// false for any other.
func (p *Portal) leavable(r *http.Request, a consent.Authorization) (leaving, bool) {
	if a.ID == "" || a.Answered || !p.c.Now().Before(a.ExpiresAt) {
		return leaving{}, false
	}
	if browser, bound := p.c.Sessions.Bound(r.Context()); !bound || a.Browser != browser {
		return leaving{}, false
	}
	j := journey{a: a}
	return leaving{Action: j.path(stepLeave), Mark: p.c.Sessions.Mark(r.Context(), j.what(stepLeave, ""))}, true
}

// formTargets are the sources at which a form of a journey may end.
func formTargets(redirectURIs []string) []string {
	var all []string
	for _, uri := range redirectURIs {
		if t := formTarget(uri); t != "" && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// postLeave ends a journey because of what the problem page said. A form that
// is out of date, or was sent twice, changes nothing.
func (p *Portal) postLeave(j *journey, form url.Values) {
	open := !j.a.Answered && j.a.Decision != consent.Denied && p.c.Now().Before(j.a.ExpiresAt)
	if !open || !p.c.Sessions.Marked(j.Request.Context(), j.what(stepLeave, ""), form.Get("mark")) {
		see(j.Context, j.dispatcher())
		return
	}
	j.a.Cause = consent.CauseBank
	p.cancel(j)
}
