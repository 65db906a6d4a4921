package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/web"
)

// Sign-in at a place of the bank's own: the browser leaves, and comes back with
// an answer.

// BankLogin is a sign-in elsewhere. *banklogin.Provider is one.
type BankLogin interface {
	// StepsUp reports whether it can give a second proof.
	StepsUp() bool
	// Begin returns where the browser goes. An error means that the place
	// cannot be asked.
	Begin(ctx context.Context, a login.Ask) (login.Departure, error)
	// Finish judges the answer that came back with the state of a departure.
	// It returns login.ErrNotProved for an answer that proves nothing; any other
	// error means that nothing could be found out.
	Finish(ctx context.Context, keep string, answer url.Values, from netip.Addr) (login.Proof, error)
}

const (
	// ReturnPath is where the browser comes back.
	ReturnPath    = "/signin/return"
	portalBank    = "/portal/bank"
	refusedMark   = "again"  // in the query of the page to which a refused answer leads
	fromPortal    = "portal" // what a departure is for, besides a journey
	toSignIn      = "login"
	toStepUp      = "step-up"
	maxKeptFields = 3
)

var gone = Problem{Status: http.StatusBadRequest, Code: "invalid_request", Text: "this sign-in was not begun here, or is over: go back to the app and start again"}

func (j *journey) bankPath() string { return "/consent/" + url.PathEscape(string(j.a.ID)) + "/bank" }

// stepsUpAtBank reports whether the second proof is given there.
func (p *Portal) stepsUpAtBank() bool { return p.c.Bank != nil && p.c.Bank.StepsUp() }

// getBank leaves for the bank's sign-in, for the step that the journey is at.
func (p *Portal) getBank(j *journey) {
	step, what := j.a.Next(p.c.Now()), toSignIn
	inside := step == consent.StepAccounts || step == consent.StepReview || step == consent.StepStepUp
	switch {
	case step == consent.StepLogin, inside && !p.mine(j):
	case step == consent.StepStepUp && p.stepsUpAtBank():
		what = toStepUp
	default:
		see(j.Context, j.dispatcher())
		return
	}
	if err := p.extend(j); err != nil {
		p.down(j, err)
		return
	}
	ask := login.Ask{StepUp: what == toStepUp, MaxAge: j.a.Request.ProofAge(), Locales: []string{j.t.Lang}, Hint: plain(j.a.LoginHint, 256)}
	if err := p.leave(j.Context, ask, string(j.a.ID), what); err != nil {
		p.down(j, err)
	}
}

// getPortalBank leaves for the bank's sign-in from the portal.
func (p *Portal) getPortalBank(g *gin.Context) {
	err := p.leave(g, login.Ask{Locales: []string{p.text(g.Request, nil).Lang}}, "", fromPortal)
	if err != nil {
		pr := unavailable
		pr.RetryURI = loginPath
		p.failed(g.Writer, g.Request, pr, err)
	}
}

func (p *Portal) leave(g *gin.Context, ask login.Ask, id, what string) error {
	d, err := p.c.Bank.Begin(g.Request.Context(), ask)
	if err != nil {
		return fmt.Errorf("leave for the bank's sign-in: %w", err)
	}
	p.c.Sessions.Keep(g.Request.Context(), d.State, what+"\n"+id+"\n"+d.Keep)
	see(g, d.Address)
	return nil
}

// getReturn takes the browser back. What was kept is good once, and only in the
// session that left (RFC 9700 section 2.1).
func (p *Portal) getReturn(g *gin.Context) {
	ctx, answer := g.Request.Context(), g.Request.URL.Query()
	kept, ok := p.c.Sessions.Take(ctx, answer.Get("state"))
	part := strings.SplitN(kept, "\n", maxKeptFields)
	if !ok || len(part) != maxKeptFields {
		p.failed(g.Writer, g.Request, gone, nil)
		return
	}
	if part[0] == fromPortal {
		p.portalReturn(g, part[2], answer)
		return
	}
	j, ok := p.load(g, consent.AuthorizationID(part[1]))
	if !ok {
		return
	}
	proof, err := p.c.Bank.Finish(ctx, part[2], answer, p.c.Addresses.Of(g.Request))
	step := j.a.Next(p.c.Now())
	switch refused := errors.Is(err, login.ErrNotProved); {
	case err != nil && !refused:
		p.down(j, fmt.Errorf("bank's sign-in: %w", err))
	case part[0] == toStepUp:
		// Whoever proves something must be who decides.
		if refused || step != consent.StepStepUp || !p.mine(j) || proof.Consumer != j.a.Consumer || !p.strong(j, proof) {
			web.Fields(ctx).Cause = err
			see(g, j.path(consent.StepStepUp)+"?"+refusedMark)
			return
		}
		j.a.SecondFactor, j.a.SecondFactorAt = consent.FactorBank, p.c.Now()
		p.replace(j)
	case refused:
		web.Fields(ctx).Cause = err
		see(g, j.path(consent.StepLogin)+"?"+refusedMark)
	case step == consent.StepIssue || step == consent.StepDeny || step == consent.StepDone || step == consent.StepExpired:
		see(g, j.dispatcher()) // too late to change who decides
	default:
		if err := p.c.Sessions.SignIn(ctx, string(proof.Consumer), p.c.Now()); err != nil {
			p.down(j, fmt.Errorf("sign in: %w", err))
			return
		}
		p.decides(j, proof.Consumer)
		if p.strong(j, proof) {
			j.a.SecondFactor, j.a.SecondFactorAt = consent.FactorBank, j.a.AuthenticatedAt
		}
		p.replace(j)
	}
}

func (p *Portal) portalReturn(g *gin.Context, keep string, answer url.Values) {
	ctx := g.Request.Context()
	proof, err := p.c.Bank.Finish(ctx, keep, answer, p.c.Addresses.Of(g.Request))
	switch {
	case errors.Is(err, login.ErrNotProved):
		web.Fields(ctx).Cause = err
		see(g, loginPath+"?"+refusedMark)
		return
	case err == nil:
		err = p.c.Sessions.SignIn(ctx, string(proof.Consumer), p.c.Now())
	}
	if err != nil {
		pr := unavailable
		pr.RetryURI = loginPath
		p.failed(g.Writer, g.Request, pr, fmt.Errorf("bank's sign-in: %w", err))
		return
	}
	see(g, homePath)
}

// strong reports whether the bank vouches for a second proof that is fresh
// enough for what is asked. One that is older is asked for again.
func (p *Portal) strong(j *journey, proof login.Proof) bool {
	return proof.Strong && p.c.Now().Sub(proof.At) < j.a.Request.ProofAge()
}

// decides notes who takes the decision from now on.
func (p *Portal) decides(j *journey, who consent.ConsumerID) {
	if j.a.Consumer != who {
		// Somebody else chose those, or decided already.
		j.a.Holder, j.a.Accounts = consent.Holder{}, nil
		j.a.Decision, j.a.Disclosure = consent.Undecided, consent.Disclosure{}
	}
	j.a.Consumer, j.a.AuthenticatedAt = who, p.c.Now()
	j.a.FirstFactor, j.a.SecondFactor, j.a.SecondFactorAt = "", "", time.Time{}
}

// refusedBefore says what happened to somebody who comes back with nothing.
func refusedBefore(r *http.Request, t *text) (fault string) {
	if r.Method == http.MethodGet && r.URL.Query().Has(refusedMark) {
		return t.T("bank.again")
	}
	return ""
}
