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
// 1), accounts_continue; consent_approve, consent_deny; oauth_error;
// stop_sharing (on the page of one app, and for the first app on Data
// sharing), stop_sharing_<n> for the nth app there from the second on;
// stop_confirm, stop_keep; sign_out. On the access history: history_older,
// history_newest, history_entries, history_charts, history_live; filter_app,
// filter_account, filter_data, filter_answer, filter_how, filter_from,
// filter_to, filter_apply, filter_clear; export_csv, export_json. On the page
// of one read: back_to_history, access_app, access_request, access_version,
// report_read, which leads to /portal/grants/{id}/hold.
//
// Pages need no script. The newest page of the access history has one, which
// loads the page again when something is added to it. Words follow the copy
// rules that copy_test.go checks.
//
// Specs: FDX User Experience Guidelines v3 (order and labels of a consent
// page), WCAG 2.2 AA, RFC 6749 section 10.12 and 10.13 (forged requests,
// framing), HTML section 9.2 (server-sent events), RFC 4180 (CSV), OpenID
// Connect Core section 3.1.2.1 (ui_locales, login_hint).
package portal
