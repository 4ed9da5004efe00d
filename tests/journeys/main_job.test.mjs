// The main job: a card is shared, a scan becomes an attributed lead, a signed webhook tells of it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { IPHONE, Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

let meishi, receiver, jane, share, secret

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card, { channel: 'qr', label: 'Berlin fair, badge' })
  const webhook = await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created', 'lead.potential', 'lead.erased'] })
  assert.equal(webhook.status, 201)
  secret = webhook.body.secret
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

const hits = async () => (await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits`)).body.data
const leads = async (query = '') => (await meishi.api(jane.token, 'GET', `/leads${query}`)).body.data

test('a preview of the link is a hit and no scan', async () => {
  const page = await meishi.open(`/c/${share.token}`, 'WhatsApp/2.24.20.89 A')
  assert.equal(page.status, 200)
  const [hit] = await until(async () => (await hits()).length && hits())
  assert.equal(hit.verdict, 'preview')
  assert.ok(hit.rule)
  await sleep(1200)
  assert.deepEqual(await leads(), [])
})

test('a page opened is unconfirmed until it has been seen, and then a potential lead', async () => {
  const page = await meishi.open(`/c/${share.token}`)
  assert.equal(page.status, 200)
  assert.match(page.html, /Jane Doe/)
  assert.equal((await hits())[0].verdict, 'unconfirmed')
  const seen = await meishi.post(`/c/${share.token}/seen`, { stamp: page.form.stamp })
  assert.equal(seen.status, 204)
  assert.equal((await hits())[0].verdict, 'person')
  const [lead] = await until(async () => (await leads('?stage=potential')).length && leads('?stage=potential'))
  assert.equal(lead.kind, 'lead')
  assert.equal(lead.sharer.handle, 'jane')
  assert.equal(lead.share.token, share.token)
  assert.equal(lead.share.label, 'Berlin fair, badge')
})

test('a form makes one lead, attributed to its share, told once by a signed webhook', async () => {
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3200)
  const fields = { ...page.form, name: 'Barry Jones', reach: 'barry@example.com', message: 'Two roofs before winter.' }
  const answers = await Promise.all(Array.from({ length: 50 }, () => meishi.post(`/c/${share.token}/lead`, fields)))
  for (const answer of answers) assert.equal(answer.status, 303)
  const receipts = new Set(answers.map(answer => answer.headers.get('location')))
  assert.equal(receipts.size, 1, 'a repeated form leads to the same receipt')
  const [lead] = await leads('?stage=new')
  assert.equal((await leads('?stage=new')).length, 1)
  assert.equal(lead.name, 'Barry Jones')
  assert.equal(lead.email, 'barry@example.com')
  assert.equal(lead.share.channel, 'qr')
  assert.equal(lead.sharer.handle, 'jane')

  await until(() => receiver.of('lead.created').length)
  await sleep(500)
  const told = receiver.of('lead.created')
  assert.equal(told.length, 1)
  const body = new Webhook(secret).verify(told[0].body, told[0].headers)
  assert.equal(body.data.lead.id, lead.id)
  assert.equal(body.data.lead.share.label, 'Berlin fair, badge')
  assert.throws(() => new Webhook(secret).verify(told[0].body.replace('Barry', 'Harry'), told[0].headers))

  const receipt = await meishi.open([...receipts][0])
  assert.match(receipt.html, /Barry Jones/)
})

test('a form sent at once, without a stamp or with the trap filled is set aside and told to nobody', async () => {
  const before = receiver.of('lead.created').length
  const page = await meishi.open(`/c/${share.token}`)
  const quick = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'Quick', reach: 'quick@example.com' })
  assert.equal(quick.status, 303)
  const bare = await meishi.post(`/c/${share.token}/lead`, { name: 'Bare', reach: 'bare@example.com' })
  assert.equal(bare.status, 303)
  const names = (await leads('?set_aside=true')).map(lead => lead.name).sort()
  assert.deepEqual(names, ['Bare', 'Quick'])
  assert.ok(!(await leads()).some(lead => ['Bare', 'Quick'].includes(lead.name)))
  await sleep(500)
  assert.equal(receiver.of('lead.created').length, before)
})

test('a wrong form comes back with what was typed and an error beside the field', async () => {
  const page = await meishi.open(`/c/${share.token}`)
  const answer = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'Ann "A" <Okafor>', reach: 'not reachable' })
  assert.equal(answer.status, 422)
  assert.match(answer.text, /Ann &quot;A&quot; &lt;Okafor&gt;/)
  assert.match(answer.text, /not reachable/)
  assert.match(answer.text, /aria-invalid/)
})

test('what a visitor passed on after leaving their details is a referral with its chain', async () => {
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3200)
  await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'Ann Okafor', reach: 'ann@example.com' })
  const passed = await meishi.post(`/c/${share.token}/pass-on`, { ...page.form, vouch: 'She found the leak nobody else could.' },
    { Accept: 'application/json' })
  const { token } = JSON.parse(passed.text)
  const next = await meishi.open(`/c/${token}`)
  assert.match(next.html, /Ann Okafor/)
  assert.match(next.html, /found the leak/)
  await sleep(3200)
  await meishi.post(`/c/${token}/lead`, { ...next.form, name: 'Claire Dubois', reach: '+33 1 23 45 67 89' })
  const [referral] = await leads('?kind=referral&stage=new')
  assert.equal(referral.name, 'Claire Dubois')
  assert.equal(referral.endorser.name, 'Ann Okafor')
  assert.equal(referral.chain.length, 2)
  assert.equal(referral.chain[0].token, share.token)
  assert.equal(referral.chain[1].token, token)
  assert.ok(!(await leads('?kind=lead')).some(lead => lead.id === referral.id))
})

test('the pages of the shares name every hand that a card was passed on through', async () => {
  let { token } = share
  for (const name of ['Rosa Lind', 'Sam Oduya']) {
    const page = await meishi.open(`/c/${token}`)
    token = JSON.parse((await meishi.post(`/c/${token}/pass-on`, { ...page.form, name }, { Accept: 'application/json' })).text).token
  }
  const signed = await fetch(meishi.url + new URL(jane.member.sign_in_url).pathname, { method: 'POST', redirect: 'manual', headers: { Origin: meishi.url } })
  const Cookie = signed.headers.get('set-cookie').split(';')[0]
  const text = async path => (await fetch(meishi.url + path, { headers: { Cookie } })).text()
  const ways = await text(`/cards/${share.card_id}/share`)
  const [, path] = ways.match(/href="(\/shares\/\w+)">[^<]*<\/a><\/h3>\s*<p class="way"><bdi>Rosa Lind → Sam Oduya<\/bdi> · 0 scans/)
  assert.match(await text(path), /<dt>Passed on by<\/dt><dd><bdi>Rosa Lind → Sam Oduya<\/bdi>/)
})

test('a known e-mail joins the lead there is, a phone alone does not', async () => {
  const count = (await leads('?stage=new')).length
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3200)
  await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'B. Jones', reach: 'Barry@Example.com', message: 'Me again.', consent: 'yes' })
  assert.equal((await leads('?stage=new')).length, count)
  const barry = (await leads('?q=barry'))[0]
  const { timeline } = (await meishi.api(jane.token, 'GET', `/leads/${barry.id}`)).body
  assert.ok(timeline.some(moment => moment.words?.endsWith('Me again.\nJane may also write to me about other things.')))
})

test('a visitor erases what is kept with the receipt, and the webhook says so', async () => {
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3200)
  const sent = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'Gone Person', reach: 'gone@example.com' })
  const receipt = sent.headers.get('location')
  assert.equal((await leads('?q=gone')).length, 1)
  const erased = await meishi.post(`${receipt}/erase`, { sure: 'yes' })
  assert.ok([200, 303].includes(erased.status), `status ${erased.status}`)
  assert.equal((await leads('?q=gone')).length, 0)
  assert.equal((await meishi.open(receipt)).status, 404)
  const [told] = await until(() => receiver.of('lead.erased').length && receiver.of('lead.erased'))
  assert.ok(!told.body.includes('gone@example.com'))
})

test('fifty like phones behind one address are fifty people, one that opens it again is one', async () => {
  const fair = await meishi.share(jane.token, jane.card, { channel: 'event', label: 'hall' })
  const pages = await Promise.all(Array.from({ length: 50 }, () => meishi.open(`/c/${fair.token}`, IPHONE)))
  await Promise.all(pages.map(page => meishi.post(`/c/${fair.token}/seen`, { stamp: page.form.stamp })))
  for (let i = 0; i < 5; i++) {
    const again = await meishi.open(`/c/${fair.token}`, IPHONE)
    await meishi.post(`/c/${fair.token}/seen`, { stamp: again.form.stamp, again: pages[0].form.stamp })
  }
  const rows = (await meishi.api(jane.token, 'GET', `/shares/${fair.id}/hits?limit=200`)).body.data
  assert.equal(rows.length, 55)
  assert.equal(rows.filter(hit => hit.verdict === 'person').length, 50)
  assert.equal(new Set(rows.map(hit => hit.visitor)).size, 50)
  await until(async () => (await leads(`?share=${fair.id}&limit=200`)).length === 50)
})

test('saving the contact confirms the page it came from', async () => {
  const link = await meishi.share(jane.token, jane.card, { channel: 'link' })
  const page = await meishi.open(`/c/${link.token}`)
  const vcf = page.html.match(/href="([^"]*\.vcf[^"]*)"/)[1].replaceAll('&amp;', '&')
  const contact = await meishi.open(vcf)
  assert.match(contact.html, /^BEGIN:VCARD\r\nVERSION:3\.0/)
  const [hit] = (await meishi.api(jane.token, 'GET', `/shares/${link.id}/hits`)).body.data
  assert.equal(hit.verdict, 'person')
  assert.equal(hit.rule, 'saved')
})

test('a revoked share is gone at once', async () => {
  const link = await meishi.share(jane.token, jane.card, { channel: 'link' })
  assert.equal((await meishi.open(`/c/${link.token}`)).status, 200)
  assert.equal((await meishi.api(jane.token, 'DELETE', `/shares/${link.id}`)).status, 204)
  const gone = await meishi.open(`/c/${link.token}`)
  assert.equal(gone.status, 404)
  assert.match(gone.html, /<html/)
})

test('an edited card is shown at once, under every share', async () => {
  assert.equal((await meishi.api(jane.token, 'PATCH', `/cards/${jane.card.id}`, { title: 'Slater' })).status, 200)
  assert.match((await meishi.open(`/c/${share.token}`)).html, /Slater/)
  assert.match((await meishi.open('/@jane')).html, /Slater/)
})
