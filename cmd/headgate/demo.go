package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/recipient"
)

type demoCmd struct {
	KillRedis bool `help:"Kill Redis in the middle: no answer may change except in speed."`
	Keep      bool `help:"Keep the state folder and say where it is."`
	Embedded  bool `help:"Use the Redis that is built in even where a real one is installed."`
}

// Run brings the stack up on free ports and walks two people through the
// whole life of a consent. It fails unless every step did what it should.
func (c demoCmd) Run(ctx context.Context) error {
	home, err := os.MkdirTemp("", "headgate-demo-")
	if err != nil {
		return err
	}
	if !c.Keep {
		defer os.RemoveAll(home) //nolint:errcheck // a temporary folder
	}
	started := time.Now()
	fmt.Println("Bringing up PostgreSQL, Redis, authorization server, gateway and the sandbox bank ...")
	stack, err := dev.Start(ctx, dev.Options{
		Home: home, Ephemeral: !c.Keep, FreePorts: true, EmbeddedRedis: c.Embedded,
		Say: func(s string) { fmt.Println("  " + s) },
	})
	if err != nil {
		return err
	}
	fmt.Printf("  ready after %.1f s\n", time.Since(started).Seconds())
	err = c.walk(ctx, stack, home)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if stopErr := stack.Stop(stop); err == nil {
		err = stopErr
	}
	if err != nil {
		if logs, readErr := os.ReadFile(filepath.Join(home, "log", "gatewayd.log")); readErr == nil && !c.Keep {
			fmt.Fprintf(os.Stderr, "last lines of the gateway's log:\n%s\n", tail(logs, 5))
		}
		return err
	}
	if c.Keep {
		fmt.Println("State is kept in", home)
	}
	fmt.Printf("Everything did what it should, in %.1f s.\n", time.Since(started).Seconds())
	return nil
}

func (c demoCmd) walk(ctx context.Context, stack *dev.Stack, home string) error {
	file, err := recipient.ReadStack(filepath.Join(home, dev.FileName))
	if err != nil {
		return err
	}
	statement, err := demoStatement(time.Now())
	if err != nil {
		return err
	}
	imported, err := stack.ImportOFX(ctx, "imported", "demo.ofx", bytes.NewReader(statement))
	if err != nil {
		return err
	}
	people := []recipient.RegisteredPersona{
		{Username: imported.Username, Password: imported.Password, About: "a customer imported from an OFX file"},
		file.Personas[0],
	}
	for i, who := range people {
		fmt.Printf("\n%s, signing in as %s, with recipient %s\n", sentence(who.About), who.Username, file.Recipients[i].ClientID)
		w := &walker{ctx: ctx, file: file, who: who, client: i, pageSize: "10"}
		if c.KillRedis && i == len(people)-1 {
			w.afterFirstRead = func() error {
				stack.KillRedis()
				return w.said("kill Redis", "it is gone; nothing else changes")
			}
		}
		if err := w.walk(); err != nil {
			return err
		}
	}
	return nil
}

// walker is one person and one app on their way through a consent.
type walker struct {
	ctx            context.Context
	file           recipient.Stack
	who            recipient.RegisteredPersona
	client         int
	pageSize       string
	afterFirstRead func() error
	n              int
}

// said prints one step in one line.
func (w *walker) said(sent, came string, args ...any) error {
	w.n++
	fmt.Printf("  %2d. %-58s -> %s\n", w.n, sent, fmt.Sprintf(came, args...))
	return nil
}

func (w *walker) walk() error {
	cfg, err := w.file.Recipient(w.client)
	if err != nil {
		return err
	}
	app, err := recipient.Connect(w.ctx, cfg)
	if err != nil {
		return err
	}
	_ = w.said("GET both well-known documents", "issuer %s", w.file.Issuer)

	attempt, err := recipient.Ask(recipient.ConsentRequest{
		DurationType: recipient.TimeBound, DurationPeriod: 90, LookbackPeriod: 60,
		Resources: []recipient.Resource{{ResourceType: "ACCOUNT", DataClusters: []string{"ACCOUNT_DETAILED", "TRANSACTIONS"}}},
	})
	if err != nil {
		return err
	}
	pushed, err := app.Push(w.ctx, attempt)
	if err != nil {
		return err
	}
	_ = w.said("POST /par: assertion, DPoP proof, authorization_details", "201, request_uri for %.0f s", pushed.ExpiresIn.Seconds())

	person, err := w.browser()
	if err != nil {
		return err
	}
	back, err := browser.ApproveAll(w.ctx, person, app.AuthorizationURL(pushed.RequestURI), w.who.Username, w.who.Password)
	if err != nil {
		return err
	}
	code, err := app.ReadRedirect(back, attempt)
	if err != nil {
		return err
	}
	_ = w.said("pages: sign in, choose all accounts, review, share", "303 to %s with code, state, iss", back.Host)

	token, err := app.Redeem(w.ctx, attempt, code)
	if err != nil {
		return err
	}
	_ = w.said("POST /token: code, verifier, DPoP proof", "200, DPoP-bound for %d s, grant %s", token.ExpiresIn, token.GrantID)

	account, err := w.accounts(app, token)
	if err != nil {
		return err
	}
	if w.afterFirstRead != nil {
		if err := w.afterFirstRead(); err != nil {
			return err
		}
	}
	if err := w.transactions(app, token, account); err != nil {
		return err
	}

	key, err := recipient.NewDPoPKey(jose.ES256)
	if err != nil {
		return err
	}
	fresh, err := app.Refresh(w.ctx, token.RefreshToken, key)
	if err != nil {
		return err
	}
	_ = w.said("POST /token: refresh token, proof by a new DPoP key", "200, bound to the new key")
	if _, err := w.accounts(app, fresh); err != nil {
		return err
	}
	return w.stop(app, fresh, account)
}

func (w *walker) browser() (*browser.Browser, error) {
	tls, err := w.file.TLS()
	if err != nil {
		return nil, err
	}
	return browser.New(browser.Config{Home: []string{w.file.Issuer, w.file.PortalURL}, TLS: tls, Codes: browser.Mailbox(w.file.MailboxURL, tls)})
}

func (w *walker) accounts(app *recipient.Client, token recipient.Token) (string, error) {
	answer, err := app.Accounts(w.ctx, token, nil)
	if err != nil {
		return "", err
	}
	if err := answer.Refusal("accounts"); err != nil {
		return "", err
	}
	var body struct {
		Accounts []struct {
			AccountID string `json:"accountId"`
		} `json:"accounts"`
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil || len(body.Accounts) == 0 {
		return "", errors.New("demo: the answer holds no account")
	}
	_ = w.said("GET /fdx/v6/accounts", "%d, %s, %d bytes", answer.Status, count(len(body.Accounts), "account"), len(answer.Body))
	return body.Accounts[0].AccountID, nil
}

func (w *walker) transactions(app *recipient.Client, token recipient.Token, account string) error {
	today := time.Now().UTC()
	query := url.Values{
		"startDate": {today.AddDate(0, 0, -60).Format(time.DateOnly)}, "endDate": {today.Format(time.DateOnly)},
		"limit": {w.pageSize},
	}
	seen := map[string]bool{}
	pages := 0
	for answer, err := range app.TransactionPages(w.ctx, token, account, query) {
		if err != nil {
			return err
		}
		if err := answer.Refusal("transactions"); err != nil {
			return err
		}
		var body struct {
			Transactions []struct {
				TransactionID string `json:"transactionId"`
			} `json:"transactions"`
		}
		if err := json.Unmarshal(answer.Body, &body); err != nil {
			return err
		}
		for _, t := range body.Transactions {
			if seen[t.TransactionID] {
				return errors.New("demo: a transaction came twice")
			}
			seen[t.TransactionID] = true
		}
		pages++
		_ = w.said(fmt.Sprintf("GET .../transactions, page %d of 60 days", pages), "%d, %d transactions", answer.Status, len(body.Transactions))
		if pages == 2 {
			return nil
		}
	}
	return fmt.Errorf("demo: %d page of transactions, 2 wanted", pages)
}

// stop lets the person look at what was read and stop it; the next read, by
// the same token, must be refused.
func (w *walker) stop(app *recipient.Client, token recipient.Token, account string) error {
	person, err := w.browser()
	if err != nil {
		return err
	}
	page, err := browser.Stop(w.ctx, person, w.file.PortalURL, w.who.Username, w.who.Password, w.appName())
	if err != nil {
		return err
	}
	_ = w.said("portal: sign in, stop sharing, confirm", "%d, %s", page.Status, page.Title())
	answer, err := app.Transactions(w.ctx, token, account, nil)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusUnauthorized {
		return fmt.Errorf("demo: a read after the stop was answered with %d", answer.Status)
	}
	var body struct{ Code, Message string }
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		return err
	}
	_ = w.said("GET .../transactions after the stop", "%d, code %s, %s", answer.Status, body.Code, body.Message)
	if _, err := app.Refresh(w.ctx, token.RefreshToken, nil); !refused(err, "invalid_grant") {
		return fmt.Errorf("demo: a refresh after the stop ended with %v", err)
	}
	return w.said("POST /token: refresh after the stop", "400, invalid_grant")
}

func (w *walker) appName() string {
	return map[string]string{"budgetbee": "BudgetBee", "loanlink": "LoanLink", "wealthview": "WealthView"}[w.file.Recipients[w.client].ClientID]
}

func refused(err error, code string) bool {
	var r *recipient.Refusal
	return errors.As(err, &r) && r.Code == code
}

//go:embed demo.ofx
var demoOFX string

// demoStatement is a small bank statement with transactions of the last
// weeks, so that they are inside every window.
func demoStatement(now time.Time) ([]byte, error) {
	var list strings.Builder
	for i := range 25 {
		day := now.AddDate(0, 0, -2*i)
		kind, amount, name := "DEBIT", fmt.Sprintf("-%d.%02d", 12+i, (37*i)%100), "CORNER MARKET"
		if i%12 == 5 {
			kind, amount, name = "CREDIT", "2450.00", "PAYROLL"
		}
		fmt.Fprintf(&list, "<STMTTRN><TRNTYPE>%s<DTPOSTED>%s120000<TRNAMT>%s<FITID>D%06d<NAME>%s</STMTTRN>\n", kind, day.Format("20060102"), amount, i, name)
	}
	r := strings.NewReplacer("@TODAY@", now.Format("20060102"), "@FROM@", now.AddDate(0, 0, -60).Format("20060102"), "@TRANSACTIONS@", list.String())
	return []byte(r.Replace(demoOFX)), nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func tail(b []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
