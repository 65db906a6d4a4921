package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
)

// The second proof of who decides, for data that takes one.

// stepUpPage is what step-up.html gets.
type stepUpPage struct {
	journeyPage
	Title string
	Data  []string // what it is about
	// Reference is on the message, too; empty when none is on its way.
	Reference string
	// Leave is the address that leads to where the proof is given; empty for a
	// code.
	Leave string
	// Passkey is the address of what a passkey is asked by; empty for somebody
	// who has none.
	Passkey string
}

// purpose names what a code is for: this decision and no other.
func (j *journey) purpose() string { return "share " + string(j.a.ID) }

// getStepUp sends a code, unless one is on its way: loading the page again
// sends no other. Whoever has a passkey is asked for that first.
func (p *Portal) getStepUp(j *journey) {
	if !p.onPage(j, consent.StepStepUp) {
		return
	}
	if p.stepsUpAtBank() {
		p.showStepUp(j, http.StatusOK, "", refusedBefore(j.Request, j.t), "")
		return
	}
	reference, err := p.c.Codes.Sent(j.Request.Context(), j.a.Consumer, j.purpose())
	if err != nil {
		p.down(j, fmt.Errorf("find code: %w", err))
		return
	}
	if reference == "" && !p.hasPasskey(j.Request.Context(), j.a.Consumer) {
		p.sendCode(j, "")
		return
	}
	p.showStepUp(j, http.StatusOK, reference, "", "")
}

// sendCode sends a new code and shows the page. saying stands above it when
// the code is on its way.
func (p *Portal) sendCode(j *journey, saying string) {
	reference, err := p.c.Codes.Send(j.Request.Context(), j.a.Consumer, j.purpose(), []string{j.t.Lang})
	var wait *login.Wait
	switch {
	case err == nil:
		p.showStepUp(j, http.StatusOK, reference, "", saying)
	case errors.As(err, &wait):
		// The earlier code may still be good.
		if reference, err = p.c.Codes.Sent(j.Request.Context(), j.a.Consumer, j.purpose()); err != nil {
			p.down(j, fmt.Errorf("find code: %w", err))
			return
		}
		p.showStepUp(j, http.StatusTooManyRequests, reference, codeWait(j.t, wait, j.Writer.Header()), "")
	default:
		p.down(j, fmt.Errorf("send code: %w", err))
	}
}

func (p *Portal) showStepUp(j *journey, status int, reference, fault, notice string) {
	v := stepUpPage{
		journeyPage: p.journeyPage(j, consent.StepStepUp, ""),
		Title:       j.t.T("stepup.title"), Reference: reference,
	}
	for _, c := range j.a.Request.Guarded().List() {
		v.Data = append(v.Data, j.t.T("data."+c.String()+".label"))
	}
	v.Fault, v.Field, v.Notice = fault, "code", notice
	if p.stepsUpAtBank() {
		v.Leave, v.Field = j.bankPath(), "step_up_continue"
	} else if p.hasPasskey(j.Request.Context(), j.a.Consumer) {
		v.Passkey = j.passkeyPath()
	}
	p.show(j, status, "step-up", faulty(j.t, v.Title, fault), v)
}

func (p *Portal) postStepUp(j *journey, form url.Values) {
	if !p.onPage(j, consent.StepStepUp) {
		return
	}
	ctx := j.Request.Context()
	marked := p.c.Sessions.Marked(ctx, j.what(consent.StepStepUp, ""), form.Get("mark"))
	if p.stepsUpAtBank() {
		p.postStepUpAtBank(j, form.Get("action"), marked)
		return
	}
	if !marked {
		reference, err := p.c.Codes.Sent(ctx, j.a.Consumer, j.purpose())
		if err != nil {
			p.down(j, fmt.Errorf("find code: %w", err))
			return
		}
		p.showStepUp(j, http.StatusConflict, reference, "", j.t.T("stale"))
		return
	}
	switch form.Get("action") {
	case "cancel":
		p.cancel(j)
	case "resend":
		p.sendCode(j, j.t.T("stepup.again"))
	case "stay":
		reference, err := p.c.Codes.Sent(ctx, j.a.Consumer, j.purpose())
		if err != nil {
			p.down(j, fmt.Errorf("find code: %w", err))
			return
		}
		p.showStepUp(j, http.StatusOK, reference, "", j.t.T("idle.more"))
	case "code":
		p.enterCode(j, form.Get("code"))
	case "passkey":
		if p.c.Passkeys == nil {
			p.failed(j.Writer, j.Request, badForm, errors.New("there are no passkeys"))
			return
		}
		p.proveByPasskey(j, form.Get("passkey"))
	default:
		p.failed(j.Writer, j.Request, badForm, errors.New("unknown action"))
	}
}

func (p *Portal) enterCode(j *journey, code string) {
	ctx := j.Request.Context()
	err := p.c.Codes.Check(ctx, j.a.Consumer, j.purpose(), code)
	switch {
	case err == nil:
		j.a.SecondFactor, j.a.SecondFactorAt = consent.FactorCode, p.c.Now()
		p.replace(j)
	case errors.Is(err, login.ErrCode), errors.Is(err, login.ErrCodeOver):
		reference, err := p.c.Codes.Sent(ctx, j.a.Consumer, j.purpose())
		if err != nil {
			p.down(j, fmt.Errorf("find code: %w", err))
			return
		}
		fault := j.t.T("stepup.wrong")
		if reference == "" {
			fault = j.t.T("stepup.over")
		}
		p.showStepUp(j, http.StatusUnprocessableEntity, reference, fault, "")
	default:
		p.down(j, fmt.Errorf("check code: %w", err))
	}
}

// postStepUpAtBank is for the two buttons of a page without a code.
func (p *Portal) postStepUpAtBank(j *journey, action string, marked bool) {
	switch {
	case !marked:
		p.showStepUp(j, http.StatusConflict, "", "", j.t.T("stale"))
	case action == "cancel":
		p.cancel(j)
	case action == "stay":
		p.showStepUp(j, http.StatusOK, "", "", j.t.T("idle.more"))
	default:
		p.failed(j.Writer, j.Request, badForm, errors.New("unknown action"))
	}
}
