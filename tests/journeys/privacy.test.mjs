// What is never written down: a visitor's address, the whole of their agent, where exactly they came from, what they typed
// into a sign-in, the secrets that let people in. Values that occur nowhere else are sent through every door, and then all that
// the store holds and everything that was logged is searched for them, while the server runs and after it has stopped.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { IPHONE, Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const ADDRESSES = ['203.0.113.77', '2001:db8:dead:beef::77']
const AGENT = `${IPHONE} CanaryAgent/77.1`
const NEVER = ['203.0.113.77', '2001:db8:dead:beef', 'CanaryAgent', 'AppleWebKit', '/canary-path', 'canaryquery', 'canarycookie', 'canary-language',
  'canary-password', 'canary-unknown@example.com', 'canary-not-found']
const BYTES = [[203, 0, 113, 77], [0x20, 0x01, 0x0d, 0xb8, 0xde, 0xad, 0xbe, 0xef]].map(bytes => Buffer.from(bytes))

let meishi, receiver, jane, share
const secrets = []

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_TRUSTED_PROXIES: '127.0.0.1', MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card, { channel: 'qr', label: 'Berlin fair, badge' })
  secrets.push(jane.token.replace('msh_', ''), new URL(jane.member.sign_in_url).pathname.split('/').pop())
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

const visitor = (address, more = {}) => ({
  'User-Agent': AGENT, 'X-Forwarded-For': address, Referer: 'https://referrer.example/canary-path?q=canaryquery',
  Cookie: 'other=canarycookie', 'Accept-Language': 'en, canary-language', ...more
})
const hits = async () => (await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits?limit=200`)).body.data

async function visit(headers, name) {
  const page = await meishi.open(`/c/${share.token}`, AGENT, headers)
  const { stamp } = page.form
  assert.equal(page.status, 200)
  assert.equal(page.headers.get('set-cookie'), null, 'a visitor gets no cookie')
  assert.equal((await meishi.post(`/c/${share.token}/seen`, { stamp }, headers)).status, 204)
  assert.equal((await meishi.open(`/c/${share.token}.vcf?s=${stamp}`, AGENT, headers)).status, 200)
  await sleep(3200)
  const sent = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name, reach: `${name.toLowerCase()}@example.com` }, headers)
  assert.equal(sent.status, 303)
  assert.ok([201, 303].includes((await meishi.post(`/c/${share.token}/pass-on`, { stamp, channel: 'link' }, headers)).status))
  secrets.push(sent.headers.get('location').split('/').pop())
  return sent.headers.get('location')
}

// Where in the store and the log TEXT stands.
async function finds(text) {
  return Object.entries({ log: Buffer.from(meishi.log), ...await meishi.store.written() }).filter(([, bytes]) => bytes.includes(text)).map(([name]) => name)
}

async function assertClean() {
  assert.ok((await finds('referrer.example')).length, 'the search finds what is there, like the host of the referrer')
  for (const text of [...NEVER, ...BYTES, ...secrets]) assert.deepEqual(await finds(text), [], `${text} was written down`)
}

test('a visitor leaves no address, no whole agent, no path they came from', async () => {
  await Promise.all([visit(visitor(ADDRESSES[0]), 'Ann'), visit(visitor(ADDRESSES[1]), 'Bob'),
    visit(visitor(ADDRESSES[0], { 'Sec-GPC': '1' }), 'Carl'), visit(visitor(ADDRESSES[1], { DNT: '1' }), 'Dora')])
  await meishi.post('/sign-in', { who: 'canary-unknown@example.com', password: 'canary-password' }, visitor(ADDRESSES[0]))
  await meishi.post('/sign-in', { who: 'jane', password: 'canary-password' }, visitor(ADDRESSES[1]))
  await meishi.open('/canary-not-found?canaryquery', AGENT, visitor(ADDRESSES[0]))
  await meishi.open('/receipt/CANARYSECRET?canaryquery', AGENT, visitor(ADDRESSES[0]))
  const rows = await hits()
  assert.equal(rows.length, 4)
  assert.ok(rows.every(hit => hit.verdict === 'person'), 'who asks not to be tracked is counted all the same')
  assert.ok(rows.every(hit => hit.referrer === 'referrer.example'))
  await until(async () => (await meishi.api(jane.token, 'GET', '/leads?stage=new')).body.data.length === 4)
  await sleep(1500) // folded
  await assertClean()
})

test('a secret that was answered with once is not kept with the answer', async () => {
  const made = await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created'] }, { 'Idempotency-Key': 'once' })
  assert.equal(made.status, 201)
  const again = await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created'] }, { 'Idempotency-Key': 'once' })
  assert.equal(again.headers.get('idempotent-replayed'), 'true')
  assert.deepEqual(again.body, made.body)
  secrets.push(made.body.secret.replace('whsec_', ''))
  assert.deepEqual(await finds(secrets.at(-1)), [])
})

test('a person who passed the card on is forgotten by every page at once', async () => {
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3200)
  const sent = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'Canaryname Forgotten', reach: 'forgotten@example.com' })
  const passed = await meishi.post(`/c/${share.token}/pass-on`, { ...page.form, vouch: 'Canaryvouch.' }, { Accept: 'application/json' })
  const { token } = JSON.parse(passed.text)
  assert.match((await meishi.open(`/c/${token}`)).html, /Canaryname Forgotten/)
  assert.ok((await finds('Canaryname')).length)
  const erased = await meishi.post(`${sent.headers.get('location')}/erase`, { sure: 'yes' })
  assert.equal(erased.status, 200)
  assert.doesNotMatch((await meishi.open(`/c/${token}`)).html, /Canary/)
  await until(async () => !(await finds('Canaryname')).length && !(await finds('Canaryvouch')).length && !(await finds('forgotten@')).length)
})

test('nor when the server has stopped and put everything in its place', async () => {
  assert.equal((await meishi.kill('SIGTERM')).code, 0)
  await assertClean()
})
