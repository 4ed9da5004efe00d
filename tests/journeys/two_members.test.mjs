// Nobody reaches what is another member's: every id of one member, in every address that takes one, asked for by another
// member with a token, with a session, and by nobody at all. The addresses are read from the route table, so a new one is
// tried as soon as it is there.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const ANNS = ['Ann Okafor', 'ann@example.com', 'Berlin fair, badge', 'Sent To Somebody']
let meishi, receiver, jane, eve, routes, ids

async function session(member) {
  const { pathname } = new URL(member.sign_in_url)
  const answer = await meishi.post(pathname, {})
  const cookie = answer.headers.get('set-cookie').split(';')[0]
  const html = await (await fetch(`${meishi.url}/account`, { headers: { Cookie: cookie } })).text()
  return { cookie, form_token: html.match(/name="form_token" value="([^"]+)"/)[1], tokens: html.match(/tok_\w+/g) }
}

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member('jane', 'Jane Doe')
  eve = await meishi.member('eve', 'Eve Smith')
  for (const member of [jane, eve]) {
    member.session = await session(member.member)
    const made = await meishi.api(member.token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created'] })
    member.webhook = made.body.id
    member.share = await meishi.share(member.token, member.card, { channel: 'qr', label: 'Berlin fair, badge' })
  }
  const named = await meishi.share(jane.token, jane.card, { channel: 'email', recipient: 'Sent To Somebody' })
  const page = await meishi.open(`/c/${jane.share.token}`)
  await sleep(3200)
  assert.equal((await meishi.post(`/c/${jane.share.token}/lead`, { ...page.form, name: 'Ann Okafor', reach: 'ann@example.com' })).status, 303)
  await until(() => receiver.of('lead.created').length)
  await until(async () => (await leads()).length >= 2)
  const delivery = await until(async () => (await deliveries()).find(one => one.state === 'delivered'))
  const counts = async () => (await read(`/cards/${jane.card.id}/shares`)).data.find(share => share.id === jane.share.id).hits
  await until(async () => (await counts()).person === 1) // by the form, once it is folded: then nothing of hers moves any more
  const listener = (await meishi.api(jane.token, 'POST', '/listeners', { events: ['share.created'] })).body
  const promise = (await meishi.api(jane.token, 'POST', `/leads/${(await leads())[0].id}/follow-ups`, { after: 'day' })).body
  ids = [listener.id, promise.id, jane.card.id, jane.share.id, named.id, jane.webhook, delivery.id, ...jane.session.tokens, ...(await leads()).map(lead => lead.id)]
  const table = await readFile('server/routes.c', 'utf8')
  routes = [...table.matchAll(/ROUTE\((\w+),\s+"([^"]+)",\s+(\w+),\s+\w+,\s+(\w+)/g)].map(([, method, path, who, type]) => ({ method, path, who, type }))
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

const read = async path => (await meishi.api(jane.token, 'GET', path)).body
const leads = async () => (await read('/leads')).data
const deliveries = async () => (await read(`/webhooks/${jane.webhook}/deliveries`)).data

// Everything of Jane's that a stranger might have changed.
const everything = async () => JSON.stringify([
  await read('/cards'), await read(`/cards/${jane.card.id}`), await read(`/cards/${jane.card.id}/shares`), await leads(),
  await Promise.all((await leads()).map(lead => read(`/leads/${lead.id}`))), await read('/webhooks'), await deliveries(), await read('/follow-ups'),
  await read(`/shares/${jane.share.id}/hits`)])

// Bodies that would be taken if the address were one's own.
const JSONS = { cards: { title: 'Stolen' }, shares: { channel: 'link' }, leads: { stage: 'junk' }, webhooks: { enabled: false }, 'follow-ups': { done: true } }
const FORM = { stage: 'junk', note: 'Stolen', do: 'off', channel: 'link', name: 'Stolen', title: 'Stolen', revision: '1', sure: 'yes' }

async function ask({ method, path, type }, caller) {
  const headers = { Origin: meishi.url }
  if (caller.token) headers.Authorization = `Bearer ${caller.token}`
  if (caller.session) headers.Cookie = caller.session.cookie
  let body
  if (type === 'FORM') body = new URLSearchParams({ ...FORM, form_token: caller.session?.form_token ?? '' })
  if (type === 'PICTURE') {
    body = 'no picture'
    headers['Content-Type'] = 'image/jpeg'
    headers['X-Form-Token'] = caller.session?.form_token ?? ''
  }
  if (type === 'JSON') {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(method === 'POST' && !path.endsWith('/shares') ? {} : JSONS[path.endsWith('/shares') ? 'shares' : path.split('/')[3]])
  }
  const answer = await fetch(meishi.url + path, { method, headers, body, redirect: 'manual' })
  return { status: answer.status, text: await answer.text() }
}

// Each address with each id that it could be given.
function * addresses(who) {
  for (const route of routes.filter(route => route.who === who && route.path.includes('{')))
    for (const id of ids) yield { ...route, pattern: route.path, path: route.path.replaceAll(/\{\*?\}/g, id) }
}

async function crawl(who, caller, expected) {
  const before = await everything()
  let tried = 0
  for (const address of addresses(who)) {
    const answer = await ask(address, caller)
    tried++
    assert.ok([expected(address)].flat().includes(answer.status), `${address.method} ${address.path}: ${answer.status} ${answer.text.slice(0, 200)}`)
    for (const secret of ANNS) assert.ok(!answer.text.includes(secret), `${address.method} ${address.path} tells of ${secret}`)
  }
  assert.ok(tried > 40, `only ${tried} addresses were tried`)
  assert.equal(await everything(), before)
}

test('the addresses are there for the member they belong to', async () => {
  for (const who of ['TOKEN', 'MEMBER']) {
    const found = {}
    for (const address of addresses(who)) {
      if (address.method !== 'GET') continue
      const answer = await ask(address, who === 'TOKEN' ? { token: jane.token } : { session: jane.session })
      found[address.pattern] ||= answer.status === 200
    }
    assert.deepEqual(Object.keys(found).filter(pattern => !found[pattern]), [], 'none of the ids is one of these')
  }
  assert.match(await everything(), /Ann Okafor/)
})

test('another member\'s token finds nothing and changes nothing', () => crawl('TOKEN', { token: eve.token }, () => 404))

test('another member\'s session finds nothing and changes nothing', () => crawl('MEMBER', { session: eve.session }, () => 404))

test('a session is no token and a token is no session', async () => {
  await crawl('TOKEN', { session: jane.session }, () => 401)
  await crawl('MEMBER', { token: jane.token }, ({ method }) => method === 'GET' ? 303 : 403)
})

test('nobody finds or changes anything', async () => {
  await crawl('TOKEN', {}, () => 401)
  await crawl('MEMBER', {}, ({ method }) => method === 'GET' ? 303 : 403)
})

test('a session without its form token, with another\'s, or from another site changes nothing', async () => {
  const refused = () => 403
  const posts = routes.filter(route => route.who === 'MEMBER' && route.method !== 'GET')
  assert.ok(posts.length > 8)
  const before = await everything()
  for (const route of posts)
    for (const id of ids) {
      const path = route.path.replace(/\{\*?\}/, id)
      for (const form_token of ['', eve.session.form_token])
        assert.equal((await ask({ ...route, path }, { session: { ...jane.session, form_token } })).status, refused(), path)
      for (const headers of [{ Origin: 'https://evil.example' }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }, {}]) {
        const answer = await fetch(meishi.url + path, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ ...FORM, form_token: jane.session.form_token }),
          headers: { Cookie: jane.session.cookie, ...headers } })
        assert.ok([403, 415].includes(answer.status), `${path} from ${JSON.stringify(headers)}: ${answer.status}`)
      }
    }
  assert.equal(await everything(), before)
})

test('what is named inside a request must be one\'s own too', async () => {
  const before = await everything()
  const [lead] = await leads()
  const child = await meishi.api(eve.token, 'POST', `/cards/${eve.card.id}/shares`, { channel: 'link', parent: jane.share.id })
  assert.ok([404, 422].includes(child.status), `a share below another's: ${child.status}`)
  assert.deepEqual((await meishi.api(eve.token, 'GET', `/leads?share=${jane.share.id}`)).body.data, [])
  assert.deepEqual((await meishi.api(eve.token, 'GET', '/leads?q=okafor')).body.data, [])
  const paged = await meishi.open(`/inbox?tab=leads&before=${lead.id}`, undefined, { Cookie: eve.session.cookie })
  assert.ok(!paged.html.includes('Ann Okafor'))
  assert.equal(await everything(), before)
})
