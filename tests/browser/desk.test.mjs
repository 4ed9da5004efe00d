// A member with a real browser against the real server: in by a link, a card made, sent, held up, the lead that comes of it
// moved on. Every page is judged by axe and html-validate, on a phone and a desk, light and dark.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FileSystemConfigLoader, HtmlValidate } from 'html-validate'
import { launch, violations } from '../support/browser.mjs'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const require = createRequire(import.meta.url)
const PASSWORD = 'a long walk along the Elbe'
const PAGE_WAIT_MS = 3100 // a form sent sooner is not a person's

let meishi, receiver, browser, member, desk
before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow, MEISHI_TRUSTED_PROXIES: '127.0.0.1/32' })
  browser = await launch()
  member = await meishi.json('member', 'add', '--handle', 'mika', '--name', 'Mika Sørensen', '--email', 'mika@example.org')
  desk = await phone()
})
after(async () => {
  await browser?.close()
  await meishi?.stop()
  await receiver?.stop()
})

// Each test's own page; everything the browser complains about is in page.complaints.
async function phone(options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, baseURL: meishi.url, ...options })
  const page = await context.newPage()
  page.complaints = []
  page.on('console', message => ['error', 'warning'].includes(message.type()) && page.complaints.push(message.text()))
  page.on('pageerror', error => page.complaints.push(error.message))
  return page
}

const signedIn = async options => phone({ storageState: await desk.context().storageState(), ...options })
const text = async (page, selector = 'main') => (await page.textContent(selector)).replace(/\s+/g, ' ')

async function signInWith(page, who, password) {
  await page.goto('/sign-in')
  await page.fill('#who', who)
  await page.fill('#password', password)
  await Promise.all([page.waitForResponse(answer => answer.request().method() === 'POST'), page.click('button')])
  await page.waitForLoadState()
}

// The path of the one card's "My card" page.
async function cardPath() {
  await desk.goto('/cards')
  return (await desk.getAttribute('a[href$="/share"]', 'href'))
}

test('a sign-in link asks before it is redeemed, works once, and offers a password', async () => {
  for (let i = 0; i < 2; i++) // a mail scanner fetches it first
    assert.match(await (await fetch(member.sign_in_url)).text(), /Sign in as/)
  await desk.goto(member.sign_in_url)
  assert.match(await text(desk), /Sign in as Mika Sørensen/)
  await desk.click('button')
  await desk.waitForURL('**/account?new=1')
  assert.match(await text(desk), /Welcome, Mika.*Choose a password/)
  const other = await phone()
  const answer = await other.goto(member.sign_in_url)
  assert.equal(answer.status(), 404)
  assert.match(await text(other), /used already/)
  await other.context().close()
})

test('a password too easy is refused beside its field, a good one lets in by e-mail and by handle', async () => {
  await desk.goto('/account')
  await desk.fill('#password', 'password')
  await desk.click('text=Save the password')
  assert.match(await text(desk, '#password-error'), /first that anybody would try/)
  await desk.fill('#password', PASSWORD)
  await desk.click('text=Save the password')
  await desk.waitForURL('**/account?saved=1')
  for (const who of ['mika', 'Mika@Example.org']) {
    const page = await phone()
    await signInWith(page, who, PASSWORD)
    assert.equal(new URL(page.url()).pathname, '/inbox')
    await page.context().close()
  }
})

test('name and e-mail are corrected, and nothing typed is lost', async () => {
  await meishi.json('member', 'add', '--handle', 'taken', '--name', 'T', '--email', 'taken@example.org')
  await desk.goto('/account')
  const form = desk.locator('#profile form')
  const save = async (name, email) => {
    await desk.fill('#your-name', name)
    await desk.fill('#your-email', email)
    await form.locator('button').click()
  }
  await save('Mika S.', 'Taken@example.org')
  assert.match(await text(desk, '#email-error'), /Somebody else/)
  assert.deepEqual([await desk.inputValue('#your-name'), await desk.inputValue('#your-email')], ['Mika S.', 'Taken@example.org'])
  await save('Mika S.', 'Mika.S@example.org')
  await desk.waitForURL('**/account?saved=profile#profile')
  assert.match(await text(desk), /Your name and e-mail are kept.*Signed in as Mika S\./)
  const mika = (await meishi.json('member', 'list')).find(one => one.handle === 'mika')
  assert.deepEqual([mika.name, mika.email], ['Mika S.', 'mika.s@example.org'])
  await desk.goto('/account')
  await save('Mika Sørensen', 'mika@example.org')
  await desk.waitForURL('**/account?saved=profile#profile')
})

test('a member who is not signed in goes where they wanted afterwards, and nowhere else', async () => {
  const page = await phone()
  await page.goto('/webhooks')
  assert.equal(new URL(page.url()).pathname, '/sign-in')
  await page.fill('#who', 'mika')
  await page.fill('#password', PASSWORD)
  await page.click('button')
  await page.waitForURL('**/webhooks')
  await page.context().close()
  for (const next of ['//evil.example/', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)', '/a\r\nX: y']) {
    const answer = await meishi.post('/sign-in', { who: 'mika', password: PASSWORD, next })
    assert.equal(answer.status, 303)
    assert.equal(answer.headers.get('location'), '/inbox', next)
  }
})

test('an unknown member hears what a wrong password hears, and tries cost a wait', async () => {
  await meishi.json('member', 'add', '--handle', 'wanda', '--name', 'Wanda', '--email', 'wanda@example.org')
  const said = async who => {
    const answer = await meishi.post('/sign-in', { who, password: 'not this one' })
    return { status: answer.status, words: answer.text.match(/role="alert">([^<]*)/)?.[1] }
  }
  const known = [], unknown = []
  for (let i = 0; i < 5; i++) {
    known.push(await said('wanda'))
    unknown.push(await said('nobody'))
  }
  assert.deepEqual(known, unknown)
  assert.deepEqual(known.map(answer => answer.status), [422, 422, 422, 422, 429])
})

test('a network that goes on guessing is asked to wait, others are not', async () => {
  const guess = async from => (await meishi.post('/sign-in', { who: `guess-${Math.random()}`, password: 'not this one' }, { 'X-Forwarded-For': from })).status
  const statuses = []
  for (let i = 0; i < 22; i++) statuses.push(await guess('203.0.113.7'))
  assert.deepEqual(statuses, [...Array(20).fill(422), 429, 429])
  assert.equal(await guess('203.0.113.8'), 422)
})

test('signing out ends the session', async () => {
  const page = await phone()
  await signInWith(page, 'mika', PASSWORD)
  const cookies = await page.context().cookies()
  await page.goto('/account')
  await page.click('text=Sign out')
  await page.waitForURL('**/sign-in?out=1')
  const answer = await fetch(`${meishi.url}/inbox`, { redirect: 'manual', headers: { Cookie: cookies.map(c => `${c.name}=${c.value}`).join('; ') } })
  assert.equal(answer.status, 303)
  await page.context().close()
})

test('a key for another program is shown once, opens the API and can be revoked', async () => {
  await desk.goto('/account')
  await desk.fill('#token-name', 'CRM')
  await desk.click('text=Make a key')
  const secret = await desk.textContent('code')
  assert.equal((await meishi.api(secret, 'GET', '/cards')).status, 200)
  assert.equal((await meishi.api(secret, 'POST', '/cards', { name: 'X' })).status, 403, 'it only reads')
  await desk.goto('/account')
  assert.doesNotMatch(await desk.content(), new RegExp(secret))
  await desk.click('text=Revoke')
  await desk.waitForURL('**/account#tokens')
  assert.equal((await meishi.api(secret, 'GET', '/cards')).status, 401)
})

test('a new member is led to their first card', async () => {
  await desk.goto('/')
  assert.equal(new URL(desk.url()).pathname, '/inbox')
  assert.match(await text(desk), /Hello, Mika.*You have no card yet/)
  await desk.click('text=Make a card')
  await desk.waitForURL('**/cards/new')
  assert.equal(await desk.inputValue('#name'), 'Mika Sørensen')
})

test('a card is made without scripts; nothing typed is lost on the way', async () => {
  const page = await signedIn({ javaScriptEnabled: false })
  await page.goto('/cards')
  await page.click('text=Make a card')
  await page.fill('#name', 'Mika Sørensen')
  await page.fill('#title', 'Master roofer')
  await page.fill('#phone-1', '+49 40 5550 172')
  await page.fill('#phone_label-1', 'mobile')
  await page.fill('#email-1', 'not an address')
  await page.click('text=One more phone')
  assert.equal(await page.inputValue('#phone-1'), '+49 40 5550 172')
  assert.equal(await page.inputValue('#title'), 'Master roofer')
  await page.fill('#phone-2', '+49 170 555 0000')
  await page.click('text=Add an address')
  await page.fill('#street-1', 'Deichstraße 1')
  await page.fill('#city-1', 'Hamburg')
  await page.click('main >> text=Make the card')
  assert.match(await text(page, '#email-1-error'), /not an e-mail address/)
  assert.equal(await page.inputValue('#phone-2'), '+49 170 555 0000')
  assert.equal(await page.inputValue('#city-1'), 'Hamburg')
  await page.fill('#email-1', 'mika@example.org')
  await page.press('#email-1', 'Enter') // the first button of the form is "save", not "one more"
  await page.waitForURL('**/share')
  assert.match(await text(page), /Mika Sørensen.*Master roofer/)
  const html = (await meishi.open('/@mika')).html
  assert.match(html, /\+49 170 555 0000/)
  assert.match(html, /Deichstraße 1/)
  await page.context().close()
})

test('a card changed elsewhere meanwhile is said so, and saving again keeps what was typed', async () => {
  const edit = (await cardPath()).replace('/share', '/edit')
  const page = await signedIn()
  await page.goto(edit)
  await desk.goto(edit)
  await desk.fill('#note', 'Slate, tile and flat roofs.')
  await desk.click('#card-form > .btn.first')
  await desk.waitForURL('**/share')
  await page.fill('#note', 'Only slate.')
  await page.click('#card-form > .btn.first')
  assert.match(await text(page, '[role=alert]'), /changed somewhere else/)
  assert.equal(await page.inputValue('#note'), 'Only slate.')
  await page.click('#card-form > .btn.first')
  await page.waitForURL('**/share')
  assert.match((await meishi.open('/@mika')).html, /Only slate\./)
  await page.context().close()
})

test('a portrait is sent, shown, and what is typed beside it can still be saved', async () => {
  const edit = (await cardPath()).replace('/share', '/edit')
  await desk.goto(edit)
  await desk.setInputFiles('#portrait', { name: 'me.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('not a picture') })
  await until(async () => !/One moment|middle square/.test(await text(desk, '#portrait-said')))
  assert.equal(await desk.locator('img#face').count(), 0, 'no picture, no portrait')
  desk.complaints.length = 0 // the browser reports the 422
  await desk.fill('#organization', 'Sørensen & Daughters')
  const buffer = await desk.screenshot({ type: 'jpeg' })
  await desk.setInputFiles('#portrait', { name: 'me.jpg', mimeType: 'image/jpeg', buffer })
  await desk.waitForSelector('img#face')
  await until(() => desk.evaluate(() => document.getElementById('face').naturalWidth === 512))
  await desk.click('#card-form > .btn.first')
  await desk.waitForURL('**/share')
  const html = (await meishi.open('/@mika')).html
  assert.match(html, /\/portrait\/pic_/)
  assert.match(html, /Sørensen &amp; Daughters/)
  assert.deepEqual(desk.complaints, [])
})

test('a picture still on its way is not lost when the card is saved at once', async () => {
  const portrait = async () => (await meishi.open('/@mika')).html.match(/\/portrait\/pic_\w+/)?.[0]
  const before = await portrait()
  const page = await signedIn()
  await page.goto((await cardPath()).replace('/share', '/edit'))
  await page.route('**/portrait', async route => { await sleep(700); await route.continue() })
  await page.fill('#organization', 'Sørensen & Sons')
  await page.setInputFiles('#portrait', { name: 'me.jpg', mimeType: 'image/jpeg', buffer: await page.screenshot({ type: 'jpeg' }) })
  await page.click('#card-form > .btn.first')
  await page.waitForURL('**/share')
  assert.match((await meishi.open('/@mika')).html, /Sørensen &amp; Sons/)
  assert.ok(await portrait())
  assert.notEqual(await portrait(), before)
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

test('each way to send mints a token of its own, with a script and without', async () => {
  const path = await cardPath()
  const tokens = new Set()
  const plain = await signedIn({ javaScriptEnabled: false })
  await plain.goto(path)
  await plain.click('text=WhatsApp')
  await plain.waitForURL('**/shares/shr_*')
  const href = await plain.getAttribute('a.btn.first', 'href')
  assert.match(href, /^https:\/\/wa\.me\/\?text=The%20card%20of%20Mika%20S%C3%B8rensen%20http/)
  tokens.add(decodeURIComponent(href).match(/\/c\/(\w+)/)[1])
  await plain.context().close()

  const page = await signedIn()
  await page.route(/^https:/, route => route.fulfill({ body: 'elsewhere' }))
  for (const [words, host] of [['LinkedIn', 'www.linkedin.com'], ['Telegram', 't.me'], ['Facebook', 'www.facebook.com']]) {
    await page.goto(path)
    await page.click(`.grid >> text=${words}`)
    await page.waitForURL(url => url.hostname === host)
    tokens.add(decodeURIComponent(page.url()).match(/\/c\/(\w+)/)[1])
  }
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: meishi.url })
  await page.goto(path)
  await page.click('text=Copy a link')
  await until(async () => /Copied/.test(await text(page, '#sent')))
  tokens.add((await page.evaluate(() => navigator.clipboard.readText())).match(/\/c\/(\w+)/)[1])
  assert.equal(tokens.size, 5)
  for (const token of tokens) assert.equal((await meishi.open(`/c/${token}`)).status, 200)
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

// What a phone's camera reads off a picture of the screen.
async function scan(png) {
  const page = await phone()
  await page.addScriptTag({ path: require.resolve('jsqr/dist/jsQR.js') })
  const found = await page.evaluate(async data => {
    const image = new Image()
    image.src = `data:image/png;base64,${data}`
    await image.decode()
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height })
    const context = canvas.getContext('2d')
    context.drawImage(image, 0, 0)
    const { data: pixels } = context.getImageData(0, 0, image.width, image.height)
    return globalThis.jsQR(pixels, image.width, image.height)?.data ?? null
  }, png.toString('base64'))
  await page.context().close()
  return found
}

test('the code held up is white in the dark, as wide as the phone, and is read by another program', async () => {
  const page = await signedIn({ colorScheme: 'dark' })
  await page.goto(await cardPath())
  await page.click('text=Hold it up')
  await page.waitForURL('**/hold')
  await page.waitForFunction(() => document.querySelector('.hold img').complete)
  const { width, ground } = await page.evaluate(() => ({
    width: document.querySelector('.hold img').getBoundingClientRect().width, ground: getComputedStyle(document.body).backgroundColor }))
  assert.ok(width >= 380, `${width} px`)
  assert.equal(ground, 'rgb(255, 255, 255)')
  const address = await scan(await page.screenshot())
  assert.match(address, /^HTTP:\/\/127\.0\.0\.1:\d+\/C\/[0-9A-Z]{16}$/)
  assert.match(await text(page, '[data-count]'), /^0 scans$/)
  const path = new URL(address).pathname.toLowerCase()
  const { form } = await meishi.open(path)
  await meishi.post(`${path}/seen`, { stamp: form.stamp, act: 'seen' })
  await until(async () => await text(page, '[data-count]') === '1 scan')
  await page.context().setOffline(true)
  assert.equal(await scan(await page.screenshot()), address, 'it stays when the hall has no network')
  await page.context().setOffline(false)
  const before = page.url()
  await page.goto(await cardPath())
  await page.click('text=Hold it up')
  await page.waitForURL('**/hold')
  assert.equal(page.url(), before, 'the same code each time')
  await page.goto('/account')
  assert.notEqual(await scan(await page.screenshot()), address, 'the reader does not see it where it is not')
  await page.context().close()
})

test('a code for print says how wide it must be for a distance', async () => {
  await desk.goto(await cardPath())
  await desk.click('summary >> text=For an event')
  await desk.fill('#label', 'Hamburg fair')
  await desk.selectOption('#channel', 'print')
  await desk.fill('#expires', '2001-01-01')
  await desk.click('text=Make it')
  assert.match(await text(desk, '#expires-error'), /passed already/)
  assert.equal(await desk.inputValue('#label'), 'Hamburg fair')
  await desk.fill('#expires', '')
  await desk.click('text=Make it')
  await desk.waitForURL('**/shares/shr_*')
  await desk.click('text=Print it')
  await desk.selectOption('#distance', '200')
  await desk.click('text=Use this')
  await desk.waitForURL('**/print?distance=200')
  assert.match(await text(desk), /200 mm wide/)
  await desk.emulateMedia({ media: 'print' })
  assert.equal(await desk.isVisible('main form'), false)
  const { width } = await desk.locator('.printed img').boundingBox()
  assert.ok(Math.abs(width / 96 * 25.4 - 200) < 0.5, `${width / 96 * 25.4} mm`)
  await desk.emulateMedia({ media: 'screen' })
})

test('a link that was stopped is not handed out any more', async () => {
  await desk.goto(await cardPath())
  await desk.click('.rows a >> text=Hamburg fair')
  const url = await desk.textContent('.address')
  const path = `/c/${url.split('/c/')[1]}`
  assert.equal((await meishi.open(path)).status, 200)
  await desk.click('text=Stop this link')
  await desk.click('text=Stop it now')
  await desk.waitForSelector('.notice')
  assert.match(await text(desk), /You stopped this link/)
  assert.equal((await meishi.open(path)).status, 404)
})

test('a webhook is made', async () => {
  await desk.goto('/webhooks')
  await desk.click('text=Add a webhook')
  await desk.fill('#url', receiver.url)
  await desk.click('text=Make it')
  assert.match(await desk.textContent('code'), /^whsec_/)
})

async function whatsappToken() {
  await desk.goto(await cardPath())
  await desk.click('.rows a >> text=WhatsApp')
  return (await desk.textContent('.address')).split('/c/')[1]
}

// Somebody leaves their details by the WhatsApp link, as a visitor does.
async function leaveDetails(fields) {
  const path = `/c/${await whatsappToken()}`
  const { form } = await meishi.open(path)
  await sleep(PAGE_WAIT_MS)
  assert.equal((await meishi.post(`${path}/lead`, { ...form, ...fields })).status, 303)
}

test('a lead stands in the inbox with its way, is moved on, noted, set aside and taken in', async () => {
  await leaveDetails({ name: 'Barry <b>Jones</b>', reach: '+49 40 5550 100', message: 'Two roofs\nbefore winter.' })
  await desk.goto('/inbox')
  assert.match(await text(desk), /1 to answer/)
  assert.match(await text(desk, '.rows'), /Barry <b>Jones<\/b>.*Two roofs before winter\. WhatsApp/)
  await desk.click('.rows h3 a')
  assert.equal(await desk.getAttribute('text=Call', 'href'), 'tel:+49405550100')
  await desk.click('.chips >> text=Contacted')
  await desk.waitForSelector('.chips .on >> text=Contacted')
  assert.match(await text(desk, '.line'), /New → Contacted/)
  await desk.fill('#note', 'Rang him, wants a visit.')
  await desk.click('text=Keep the note')
  await until(async () => /Rang him/.test(await text(desk, '.line')))
  await until(async () => { await desk.reload(); return /Told your other systems/.test(await text(desk, '.line')) })
  receiver.answer = () => 500
  await desk.click('.chips >> text=Opportunity')
  await until(async () => { await desk.reload(); return /A lead changed\. Waiting\. Answer 500, 1 try\./.test(await text(desk, '.log')) })
  receiver.answer = () => 204
  await desk.click('text=Set aside')
  await desk.waitForSelector('text=Take in')
  await desk.goto('/inbox?tab=set-aside')
  assert.match(await text(desk, '.rows'), /Barry/)
  await desk.click('.rows h3 a')
  await desk.click('text=Take in')
  await desk.goto('/inbox?q=roofs')
  assert.match(await text(desk, '.group'), /Leads.*Barry/)
  assert.deepEqual(desk.complaints.filter(words => !/status of 4/.test(words)), [])
})

test('a referral is never listed among leads', async () => {
  const token = await whatsappToken()
  const opened = await meishi.open(`/c/${token}`)
  await sleep(PAGE_WAIT_MS)
  assert.equal((await meishi.post(`/c/${token}/lead`, { ...opened.form, name: 'Ann Okafor', reach: 'ann@okafor.example' })).status, 303)
  const passed = await meishi.post(`/c/${token}/pass-on`, { stamp: opened.form.stamp, vouch: 'She found the leak.' }, { Accept: 'application/json' })
  const child = JSON.parse(passed.text).token
  const { form } = await meishi.open(`/c/${child}`)
  await sleep(PAGE_WAIT_MS)
  assert.equal((await meishi.post(`/c/${child}/lead`, { ...form, name: 'Claire Dubois', reach: 'claire@dubois.example' })).status, 303)
  await desk.goto('/inbox?tab=referrals')
  const referrals = await text(desk, '.rows')
  assert.match(referrals, /Claire Dubois.*She found the leak\..*Ann Okafor → Claire · Link · WhatsApp/)
  assert.doesNotMatch(referrals, /Barry/)
  await desk.goto('/inbox?tab=leads')
  const leads = await text(desk, '.rows')
  assert.match(leads, /Barry/)
  assert.doesNotMatch(leads, /Claire/)
})

test('forms without their token and from elsewhere change nothing', async () => {
  const cookie = (await desk.context().cookies()).map(c => `${c.name}=${c.value}`).join('; ')
  await desk.goto('/account')
  const token = await desk.getAttribute('[name=form_token]', 'value')
  assert.equal((await meishi.post('/account/tokens', { name: 'x' }, { Cookie: cookie })).status, 403)
  assert.equal((await meishi.post('/account/tokens', { name: 'x', form_token: token }, { Cookie: cookie, Origin: 'https://evil.example' })).status, 403)
  assert.equal((await meishi.post('/account/tokens', { name: 'x', form_token: token }, { Cookie: cookie })).status, 200)
})

test('what belongs to another member is not there', async () => {
  const { card } = await meishi.member('jane')
  for (const path of [`/cards/${card.id}/share`, `/cards/${card.id}/edit`])
    assert.equal((await desk.goto(path)).status(), 404, path)
  desk.complaints.length = 0
})

// The paths of one page of each kind, as a member with some people finds them.
async function everyPage() {
  const card = await cardPath()
  await desk.goto(card)
  const share = await desk.getAttribute('.rows a', 'href')
  await desk.goto('/inbox?tab=leads')
  const lead = await desk.getAttribute('.rows h3 a', 'href')
  await desk.goto('/webhooks')
  const webhook = await desk.getAttribute('.rows h3 a', 'href')
  await desk.goto(webhook)
  const delivery = await desk.getAttribute('.log h3 a', 'href')
  return ['/inbox', '/inbox?tab=leads', '/inbox?tab=customers', '/inbox?tab=potential', '/inbox?tab=set-aside', '/inbox?q=barry', '/inbox?q=zzz',
          lead, `${lead}/erase`, '/cards', '/cards/new', card, card.replace('/share', '/edit'), share, `${share}/hold`, `${share}/print`,
          '/webhooks', '/webhooks/new', webhook, `${webhook}/edit`, delivery, '/account', '/account?new=1']
}

test('every page is valid HTML, has nothing inline, and nothing scrolls sideways at 320 px or with text twice as large', async () => {
  const judge = new HtmlValidate(new FileSystemConfigLoader({}))
  const page = await signedIn()
  for (const path of await everyPage()) {
    await page.setViewportSize({ width: 390, height: 844 })
    const answer = await page.goto(path)
    assert.equal(answer.status(), 200, path)
    assert.match(answer.headers()['content-security-policy'], /default-src 'none'/)
    assert.equal(answer.headers()['cache-control'], 'no-store')
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
    test(`axe finds nothing on the desk in ${colorScheme} at ${width} px`, async () => {
      const page = await signedIn({ colorScheme, viewport: { width, height: 844 }, bypassCSP: true })
      for (const path of await everyPage()) {
        await page.goto(path)
        assert.deepEqual(await violations(page), [], path)
      }
      await page.goto('/sign-in')
      await page.context().clearCookies()
      await page.goto('/sign-in')
      assert.deepEqual(await violations(page), [])
      await page.context().close()
    })

test('who asks to be forgotten is erased after a page that asks once more', async () => {
  await desk.goto('/inbox?tab=leads')
  await desk.click('.rows h3 a >> text=Barry')
  await desk.click('text=Erase …')
  assert.match(await text(desk), /Nobody can bring them back/)
  await desk.click('text=Erase it all')
  await desk.waitForURL('**/inbox')
  await desk.goto('/inbox?q=barry')
  assert.match(await text(desk), /Nobody was found/)
})
