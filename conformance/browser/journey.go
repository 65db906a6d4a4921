package browser

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
)

// What a person can meet on the way through the consent journey or the
// portal instead of what they came for.
var (
	// ErrProblemPage means that the server showed its problem page (element
	// oauth_error); the error's text is what that page says.
	ErrProblemPage = errors.New("the server shows a problem page")
	// ErrSignIn means that the sign-in page came back after signing in:
	// wrong password, or a session cookie that did not stick.
	ErrSignIn = errors.New("sign-in was refused")
	// ErrCode means that the page asks for a one-time code that this person
	// cannot get at, or that it did not take the code.
	ErrCode = errors.New("no way to get past the one-time code")
	// ErrLost means a page without the elements that the step needs.
	ErrLost = errors.New("no way on from this page")
)

// ApproveAll signs in, shares every account that may be shared, approves,
// and returns where the server then sent the person: the data recipient's
// redirect URI with its answer, unread. authURL is the authorization URL
// that the recipient made.
//
// It returns ErrProblemPage, ErrSignIn, ErrCode or ErrLost when the journey ends
// elsewhere; the error names the page, never what was typed into it.
func ApproveAll(ctx context.Context, b *Browser, authURL, username, password string) (*url.URL, error) {
	return consent(ctx, b, authURL, username, password, "consent_approve", tickAll)
}

// Approve is ApproveAll for chosen accounts: the element ids of their
// checkboxes on the account page, such as account_2. Ids that are not there,
// or that may not be ticked, are ErrElement.
func Approve(ctx context.Context, b *Browser, authURL, username, password string, accounts ...string) (*url.URL, error) {
	return consent(ctx, b, authURL, username, password, "consent_approve",
		func(_ context.Context, _ *Browser, p *Page) (*Page, error) {
			for _, id := range accounts {
				if err := p.Tick(id); err != nil {
					return nil, err
				}
			}
			return p, nil
		})
}

// Deny signs in and refuses at the first page that lets it. It returns where
// the server then sent the person, which is the recipient too: nobody is
// stranded by saying no.
func Deny(ctx context.Context, b *Browser, authURL, username, password string) (*url.URL, error) {
	return consent(ctx, b, authURL, username, password, "consent_deny", tickAll)
}

// consent walks the journey page by page. It looks at what each page offers
// and does not assume an order: a server may skip a page, or a person may be
// signed in already.
func consent(ctx context.Context, b *Browser, authURL, username, password, decision string,
	choose func(context.Context, *Browser, *Page) (*Page, error),
) (*url.URL, error) {
	page, err := b.Arrive(ctx, authURL)
	signedIn, chosen, proved := false, false, false
	for err == nil && page.Left == nil {
		switch {
		case page.Has("oauth_error"):
			err = problem(page)
		case page.Has(decision):
			page, err = b.Press(ctx, page, decision)
			if err == nil && page.Left == nil && !page.Has("oauth_error") && !page.Has("step_up_continue") {
				err = fmt.Errorf("%w: pressed %s and was not sent back to the app: %s", ErrLost, decision, page)
			}
		case page.Has("login_submit") && signedIn:
			err = fmt.Errorf("%w: %s", ErrSignIn, page)
		case page.Has("login_submit"):
			signedIn = true
			page, err = signIn(ctx, b, page, username, password)
		case page.Has("step_up_continue") && !proved:
			proved = true
			page, err = enterCode(ctx, b, page)
		case page.Has("step_up_continue"):
			err = fmt.Errorf("%w: %s", ErrCode, page)
		case page.Has("accounts_continue") && !chosen:
			chosen = true
			if page, err = choose(ctx, b, page); err == nil {
				page, err = b.Press(ctx, page, "accounts_continue")
			}
		default:
			err = fmt.Errorf("%w: %s", ErrLost, page)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("consent journey to %s: %w", decision, err)
	}
	return page.Left, nil
}

func signIn(ctx context.Context, b *Browser, p *Page, username, password string) (*Page, error) {
	if err := p.Fill("username", username); err != nil {
		return nil, err
	}
	if err := p.Fill("password", password); err != nil {
		return nil, err
	}
	return b.Press(ctx, p, "login_submit")
}

// enterCode looks for the message whose reference the page shows, as people
// are told to, and types the code in it.
func enterCode(ctx context.Context, b *Browser, p *Page) (*Page, error) {
	if b.codes == nil {
		return nil, fmt.Errorf("%w: Config.Codes is not set: %s", ErrCode, p)
	}
	reference, err := p.TextOf("step_up_reference")
	if err != nil {
		return nil, err
	}
	code, err := b.codes(ctx, reference)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCode, err)
	}
	if err := p.Fill("code", code); err != nil {
		return nil, err
	}
	return b.Press(ctx, p, "step_up_continue")
}

// Mailbox returns a Config.Codes that reads codes where a development stack
// shows the mail of everybody (mailbox_url of dev.json): asked with ?text=, it
// answers with the newest mail that holds the reference.
func Mailbox(address string, trust *tls.Config) func(ctx context.Context, reference string) (string, error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), DisableKeepAlives: true}}
	code := regexp.MustCompile(`\b[0-9]{6}\b`)
	return func(ctx context.Context, reference string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?text="+url.QueryEscape(reference), nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		mail, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		switch {
		case err != nil:
			return "", err
		case resp.StatusCode != http.StatusOK:
			return "", fmt.Errorf("the mailbox answers %d for the reference on the page", resp.StatusCode)
		}
		found := code.Find(mail)
		if found == nil {
			return "", errors.New("the mail with the reference on the page holds no code")
		}
		return string(found), nil
	}
}

// tickAll presses select-all, which works without script: the server answers
// with the same page, everything ticked. It trusts that answer, not the
// button.
func tickAll(ctx context.Context, b *Browser, p *Page) (*Page, error) {
	p, err := b.Press(ctx, p, "accounts_select_all")
	if err != nil {
		return nil, err
	}
	ticked := 0
	for _, id := range p.IDs("account_") {
		if p.Ticked(id) {
			ticked++
		}
	}
	if ticked == 0 {
		return nil, fmt.Errorf("%w: pressed accounts_select_all and no account is ticked: %s", ErrLost, p)
	}
	return p, nil
}

// problem is the error for a problem page. Its text is written for the
// person at the bank, so it holds nothing secret.
func problem(p *Page) error {
	text, err := p.TextOf("oauth_error")
	if err != nil {
		return err
	}
	return fmt.Errorf("%w (status %d): %s", ErrProblemPage, p.Status, text)
}
