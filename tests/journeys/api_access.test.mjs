// Who may do what by the API: scopes, tokens that make and revoke tokens, portraits, pages of other sites; and what the member's
// own pages say as JSON.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as zlib from 'node:zlib'
import { client, matrix, unanswered, wrong } from '../support/api.mjs'
import { Meishi, sleep } from '../support/meishi.mjs'

const APP = 'https://app.example.org'
let meishi, jane, eve, api
const asJane = (...call) => api(jane.token, ...call)
const token = async (...scopes) => (await asJane('POST', '/tokens', { name: scopes.join(' '), scopes })).body

before(async () => {
  meishi = await Meishi.start({ MEISHI_API_ORIGINS: `${APP}, http://localhost:5173` })
  api = client(meishi)
  jane = await meishi.member()
  eve = await meishi.member('eve', 'Eve Smith')
})
after(() => meishi?.stop())

test('the account says who one is and by what token', async () => {
  const { body } = await asJane('GET', '/account')
  assert.deepEqual([body.handle, body.name, body.email, body.role, body.has_password, body.url], ['jane', 'Jane Doe', 'jane@example.org', 'owner', false, meishi.url])
  assert.deepEqual([body.token.scopes, body.token.current, body.token.revoked_at], [['read', 'write'], true, null])
  assert.equal((await api(eve.token, 'GET', '/account')).body.role, 'member')
})

test('the name one is known by is changed, and nothing else', async () => {
  const { body } = await asJane('PATCH', '/account', { name: ' Jane Miller ' })
  assert.deepEqual([body.name, body.email, body.handle], ['Jane Miller', 'jane@example.org', 'jane'])
  assert.equal((await asJane('GET', '/account')).body.name, 'Jane Miller')
  assert.equal((await asJane('PATCH', '/account', {})).body.name, 'Jane Miller')
  for (const name of [null, '', ' ', 7, 'x'.repeat(121)]) assert.deepEqual(wrong(await asJane('PATCH', '/account', { name })), ['/name'])
  assert.deepEqual(wrong(await asJane('PATCH', '/account', { email: 'x@example.org', handle: 'x', role: 'owner' })), ['/email', '/handle', '/role'])
  assert.equal((await asJane('PATCH', '/account', ' '.repeat(5000))).status, 413)
  const reader = await token('account:read')
  assert.equal((await api(reader.token, 'PATCH', '/account', { name: 'X' })).status, 403)
  assert.equal((await asJane('PATCH', '/account', { name: 'Jane Doe' })).body.name, 'Jane Doe')
})

test('a token is made, used, listed and revoked at once', async () => {
  const answer = await asJane('POST', '/tokens', { name: ' Wall\tdisplay ', scopes: ['shares:read', 'cards:read', 'shares:read'] })
  assert.equal(answer.status, 201)
  const made = answer.body
  assert.deepEqual([made.name, made.scopes, made.used_at, made.current], ['Wall display', ['cards:read', 'shares:read'], null, false])
  assert.equal(answer.headers.get('location'), `/api/v1/tokens/${made.id}`)
  assert.equal((await api(made.token, 'GET', '/cards')).status, 200)
  const { token: secret, ...known } = (await asJane('GET', `/tokens/${made.id}`)).body
  assert.equal(secret, undefined, 'it is told once')
  assert.ok(Math.abs(Date.parse(known.used_at) - Date.now()) < 60000)
  const listed = (await asJane('GET', '/tokens')).body.data
  assert.deepEqual(listed.find(one => one.id === made.id), known)
  assert.equal(listed.filter(one => one.current).length, 1)
  assert.match((await meishi.command('token', 'list', '--member', 'jane')).out, new RegExp(`${made.id} .*cards:read shares:read +used ${known.used_at.slice(0, 10)} +Wall display`))

  assert.equal((await asJane('DELETE', `/tokens/${made.id}`)).status, 204)
  assert.equal((await api(made.token, 'GET', '/cards')).status, 401)
  assert.equal((await asJane('DELETE', `/tokens/${made.id}`)).status, 204)
  assert.ok((await asJane('GET', `/tokens/${made.id}`)).body.revoked_at)
  assert.ok(!(await asJane('GET', '/tokens')).body.data.some(one => one.id === made.id))

  const own = await token('account:write')
  assert.equal((await api(own.token, 'DELETE', `/tokens/${own.id}`)).status, 204, 'a token may end itself')
  assert.equal((await api(own.token, 'GET', '/tokens')).status, 401)
})

test('a token gives no more than it has, and nonsense is named', async () => {
  const narrow = await token('account:write', 'leads:read')
  const by = (scopes, name = 'x') => api(narrow.token, 'POST', '/tokens', { name, scopes })
  assert.equal((await by(['leads:read', 'account:read'])).status, 201)
  assert.deepEqual(wrong(await by(['leads:read', 'leads:write', 'cards:read', 'read', 'write'])), ['/scopes/1', '/scopes/2', '/scopes/3', '/scopes/4'])
  assert.deepEqual(wrong(await asJane('POST', '/tokens', { name: 5, scopes: ['', 'Read', 'leads', 'leads:', ':read', 'leads:read ', 7, 'leads:delete'], more: 1 })),
    ['/more', '/name', ...[0, 1, 2, 3, 4, 5, 6, 7].map(i => `/scopes/${i}`)].sort())
  assert.deepEqual(wrong(await asJane('POST', '/tokens', { name: '  ', scopes: [] })), ['/name', '/scopes'])
  assert.deepEqual(wrong(await asJane('POST', '/tokens', { name: 'x'.repeat(81), scopes: 'read' })), ['/name', '/scopes'])
  const theirs = await api(eve.token, 'POST', '/tokens', { name: 'eve', scopes: ['read'] })
  assert.equal((await asJane('GET', `/tokens/${theirs.body.id}`)).status, 404)
  assert.equal((await asJane('DELETE', `/tokens/${theirs.body.id}`)).status, 404)
  assert.equal((await api(theirs.body.token, 'GET', '/cards')).status, 200)
})

test('each scope opens its resource and no other, and to write is to read', async () => {
  const asks = {
    account: [['GET', '/account'], ['POST', '/tokens', {}]], cards: [['GET', '/cards'], ['POST', '/cards', {}]],
    leads: [['GET', '/leads'], ['PATCH', '/leads/x', {}]], shares: [['GET', `/cards/${jane.card.id}/shares`], ['DELETE', '/shares/x']],
    webhooks: [['GET', '/webhooks'], ['POST', '/webhooks', {}]]
  }
  for (const [resource, [read, write]] of Object.entries(asks)) {
    const reader = await token(`${resource}:read`), writer = await token(`${resource}:write`)
    assert.equal((await api(reader.token, ...read)).status, 200, resource)
    const refused = await api(reader.token, ...write)
    assert.deepEqual([refused.status, refused.body.detail], [403, `This token lacks the scope ${resource}:write.`])
    assert.match(refused.headers.get('www-authenticate'), new RegExp(`^Bearer realm="meishi", error="insufficient_scope", scope="${resource}:write"$`))
    assert.equal((await api(writer.token, ...read)).status, 200, resource)
    assert.ok([404, 422].includes((await api(writer.token, ...write)).status), resource)
    for (const other of Object.keys(asks).filter(one => one !== resource))
      for (const ask of asks[other]) assert.equal((await api(writer.token, ...ask)).status, 403, `${resource} ${ask}`)
  }
  const metrics = await token('metrics:read'), figures = bearer => fetch(`${meishi.url}/metrics`, { headers: { Authorization: `Bearer ${bearer}`, 'X-Forwarded-For': '203.0.113.9' } })
  assert.equal((await figures(metrics.token)).status, 200)
  assert.equal((await figures((await token('leads:read')).token)).status, 403)
})

test('the command makes tokens with scopes', async () => {
  const add = (...words) => meishi.command('token', 'add', '--member', 'jane', ...words)
  assert.equal((await meishi.json('token', 'add', '--member', 'jane', '--scope', 'webhooks:write,leads:read')).scopes, 'leads:read webhooks:write')
  assert.equal((await meishi.json('token', 'add', '--member', 'jane', '--scope', 'read cards:write')).scopes, 'read cards:write')
  assert.equal((await meishi.json('token', 'add', '--member', 'jane')).scopes, 'read write')
  for (const bad of ['leads', 'all', 'leads:read,pigeons:read', ',']) {
    const { code, words } = await add('--scope', bad)
    assert.equal(code, 64, bad)
    assert.match(words, /webhooks/)
  }
  assert.equal((await add('--scope', 'write', '--read-only')).code, 64)
})

test('the account page makes tokens with scopes', async () => {
  const { pathname } = new URL(jane.member.sign_in_url)
  const cookie = (await meishi.post(pathname, {})).headers.get('set-cookie').split(';')[0]
  const page = await meishi.open('/account', undefined, { Cookie: cookie })
  const post = fields => meishi.post('/account/tokens', [['form_token', page.form.form_token], ...fields], { Cookie: cookie })
  const secret = html => html.match(/msh_[\w-]{43}/)[0]
  const one = await post([['name', 'CRM'], ['only', 'leads'], ['only', 'webhooks'], ['write', '1']])
  assert.deepEqual((await api(secret(one.text), 'GET', '/leads')).status, 200)
  assert.equal((await api(secret(one.text), 'POST', '/webhooks', {})).status, 422)
  assert.equal((await api(secret(one.text), 'GET', '/cards')).status, 403)
  assert.match(one.text, /Changes leads, webhooks\. Made/)
  const all = await post([['name', 'Reader']])
  assert.equal((await api(secret(all.text), 'GET', '/cards')).status, 200)
  assert.equal((await api(secret(all.text), 'POST', '/cards', {})).status, 403)
  const wrongly = await post([['name', ''], ['only', 'leads'], ['write', '1']])
  assert.equal(wrongly.status, 422)
  assert.match(wrongly.text, /value="leads" checked/, 'nothing ticked is lost')
  assert.match(wrongly.text, /name="write" value="1" checked/)
})

// A square PNG of one colour.
function png(side) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(8)
    out.writeUInt32BE(data.length)
    out.writeUInt32BE(sum(body), 4)
    return Buffer.concat([out.subarray(0, 4), body, out.subarray(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([8, 2], 8)
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header), chunk('IDAT', zlib.deflateSync(Buffer.alloc((side * 3 + 1) * side))), chunk('IEND', Buffer.alloc(0))])
}
// CRC-32 (ISO 3309), which Node 18's zlib does not tell.
const sum = bytes => zlib.crc32 ? zlib.crc32(bytes) : ~bytes.reduce((crc, byte) => {
  for (let bit = 0; bit < 8; bit++, byte >>= 1) crc = ((crc ^ byte) & 1 ? 0xedb88320 : 0) ^ (crc >>> 1)
  return crc
}, -1) >>> 0

test('a portrait is put, shown and taken away, with If-Match', async () => {
  const path = `/cards/${jane.card.id}/portrait`
  const put = (bytes, headers = {}) => asJane('PUT', path, bytes, { 'Content-Type': 'image/png', ...headers })
  const first = await put(png(100))
  assert.equal(first.status, 200, JSON.stringify(first.body))
  assert.equal(first.headers.get('etag'), '"r2"')
  const picture = await fetch(first.body.portrait_url)
  assert.equal(picture.headers.get('content-type'), 'image/jpeg')
  assert.equal((await put(png(100), { 'If-Match': '"r1"' })).status, 412)
  assert.equal((await put(png(70), { 'If-Match': '"r2"' })).headers.get('etag'), '"r3"')
  for (const bad of [png(20), Buffer.from('no picture'), png(100).subarray(0, 60), '']) {
    const answer = await put(bad)
    assert.equal(answer.status, 422)
    assert.match(answer.body.detail, /picture/)
  }
  const type = await put('{}', { 'Content-Type': 'application/json' })
  assert.deepEqual([type.status, type.body.detail], [415, 'Send the picture as image/jpeg, image/png or image/webp.'])
  assert.equal((await put(Buffer.alloc(8 * 1024 * 1024 + 1))).status, 413)
  assert.equal((await api(eve.token, 'PUT', path, png(100), { 'Content-Type': 'image/png' })).status, 404)
  assert.equal((await api(eve.token, 'DELETE', path)).status, 404)
  assert.equal((await asJane('DELETE', path, undefined, { 'If-Match': '"r2"' })).status, 412)
  const gone = await asJane('DELETE', path, undefined, { 'If-Match': '"r3"' })
  assert.deepEqual([gone.status, gone.body.portrait_url], [200, null])
})

test('the inbox is counted as its page counts', async () => {
  const link = await meishi.share(jane.token, jane.card, { channel: 'email', recipient: 'Ann Okafor' })
  const page = await meishi.open(`/c/${link.token}`)
  const empty = { referrals: 0, referrals_new: 0, leads: 0, leads_new: 0, customers: 0, potential: 1, set_aside: 0 }
  assert.deepEqual((await asJane('GET', '/inbox')).body, empty)
  await sleep(3200)
  await meishi.post(`/c/${link.token}/lead`, { ...page.form, name: 'Ann Okafor', reach: 'ann@example.com' })
  assert.deepEqual((await asJane('GET', '/inbox')).body, { ...empty, potential: 0, leads: 1, leads_new: 1 })
  const [lead] = (await asJane('GET', '/leads')).body.data
  await asJane('PATCH', `/leads/${lead.id}`, { stage: 'won' })
  assert.deepEqual((await asJane('GET', '/inbox')).body, { ...empty, potential: 0, leads: 1, customers: 1 })
  const row = (await asJane('GET', `/shares/${link.id}`)).body
  assert.equal(row.leads, 1)
})

test('only pages of named origins may call from a browser, and never with cookies', async () => {
  const ask = (method, path, headers) => fetch(`${meishi.url}/api/v1${path}`, { method, headers })
  const preflight = origin => ask('OPTIONS', '/leads', { Origin: origin, 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'authorization' })
  for (const origin of [APP, 'http://localhost:5173']) {
    const before = await preflight(origin)
    assert.equal(before.status, 204)
    assert.equal(before.headers.get('access-control-allow-origin'), origin)
    assert.match(before.headers.get('access-control-allow-headers'), /Authorization.*Idempotency-Key.*If-Match/)
    assert.match(before.headers.get('access-control-allow-methods'), /PATCH/)
    assert.equal(before.headers.get('vary'), 'Origin')
    for (const [bearer, status] of [[jane.token, 200], ['none', 401]]) {
      const answer = await ask('GET', '/leads', { Origin: origin, Authorization: `Bearer ${bearer}` })
      assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')], [status, origin, 'Origin'])
      assert.equal(answer.headers.get('access-control-allow-credentials'), null)
      assert.match(answer.headers.get('access-control-expose-headers'), /Link.*RateLimit/)
    }
  }
  for (const origin of ['https://evil.example', 'null', `${APP}:8443`, `${APP}.evil.example`, 'http://app.example.org', 'app.example.org', '']) {
    const before = await preflight(origin)
    assert.deepEqual([before.status, before.headers.get('access-control-allow-origin'), before.headers.get('vary')], [405, null, 'Origin'], origin)
    const answer = await ask('GET', '/leads', { Origin: origin, Authorization: `Bearer ${jane.token}` })
    assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [200, null], origin)
  }
  const page = await fetch(`${meishi.url}/sign-in`, { headers: { Origin: APP } })
  assert.equal(page.headers.get('access-control-allow-origin'), null, 'pages are nobody else\'s')
})

test('without the setting no origin is named, and a wrong setting is an error', async () => {
  const plain = await Meishi.start()
  const { token: bearer } = await plain.member()
  const answer = await fetch(`${plain.url}/api/v1/cards`, { headers: { Origin: APP, Authorization: `Bearer ${bearer}` } })
  assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')], [200, null, null])
  const preflight = await fetch(`${plain.url}/api/v1/cards`, { method: 'OPTIONS', headers: { Origin: APP, 'Access-Control-Request-Method': 'GET' } })
  assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [405, null])
  await plain.stop()
  for (const bad of ['*', 'https://a.example/path', 'https://*.example', 'app.example.org', 'https://']) {
    const { code, words } = await meishi.command('config', '--api-origins', bad)
    assert.equal(code, 78, bad)
    assert.match(words, /MEISHI_API_ORIGINS/)
  }
})

test('every route here asks for a token of its scope, is not read twice, and answers every status in the contract', async () => {
  const stranger = await token('metrics:read')
  const spare = await token('read')
  assert.ok(await matrix('access', api, jane.token, stranger.token, { cards: jane.card.id, tokens: spare.id }) >= 7)
  const key = { 'Idempotency-Key': 'race' }
  const many = await Promise.all(Array.from({ length: 12 }, () => asJane('POST', '/tokens', { name: 'race', scopes: ['read'] }, key)))
  assert.ok(many.every(answer => [201, 409].includes(answer.status)))
  assert.equal((await asJane('GET', '/tokens')).body.data.filter(one => one.name === 'race').length, 1)
  assert.deepEqual(unanswered('access', ['POST /tokens 409', 'PUT /cards/{id}/portrait 409', 'DELETE /cards/{id}/portrait 409']), [])
})
