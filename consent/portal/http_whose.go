package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Whose accounts: for a person who has some in more than one name. One grant
// covers those of one holder.

// whosePage is what whose.html gets.
type whosePage struct {
	journeyPage
	Title, Lead string
	Rows        []holderRow
	Back        string // address of the accounts; empty until somebody was picked
}

// standing is what a person can choose from, and what they are about to do
// with it.
type standing struct {
	choices []consent.AccountChoice // all
	mine    []consent.AccountChoice // those of whom the journey is about
	pick    bool                    // it is not known yet whose
	fixed   bool                    // a change says whose
}

// standing lists the accounts of the person who decides, and sets j.a.Holder
// to whom they are about. It is false when it has answered: the bank cannot
// list them, or what the journey changes has moved on.
func (p *Portal) standing(j *journey) (standing, bool) {
	var s standing
	var err error
	if s.choices, err = p.c.Accounts.Choices(j.Request.Context(), j.a.Consumer); err != nil {
		p.down(j, fmt.Errorf("list accounts: %w", err))
		return s, false
	}
	holders := consent.Holders(s.choices)
	if len(holders) > 1 || j.a.Holder != (consent.Holder{}) {
		g, ok := p.changed(j)
		if !ok {
			return s, false
		}
		if h := holderOf(g, s.choices); h != (consent.Holder{}) {
			// A grant stays with whom it is about, whatever was picked.
			j.a.Holder, s.fixed = h, true
		}
	}
	known := slices.ContainsFunc(holders, func(h consent.Holder) bool { return h.ID == j.a.Holder.ID })
	switch {
	case s.fixed, known:
	case len(holders) > 1:
		s.pick = true
	default: // of two there is one left, or never were two
		j.a.Holder = consent.Holder{}
	}
	s.mine = j.a.Holder.Of(s.choices)
	return s, true
}

// holderOf returns whom a grant is about: as it was written down or, for one
// of before that, whose the first of its accounts is.
func holderOf(g consent.Grant, choices []consent.AccountChoice) consent.Holder {
	if g.Holder != (consent.Holder{}) {
		return g.Holder
	}
	for _, id := range g.Accounts() {
		i := slices.IndexFunc(choices, func(c consent.AccountChoice) bool { return c.ID == id })
		if i >= 0 {
			return choices[i].Holder.Known().Kept()
		}
	}
	return consent.Holder{}
}

// picked is standing for a page that needs to know whose accounts it is about:
// without that it sends the browser to pick.
func (p *Portal) picked(j *journey) (standing, bool) {
	s, ok := p.standing(j)
	if ok && s.pick {
		see(j.Context, j.path(consent.StepWhose))
		return s, false
	}
	return s, ok
}

// picking is standing for the page on which people pick: where there is
// nothing to pick it sends the browser on.
func (p *Portal) picking(j *journey) (standing, bool) {
	if !p.onPage(j, consent.StepWhose) {
		return standing{}, false
	}
	s, ok := p.standing(j)
	if ok && (s.fixed || len(consent.Holders(s.choices)) < 2) {
		see(j.Context, j.path(consent.StepAccounts))
		return s, false
	}
	return s, ok
}

func (p *Portal) getWhose(j *journey) {
	if s, ok := p.picking(j); ok {
		p.showWhose(j, http.StatusOK, s, "", "")
	}
}

func (p *Portal) showWhose(j *journey, status int, s standing, fault, notice string) {
	v := whosePage{
		journeyPage: p.journeyPage(j, consent.StepWhose, ""),
		Title:       j.t.T("whose.title"), Lead: j.t.T("whose.lead", "App", j.name),
		Rows: holderRows(j.t, s.choices, j.a.Holder),
	}
	if !s.pick {
		v.Back = j.path(consent.StepAccounts)
	}
	v.Fault, v.Field, v.Notice = fault, "holder_1", notice
	p.show(j, status, "whose", faulty(j.t, v.Title, fault), v)
}

func (p *Portal) postWhose(j *journey, form url.Values) {
	marked := p.c.Sessions.Marked(j.Request.Context(), j.what(consent.StepWhose, ""), form.Get("mark"))
	if marked && form.Get("action") == "cancel" && p.onPage(j, consent.StepWhose) {
		p.cancel(j) // also when the bank cannot list the accounts
		return
	}
	s, ok := p.picking(j)
	if !ok {
		return
	}
	if !marked {
		p.showWhose(j, http.StatusConflict, s, "", j.t.T("stale"))
		return
	}
	switch form.Get("action") {
	case "stay":
		p.showWhose(j, http.StatusOK, s, "", j.t.T("idle.more"))
		return
	case "continue":
	default:
		p.failed(j.Writer, j.Request, badForm, errors.New("unknown action"))
		return
	}
	holders := consent.Holders(s.choices)
	i := slices.IndexFunc(holders, func(h consent.Holder) bool { return h.ID == form.Get("holder") })
	switch {
	case i >= 0:
		if h := holders[i].Kept(); h != j.a.Holder {
			j.a.Holder, j.a.Accounts = h, []fdx.AccountID(nil) // chosen for somebody else
		}
		p.replace(j)
	case form.Get("holder") == "":
		p.showWhose(j, http.StatusUnprocessableEntity, s, j.t.T("whose.none"), "")
	default:
		p.showWhose(j, http.StatusUnprocessableEntity, s, j.t.T("accounts.foreign"), "")
	}
}
