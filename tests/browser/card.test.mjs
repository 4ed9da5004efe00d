// A visitor with a real browser against the real server: seen, saved, sent, erased, passed on; with scripts and without.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, violations } from '../support/browser.mjs'
import { IPHONE, Meishi, sleep, until } from '../support/meishi.mjs'

const PAGE_WAIT_MS = 3100 // a form sent sooner is not a person's
const INSTAGRAM = IPHONE.replace('Version/18.1 Mobile', 'Mobile') + ' Instagram 350.0.0.0'

let meishi, jane, browser
before(async () => {
  meishi = await Meishi.start()
  jane = await meishi.member()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await meishi?.stop()
})

const newShare = fields => meishi.share(jane.token, jane.card, fields)
const hits = async share => (await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits`)).body.data
const leads = async query => (await meishi.api(jane.token, 'GET', `/leads?${query}`)).body.data

// A phone's page; everything it complains about is in page.complaints.
async function phone(options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, userAgent: IPHONE, ...options })
  const page = await context.newPage()
  page.complaints = []
  page.on('console', message => ['error', 'warning'].includes(message.type()) && page.complaints.push(message.text()))
  page.on('pageerror', error => page.complaints.push(error.message))
  return page
}

async function fill(page, name, reach, message = '') {
  await page.fill('#name', name)
  await page.fill('#reach', reach)
  await page.fill('#message', message)
}

test('looking at a card makes a scan, looking again is the same visitor, and the policy forbids nothing we do', async () => {
  const share = await newShare()
  const page = await phone()
  await page.goto(`${meishi.url}/c/${share.token}`)
  await until(async () => (await hits(share))[0]?.verdict === 'person')
  await page.reload()
  await until(async () => (await hits(share)).some(hit => hit.rule === 'again'))
  const all = await hits(share)
  assert.equal(all.length, 2)
  assert.equal(all.filter(hit => hit.verdict === 'person').length, 1)
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

test('a page that nobody sees yet tells nothing', async () => {
  const share = await newShare()
  const page = await phone()
  await page.addInitScript(() => Object.defineProperty(document, 'visibilityState', { get: () => globalThis.shown ? 'visible' : 'hidden' }))
  await page.goto(`${meishi.url}/c/${share.token}`)
  await until(async () => (await hits(share)).length === 1)
  await sleep(300)
  assert.equal((await hits(share))[0].verdict, 'unconfirmed')
  await page.evaluate(() => { globalThis.shown = true; document.dispatchEvent(new Event('visibilitychange')) })
  await until(async () => (await hits(share))[0].verdict === 'person')
  await page.context().close()
})

for (const javaScriptEnabled of [true, false])
  test(`a form sent ${javaScriptEnabled ? 'with' : 'without'} scripts is a lead, has a receipt, and can be erased`, async () => {
    const share = await newShare({ channel: 'event', label: 'Hall 4' })
    const page = await phone({ javaScriptEnabled })
    const who = javaScriptEnabled ? 'Barry Jones' : 'Claire Dubois'
    const reach = javaScriptEnabled ? 'barry@example.com' : 'claire@example.com'
    await page.goto(`${meishi.url}/c/${share.token}`)
    await page.click('text=Leave yours')
    if (javaScriptEnabled) assert.equal(await page.evaluate(() => document.activeElement.id), 'name')
    await fill(page, who, reach, 'Two roofs before winter.')
    await page.click('text=Add your company')
    await page.fill('#company', 'Acme Industries')
    await sleep(PAGE_WAIT_MS)
    await page.click('text=Send to Jane')
    await page.waitForURL(/\/receipt\//)
    assert.match(await page.textContent('.facts'), new RegExp(`${who}.*${reach}.*Two roofs`, 's'))
    assert.match(await page.textContent('.panel .fine'), /Only Jane sees this/)
    const [lead] = await leads(`share=${share.id}&stage=new`)
    assert.equal(lead.name, who)
    assert.equal(lead.email, reach)
    assert.equal(lead.company, 'Acme Industries')
    assert.equal(lead.share.label, 'Hall 4')

    await page.click('text=Erase all of this')
    await page.waitForSelector('text=It is erased')
    assert.deepEqual(await leads(`share=${share.id}&stage=new`), [])
    await page.context().close()
  })

test('what is wrong is said beside its field, and what was typed stays', async () => {
  const share = await newShare()
  const page = await phone()
  await page.goto(`${meishi.url}/c/${share.token}`)
  await fill(page, 'Barry', 'barry@', 'Two roofs')
  await page.click('text=Send to Jane')
  await page.waitForSelector('#reach-error')
  assert.equal(await page.inputValue('#name'), 'Barry')
  assert.equal(await page.inputValue('#reach'), 'barry@')
  assert.equal(await page.inputValue('#message'), 'Two roofs')
  assert.deepEqual(await violations(page), [])
  await page.fill('#reach', 'barry@other.example')
  await sleep(PAGE_WAIT_MS)
  await page.click('text=Send to Jane')
  await page.waitForURL(/\/receipt\//)
  await page.context().close()
})

test('a stamp that was forwarded does not show what its first visitor left', async () => {
  const share = await newShare()
  const { form } = await meishi.open(`/c/${share.token}`)
  await sleep(PAGE_WAIT_MS)
  const first = await meishi.post(`/c/${share.token}/lead`, { ...form, name: 'Ann Okafor', reach: 'ann@example.com' })
  assert.equal(first.status, 303)
  const again = await meishi.post(`/c/${share.token}/lead`, { ...form, name: 'Ann Okafor', reach: 'ann@example.com' })
  assert.equal(again.headers.get('location'), first.headers.get('location'))
  const other = await meishi.post(`/c/${share.token}/lead`, { ...form, name: 'Mallory', reach: 'mallory@example.com' })
  assert.equal(other.status, 422)
  assert.doesNotMatch(other.text, /Ann Okafor|ann@example/)
})

test('an app that swallows contacts is given a hint, a browser is not', async () => {
  const share = await newShare()
  for (const [userAgent, shown] of [[INSTAGRAM, true], [IPHONE, false]]) {
    const page = await phone({ userAgent })
    await page.goto(`${meishi.url}/c/${share.token}`)
    await page.click('text=Save contact')
    await sleep(1500)
    assert.equal(await page.locator('text=Open in browser').count() > 0, shown, userAgent)
    await page.context().close()
  }
})

test('passing on goes through the phone’s own sheet, with a link of one’s own', async () => {
  const share = await newShare()
  const page = await phone()
  await page.addInitScript(() => { navigator.share = async data => { globalThis.sent = data } })
  await page.goto(`${meishi.url}/c/${share.token}`)
  await page.click('text=Pass this card on')
  await page.fill('#passer', 'Lea Brandt')
  await page.fill('#vouch', 'She found the leak.')
  await page.click('text=Make a link to send')
  const sent = await page.waitForFunction(() => globalThis.sent).then(handle => handle.jsonValue())
  assert.match(sent.url, new RegExp(`^${meishi.url}/c/[0-9A-Z]{16}$`))
  assert.ok(!sent.url.includes(share.token))
  await page.goto(sent.url)
  assert.match(await page.textContent('.by'), /Handed to you by Lea Brandt, who says She found the leak\./)
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

test('passing on without scripts shows the link with ways to send it', async () => {
  const share = await newShare()
  const page = await phone({ javaScriptEnabled: false })
  await page.goto(`${meishi.url}/c/${share.token}`)
  await page.click('text=Pass this card on')
  await page.fill('#passer', 'Lea Brandt')
  await page.click('text=Make a link to send')
  await page.waitForURL(/\/c\/[0-9A-Z]{16}\/pass-on$/)
  const url = await page.getAttribute('.address a', 'href')
  assert.ok(decodeURIComponent(await page.getAttribute('a:has-text("WhatsApp")', 'href')).includes(url))
  await page.context().close()
})

test('on a wide screen the code to scan with a phone stands beside the card', async () => {
  const share = await newShare()
  const page = await phone({ viewport: { width: 1280, height: 800 } })
  await page.goto(`${meishi.url}/c/${share.token}`)
  const code = page.locator('.qr img')
  await code.waitFor()
  assert.ok(await code.evaluate(async image => { await image.decode(); return image.naturalWidth }) > 0)
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

test('a crowd behind one network is asked for work: browsers do it, others are set aside', async () => {
  const crowded = await meishi.member('june', 'June Roe') // a card of its own, so that nothing else counts
  const share = await meishi.share(crowded.token, crowded.card, { channel: 'qr' })
  const pages = await Promise.all(Array.from({ length: 40 }, () => meishi.open(`/c/${share.token}`)))
  await sleep(PAGE_WAIT_MS)
  let asked, fields, accepted = 0
  for (const { form } of pages) {
    fields = { ...form, name: `Visitor ${accepted}`, reach: `visitor${accepted}@example.com` }
    asked = await meishi.post(`/c/${share.token}/lead`, fields)
    if (asked.status === 422) break
    assert.equal(asked.status, 303)
    accepted++
  }
  assert.equal(asked.status, 422)
  assert.ok(accepted >= 10, `asked after ${accepted} forms: a small group is no crowd`)
  const challenge = asked.text.match(/name="challenge" value="([^"]+)"/)[1]
  assert.equal((await meishi.post(`/c/${share.token}/lead`, { ...fields, challenge, answer: '' })).status, 303)

  const page = await phone()
  await page.addInitScript('delete HTMLFormElement.prototype.requestSubmit') // as in Safari before 16
  await page.goto(`${meishi.url}/c/${share.token}`)
  await fill(page, 'Real Person', 'person@example.com')
  await sleep(PAGE_WAIT_MS)
  await page.click('text=Send to June')
  await page.waitForSelector('text=Many people on your network')
  await page.click('text=Send to June') // at once: it waits for the work and goes
  await page.waitForURL(/\/receipt\//, { timeout: 60000 })
  await page.context().close()

  const read = async query => (await meishi.api(crowded.token, 'GET', `/leads?${query}`)).body.data.map(lead => lead.name)
  assert.ok((await read('stage=new')).includes('Real Person'))
  assert.deepEqual(await read('set_aside=true'), [fields.name])
})

test('every page of a visit can be used by everybody, says axe', async () => {
  const share = await newShare()
  const page = await phone()
  for (const path of [`/c/${share.token}`, '/privacy', '/nothing/here']) {
    await page.goto(meishi.url + path)
    assert.deepEqual(await violations(page), [], path)
  }
  await page.context().close()
})
