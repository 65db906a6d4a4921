// What every page has to keep, as functions that run inside the browser. Each
// returns the faults it found as sentences, none when the page is right.
// rules.test.mjs breaks each of them once.

// inside is sent to the browser as it is: nothing from outside it is known
// there.
export function inside() {
  const faults = []
  const seen = (e) => {
    const style = getComputedStyle(e)
    const box = e.getBoundingClientRect()
    return style.visibility === 'visible' && style.display !== 'none' && style.clipPath === 'none' && box.width > 1 && box.height > 1
  }
  const name = (e) => `<${e.localName}${e.id ? ` id=${e.id}` : ''}> "${(e.textContent || e.value || '').trim().slice(0, 40)}"`
  const hidden = (e) => { for (let p = e; p; p = p.parentElement) if (p.matches('.vh, .skip, thead') || !seen(p)) return true }
  const width = document.documentElement.clientWidth

  if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} px wide on ${width}`)
  for (const e of document.body.querySelectorAll('*')) {
    if (hidden(e)) continue
    const box = e.getBoundingClientRect()
    if (box.left < -0.5 || box.right > width + 0.5) faults.push(`${name(e)} leaves the page`)
    const style = getComputedStyle(e)
    if (style.display !== 'inline' && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0) faults.push(`${name(e)} is cut: ${e.scrollWidth} px in ${e.clientWidth}`)
    if (style.overflowY !== 'visible' && e.scrollHeight > e.clientHeight + 1 && e.clientHeight > 0) faults.push(`${name(e)} is cut below: ${e.scrollHeight} px in ${e.clientHeight}`)
    // The browser itself shortens the name of a file that was chosen.
    if (style.textOverflow === 'ellipsis' && !e.matches('input[type=file]')) faults.push(`${name(e)} may end in dots`)
    // WCAG 2.2 2.5.8 asks for 24 px; 44 is the rule of these pages for what is pressed.
    if (e.matches('button, .button, .choice, summary, label.check') && box.height < 43.5) faults.push(`${name(e)} is only ${box.height} px high`)
  }
  if (document.querySelectorAll('h1').length !== 1) faults.push('there is not exactly one h1')
  if (!document.documentElement.lang) faults.push('the page names no language')
  // A script may say that somebody is there still; the access history is loaded anew by another, and one asks for a passkey.
  const live = (e) => (document.getElementById('idle') || document.querySelector('[data-passkey]') || location.pathname === '/portal/history') && e.matches('script[src^="/static/"][defer]:empty')
  for (const e of document.querySelectorAll('script, style, [style], iframe, object, embed, base')) if (!live(e)) faults.push(`${name(e)} has no place on a page`)
  for (const e of document.querySelectorAll('*')) for (const a of e.attributes) if (/^on/i.test(a.name)) faults.push(`${name(e)} has ${a.name}`)
  if ([...document.scripts].some((e) => !live(e))) faults.push('there is a script')

  // The two answers to one question: alike in everything, the no first.
  const pair = (no, yes) => {
    const [a, b] = [document.getElementById(no), document.getElementById(yes)]
    if (!a && !b) return
    if (!a || !b) return faults.push(`${no} and ${yes} are not both there`)
    const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()]
    if (Math.abs(p.width - q.width) > 1 || Math.abs(p.height - q.height) > 1) faults.push(`${no} is ${p.width}x${p.height}, ${yes} is ${q.width}x${q.height}`)
    for (const property of ['color', 'backgroundColor', 'borderTopColor', 'borderTopWidth', 'borderTopStyle', 'fontSize', 'fontWeight', 'fontFamily', 'textDecorationLine', 'opacity', 'boxShadow', 'cursor', 'textTransform', 'letterSpacing', 'backgroundImage', 'transform', 'filter']) {
      const [x, y] = [getComputedStyle(a)[property], getComputedStyle(b)[property]]
      if (x !== y) faults.push(`${no} has ${property} ${x}, ${yes} has ${y}`)
    }
    if (!(a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING)) faults.push(`${yes} comes before ${no}`)
    if (p.top > q.top + 1) faults.push(`${yes} stands above ${no}`)
    if (a.localName !== b.localName || a.localName !== 'button') faults.push(`${no} is <${a.localName}>, ${yes} is <${b.localName}>`)
    if (a.autofocus || b.autofocus) faults.push('one of the answers has the focus')
    if (a.form !== b.form) faults.push(`${no} and ${yes} are in different forms`)
  }
  pair('consent_deny', 'consent_approve')
  pair('sharing_keep', 'sharing_go')
  pair('stop_keep', 'stop_confirm')
  return faults
}

// ticked returns the ids of what is chosen before anybody chose.
export function ticked() {
  return [...document.querySelectorAll('input[checked], option[selected]')].map((e) => e.id || e.name || e.localName)
}

// shift returns how much the page moved while it was laid out. The observer
// hands over what was noted so far, without a script of the page.
export function shift() {
  const observer = new PerformanceObserver(() => {})
  observer.observe({ type: 'layout-shift', buffered: true })
  const sum = observer.takeRecords().reduce((all, entry) => all + entry.value, 0)
  observer.disconnect()
  return sum
}

// still is how much a page may move: less than one pixel of it, which is how
// lines are rounded.
export const still = 0.001

// most is what a page may weigh with everything it loads, in bytes.
export const most = 60 * 1024

// load judges the requests of one load, as {url, kind, bytes}; scripts says that
// those of the page run.
export function load(requests, origin, scripts = false) {
  const faults = []
  for (const r of requests) if (!r.url.startsWith('data:') && new URL(r.url).origin !== origin) faults.push(`asks elsewhere: ${new URL(r.url).origin}`)
  const styles = requests.filter((r) => r.kind === 'stylesheet').length
  if (styles !== 1) faults.push(`${styles} requests for style`)
  const kinds = ['document', 'stylesheet', 'image', 'other', ...(scripts ? ['script', 'fetch'] : [])]
  if (requests.some((r) => !kinds.includes(r.kind))) faults.push(`loads ${requests.map((r) => r.kind)}`)
  const bytes = requests.reduce((all, r) => all + r.bytes, 0)
  if (bytes > most) faults.push(`weighs ${bytes} bytes`)
  return faults
}

// audit runs axe-core, which has to be in the page. Timers do not fire where
// scripts are off, so it is given some that need none.
export async function audit() {
  globalThis.setTimeout = (f, _, ...args) => { Promise.resolve().then(() => f(...args)); return 0 }
  const { violations } = await globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'], preload: false,
  })
  return violations.flatMap((v) => v.nodes.map((n) => `axe ${v.id}: ${n.html.slice(0, 120)} ${(n.failureSummary ?? '').split('\n').slice(1, 2).join('').trim()}`))
}
