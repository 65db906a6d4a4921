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
// username, password, login_submit, cancel; holder_<n> (the nth of those whose
// accounts can be shared, from 1), whose_continue, whose_back, whose_change (on
// the page of the accounts); sharing_go, sharing_keep; accounts_select_all,
// accounts_select_none, account_<n> (the nth account that can be shared, from
// 1), accounts_continue, accounts_search and accounts_find (from nine accounts
// on); consent_approve, consent_deny; code, step_up_continue, step_up_resend,
// idle, idle_stay, idle_over (the warning that time runs out, and what
// stands there when it has); step_up_reference (the letters that the message with the code shows, too);
// oauth_error, back_to_app;
// stop_sharing (on the page of one app, and for the first app on Data
// sharing), stop_sharing_<n> for the nth app there from the second on;
// stop_confirm, stop_keep; sign_out; renew_instead (renew what is shared
// already); review_now (what a change changes); language_<tag>, such as
// language_sv. Of sharing that rests: pause_sharing,
// hold_sharing and see_rest on the page of an app, where whose and benefit are, too; pause_7, pause_14, pause_30,
// pause_date with pause_day, pause_confirm, pause_keep; hold_confirm,
// hold_keep; case_number, paused_until, resting_since, last_read,
// resume_sharing, release_sharing. After a stop: stopped_at, last_read, told,
// answer_too_much, answer_unknown, answer_unused, answer_other. Of all
// apps: sharing_switch, sharing_see, sharing_state, sharing_on, sharing_off,
// home_search, home_state, home_filter, stop_all, stop_all_sure,
// ended_all. Of receipts: receipt (on the pages after a decision and after a
// stop), receipt_<n> for the nth in the list; on one of them receipt_number,
// receipt_code, disclosure and receipt_save; receipt_text, verify_submit,
// receipt_file, verify_upload and verify_result where one is checked.
// On the access history: history_older,
// history_newest, history_entries, history_charts, history_live; filter_app,
// filter_account, filter_data, filter_answer, filter_how, filter_from,
// filter_to, filter_apply, filter_clear; export_csv, export_json. On the page
// of one read: back_to_history, access_app, access_request, access_version,
// report_read, which leads to /portal/grants/{id}/hold.
// Of notices: notices_read_all, notice_read_<n> (the
// nth notice of the page, from 1, when it is new), notices_older,
// notices_newest, notices_preferences; mail_<topic>, digest_each,
// digest_weekly, digest_monthly, notice_language_<tag>, preferences_save,
// preferences_saved, preferences_back. Of the record: record_copy on Data
// sharing; record_<part> (grants, receipts, history, notices), record_json,
// record_csv, record_print; record_back on the page to print.
// Of erasing: record_erase on Data sharing; erase_sure, erase_keep,
// erase_confirm, erase_copy; erase_at and erase_undo while it is wanted;
// erase_ask_<n> and erase_state_<n> for the nth app. Of sharing less:
// change_sharing on the page of an app; account_<n>, data_<cluster>,
// change_keep, change_confirm; changed on the page of the app afterwards.
// preferences_saved, preferences_back. Of sign-ins: session_current,
// session_end_<n> (the nth session that can be ended, from 1),
// sessions_end_others. Of passkeys: passkey_use where one is taken, passkey_failed;
// passkey_<n>, passkey_name_<n>, passkey_save_<n>, passkey_remove_<n> (the nth
// of a person, from 1), passkey_add; passkey_continue, passkey_resend,
// passkey_make, passkey_name, passkey_back, passkeys_full where one is added.
//
// The page of an app links its reads as /portal/history?app={client id} and is
// itself linked as /portal/grants/{id}; /portal/grants/{id}/hold is where
// anything that a person does not recognise leads.
//
// Pages need no script. The newest page of the access history has one, which
// loads the page again when something is added to it, and pages that take a
// passkey one that asks the browser for it. Words follow the copy
// rules that copy_test.go checks.
//
// Specs: FDX User Experience Guidelines v3 (order and labels of a consent
// page), WCAG 2.2 AA, RFC 6749 section 10.12 and 10.13 (forged requests,
// framing), HTML section 9.2 (server-sent events), RFC 4180 (CSV), OpenID
// Connect Core section 3.1.2.1 (ui_locales, login_hint).
package portal
