// Each rule of rules.mjs is broken once: a rule that finds nothing there is no
// rule. The page without a fault passes all of them.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { audit, inside, load, most, shift, still, ticked } from './rules.mjs'

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const style = 'button{width:8rem;height:3rem;color:#000;background:#fff;border:1px solid #000}p{width:10rem}'
const good = '<main><h1>One question</h1><form><button id="consent_deny">No</button> <button id="consent_approve">Yes</button></form></main>'

let browser, page
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || undefined, args: process.getuid() === 0 ? ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] : [] })
  page = await (await browser.newContext({ javaScriptEnabled: false, viewport: { width: 320, height: 600 } })).newPage()
})
after(() => browser.close())

// The style comes from outside of the page, as it does on ours.
async function open(body, css = '', path = '/') {
  await page.route('http://pages.test/**', (route) => route.request().url().endsWith('.css')
    ? route.fulfill({ contentType: 'text/css', body: style + css })
    : route.fulfill({ contentType: 'text/html', body: `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>A page</title><link rel="stylesheet" href="/s.css">${body}</html>` }))
  await page.goto('http://pages.test' + path)
  await page.unroute('http://pages.test/**')
}

test('a page without a fault has none', async () => {
  await open(good)
  await page.evaluate(axe)
  assert.deepEqual([...await page.evaluate(inside), ...await page.evaluate(ticked), ...await page.evaluate(audit)], [])
  assert.equal(await page.evaluate(shift), 0)
})

const broken = [
  ['a page wider than the window', '<p class="x">wide</p>', '.x{width:400px}', /wide on|leaves the page/],
  ['text that is cut at the side', '<p class="x">Incomprehensibilities</p>', '.x{width:3rem;overflow:hidden}', /is cut:/],
  ['text that is cut below', '<p class="x">one two three four five six seven</p>', '.x{height:1rem;overflow:hidden}', /is cut below/],
  ['text that ends in dots', '<p class="x">a</p>', '.x{overflow:hidden;text-overflow:ellipsis}', /end in dots/],
  ['a button too low to hit', '<button class="x">a</button>', '.x{height:2rem}', /only 32 px high/],
  ['a second h1', '<h1>Again</h1>', '', /one h1/],
  ['a script', '<script src="s.js"></script>', '', /a script/],
  ['a handler', '<p onclick="x()">a</p>', '', /has onclick/],
  ['style in the page', '<p style="color:red">a</p>', '', /no place/],
  ['a yes that is larger', '', '#consent_approve{width:9rem}', /consent_deny is/],
  ['a yes that is bolder', '', '#consent_approve{font-weight:900}', /fontWeight/],
  ['a yes in another colour', '', '#consent_approve{background:#060;color:#fff}', /backgroundColor/],
]
for (const [name, body, css, fault] of broken) {
  test(`${name} is found`, async () => {
    await open(good.replace('</main>', `${body}</main>`), css)
    assert.match((await page.evaluate(inside)).join('\n'), fault)
  })
}

// The access history alone may load one script, and only from our own folder.
test('the script of the access history is let through, there and nowhere else', async () => {
  const live = good.replace('</main>', '<script src="/static/live.js" defer></script></main>')
  await open(live)
  assert.match((await page.evaluate(inside)).join('\n'), /a script/)
  await open(live, '', '/portal/history')
  assert.deepEqual(await page.evaluate(inside), [])
  await open(live.replace('/static/', '/other/'), '', '/portal/history')
  assert.match((await page.evaluate(inside)).join('\n'), /a script/)
})

const pairs = [
  ['a yes that comes first', '<button id="consent_approve">Yes</button> <button id="consent_deny">No</button>', /comes before/],
  ['a no that is a link', '<a id="consent_deny" href="/">No</a> <button id="consent_approve">Yes</button>', /is <a>/],
  ['a yes without a no', '<button id="consent_approve">Yes</button>', /not both/],
  ['a yes that has the focus', '<button id="consent_deny">No</button> <button id="consent_approve" autofocus>Yes</button>', /has the focus/],
]
for (const [name, form, fault] of pairs) {
  test(`${name} is found`, async () => {
    await open(`<main><h1>One question</h1><form>${form}</form></main>`)
    assert.match((await page.evaluate(inside)).join('\n'), fault)
  })
}

test('what is ticked is found', async () => {
  await open('<h1>a</h1><input type="checkbox" id="one" checked><select id="s"><option id="two" selected>a</option></select>')
  assert.deepEqual(await page.evaluate(ticked), ['one', 'two'])
})

test('axe finds an image without a name', async () => {
  await open(good.replace('</main>', '<img src="x.png"></main>'))
  await page.evaluate(axe)
  assert.match((await page.evaluate(audit)).join('\n'), /axe image-alt/)
})

test('axe finds text that is hard to read', async () => {
  await open(good.replace('</main>', '<p>pale</p></main>'), 'p{color:#ccc;background:#fff}')
  await page.evaluate(axe)
  assert.match((await page.evaluate(audit)).join('\n'), /axe color-contrast/)
})

test('a page that moves while it loads is found', async () => {
  let late
  await page.route('http://pages.test/**', async (route) => {
    if (route.request().url().endsWith('.png')) {
      await late
      return route.fulfill({ contentType: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"/>' })
    }
    return route.fulfill({ contentType: 'text/html', body: '<!doctype html><html lang="en"><title>A page</title><img src="late.png"><h1>moved</h1>' })
  })
  let shown
  late = new Promise((resolve) => { shown = resolve })
  await page.goto('http://pages.test/', { waitUntil: 'commit' })
  await page.waitForSelector('h1')
  await page.screenshot() // a frame has been drawn
  shown()
  await page.waitForLoadState('load')
  await page.screenshot()
  await page.unroute('http://pages.test/**')
  assert.ok(await page.evaluate(shift) > still)
})

test('what a page may load is bounded', () => {
  const own = (kind, bytes, origin = 'https://bank.test') => ({ url: `${origin}/x`, kind, bytes })
  const right = [own('document', 9000), own('stylesheet', 20000), own('image', 500)]
  assert.deepEqual(load(right, 'https://bank.test'), [])
  assert.match(load([...right, own('image', 1, 'https://else.test')], 'https://bank.test').join(), /asks elsewhere/)
  assert.match(load([...right, own('stylesheet', 1)], 'https://bank.test').join(), /2 requests for style/)
  assert.match(load(right.slice(0, 1), 'https://bank.test').join(), /0 requests for style/)
  assert.match(load([...right, own('font', 1)], 'https://bank.test').join(), /loads/)
  assert.match(load([...right, own('image', most)], 'https://bank.test').join(), /weighs/)
})
