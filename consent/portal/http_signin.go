package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/web"
)

// Where somebody is signed in, and how sign-ins went.

const signInPath = "/portal/signin"

// shownSignIns is how many past sign-ins the page shows.
const shownSignIns = 20

// Devices keeps where people are signed in. postgres.Sessions is one.
type Devices interface {
	// SessionsOf returns the sessions in which a person is signed in, the
	// one used last first; nil when there are none.
	SessionsOf(ctx context.Context, who consent.ConsumerID) ([]web.SessionInfo, error)
	// EndSession ends one session of a person. One that is unknown or another
	// person's is left alone, and no error.
	EndSession(ctx context.Context, who consent.ConsumerID, id string) error
	// EndOtherSessions ends all sessions of a person but one.
	EndOtherSessions(ctx context.Context, who consent.ConsumerID, id string) error
}

// SignIns tells of past attempts to sign in. postgres.SignIns is one.
type SignIns interface {
	// SignIns returns the attempts to sign in as a person, newest first, at
	// most limit; nil when there are none.
	SignIns(ctx context.Context, who consent.ConsumerID, limit int) ([]login.SignIn, error)
}

// signInPage is what signin.html gets.
type signInPage struct {
	page
	Title, Mark string
	Sessions    []sessionRow
	Others      int // besides this one
	Attempts    []attemptRow
	// CanAdd: there are passkeys here.
	CanAdd       bool
	Passkeys     []passkeyRow
	PasskeysMark string
}

// sessionRow is one place where somebody is signed in.
type sessionRow struct {
	ID, Browser, Since, Seen string
	Current                  bool
	N                        int // among those that can be ended, from 1
}

// attemptRow is one past sign-in.
type attemptRow struct {
	At, Result, Tone, Method, Network string
}

// signInsMark names the form of the page.
const signInsMark = "sign-ins"

func (p *Portal) getSignIns(v *visit) {
	said := ""
	if q := v.Request.URL.Query(); q.Has("added") {
		said = v.t.T("passkey.added")
	} else if q.Has("removed") {
		said = v.t.T("passkey.removed")
	}
	p.showSignIns(v, http.StatusOK, said)
}

func (p *Portal) showSignIns(v *visit, status int, notice string) {
	ctx := v.Request.Context()
	sessions, err := p.c.Devices.SessionsOf(ctx, v.who)
	if err != nil {
		p.away(v, fmt.Errorf("list sessions: %w", err))
		return
	}
	attempts, err := p.c.SignIns.SignIns(ctx, v.who, shownSignIns)
	if err != nil {
		p.away(v, fmt.Errorf("list sign-ins: %w", err))
		return
	}
	data := signInPage{
		page: page{text: v.t, Notice: notice}, Title: v.t.T("signin.title"), Mark: p.c.Sessions.Mark(ctx, signInsMark),
	}
	if data.CanAdd = p.c.Passkeys != nil; data.CanAdd {
		all, err := p.c.Passkeys.Of(ctx, v.who)
		if err != nil {
			p.away(v, fmt.Errorf("list passkeys: %w", err))
			return
		}
		data.Passkeys, data.PasskeysMark = passkeyRows(v.t, all, v.who), p.c.Sessions.Mark(ctx, passkeysMark)
	}
	current := p.c.Sessions.ID(ctx)
	for _, s := range sessions {
		if s.Consumer != string(v.who) {
			continue // never another person's, whatever the store says
		}
		row := sessionRow{ID: s.ID, Browser: s.Browser, Since: v.t.Moment(s.SignedInAt), Seen: v.t.Moment(s.SeenAt), Current: s.ID == current}
		if row.Browser == "" {
			row.Browser = v.t.T("signin.unknown")
		}
		if row.Current { // in front
			data.Sessions = append([]sessionRow{row}, data.Sessions...)
			continue
		}
		data.Others++
		row.N = data.Others
		data.Sessions = append(data.Sessions, row)
	}
	for _, a := range attempts {
		if a.Consumer != v.who {
			continue
		}
		row := attemptRow{At: v.t.Moment(a.At), Result: v.t.T("signin.ok"), Tone: "good", Method: v.t.T("method." + string(a.Method)), Network: v.t.T("signin.unknown_place")}
		switch {
		case a.Event == login.PasskeyCopied:
			row.Result, row.Tone = v.t.T("signin.copied"), "bad"
		case a.Refused:
			row.Result, row.Tone = v.t.T("signin.refused"), "bad"
		case a.Event == login.PasskeyAdded:
			row.Result = v.t.T("signin.added")
		case a.Event == login.PasskeyRemoved:
			row.Result = v.t.T("signin.removed")
		case a.Event == login.Proved:
			row.Result = v.t.T("signin.proved")
		}
		if a.Network.IsValid() {
			row.Network = a.Network.String()
		}
		data.Attempts = append(data.Attempts, row)
	}
	p.render(v, status, "signin", data.Title, signInPath, data)
}

// postSignIns ends sessions. One of another person is as unknown as one that
// does not exist: either way nothing happens.
func (p *Portal) postSignIns(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, signInsMark, form.Get("mark")) {
		p.showSignIns(v, http.StatusConflict, v.t.T("stale"))
		return
	}
	var err error
	switch id, one := form["end"]; {
	case one && form.Get("action") == "" && id[0] != "" && id[0] != p.c.Sessions.ID(ctx):
		err = p.c.Devices.EndSession(ctx, v.who, id[0])
	case !one && form.Get("action") == "others":
		err = p.c.Devices.EndOtherSessions(ctx, v.who, p.c.Sessions.ID(ctx))
	default:
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown action"))
		return
	}
	if err != nil {
		p.away(v, fmt.Errorf("end session: %w", err))
		return
	}
	see(v.Context, signInPath)
}
