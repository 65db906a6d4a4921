// Package portal holds the pages that a bank's customers meet: the journey
// from an app's request to a decision (sign in, choose accounts, decide), and
// Data sharing, where they see every app, every read, and stop either.
//
// It owns what these pages say, in which language, and what a form on them
// may change. It must not know OAuth: the authorization server sends the
// browser to the page of the present step, and each form ends in a 303 back
// to /authorize/{id}, which decides what comes next. It must not know SQL.
//
// Element ids are a contract with everything that drives the pages:
// username, password, login_submit, cancel; accounts_select_all,
// accounts_select_none, account_<n> (the nth account that can be shared, from
// 1), accounts_continue; consent_approve, consent_deny; code,
// step_up_continue, step_up_resend, step_up_reference (the letters that the
// message with the code shows, too); oauth_error;
// stop_sharing (on the page of one app, and for the first app on Data
// sharing), stop_sharing_<n> for the nth app there from the second on;
// stop_confirm, stop_keep; sign_out; session_current, session_end_<n> (the nth
// session that can be ended, from 1), sessions_end_others.
//
// Pages use no script. Words follow the copy rules that copy_test.go checks.
//
// Specs: FDX User Experience Guidelines v3 (order and labels of a consent
// page), WCAG 2.2 AA, RFC 6749 section 10.12 and 10.13 (forged requests,
// framing), OpenID Connect Core section 3.1.2.1 (ui_locales, login_hint).
package portal
