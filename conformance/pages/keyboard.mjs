// The journey, Data sharing and the stop with nothing but Tab, Space, Enter
// and letters. Whatever has the focus must show it and be on the screen.

// focused says what has the focus, and what is wrong with how it shows that.
function focused() {
  const e = document.activeElement
  if (!e || e === document.body) return { id: '', href: '', faults: [] }
  const faults = []
  const marked = (x) => { const s = getComputedStyle(x); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 }
  const shows = e.closest('label') ?? e
  if (!marked(e) && !marked(shows)) faults.push(`<${e.localName} id=${e.id}> does not show that it has the focus`)
  const box = shows.getBoundingClientRect()
  if (box.bottom <= 0 || box.top >= innerHeight) faults.push(`<${e.localName} id=${e.id}> has the focus outside the screen`)
  return { id: e.id, href: e.getAttribute('href') ?? '', faults }
}

export async function keyboard(v) {
  const faults = new Set()
  const { keyboard: keys } = v.page
  // reach presses Tab until what fits has the focus.
  const reach = async (fits, what) => {
    for (let n = 0; n < 60; n++) {
      await keys.press('Tab')
      const at = await v.page.evaluate(focused)
      at.faults.forEach((fault) => faults.add(`${v.path()}: ${fault}`))
      if (fits(at)) return
    }
    throw new Error(`Tab does not lead to ${what}`)
  }
  const to = (id) => reach((at) => at.id === id, id)
  // press sends a form or follows a link and waits for the next page.
  const press = async (id) => {
    await to(id)
    await Promise.all([v.page.waitForNavigation(), keys.press('Enter')])
  }
  await v.ask({ clusters: ['ACCOUNT_BASIC', 'TRANSACTIONS'] })
  await reach((at) => at.href === '#main', 'the way past the header')
  await to('username')
  await keys.type(v.persona)
  await to('password')
  await keys.type(`${v.persona}-pass`)
  await press('login_submit')
  await to('account_1')
  await keys.press('Space')
  await press('accounts_continue')
  await press('consent_approve')
  await v.back('code')
  await v.open('/portal')
  await press('stop_sharing')
  await press('stop_confirm')
  if (!v.path().endsWith('/stopped')) faults.add(`the stop led to ${v.path()}`)
  return [...faults]
}
