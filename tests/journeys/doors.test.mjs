// Who is let in, and what every answer carries: signing in and out, the waits after wrong passwords, one-time links, where a
// form may come from, what operators alone may see.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { Meishi } from '../support/meishi.mjs'

const PASSWORD = 'a slate roof lasts a century'
let meishi, jane, share, cookie, device

before(async () => {
  meishi = await Meishi.start({ MEISHI_TRUSTED_PROXIES: '127.0.0.1' })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card)
})
after(() => meishi?.stop())

const from = (address, more = {}) => ({ 'X-Forwarded-For': address, ...more })
// Debian's Node joins them by commas; none of ours holds one.
const cookies = answer => (answer.headers.get('set-cookie') ?? '').split(/, (?=[^;=]+=)/).filter(Boolean)
const valued = (answer, name) => cookies(answer).find(text => text.startsWith(`${name}=`))?.split(';')[0]
const desk = path => meishi.open(path, undefined, { Cookie: cookie })

// An answer to exactly these headers, Host included.
const ask = (path, headers, method = 'GET') => new Promise((resolve, reject) => {
  request(meishi.url + path, { method, headers }, answer => {
    answer.resume()
    resolve(answer)
  }).on('error', reject).end()
})

test('a link signs in once, and looking at it does not use it up', async () => {
  const { pathname } = new URL(jane.member.sign_in_url)
  for (let i = 0; i < 3; i++) assert.match((await meishi.open(pathname)).html, /Sign in as/)
  assert.equal((await ask(pathname, {}, 'HEAD')).statusCode, 200)
  const foreign = await meishi.post(pathname, {}, { Origin: 'https://evil.example' })
  assert.equal(foreign.status, 403)
  const answer = await meishi.post(pathname, {})
  assert.equal(answer.status, 303)
  assert.equal((await meishi.post(pathname, {})).status, 404)
  cookie = valued(answer, 'sid')
  assert.ok(cookie)
  for (const text of cookies(answer)) assert.match(text, /; Path=\/; HttpOnly; SameSite=Lax/)
  const { form_token } = (await desk('/account')).form
  const set = await meishi.post('/account/password', { form_token, password: PASSWORD }, { Cookie: cookie })
  assert.equal(set.status, 303)
  assert.equal((await meishi.open('/account', undefined, { Cookie: cookie })).html.includes('Jane Doe'), false, 'a changed password ends every session')
  cookie = valued(set, 'sid')
  assert.match((await desk('/account')).html, /jane/)
})

test('signing in gives a new session each time and leads nowhere else', async () => {
  const planted = 'sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  for (const next of ['https://evil.example/', '//evil.example/', '/\\evil.example', '/\t/evil.example', 'javascript:alert(1)', '/%0d%0aX: y\r\nX: y', '/inbox']) {
    const answer = await meishi.post('/sign-in', { who: 'jane', password: PASSWORD, next }, from('192.0.2.1', { Cookie: planted }))
    assert.equal(answer.status, 303)
    assert.equal(answer.headers.get('location'), '/inbox', next)
    assert.equal(answer.headers.get('x'), null)
    assert.notEqual(valued(answer, 'sid'), planted)
    cookie = valued(answer, 'sid')
    device = valued(answer, 'dev') ?? device
  }
  const here = await fetch(`${meishi.url}/sign-in?next=//evil.example/`, { headers: { Cookie: cookie }, redirect: 'manual' })
  assert.equal(here.headers.get('location'), '/inbox')
})

test('a form comes from our own pages, also from browsers that say little', async () => {
  const fields = { who: 'jane', password: PASSWORD }
  const send = headers => fetch(`${meishi.url}/sign-in`, { method: 'POST', redirect: 'manual', body: new URLSearchParams(fields), headers: from('192.0.2.2', headers) })
  for (const headers of [{ Origin: 'https://evil.example' }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'cross-site', Origin: meishi.url },
    { Referer: 'https://evil.example/' }, { Referer: `${meishi.url}.evil.example/` }])
    assert.equal((await send(headers)).status, 403, JSON.stringify(headers))
  for (const headers of [{ Origin: meishi.url }, { Referer: `${meishi.url}/sign-in` }, {}])
    assert.equal((await send(headers)).status, 303, JSON.stringify(headers))
})

test('wrong passwords say the same of who is here and who is not', async () => {
  const tries = async (names, network) => {
    const seen = []
    for (const who of names) {
      const answer = await meishi.post('/sign-in', { who, password: 'not the password' }, from(network))
      seen.push([answer.status, answer.headers.get('retry-after'), answer.text.replaceAll(who, '').length, [...answer.headers.keys()].sort().join()])
    }
    return seen
  }
  const here = await tries(['jane', 'JANE', 'Jane', 'jane', 'jAne', 'jane'], '192.0.2.3')
  const nobody = await tries(['nobo', 'NOBO', 'Nobo', 'nobo', 'nObo', 'nobo'], '192.0.2.4')
  assert.deepEqual(here, nobody)
  assert.equal(here[0][0], 422)
  assert.equal(here.at(-1)[0], 429)
})

test('a stranger who keeps trying makes the member wait in no browser that they used before', async () => {
  for (let i = 0; i < 40; i++) await meishi.post('/sign-in', { who: 'jane', password: `guess ${i}` }, from(`198.51.100.${i % 5}`))
  const stranger = await meishi.post('/sign-in', { who: 'jane', password: PASSWORD }, from('192.0.2.9'))
  assert.equal(stranger.status, 429)
  assert.ok(Number(stranger.headers.get('retry-after')) >= 1)
  const busy = from('198.51.100.1', { Cookie: device })
  assert.equal((await meishi.post('/sign-in', { who: 'jane', password: PASSWORD }, busy)).status, 303)
  const forged = device.slice(0, -3) + (device.endsWith('AAA') ? 'BBB' : 'AAA')
  assert.equal((await meishi.post('/sign-in', { who: 'jane', password: PASSWORD }, from('192.0.2.10', { Cookie: forged }))).status, 429)
  const other = await meishi.member('eve', 'Eve Smith')
  const eves = await meishi.post(new URL(other.member.sign_in_url).pathname, {}, from('192.0.2.11'))
  const stolen = from('192.0.2.12', { Cookie: valued(eves, 'dev') })
  assert.equal((await meishi.post('/sign-in', { who: 'jane', password: PASSWORD }, stolen)).status, 429, 'another member\'s browser is a stranger\'s')
  const statuses = []
  for (let i = 0; i < 8; i++) statuses.push((await meishi.post('/sign-in', { who: 'jane', password: `guess ${i}` }, busy)).status)
  assert.ok(statuses.includes(429), `a known browser does not guess for ever: ${statuses}`)
})

test('a form\'s token looks different on every page, and each is good for this session', async () => {
  const tokens = []
  for (let i = 0; i < 3; i++) tokens.push((await desk('/account')).form.form_token)
  assert.equal(new Set(tokens).size, 3)
  const add = form_token => meishi.post('/account/tokens', { form_token, name: 'for a program' }, { Cookie: cookie })
  for (const token of tokens) assert.equal((await add(token)).status, 200)
  for (const token of [tokens[0].slice(0, 43) + tokens[1].slice(43), tokens[0].slice(0, -1), tokens[0].slice(1), 'A'.repeat(86), ''])
    assert.equal((await add(token)).status, 403, token)
})

test('signing out ends the session, for good and in the browser', async () => {
  const { form_token } = (await desk('/account')).form
  assert.equal((await meishi.post('/sign-out', {}, { Cookie: cookie })).status, 403)
  const out = await meishi.post('/sign-out', { form_token }, { Cookie: cookie })
  assert.equal(out.status, 303)
  assert.match(out.headers.get('clear-site-data'), /"cache"/)
  assert.match(cookies(out).join(), /sid=; .*Max-Age=0/)
  assert.match((await desk('/inbox')).html, /Sign in/)
})

test('figures are for this machine alone, whatever proxy stands in front', async () => {
  const port = new URL(meishi.url).port
  const status = async headers => (await ask('/metrics', headers)).statusCode
  assert.equal(await status({ Host: `127.0.0.1:${port}` }), 200)
  assert.equal(await status({ Host: `localhost:${port}` }), 200)
  for (const headers of [{ Host: 'cards.example.org' }, { Host: 'localhost.evil.example' }, { Host: '127.0.0.1.evil.example' },
    ...['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'Forwarded', 'X-Real-IP', 'Via'].map(name => ({ [name]: '127.0.0.1' }))])
    assert.equal(await status(headers), 401, JSON.stringify(headers))
  assert.equal(await status({ Host: 'cards.example.org', Authorization: `Bearer ${jane.token}` }), 200)
})

test('a flood of forms that did no work is turned away, and nobody else with it', async () => {
  const send = (address, i) => meishi.post(`/c/${share.token}/lead`, { name: `Flood ${i}`, reach: `flood${i}@example.com`, challenge: 'x' }, from(address))
  const statuses = new Set()
  for (let i = 0; i < 320; i += 20)
    for (const { status } of await Promise.all(Array.from({ length: 20 }, (_, j) => send('198.51.100.200', i + j)))) statuses.add(status)
  assert.deepEqual([...statuses], [303, 429])
  assert.equal((await send('198.51.100.201', 0)).status, 303)
})

test('every answer carries the policy, and what is private is stored nowhere', async () => {
  const paths = ['/', '/sign-in', '/inbox', '/account', '/privacy', `/c/${share.token}`, `/c/${share.token}.png`, `/c/${share.token}.svg`,
    `/c/${share.token}.vcf`, `/c/${share.token}/preview.png`, '/@jane', '/@nobody', '/nothing', '/c/nothing', '/api/v1/cards', '/api/v1/nothing',
    '/healthz', '/readyz', '/metrics', '/robots.txt', '/assets/nothing', `/c/${share.token}.png?size=4096`, `/c/${share.token}.png?size=5`]
  for (const path of paths) {
    const { headers, statusCode } = await ask(path, {})
    assert.match(headers['content-security-policy'] ?? '', /default-src 'none'/, path)
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/, path)
    assert.doesNotMatch(headers['content-security-policy'], /unsafe/, path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.ok(headers['referrer-policy'], path)
    assert.equal(headers.server, undefined, path)
    if (statusCode !== 200 || ['/', '/sign-in', '/inbox', '/account', '/@jane', `/c/${share.token}`].includes(path))
      assert.match(headers['cache-control'], /no-store/, path)
  }
  const tokens = await fetch(`${meishi.url}/api/v1/cards`, { headers: { Authorization: `Bearer ${jane.token}` } })
  assert.match(tokens.headers.get('cache-control'), /no-store/)
})

test('over https the cookies are for this host alone', async () => {
  const https = await Meishi.start({ MEISHI_URL: 'https://cards.example.org' })
  try {
    const { member } = await https.member('ann', 'Ann Okafor')
    const checks = async () => (await https.json('doctor')).checks.map(({ check }) => check)
    assert.ok((await checks()).includes('proxy'), 'whoever forgot to name the proxy is told')
    https.env.MEISHI_TRUSTED_PROXIES = '127.0.0.1'
    assert.ok(!(await checks()).includes('proxy'))
    assert.match(member.sign_in_url, /^https:\/\/cards\.example\.org\//)
    const answer = await https.post(new URL(member.sign_in_url).pathname, {}, { Origin: 'https://cards.example.org' })
    assert.equal(answer.status, 303)
    assert.equal(cookies(answer).length, 2)
    for (const text of cookies(answer)) assert.match(text, /^__Host-(sid|dev)=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=\d+$/)
  } finally {
    await https.stop()
  }
})
