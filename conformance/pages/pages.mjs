// The pages, in the order in which one person meets them. Each line is a page
// to be looked at: its name and how to get there from the line before. To add
// a page, add a line.
//
//   v.ask({clusters, ...})   the app asks, the browser opens its request; app is
//                            v.app or v.switcher, the one that asked last if left out
//   v.signIn(persona)        fills in and sends the sign-in page
//   v.open(path)             opens a page of the portal
//   v.press(id), v.fill(id, text), v.tick(id), v.untick(id)
//   v.code()                 enters the one-time code that was sent
//   v.follow(selector)       follows a link
//   v.back()                 waits until the browser is back at the app, and
//                            returns the parameters that it brought
//
// language is the language of a page that is not in the visitor's own.
// chosen says that something may be ticked on the page before anybody ticks
// it: only there is it the choice that the person made before.

const some = ['ACCOUNT_BASIC', 'TRANSACTIONS']
const more = ['ACCOUNT_DETAILED', 'BALANCES']

export const pages = [
  ['sign-in', (v) => v.ask({ clusters: some })],
  ['sign-in-wrong', async (v) => { await v.fill('username', v.persona); await v.fill('password', 'no'); await v.press('login_submit') }],
  ['accounts', (v) => v.signIn(v.persona)],
  ['accounts-found', async (v) => { await v.fill('accounts_search', '1069'); await v.press('accounts_find') }],
  ['accounts-none', (v) => v.press('accounts_continue')],
  ['accounts-all', (v) => v.press('accounts_select_all'), { chosen: true }],
  ['review', (v) => v.press('accounts_continue')],
  ['review-stale', (v) => v.spoil('mark', 'consent_approve')],
  ['home', async (v) => { await v.press('consent_approve'); await v.back('code'); await v.open('/portal') }],
  ['done', async (v) => { await v.again() }],
  ['grant', async (v) => { await v.follow('#data_sharing'); v.grant = v.path().split('/').pop() }],
  ['change-accounts', async (v) => { await v.ask({ clusters: [...some, ...more], grant_management_action: 'replace', grant_id: v.grant }); await v.signIn(v.persona) }, { chosen: true }],
  ['change-review', (v) => v.press('accounts_continue')],
  ['add-accounts', async (v) => { await v.press('consent_deny'); await v.back('access_denied'); await v.ask({ clusters: more, grant_management_action: 'merge', grant_id: v.grant }); await v.signIn(v.persona) }],
  ['add-review', async (v) => { await v.tick('account_1'); await v.press('accounts_continue') }],
  ['grant-changed', async (v) => { await v.press('consent_approve'); await v.back('code'); await v.open(`/portal/grants/${v.grant}`) }],
  ['already', async (v) => { await v.ask({ clusters: some }); await v.signIn(v.persona) }],
  ['renew-accounts', (v) => v.press('renew_instead'), { chosen: true }],
  ['renew-review', async (v) => { await v.untick('account_2'); await v.press('accounts_continue') }],
  ['unchanged', async (v) => { await v.press('consent_deny'); await v.back('access_denied'); await v.again() }],
  ['history', (v) => v.open('/portal/history')],
  ['share-less', (v) => v.open(`/portal/grants/${v.grant}/change`)],
  ['share-less-nothing', (v) => v.press('change_confirm')],
  ['share-less-done', async (v) => { await v.tick('account_2'); await v.press('change_confirm') }],
  ['stop', (v) => v.open(`/portal/grants/${v.grant}/stop`)],
  ['stopped', (v) => v.press('stop_confirm')],
  ['grant-ended', (v) => v.open(`/portal/grants/${v.grant}`)],
  ['home-ended', (v) => v.open('/portal')],
  ['receipts', (v) => v.open('/portal/receipts')],
  ['receipt', (v) => v.open(`/portal/receipts/${v.grant}.1`)],
  ['receipt-check', (v) => v.follow('#receipt_check')],
  ['record', (v) => v.open('/portal/record')],
  ['record-to-print', (v) => v.press('record_print')],
  ['erase', (v) => v.open('/portal/erase')],
  ['unknown', (v) => v.open('/portal/grants/nobody')],
  ['portal-sign-in', async (v) => { await v.open('/portal'); await v.press('sign_out') }],
  ['some-cannot-be-shared', async (v) => { await v.ask({ clusters: some }); await v.signIn('quirks') }],
  ['long-names', async (v) => { await v.press('cancel'); await v.back('access_denied'); await v.ask({ clusters: some }); await v.signIn('layla') }],
  ['long-names-review', async (v) => { await v.press('accounts_select_all'); await v.press('accounts_continue') }],
  ['not-shared', async (v) => { await v.press('consent_deny'); await v.back('access_denied'); await v.again() }],
  ['other-language', async (v) => { await v.ask({ clusters: some }); await v.follow('#language_sv') }, { language: 'sv' }],
  ['own-language', (v) => v.follow(`#language_${v.language}`)],
  ['no-account', async (v) => { await v.ask({ clusters: some }); await v.signIn('newcomer') }],
  ['check', async (v) => {
    await v.ask({ app: v.switcher, clusters: ['ACCOUNT_BASIC', 'PAYMENT_SUPPORT'] })
    await v.signIn('everyday')
    await v.press('accounts_select_all')
    await v.press('accounts_continue')
    await v.press('consent_approve')
  }],
  ['check-wrong', async (v) => { await v.fill('code', '000'); await v.press('step_up_continue') }],
  ['check-too-soon', (v) => v.press('step_up_resend')],
  ['checked', async (v) => { await v.code(); await v.press('step_up_continue'); await v.back('code'); await v.again() }],
  ['sign-ins', (v) => v.open('/portal/signin')],
  ['passkey-add', (v) => v.follow('#passkey_add')],
  ['passkey-add-wrong', async (v) => { await v.fill('code', '000'); await v.press('passkey_continue') }],
  ['passkey-add-checked', async (v) => { await v.code(); await v.press('passkey_continue') }],
  ['whose', async (v) => { await v.ask({ clusters: some }); await v.signIn('maker') }],
  ['whose-none', (v) => v.press('whose_continue')],
  ['whose-accounts', async (v) => { await v.tick('holder_2'); await v.press('whose_continue') }],
  ['whose-review', async (v) => { await v.tick('account_1'); await v.press('accounts_continue') }],
  ['whose-grant', async (v) => { await v.press('consent_approve'); await v.back('code'); await v.again(); await v.follow('#data_sharing') }],
  ['whose-picked', async (v) => { await v.ask({ clusters: some }); await v.signIn('maker'); await v.tick('holder_1'); await v.press('whose_continue'); await v.follow('#whose_change') }, { chosen: true }],
  ['unknown-request', (v) => v.goto(v.app.opens('urn:ietf:params:oauth:request_uri:nobody'))],
]
