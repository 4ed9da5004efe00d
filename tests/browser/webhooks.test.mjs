// A member and their webhooks with a real browser, a real server and real receivers: one that takes everything, one that
// fails, one that is gone. Every page is judged by axe and html-validate, on a phone and a desk, light and dark.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FileSystemConfigLoader, HtmlValidate } from 'html-validate'
import { launch, violations } from '../support/browser.mjs'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const PAGE_WAIT_MS = 3100 // a form sent sooner is not a person's

let meishi, well, failing, gone, browser, mika, desk, plain
before(async () => {
  well = await Receiver.start()
  failing = await Receiver.start()
  gone = await Receiver.start()
  failing.answer = () => 500
  gone.answer = () => 410
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: [well.allow, failing.allow, gone.allow].join() })
  browser = await launch()
  mika = await meishi.member('mika', 'Mika Sørensen')
  desk = await phone()
  await desk.goto(new URL(mika.member.sign_in_url).pathname)
  await desk.click('button')
  plain = await phone({ storageState: await desk.context().storageState(), javaScriptEnabled: false })
})
after(async () => {
  await browser?.close()
  await meishi?.stop()
  for (const receiver of [well, failing, gone]) await receiver?.stop()
})

// A page of a phone; everything the browser complains about is in page.complaints.
async function phone(options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, baseURL: meishi.url, ...options })
  const page = await context.newPage()
  page.complaints = []
  page.on('console', message => ['error', 'warning'].includes(message.type()) && page.complaints.push(message.text()))
  page.on('pageerror', error => page.complaints.push(error.message))
  return page
}

const text = async (page, selector = 'main') => (await page.textContent(selector)).replace(/\s+/g, ' ')
const api = async (method, path, body) => (await meishi.api(mika.token, method, path, body)).body

// A webhook made by the API: { id, href }.
async function webhook(url, events = ['lead.created']) {
  const { id } = await api('POST', '/webhooks', { url, events })
  return { id, href: `/webhooks/${id}` }
}

const removeAll = async () => { for (const { id } of (await api('GET', '/webhooks')).data) await meishi.api(mika.token, 'DELETE', `/webhooks/${id}`) }

// Somebody leaves their details.
async function lead(name, reach) {
  const share = await meishi.share(mika.token, mika.card, { channel: 'link' })
  const { form } = await meishi.open(`/c/${share.token}`)
  await sleep(PAGE_WAIT_MS)
  assert.equal((await meishi.post(`/c/${share.token}/lead`, { ...form, name, reach })).status, 303)
}

test('who has no webhook is told what one is for, and led to the form', async () => {
  await plain.goto('/webhooks')
  assert.match(await text(plain), /Nothing is told elsewhere yet/)
  await plain.click('text=Add a webhook')
  await plain.waitForURL('**/webhooks/new')
  assert.equal(await plain.isChecked('[value="lead.created"]'), true)
  assert.equal(await plain.isChecked('[value="card.scanned"]'), false)
})

test('what is wrong is said beside the field, and nothing typed is lost', async () => {
  await plain.goto('/webhooks/new')
  await plain.uncheck('[value="lead.erased"]')
  await plain.check('[value="share.created"]')
  for (const [url, words] of [['http://10.0.0.1/hook', /must start with https/], ['https://10.0.0.1/hook', /private network/], ['https://', /no host/], ['https://example.org:9000/', /ports 443 and 8443/], ['', /say where/], ['nonsense', /not a web address/],
    ['https://user:secret@example.org/', /user name/], ['https://example.org/#part', /after #/]]) {
    await plain.fill('#url', url)
    await plain.click('text=Make it')
    assert.match(await text(plain, '#url-error'), words)
    assert.equal(await plain.inputValue('#url'), url)
    assert.equal(await plain.getAttribute('#url', 'aria-describedby'), 'url-error')
    assert.equal(await plain.isChecked('[value="share.created"]'), true)
    assert.equal(await plain.isChecked('[value="lead.erased"]'), false)
  }
  for (const box of await plain.locator('[name=event]').all()) await box.uncheck()
  await plain.fill('#url', 'https://example.org/hook')
  await plain.click('text=Make it')
  assert.match(await text(plain, '#events-error'), /at least one/)
  assert.equal(await plain.inputValue('#url'), 'https://example.org/hook')
})

test('a webhook is made and its secret shown once; a test is followed until it arrives', async () => {
  await desk.goto('/webhooks/new')
  await desk.fill('#url', well.url)
  await desk.click('text=Make it')
  const secret = await desk.textContent('.notice code')
  assert.match(secret, /^whsec_/)
  assert.equal(await desk.getAttribute('[data-copy]', 'data-copy'), secret)
  await desk.click('button >> text=Send a test')
  await desk.waitForSelector('#sent >> text=/Arrived\\. Answer 204/')
  assert.equal(well.of('webhook.ping').length, 1)
  assert.doesNotMatch(await desk.content(), new RegExp(secret))
  await desk.goto('/webhooks')
  assert.match(await text(desk, '.hooks'), /Fine\. The last message arrived just now\./)
  assert.deepEqual(desk.complaints, [])
})

test('without scripts the result of a test is a tap away', async () => {
  await plain.goto('/webhooks')
  await plain.click('.hooks h3 a')
  await plain.click('button >> text=Send a test')
  await plain.waitForURL('**?sent=dlv_*')
  await until(() => well.of('webhook.ping').length === 2)
  await plain.click('text=See how it went')
  await until(async () => { await plain.reload(); return /Arrived/.test(await text(plain)) })
  assert.match(await text(plain, '.line'), /Answer 204.*The receiver took it\./)
  assert.equal(JSON.parse(await plain.textContent('pre')).type, 'webhook.ping')
})

test('a message is sent again under the same id', async () => {
  await plain.click('text=Send again')
  await until(() => well.of('webhook.ping').length === 3)
  const ids = well.of('webhook.ping').map(request => request.headers['webhook-id'])
  assert.equal(ids[1], ids[2])
  assert.match(await text(plain), new RegExp(ids[1]))
  await until(async () => { await plain.reload(); return await plain.locator('.line li').count() === 2 })
})

test('a chat gets the message it can show, and its page shows those very bytes', async () => {
  await removeAll()
  await plain.goto('/webhooks/new')
  await plain.check('[value=ntfy]')
  await plain.fill('#url', well.url.replace('/hook', '/two/steps'))
  await plain.click('text=Make it')
  assert.match(await text(plain, '#url-error'), /For ntfy, give the address of a topic/)
  assert.equal(await plain.isChecked('[value=ntfy]'), true)
  await plain.check('[value=slack]')
  await plain.check('[value=thin]')
  await plain.click('text=Make it')
  await plain.waitForSelector('button >> text=Send a test')
  assert.match(await text(plain, '.facts'), /Written for ?Slack.*How much it says ?Only that it happened/)
  const before = well.requests.length
  await plain.click('button >> text=Send a test')
  await until(() => well.requests.length > before)
  const { body } = well.requests.at(-1)
  assert.ok(JSON.parse(body).blocks)
  await plain.click('text=See how it went')
  assert.equal(await plain.textContent('pre'), body)
  await removeAll()
})

test('what a webhook is told can be changed', async () => {
  await plain.goto((await webhook(well.url)).href)
  await plain.click('text=Change this')
  assert.equal(await plain.inputValue('#url'), well.url)
  await plain.fill('#url', 'https://')
  await plain.click('text=Save')
  assert.match(await text(plain, '#url-error'), /no host/)
  await plain.fill('#url', well.url)
  await plain.check('[value="share.created"]')
  await plain.click('text=Save')
  await plain.waitForURL(/webhooks\/whk_[^/]*$/)
  assert.match(await text(plain, '.facts'), /A link was made/)
  assert.match(await text(plain, '.facts'), /JSON \(Standard Webhooks\).*Everything/)
})

test('a webhook that fails says so in its list, on its page and above every other page', async () => {
  await removeAll()
  const { id, href } = await webhook(failing.url)
  for (let i = 0; i < 5; i++) {
    await api('POST', `/webhooks/${id}/ping`, {})
    await until(() => failing.requests.length > i)
  }
  await until(async () => (await api('GET', `/webhooks/${id}`)).failures_in_a_row >= 5)
  await plain.goto('/inbox')
  assert.match(await text(plain, '.alarm'), /127\.0\.0\.1:\d+ has failed \d+ times/)
  await plain.click('.alarm a')
  await plain.waitForURL(`**${href}`)
  assert.match(await text(plain), /Failing.*It failed \d+ times in a row.*Answer 500: The receiver broke down.*Look into its log/)
  assert.match(await text(plain, '.log'), /Test.*Waiting\. Answer 500, 1 try\. Next try in/)
  await plain.click('.log h3 a')
  assert.match(await text(plain, '.line'), /Answer 500.*The receiver broke down.*Look into its log/)
  await plain.goto('/webhooks')
  assert.match(await text(plain, '.hooks'), /Failing\./)
  assert.equal(await plain.locator('.alarm').count(), 0, 'these pages say it themselves')
})

test('a list by state shows that state only', async () => {
  await plain.click('.hooks h3 a')
  await plain.click('.chips >> text=Waiting')
  await plain.waitForURL('**?state=pending#deliveries')
  assert.equal(await plain.locator('.log li').count(), 5)
  await plain.click('.chips >> text=Arrived')
  assert.match(await text(plain, '#deliveries'), /None of these/)
})

test('a test that fails is told as it is', async () => {
  await removeAll()
  await desk.goto((await webhook(failing.url)).href)
  await desk.click('button >> text=Send a test')
  await desk.waitForSelector('#sent:not(.good) >> text=/Waiting\\. Answer 500, 1 try\\. Next try in/')
})

test('a receiver that is gone is switched off, and why is said', async () => {
  await removeAll()
  const { id, href } = await webhook(gone.url)
  await api('POST', `/webhooks/${id}/ping`, {})
  await until(async () => !(await api('GET', `/webhooks/${id}`)).enabled)
  await plain.goto('/account')
  assert.match(await text(plain, '.alarm'), /is switched off/)
  await plain.click('.alarm a')
  await plain.waitForURL(`**${href}`)
  assert.match(await text(plain), /Off.*It was switched off just now: the receiver answered 410 Gone\. Mend the receiver/)
})

test('switching off by hand alarms nobody', async () => {
  await removeAll()
  const { href } = await webhook(well.url)
  await plain.goto(href)
  await plain.click('text=Switch off')
  await plain.waitForSelector('text=Switch on')
  assert.match(await text(plain), /Off You switched it off just now\./)
  await plain.goto('/inbox')
  assert.equal(await plain.locator('.alarm').count(), 0)
  await plain.goto(href)
  await plain.click('text=Switch on')
  await plain.waitForSelector('text=Switch off')
})

test('what was missed while it was off is sent when it is switched on, if one wants', async () => {
  await removeAll()
  const { id, href } = await webhook(gone.url)
  const { delivery_id: missed } = await api('POST', `/webhooks/${id}/ping`, {})
  await until(async () => !(await api('GET', `/webhooks/${id}`)).enabled)
  await plain.goto(href)
  assert.match(await text(plain), /1 message did not reach it\. Shall they be sent now\?/)
  await plain.click('text=Change this')
  await plain.fill('#url', well.url)
  await plain.click('text=Save')
  const before = well.requests.length
  await plain.click('text=Switch on, and send what was missed')
  await plain.waitForSelector('text=Switch off')
  await until(() => well.requests.length > before)
  await until(async () => (await api('GET', `/deliveries/${missed}`)).state === 'delivered')
  await plain.reload()
  assert.match(await text(plain), /Fine/)
})

test('all that did not arrive since a time is sent again', async () => {
  await removeAll()
  const { id, href } = await webhook(well.url)
  await plain.goto(href)
  await plain.click('text=Switch off')
  await plain.waitForSelector('text=Switch on')
  await plain.click('text=Switch on')
  await plain.waitForSelector('button >> text=Send a test')
  assert.equal(await plain.locator('#since').count(), 0, 'nothing was missed')
  well.answer = () => 410
  await api('POST', `/webhooks/${id}/ping`, {})
  await until(async () => !(await api('GET', `/webhooks/${id}`)).enabled)
  well.answer = () => 204
  await plain.reload()
  await plain.click('text=Switch on, for new messages only')
  await plain.waitForSelector('button >> text=Send a test')
  await plain.click('summary >> text=1 message did not arrive')
  const before = well.requests.length
  await plain.selectOption('#since', '1h')
  await plain.click('text=Send it again')
  await plain.waitForURL('**?resent=1')
  assert.match(await text(plain, '#sent'), /One message is sent again/)
  await until(() => well.requests.length > before)
})

test('a new secret signs at once; the old one as long as one chooses', async () => {
  await removeAll()
  const made = await api('POST', '/webhooks', { url: well.url, events: ['lead.created'] })
  const signedBy = ({ headers, body }, secret) => {
    const id = headers['webhook-id'], at = headers['webhook-timestamp']
    const mark = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64')).update(`${id}.${at}.${body}`).digest('base64')
    return headers['webhook-signature'].split(' ').includes(`v1,${mark}`)
  }
  const ping = async () => {
    const before = well.requests.length
    await api('POST', `/webhooks/${made.id}/ping`, {})
    await until(() => well.requests.length > before)
    return well.requests.at(-1)
  }
  const rotate = async keep => {
    await plain.goto(`/webhooks/${made.id}`)
    await plain.click('text=How to know that a message is real')
    await plain.check(`[name=keep][value="${keep}"]`)
    await plain.click('button >> text=Make a new secret')
    return plain.textContent('.notice code')
  }
  const second = await rotate('24h')
  assert.notEqual(second, made.secret)
  assert.match(await text(plain, '.notice'), /Until \w+day \d+ \w+, \d\d:\d\d UTC messages carry both signatures/)
  const both = await ping()
  assert.deepEqual([signedBy(both, made.secret), signedBy(both, second)], [true, true])
  const third = await rotate('0')
  assert.match(await text(plain, '.notice'), /The one before proves nothing any more/)
  const one = await ping()
  assert.deepEqual([signedBy(one, made.secret), signedBy(one, second), signedBy(one, third)], [false, false, true])
})

test('a key pair is made on wish, and its public half shown', async () => {
  await plain.click('text=Remove this webhook')
  await plain.click('text=Remove it')
  await plain.waitForURL('**/webhooks')
  await plain.click('text=Add a webhook')
  await plain.fill('#url', well.url)
  await plain.check('[name=asymmetric]')
  await plain.click('text=Make it')
  await plain.click('text=How to know that a message is real')
  assert.match(await plain.textContent('#secret code'), /^whpk_[A-Za-z0-9+/]{43}=$/)
})

test('who sends again in a hurry is asked to wait', async () => {
  await removeAll()
  const { id } = await webhook(well.url)
  const { delivery_id: sent } = await api('POST', `/webhooks/${id}/ping`, {})
  let status
  for (let i = 0; i < 11; i++) {
    await until(async () => (await api('GET', `/deliveries/${sent}`)).state === 'delivered')
    await plain.goto(`/deliveries/${sent}`)
    const [answer] = await Promise.all([plain.waitForResponse(reply => reply.request().method() === 'POST'), plain.click('text=Send again')])
    status = answer.status()
  }
  assert.equal(status, 429)
  assert.match(await text(plain, '.notice'), /Please wait a moment/)
})

test('a program that listens has a page, and no address to change', async () => {
  await removeAll()
  const { id } = await api('POST', '/listeners', { events: ['lead.created'] })
  await plain.goto('/webhooks')
  assert.match(await text(plain, '.hooks'), /A program that listens ?On\. It asks for what is new/)
  await plain.click('.hooks h3 a')
  assert.equal(await plain.locator('text=Change this').count(), 0)
  assert.equal((await plain.goto(`/webhooks/${id}/edit`)).status(), 404)
  await plain.goto(`/webhooks/${id}`)
  await plain.click('button >> text=Send a test')
  assert.match(await text(plain, '.log'), /Test.*On its way\./)
  await plain.click('text=What each message holds')
  await plain.waitForURL('**/api#events')
  assert.equal(await plain.locator('#events').count(), 1)
})

test('a lead says who was told of it, and leads to the message', async () => {
  await removeAll()
  await webhook(well.url)
  await lead('Barry Jones', 'barry@example.org')
  await plain.goto('/inbox?tab=leads')
  await plain.click('.rows h3 a')
  await until(async () => { await plain.reload(); return /Arrived/.test(await text(plain)) })
  assert.match(await text(plain, '.log'), /127\.0\.0\.1:\d+.*Somebody left their details\. Arrived\. Answer 204/)
  await plain.click('.log h3 a')
  await plain.waitForURL('**/deliveries/dlv_*')
  assert.equal(JSON.parse(await plain.textContent('pre')).data.lead.name, 'Barry Jones')
  await plain.click('text=See who it is')
  await plain.waitForURL('**/leads/led_*')
})

test('what belongs to another member is not there', async () => {
  const jane = await meishi.member('jane')
  const made = (await meishi.api(jane.token, 'POST', '/webhooks', { url: well.url, events: ['lead.created'] })).body
  const ping = (await meishi.api(jane.token, 'POST', `/webhooks/${made.id}/ping`, {})).body
  for (const path of [`/webhooks/${made.id}`, `/webhooks/${made.id}/edit`, `/deliveries/${ping.delivery_id}`])
    assert.equal((await plain.goto(path)).status(), 404, path)
})

// Every kind of page in every state that looks different.
let pages
async function everyPage() {
  if (pages) return pages
  await removeAll()
  const off = await webhook(gone.url), bad = await webhook(failing.url), good = await webhook(well.url), fresh = await webhook('https://hooks.example.org/services/T0123/B0123/abcdefgh')
  const pings = []
  for (const { id } of [off, bad, good]) pings.push((await api('POST', `/webhooks/${id}/ping`, {})).delivery_id)
  await lead('Claire Dubois', 'claire@example.org')
  await until(async () => {
    const tried = await Promise.all(pings.map(async id => (await api('GET', `/deliveries/${id}`)).attempts))
    return tried.every(attempts => attempts > 0)
  })
  const told = (await api('GET', `/webhooks/${good.id}/deliveries`)).data.find(({ type }) => type === 'lead.created')
  return pages = ['/webhooks', '/webhooks/new', `${fresh.href}/edit`, off.href, bad.href, good.href, fresh.href, `${good.href}?state=failed`, `${good.href}?sent=${pings[2]}`,
          ...pings.map(id => `/deliveries/${id}`), `/deliveries/${told.id}`, `/leads/${told.lead_id}`, '/inbox']
}

test('every page is valid HTML, has nothing inline, large targets, and nothing scrolls sideways at 320 px or with text twice as large', async () => {
  const judge = new HtmlValidate(new FileSystemConfigLoader({}))
  const page = await phone({ storageState: await desk.context().storageState() })
  for (const path of await everyPage()) {
    await page.setViewportSize({ width: 390, height: 844 })
    const answer = await page.goto(path)
    assert.equal(answer.status(), 200, path)
    assert.match(answer.headers()['content-security-policy'], /default-src 'none'/)
    const report = await judge.validateString(await answer.text(), join(process.cwd(), 'tests', 'page.html'))
    assert.deepEqual(report.results.flatMap(result => result.messages.map(m => `${path}:${m.line} ${m.ruleId} ${m.message}`)), [])
    const small = await page.evaluate(() => [...document.querySelectorAll('a, button, summary, select, textarea, input:not([type=hidden])')]
      .map(item => ({ item, box: (item.closest('label') ?? item).getBoundingClientRect() }))
      .filter(({ item, box }) => box.width > 1 && box.height < 43.5 && !item.closest('.hidden') && getComputedStyle(item).display !== 'inline')
      .map(({ item, box }) => `${item.outerHTML.slice(0, 90)} ${box.height}`))
    assert.deepEqual(small, [], path)
    for (const [width, size] of [[320, '100%'], [390, '200%']]) {
      await page.setViewportSize({ width, height: 700 })
      const over = await page.evaluate(font => {
        document.documentElement.style.fontSize = font
        return document.documentElement.scrollWidth - innerWidth
      }, size)
      assert.ok(over <= 0, `${path} at ${width} px, ${size}: ${over} px too wide`)
    }
  }
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

for (const colorScheme of ['light', 'dark'])
  for (const width of [390, 1280])
    test(`axe finds nothing on the webhooks' pages in ${colorScheme} at ${width} px`, async () => {
      const page = await phone({ storageState: await desk.context().storageState(), colorScheme, viewport: { width, height: 844 }, bypassCSP: true })
      for (const path of await everyPage()) {
        await page.goto(path)
        assert.deepEqual(await violations(page), [], path)
      }
      await page.context().close()
    })
