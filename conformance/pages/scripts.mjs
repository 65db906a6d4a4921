// What pages do with their scripts on: passkeys, with an authenticator in
// software, and the warning that time runs out, with a clock that is moved.

// authenticator gives a browser one that verifies its user (WebAuthn section
// 11, as the DevTools protocol has it).
export async function authenticator(v) {
  const session = await v.page.context().newCDPSession(v.page)
  await session.send('WebAuthn.enable')
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  })
  return {
    keys: async () => (await session.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    verifies: (isUserVerified) => session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
  }
}

const check = (faults, good, what) => { if (!good) faults.push(what) }

// passkeys adds one, signs in with it on both ways, proves a decision with it,
// and removes it. judge looks at the pages that take a passkey to be met.
export async function passkeys(v, judge) {
  const faults = []
  const device = await authenticator(v)
  const arrive = (path) => v.page.waitForURL((url) => url.pathname === path)
  const look = async (name, more = {}) => faults.push(...(await judge(v, name, more)).map((fault) => `${name}: ${fault}`))

  await v.open('/portal/login')
  await v.signIn('everyday')
  await v.open('/portal/signin')
  await v.follow('#passkey_add')
  await v.code()
  await v.press('passkey_continue')
  await v.page.waitForSelector('#passkey_make')
  await look('passkey-make')
  await v.fill('passkey_name', 'Red phone')
  check(faults, !await v.page.locator('#passkey_failed').isVisible(), 'it failed before anybody tried')
  // Who gives up can try again.
  await device.verifies(false)
  await v.press('passkey_make')
  await v.page.waitForSelector('#passkey_failed', { state: 'visible' })
  await look('passkey-failed', { again: true })
  await device.verifies(true)
  await v.press('passkey_make')
  await arrive('/portal/signin')
  const [key, ...more] = await device.keys()
  check(faults, key && !more.length && key.isResidentCredential, 'there is not exactly one passkey that needs no username')
  check(faults, key?.rpId === new URL(v.page.url()).hostname, `it is for ${key?.rpId}`)
  check(faults, await v.page.textContent('#passkey_1') === 'Red phone', 'it has lost its name')
  await v.page.click('summary')
  await look('passkeys', { again: true })

  await v.press('sign_out')
  await look('passkey-sign-in')
  await v.press('passkey_use')
  await arrive('/portal')

  const share = async () => {
    await v.press('accounts_select_all')
    await v.press('accounts_continue')
    await v.press('consent_approve')
  }
  const guarded = { app: v.switcher, clusters: ['ACCOUNT_BASIC', 'PAYMENT_SUPPORT'] }
  // A password first, then the passkey as the second proof.
  await v.ask(guarded)
  await v.signIn('everyday')
  await share()
  await look('passkey-check')
  await v.press('passkey_use')
  await v.back('code')
  // The passkey alone: it proves both.
  await v.ask(guarded)
  await v.press('passkey_use')
  await v.page.waitForURL((url) => url.pathname.endsWith('/accounts'))
  await share()
  await v.back('code')

  await v.open('/portal/signin')
  await v.page.click('summary')
  await v.press('passkey_remove_1')
  await arrive('/portal/signin')
  check(faults, !await v.page.locator('#passkey_1').count(), 'it is still there')
  await v.press('sign_out')
  await v.press('passkey_use') // the device still has it
  await v.page.waitForSelector('.notice[role=status]')
  check(faults, (await v.path()) === '/portal/login', 'a passkey that was removed signs in')
  return faults
}

// idle lets time pass: nothing shows before the thirteenth minute, the warning
// does then, and one key is enough.
export async function idle(v) {
  const faults = []
  const { clock } = v.page
  const started = new Date()
  await v.page.route('**/stay', (route) => { v.stays = (v.stays ?? 0) + 1; return route.continue() })
  await clock.setFixedTime(started)
  await v.open('/portal/login')
  await v.signIn('saver')
  await v.open('/portal')
  // The style sheet has a clock of its own, which is moved with the page's.
  const at = async (seconds) => {
    await clock.setFixedTime(new Date(started.getTime() + seconds * 1000))
    await v.page.evaluate((ms) => { for (const a of document.getAnimations()) if (/^(on|off)$/.test(a.animationName)) a.currentTime = ms }, seconds * 1000)
  }
  const shows = () => v.page.locator('#idle').isVisible()
  const over = () => v.page.locator('#idle_over').isVisible()
  await at(0)
  check(faults, !await shows(), 'the warning is there from the start')
  await at(779)
  check(faults, !await shows(), 'the warning comes before 13 minutes')
  await at(781)
  check(faults, await shows() && !await over(), 'the warning does not come after 13 minutes')
  await Promise.all([v.page.waitForResponse((r) => r.url().endsWith('/portal/stay') && r.status() === 204), v.page.keyboard.press('Shift')])
  await v.page.waitForFunction(() => getComputedStyle(document.getElementById('idle')).visibility === 'hidden')
  check(faults, v.stays === 1, `one key asked ${v.stays} times`)
  await at(781 + 120)
  const passed = await v.page.evaluate(() => { for (const a of document.getAnimations()) if (a.animationName === 'on') return true; return false })
  check(faults, passed, 'the time did not start again')
  return faults
}
