// A person at a browser without scripts: follows redirects, keeps cookies,
// fills in forms and presses buttons by their element ids. It reads just the
// HTML that forms are made of.

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' }

function unescape(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex || decimal) return String.fromCodePoint(parseInt(hex ?? decimal, hex ? 16 : 10))
    return entities[name] ?? whole
  })
}

// parse returns the elements of a page in order, each with the form around it
// and the text up to its own end.
export function parse(html) {
  const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s+[^\s=>/"']+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?)*)\s*\/?>/gi
  const elements = []
  let form = null
  for (const [whole, end, rawName, rawAttributes] of html.replace(/<!--[\s\S]*?-->/g, '').matchAll(tag)) {
    const name = rawName.toLowerCase()
    if (end) {
      if (name === 'form') form = null
      continue
    }
    const attributes = {}
    for (const [, key, double, single, bare] of rawAttributes.matchAll(/([^\s=>/"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/g)) {
      attributes[key.toLowerCase()] = unescape(double ?? single ?? bare ?? '')
    }
    const element = { name, attributes, form }
    if (name === 'form') form = element
    elements.push(element)
  }
  return elements
}

// textOf returns the text inside the element with an id, for problem pages.
function textOf(html, id) {
  const start = html.indexOf(`id="${id}"`)
  if (start < 0) return ''
  const inside = html.slice(html.indexOf('>', start) + 1)
  return unescape(inside.slice(0, 2000).replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim().slice(0, 200)
}

export class Browser {
  #fetch
  #cookies = new Map() // host name -> Map of name -> value; ports share cookies

  constructor(fetch) {
    this.#fetch = fetch
  }

  // open loads an address and follows redirects until a page, or until one
  // leads to an address that stop accepts. It returns {html, url} or {left}.
  async open(url, stop, { method = 'GET', body, from } = {}) {
    for (let hops = 0; hops < 20; hops++) {
      url = new URL(url)
      if (stop(url)) return { left: url }
      const headers = { accept: 'text/html' }
      const jar = this.#cookies.get(url.hostname)
      if (jar?.size) headers.cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
      if (method === 'POST') {
        headers['content-type'] = 'application/x-www-form-urlencoded'
        headers.origin = from.origin
      }
      headers['sec-fetch-site'] = !from ? 'none' : from.origin === url.origin ? 'same-origin' : 'same-site'
      const answer = await this.#fetch(url.href, { method, headers, body })
      this.#keep(url, answer.headers.getSetCookie())
      if (answer.status >= 300 && answer.status < 400) {
        if (method === 'POST' && answer.status !== 303) throw new Error(`a form was answered with ${answer.status}, not 303`)
        from = url
        url = new URL(answer.headers.get('location'), url)
        method = 'GET'
        body = undefined
        continue
      }
      return { html: await answer.text(), url, status: answer.status }
    }
    throw new Error('too many redirects')
  }

  #keep(url, lines) {
    if (!this.#cookies.has(url.hostname)) this.#cookies.set(url.hostname, new Map())
    const jar = this.#cookies.get(url.hostname)
    for (const line of lines) {
      const [pair, ...rules] = line.split(';').map((part) => part.trim())
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      const over = rules.some((rule) => {
        const [key, date] = rule.split('=')
        return /^max-age$/i.test(key) ? Number(date) <= 0 : /^expires$/i.test(key) && Date.parse(date) <= Date.now()
      })
      over ? jar.delete(name) : jar.set(name, value)
    }
  }

  // press sends the form around the button with this id, filled in: entries
  // maps element ids to what to type, or to true to tick.
  async press(page, id, stop, entries = {}) {
    const elements = parse(page.html)
    const button = elements.find((element) => element.attributes.id === id)
    if (!button?.form) throw new Error(`there is no button ${id} in a form on ${page.url.pathname}`)
    const body = new URLSearchParams()
    for (const element of elements) {
      const { type, name, value = '', id: own, disabled, checked } = element.attributes
      if (element.form !== button.form || disabled !== undefined || name === undefined) continue
      if (element === button) body.append(name, value)
      else if (element.name !== 'input' || type === 'submit') continue
      else if (type === 'checkbox' || type === 'radio') {
        if (checked !== undefined || entries[own]) body.append(name, value || 'on')
      } else body.append(name, entries[own] ?? value)
    }
    const action = new URL(button.form.attributes.action ?? '', page.url)
    return this.open(action, stop, { method: 'POST', body, from: page.url })
  }
}

// approve walks the consent journey: sign in, choose accounts, approve. It
// returns the address that the app gets back. accounts lists the element ids
// to tick; none means all. mailbox is where one-time codes can be read
// (mailbox_url of dev.json).
export async function approve(fetch, authorizationURL, redirectURI, persona, accounts = [], mailbox = undefined) {
  const browser = new Browser(fetch)
  const home = new URL(redirectURI)
  const stop = (url) => url.origin === home.origin && url.pathname === home.pathname
  let page = await browser.open(authorizationURL, stop)
  for (const done = new Set(); !page.left; ) {
    const ids = new Set(parse(page.html).map((element) => element.attributes.id))
    const step = ['oauth_error', 'consent_approve', 'step_up_continue', 'login_submit', 'accounts_continue'].find((id) => ids.has(id))
    if (step === 'oauth_error') throw new Error(`problem page with status ${page.status}: ${textOf(page.html, 'oauth_error')}`)
    if (!step || done.has(step)) throw new Error(`no way on from ${page.url.pathname}, status ${page.status}, step ${step}`)
    done.add(step)
    switch (step) {
      case 'login_submit':
        page = await browser.press(page, step, stop, { username: persona.username, password: persona.password })
        break
      case 'accounts_continue':
        if (accounts.length === 0) page = await browser.press(page, 'accounts_select_all', stop)
        page = await browser.press(page, step, stop, Object.fromEntries(accounts.map((id) => [id, true])))
        break
      case 'step_up_continue': {
        if (!mailbox) throw new Error('the page asks for a one-time code and there is no mailbox')
        const message = await fetch(`${mailbox}?text=${encodeURIComponent(textOf(page.html, 'step_up_reference'))}`)
        if (!message.ok) throw new Error(`the mailbox answers ${message.status}`)
        page = await browser.press(page, step, stop, { code: /\b\d{6}\b/.exec(await message.text())?.[0] ?? '' })
        break
      }
      default:
        page = await browser.press(page, step, stop)
    }
  }
  return page.left
}
