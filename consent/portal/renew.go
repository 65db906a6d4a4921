package portal

import (
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/web"
)

// already returns the grant that a journey about something new would stand
// beside: the person's newest active one for the same app and purpose. It is
// false when there is none, and where renewing it would not be what was asked
// for: the app wants a grant of its own for this (Request.Fresh), or looks
// once only. A page can do without the offer, so a store that does not answer
// is only noted.
func (p *Portal) already(j *journey) (consent.Grant, bool) {
	q := j.a.Request
	if q.Change.Asked() || q.Fresh || q.Duration == consent.OneTime {
		return consent.Grant{}, false
	}
	grants, err := p.c.Grants.GrantsOf(j.Request.Context(), j.a.Consumer)
	if err != nil {
		web.Fields(j.Request.Context()).Cause = fmt.Errorf("list grants: %w", err)
		return consent.Grant{}, false
	}
	for _, g := range grants {
		if g.Consumer == j.a.Consumer && g.Recipient == j.a.Recipient && g.Purpose == q.Purpose.Code && g.Holder.ID == j.a.Holder.ID &&
			g.Duration != consent.OneTime && g.StatusAt(p.c.Now()) == consent.StatusActive {
			return g, true
		}
	}
	return consent.Grant{}, false
}

// offer says on the account page that something is shared with the app
// already; "" when nothing is.
func (p *Portal) offer(j *journey) string {
	g, ok := p.already(j)
	if !ok {
		return ""
	}
	return j.t.T("already.text", "App", j.name, "Date", j.t.Date(g.CreatedAt))
}

// renew makes the journey one that replaces what is shared already, in the
// version that it has now. Nothing is decided by that: the person chooses
// accounts and meets a review that sets both beside each other. It is false
// when there is nothing to renew any more.
func (p *Portal) renew(j *journey) bool {
	g, ok := p.already(j)
	if !ok {
		return false
	}
	j.a.Request.Change = consent.Change{Action: consent.ActionReplace, Grant: g.ID, Epoch: g.Epoch}
	j.a.Accounts = nil // chosen for something else
	p.replace(j)
	return true
}
