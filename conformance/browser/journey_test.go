package browser_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
)

const goodRequest = "/authorize?client_id=app&request_uri=urn:good"

func TestApproveAllSharesWhatMayBeSharedAndLeavesForTheApp(t *testing.T) {
	t.Parallel()
	bank := newBank(t)
	left, err := browser.ApproveAll(t.Context(), bank.browser(t), bank.URL+goodRequest, "ada", "correct")
	if err != nil {
		t.Fatal(err)
	}
	if got := left.String(); got != redirectURI+"&approve" {
		t.Errorf("left for %s", got)
	}
	if decided, shared, _ := bank.state(); decided != "approve" || shared != "cheque savings" {
		t.Errorf("the bank recorded %s of %s", decided, shared)
	}
}

func TestASecondJourneySkipsSignIn(t *testing.T) {
	t.Parallel()
	bank := newBank(t)
	b := bank.browser(t)
	for range 2 {
		if _, err := browser.ApproveAll(t.Context(), b, bank.URL+goodRequest, "ada", "correct"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestApproveSharesTheChosenAccountsOnly(t *testing.T) {
	t.Parallel()
	bank := newBank(t)
	if _, err := browser.Approve(t.Context(), bank.browser(t), bank.URL+goodRequest, "ada", "correct", "account_2"); err != nil {
		t.Fatal(err)
	}
	if _, shared, _ := bank.state(); shared != "savings" {
		t.Errorf("the bank recorded %s", shared)
	}
}

func TestDenyLeavesForTheAppToo(t *testing.T) {
	t.Parallel()
	bank := newBank(t)
	left, err := browser.Deny(t.Context(), bank.browser(t), bank.URL+goodRequest, "ada", "correct")
	if err != nil {
		t.Fatal(err)
	}
	if got := left.String(); got != redirectURI+"&deny" {
		t.Errorf("left for %s", got)
	}
}

func TestAJourneyThatEndsElsewhereSaysWhere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fault, path, password, account string
		want                                 error
		says                                 string
	}{
		{"a problem page is quoted", "", "/authorize?request_uri=urn:old", "correct", "", browser.ErrProblemPage, "The app's request has expired."},
		{"a wrong password", "", goodRequest, "wrong", "", browser.ErrSignIn, "login_submit"},
		{"a session that does not stick", "no-session", goodRequest, "correct", "", browser.ErrSignIn, "login_submit"},
		{"an account that is not there", "", goodRequest, "correct", "account_9", browser.ErrElement, "account_9"},
		{"an account that may not be shared", "", goodRequest, "correct", "account_3", browser.ErrElement, "account_3"},
		{"a button that is no account", "", goodRequest, "correct", "accounts_continue", browser.ErrElement, "no checkbox"},
		{"select-all that selects nothing", "tick-nothing", goodRequest, "correct", "", browser.ErrLost, "no account is ticked"},
		{"a decision that leads nowhere", "stuck", goodRequest, "correct", "", browser.ErrLost, "not sent back to the app"},
		{"a policy that forbids the way back to the app", "no-form-action", goodRequest, "correct", "", browser.ErrBlocked, "form-action that forbids https://app.example/callback"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bank := newBank(t, tt.fault)
			var err error
			if tt.account == "" {
				_, err = browser.ApproveAll(t.Context(), bank.browser(t), bank.URL+tt.path, "ada", tt.password)
			} else {
				_, err = browser.Approve(t.Context(), bank.browser(t), bank.URL+tt.path, "ada", tt.password, tt.account)
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error does not say %q: %v", tt.says, err)
			}
			if strings.Contains(err.Error(), "urn:") || strings.Contains(err.Error(), "c1") {
				t.Errorf("the error tells a request_uri or a form token: %v", err)
			}
		})
	}
}

func TestStopStopsTheNamedAppOnly(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"BudgetBee", "LedgerLark", "TaxToad"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			bank := newBank(t)
			page, err := browser.Stop(t.Context(), bank.browser(t), bank.URL+"/portal", "ada", "correct", app)
			if err != nil {
				t.Fatal(err)
			}
			if page.Text() != app+" gets no more data" {
				t.Errorf("the last page reads %q", page.Text())
			}
			if _, _, stopped := bank.state(); stopped != app {
				t.Errorf("the bank stopped %s", stopped)
			}
		})
	}
}

func TestStopRefusesToGuess(t *testing.T) {
	t.Parallel()
	bank := newBank(t)
	if _, err := browser.Stop(t.Context(), bank.browser(t), bank.URL+"/portal", "ada", "correct", "Unknown"); !errors.Is(err, browser.ErrLost) {
		t.Errorf("an app that is not there: %v", err)
	}
	if _, err := browser.Stop(t.Context(), bank.browser(t), bank.URL+"/portal", "ada", "wrong", "BudgetBee"); !errors.Is(err, browser.ErrSignIn) {
		t.Errorf("a wrong password: %v", err)
	}
	if _, _, stopped := bank.state(); stopped != "" {
		t.Errorf("the bank stopped %s", stopped)
	}
}
