// Looks at every page of pages.mjs in five languages, light and dark, wide and
// narrow, in a browser that runs no script, and walks the journey and the stop
// with the keyboard alone:
//   node walk.mjs DEV_JSON PICTURES [LANGUAGE...]

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { chromium } from 'playwright-core'
import { App, home } from './app.mjs'
import { keyboard } from './keyboard.mjs'
import { pages } from './pages.mjs'
import { idle, passkeys } from './scripts.mjs'
import { audit, inside, load, shift, still, ticked } from './rules.mjs'

const [file, pictures, ...wanted] = process.argv.slice(2)
const languages = wanted.length ? wanted : ['en', 'es', 'fr', 'sv', 'zh']
// The colours of the narrow pages are those of the wide ones, so axe, which is
// slow, sees the dark ones once.
const looks = [
  { name: '1280', width: 1280, scheme: 'light', axe: true },
  { name: '1280-dark', width: 1280, scheme: 'dark', axe: true },
  { name: '320-dark', width: 320, scheme: 'dark', axe: false },
  { name: '320', width: 320, scheme: 'light', axe: true },
]
const dev = JSON.parse(fs.readFileSync(file))
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const portal = new URL(dev.portal_url).origin
fs.rmSync(pictures, { recursive: true, force: true })
fs.mkdirSync(pictures, { recursive: true })

// One person in one browser.
export class Visitor {
  constructor(page, apps, language) {
    Object.assign(this, { page, ...apps, language, persona: 'variety', requests: [] })
    page.on('request', (request) => {
      if (request.isNavigationRequest()) this.requests.length = 0
      this.requests.push(request)
    })
  }
  // loaded returns what the page that is open has asked for.
  loaded() {
    return Promise.all(this.requests.map(async (request) => {
      const sizes = await request.sizes()
      return { url: request.url(), kind: request.resourceType(), bytes: Math.max(0, sizes.responseBodySize) + Math.max(0, sizes.responseHeadersSize) }
    }))
  }
  goto(address) { return this.page.goto(address) }
  open(at) { return this.page.goto(portal + at) }
  path() { return new URL(this.page.url()).pathname }
  async ask({ app = this.app, ...more }) {
    this.app = app
    this.asked = await this.app.ask({ locale: this.language, ...more })
    return this.goto(this.asked)
  }
  // again opens the page at which the journey ended, as somebody does who goes
  // back in the browser.
  again() { return this.goto(this.last) }
  async signIn(persona) {
    await this.fill('username', persona)
    await this.fill('password', dev.personas.find((p) => p.username === persona).password)
    await this.press('login_submit')
  }
  fill(id, text) { return this.page.fill(`#${id}`, text) }
  tick(id) { return this.page.check(`#${id}`) }
  untick(id) { return this.page.uncheck(`#${id}`) }
  // code enters the code of the mail that shows the letters of the page.
  async code() {
    const mail = `${dev.mailbox_url}?text=${await this.page.textContent('#step_up_reference')}`
    const text = await (await this.page.request.get(mail)).text()
    await this.fill('code', /\b\d{6}\b/.exec(text)[0])
  }
  follow(selector) { return this.page.click(selector) }
  press(id) {
    const here = this.path()
    if (here.startsWith('/consent/')) this.last = portal + here.replace(/[^/]+$/, 'done')
    return this.page.click(`#${id}`)
  }
  // spoil sends a form with a hidden field that was tampered with.
  async spoil(field, button) {
    await this.page.$eval(`form:has(#${button}) input[name=${field}]`, (e) => { e.value = 'spoiled' })
    return this.press(button)
  }
  async back(what) {
    await this.page.waitForURL((url) => url.origin === this.app.redirect.origin)
    const answer = new URL(this.page.url()).searchParams
    if (!(answer.has(what) || answer.get('error') === what)) throw new Error(`the app was answered ${answer.get('error') ?? 'yes'}, not ${what}`)
    if (answer.get('state') !== 'pages' || answer.get('iss') !== dev.issuer) throw new Error('the answer lacks state or iss')
    return answer
  }
}

// judge looks at the page that is open and returns its faults. again says that
// something was done on it since it was loaded.
async function judge(v, name, { chosen, again, language = v.language }) {
  const faults = []
  await v.page.waitForLoadState('load')
  faults.push(...load(await v.loaded(), portal, v.scripts))
  const lang = await v.page.evaluate(() => document.documentElement.lang)
  if (lang !== language) faults.push(`speaks ${lang}, not ${language}`)
  const before = await v.page.evaluate(ticked)
  if (before.length && !chosen) faults.push(`chosen before anybody chose: ${before}`)
  const moved = await v.page.evaluate(shift)
  if (moved > still && !again) faults.push(`moves while it loads: ${moved}`)
  await v.page.evaluate(axe)
  for (const look of looks) {
    await v.page.emulateMedia({ colorScheme: look.scheme })
    await v.page.setViewportSize({ width: look.width, height: 900 })
    const found = await v.page.evaluate(inside)
    if (look.axe) found.push(...await v.page.evaluate(audit))
    for (const fault of found) faults.push(`${look.name}: ${fault}`)
    await v.page.screenshot({ path: path.join(pictures, `${name}-${v.language}-${look.name}.png`), fullPage: true, caret: 'initial' })
  }
  await v.page.emulateMedia({ colorScheme: 'light' })
  await v.page.setViewportSize({ width: 1280, height: 900 })
  return faults
}

const folder = path.dirname(dev.ca_file)
const server = await home({ key: fs.readFileSync(path.join(folder, 'server-key.pem')), cert: fs.readFileSync(path.join(folder, 'server.pem')) })
const app = new App(dev, 'budgetbee')
const switcher = new App(dev, 'homewards') // may ask for what takes a code
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || undefined,
  args: [
    ...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--ignore-certificate-errors', `--host-resolver-rules=${[app, switcher].map((a) => `MAP ${a.redirect.hostname} 127.0.0.1:${server.address().port}`)}`,
  ],
})
// A page that does not answer must fail, not hang.
const patience = setTimeout(() => { console.log('FAIL the walk took longer than 20 minutes'); process.exit(1) }, 1_200_000)
let bad = 0
const say = (what, faults) => {
  for (const fault of new Set(faults)) console.log(`FAIL ${what}: ${fault}`)
  if (faults.length) bad++
  else console.log(`ok ${what}`)
}

// visitor opens a browser of its own, without scripts unless they are asked for,
// and without a cache.
async function visitor(language, width = 1280, scripts = false) {
  const context = await browser.newContext({ javaScriptEnabled: scripts, ignoreHTTPSErrors: true, locale: language, viewport: { width, height: 900 } })
  context.setDefaultTimeout(20_000)
  const page = await context.newPage()
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.setCacheDisabled', { cacheDisabled: true })
  return new Visitor(page, { app, switcher, scripts }, language)
}

// meet walks the pages in one language.
async function meet(language, lines = pages) {
  const v = await visitor(language)
  for (const [name, go, more = {}] of lines) {
    try {
      await go(v)
      say(`${name} ${language}`, await judge(v, name, more))
    } catch (error) {
      say(`${name} ${language}`, [`at ${v.path()}: ${error.message.split('\n')[0]}`])
      await v.page.screenshot({ path: path.join(pictures, `${name}-${language}-broken.png`), fullPage: true }).catch(() => {})
      break // the next line would go on from here
    }
  }
  await v.page.context().close()
}

// renewal shares, and then renews that: there must be one sharing, not two.
async function renewal(v) {
  const share = async (button) => {
    await v.ask({ clusters: ['ACCOUNT_BASIC', 'TRANSACTIONS'] })
    await v.signIn('saver')
    await v.press(button)
    await v.press('accounts_continue')
    await v.press('consent_approve')
    await v.back('code')
    await v.open('/portal')
    return v.page.locator('.cards > li').count()
  }
  const counts = [await share('accounts_select_all'), await share('renew_instead')]
  return counts[0] === 1 && counts[1] === 1 ? [] : [`${counts} sharings, not one and one`]
}

// erasing wants a record erased and takes that back. It is a walk of its own,
// because it stops all that the person shares.
async function erasing(v) {
  const faults = []
  await v.open('/portal/login')
  await v.signIn('saver')
  await v.open('/portal/erase')
  await v.press('erase_ask_1')
  faults.push(...await judge(v, 'erase-app-asked', {}))
  await v.press('erase_confirm')
  faults.push(...await judge(v, 'erase-not-ticked', {}))
  await v.tick('erase_sure')
  await v.press('erase_confirm')
  faults.push(...await judge(v, 'erase-wanted', {}))
  await v.press('erase_undo')
  if (!await v.page.locator('#erase_confirm').count()) faults.push('the wish was not taken back')
  return faults
}

// switching switches all new sharing off and on. One language after the other:
// there is one switch for one person.
const switching = [
  ['switch-on', async (v) => { await v.open('/portal/login'); await v.signIn('maker'); await v.follow('#sharing_switch') }],
  ['switch-off', (v) => v.press('sharing_off')],
  ['home-off', (v) => v.open('/portal')],
  ['sharing-off', async (v) => { await v.ask({ clusters: ['ACCOUNT_BASIC'] }); await v.signIn('maker') }],
  ['sharing-kept-off', async (v) => { await v.press('sharing_keep'); await v.back('access_denied'); await v.again() }],
  ['sharing-switched-on', async (v) => { await v.ask({ clusters: ['ACCOUNT_BASIC'] }); await v.signIn('maker'); await v.press('sharing_go') }],
]

try {
  // Two at a time: each waits for the server half of its time.
  const queue = [...languages]
  await Promise.all([0, 1].map(async () => { for (let next; (next = queue.shift());) await meet(next) }))
  for (const language of languages) await meet(language, switching)
  for (const width of [1280, 320]) {
    const v = await visitor(languages[0], width)
    say(`keyboard ${width}`, await keyboard(v).catch((error) => [`at ${v.path()}: ${error.message.split('\n')[0]}`]))
    await v.page.context().close()
  }
  const v = await visitor(languages[0])
  say('renewal', await renewal(v).catch((error) => [`at ${v.path()}: ${error.message.split('\n')[0]}`]))
  await v.open('/portal')
  await v.press('sign_out')
  say('erasing', await erasing(v).catch((error) => [`at ${v.path()}: ${error.message.split('\n')[0]}`]))
  // In a browser that runs scripts.
  for (const [name, walk, ...spoken] of [['passkeys', passkeys, ...languages], ['idle', idle, languages[0]]]) {
    for (const language of spoken) {
      const v = await visitor(language, 1280, true)
      say(`${name} ${language}`, await walk(v, judge).catch((error) => [`at ${v.path()}: ${error.message.split('\n')[0]}`]))
      await v.page.context().close()
    }
  }
} finally {
  clearTimeout(patience)
  await browser.close()
  server.close()
}
console.log(bad ? `${bad} failed` : 'all pages are right')
process.exitCode = bad ? 1 : 0
