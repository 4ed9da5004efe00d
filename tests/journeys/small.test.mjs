// Small public addresses that browsers, robots and people who find a hole know by heart.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Meishi, sleep } from '../support/meishi.mjs'

let meishi, jane
const get = (path, headers = {}) => fetch(meishi.url + path, { redirect: 'manual', headers })

before(async () => {
  meishi = await Meishi.start()
  jane = await meishi.member()
})
after(() => meishi?.stop())

// RFC 9309 2.2: of the rules that fit, the longest decides, Allow before Disallow.
function allows(robots, path) {
  const rules = [...robots.matchAll(/^(Allow|Disallow): (\S+)$/gm)].map(([, verb, rule]) => ({ verb, rule }))
  const fits = ({ rule }) => new RegExp('^' + rule.split('*').map(part => part.replace(/[.?+^()[\]{}|\\/]/g, '\\$&')).join('.*')).test(path)
  const [best] = rules.filter(fits).sort((a, b) => b.rule.length - a.rule.length || a.verb.localeCompare(b.verb))
  return best?.verb !== 'Disallow'
}

test('robots may see cards and what they are drawn with, and nothing of one person', async () => {
  const answer = await get('/robots.txt')
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
  const robots = await answer.text()
  assert.match(robots, /^User-agent: \*$/m)
  const token = '8M5QK7RT2WXY9ZAB'
  for (const path of [`/c/${token}`, `/c/${token}.vcf`, `/c/${token}/preview.png`, '/@jane', '/assets/card.css', '/portrait/pic_1.jpg', '/privacy'])
    assert.ok(allows(robots, path), path)
  for (const path of ['/api/v1/cards', '/api/openapi.yaml', '/receipt/x', '/inbox', '/sign-in', '/metrics', '/account', `/c/${token}/pass-on`])
    assert.ok(!allows(robots, path), path)
})

test('a card page may be indexed and previewed, an error page may not', async () => {
  const page = await get('/@jane', { 'User-Agent': 'facebookexternalhit/1.1' })
  assert.equal(page.status, 200)
  assert.equal(page.headers.get('x-robots-tag'), null)
  assert.doesNotMatch(await page.text(), /noindex/)
  assert.match(await (await get('/nothing')).text(), /<meta name="robots" content="noindex">/)
  assert.equal((await get('/api/v1/cards')).headers.get('x-robots-tag'), 'noindex')
})

test('the icon is the seal', async () => {
  const icon = await get('/favicon.ico')
  assert.equal(icon.status, 200)
  assert.equal(icon.headers.get('content-type'), 'image/png')
  assert.equal(Buffer.from(await icon.arrayBuffer()).subarray(1, 4).toString(), 'PNG')
  assert.equal((await get('/favicon.ico', { 'If-None-Match': icon.headers.get('etag') })).status, 304)
})

test("the manifest names the member's pages and icons that are there", async () => {
  const answer = await get('/manifest.webmanifest')
  assert.equal(answer.headers.get('content-type'), 'application/manifest+json')
  const manifest = await answer.json()
  assert.equal(manifest.start_url, '/inbox')
  assert.equal(manifest.display, 'standalone')
  for (const { src, type } of manifest.icons) {
    const icon = await get(src)
    assert.equal(icon.status, 200, src)
    assert.equal(icon.headers.get('content-type'), type)
  }
})

test("the member's pages name the manifest, and neither they nor the sign-in page are for robots", async () => {
  assert.match(await (await get('/sign-in')).text(), /<meta name="robots" content="noindex">/)
  const signed = await meishi.post(new URL(jane.member.sign_in_url).pathname, {})
  const cookie = signed.headers.get('set-cookie').split(';')[0]
  for (const path of ['/inbox', '/cards', '/webhooks', '/account']) {
    const page = await get(path, { Cookie: cookie })
    assert.equal(page.status, 200, path)
    const html = await page.text()
    assert.match(html, /<link rel="manifest" href="\/manifest.webmanifest">/)
    assert.match(html, /<meta name="robots" content="noindex">/)
  }
})

test('a password manager is sent to the account', async () => {
  const answer = await get('/.well-known/change-password')
  assert.equal(answer.status, 303)
  assert.equal(answer.headers.get('location'), '/account')
  // The probe for a server that answers 200 to everything (Change Password URL 4).
  assert.equal((await get('/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200')).status, 404)
})

test('security.txt names the operator, when there is one to name', async () => {
  assert.equal((await get('/.well-known/security.txt')).status, 404)
  for (const [from, contact] of [['Meishi <cards@example.org>', 'mailto:cards@example.org'], ['sec+it%x@example.org', 'mailto:sec+it%25x@example.org']]) {
    const other = await Meishi.start({ MEISHI_MAIL_FROM: from, MEISHI_URL: 'https://cards.example.org' })
    try {
      const answer = await fetch(`${other.url}/.well-known/security.txt`)
      assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
      const lines = Object.fromEntries((await answer.text()).trim().split('\n').map(line => line.split(/: (.*)/).slice(0, 2)))
      assert.equal(lines.Contact, contact)
      assert.equal(lines.Canonical, 'https://cards.example.org/.well-known/security.txt')
      const days = (Date.parse(lines.Expires) - Date.now()) / 86400000
      assert.ok(days > 30 && days < 366, `${lines.Expires} is less than a year away (RFC 9116 2.5.5)`)
    } finally {
      await other.stop()
    }
  }
})

test('https is asked for only where it is', async () => {
  const share = await meishi.share(jane.token, jane.card)
  const paths = ['/@jane', `/c/${share.token}`, `/c/${share.token}.png`, '/assets/card.css', '/healthz', '/nothing', '/api/v1/cards']
  for (const path of paths) assert.equal((await get(path)).headers.get('strict-transport-security'), null, path)
  const secure = await Meishi.start({ MEISHI_URL: 'https://cards.example.org' })
  try {
    const mika = await secure.member('mika', 'Mika Tanaka')
    const { token } = await secure.share(mika.token, mika.card)
    for (const path of ['/@mika', `/c/${token}`, `/c/${token}.png`, '/assets/card.css', '/healthz', '/nothing', '/api/v1/cards'])
      assert.match((await fetch(secure.url + path, { redirect: 'manual' })).headers.get('strict-transport-security'), /^max-age=\d{8}/, path)
  } finally {
    await secure.stop()
  }
})

test('a handle typed with a capital is the same handle', async () => {
  assert.equal((await get('/@JANE')).status, 200)
  assert.equal((await get('/@Jane')).status, 200)
  assert.equal((await get('/@janet')).status, 404)
})

test('a vCard is 4.0 by any way of asking, and 3.0 unasked', async () => {
  const { token } = await meishi.share(jane.token, jane.card)
  const version = async (query, headers) => (await (await get(`/c/${token}.vcf${query}`, headers)).text()).match(/^VERSION:(.*)\r$/m)[1]
  assert.equal(await version(''), '3.0')
  assert.equal(await version('?v=3'), '3.0')
  for (const query of ['?v=4', '?v=4.0']) assert.equal(await version(query), '4.0', query)
  assert.equal(await version('', { Accept: 'text/vcard; version=4.0' }), '4.0')
})

test('what is made to be shown elsewhere may be, the card page may not', async () => {
  const { token } = await meishi.share(jane.token, jane.card)
  for (const [path, policy] of [['.png', 'cross-origin'], ['.svg', 'cross-origin'], ['/preview.png', 'cross-origin'], ['', 'same-origin']])
    assert.equal((await get(`/c/${token}${path}`)).headers.get('cross-origin-resource-policy'), policy, path)
})

test('a setting that cannot be understood is named, and ends as sysexits says', async () => {
  const wrong = { MEISHI_LISTEN: 'nonsense', MEISHI_URL: 'ftp://x', MEISHI_TRUSTED_PROXIES: '10.0.0.0/99', MEISHI_WEBHOOK_ALLOW: '10.0.0.0/8' }
  for (const [name, value] of Object.entries(wrong)) {
    const words = await Meishi.start({ [name]: value }).then(other => other.stop(), error => error.message)
    assert.match(words ?? '', /"code":78\b/, name)
    assert.match(words, new RegExp(`meishi: ${name}`))
  }
  // The address is a good one, only not to be had now: try again.
  const words = await Meishi.start({ MEISHI_LISTEN: new URL(meishi.url).host }).then(other => other.stop(), error => error.message)
  assert.match(words ?? '', /"code":75\b[^]*meishi: MEISHI_LISTEN 127\.0\.0\.1:\d+: the address is taken/)
})

test('one page mints so many links to pass on and no more', async () => {
  const share = await meishi.share(jane.token, jane.card)
  const page = await meishi.open(`/c/${share.token}`)
  const again = () => meishi.post(`/c/${share.token}/pass-on`, page.form, { Accept: 'application/json' })
  for (let i = 0; i < 12; i++) assert.equal((await again()).status, 201)
  assert.equal((await again()).status, 429)
  const other = await meishi.open(`/c/${share.token}`)
  assert.equal((await meishi.post(`/c/${share.token}/pass-on`, other.form, { Accept: 'application/json' })).status, 201)
})

test('of several cards a standing link says whose it is', async () => {
  const kim = await meishi.member('kim', 'Kim Park')
  const { pathname } = new URL(kim.member.sign_in_url)
  const cookie = (await meishi.post(pathname, {})).headers.get('set-cookie').match(/sid=[^;]+/)[0]
  const inbox = async () => (await meishi.open('/inbox', undefined, { Cookie: cookie })).html
  const write = async handle => {
    const page = await meishi.open(`/@${handle}`), token = page.html.match(/\/c\/([0-9A-Z]{16})\/lead/)[1]
    await sleep(3200)
    const answer = await meishi.post(`/c/${token}/lead`, { ...page.form, name: `For ${handle}`, reach: `${handle}@example.com` })
    assert.equal(answer.status, 303)
  }
  const { handle } = kim.card
  await write(handle)
  assert.match(await inbox(), /Standing link/)
  assert.ok(!(await inbox()).includes(`Standing link @${handle}`), 'there is but one')
  const second = await meishi.api(kim.token, 'POST', '/cards', { name: 'Kim Park', handle: 'kim-choir' })
  assert.equal(second.status, 201)
  await write('kim-choir')
  for (const words of [`Standing link @${handle}`, 'Standing link @kim-choir']) assert.ok((await inbox()).includes(words), words)
})

test('a code with the initials in the middle follows the name, a plain one does not change', async () => {
  const lea = await meishi.member('lea', 'Lea Brandt'), { token } = await meishi.share(lea.token, lea.card)
  const picture = async query => {
    const answer = await get(`/c/${token}${query}`)
    assert.equal(answer.status, 200, query)
    return { bytes: Buffer.from(await answer.arrayBuffer()), etag: answer.headers.get('etag') }
  }
  const kinds = ['.png', '.svg'], before = {}
  for (const kind of kinds) {
    const plain = await picture(kind), marked = await picture(`${kind}?logo=1`)
    assert.notDeepEqual(plain.bytes, marked.bytes)
    assert.notEqual(plain.etag, marked.etag)
    assert.deepEqual(plain, await picture(`${kind}?logo=0`))
    assert.deepEqual(marked, await picture(`${kind}?logo=1&level=L`), 'a mark takes level Q at least')
    before[kind] = { plain, marked }
  }
  assert.equal((await meishi.api(lea.token, 'PATCH', `/cards/${lea.card.id}`, { name: 'Wim Kok' })).status, 200)
  for (const kind of kinds) {
    assert.deepEqual(await picture(kind), before[kind].plain)
    assert.notDeepEqual((await picture(`${kind}?logo=1`)).bytes, before[kind].marked.bytes)
    const refused = await get(`/c/${token}${kind}?logo=mine`)
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /logo is 1 or 0/)
  }
})

test('the print sheet has the initials, and says so when the address leaves no room for them', async () => {
  const sheet = async (server, origin) => {
    const member = await server.member('noa', 'Noa Levi'), share = await server.share(member.token, member.card)
    const signed = await server.post(new URL(member.member.sign_in_url).pathname, {}, { Origin: origin })
    const cookie = signed.headers.get('set-cookie').match(/sid=[^;]+/)[0]
    const { html } = await server.open(`/shares/${share.id}/print?logo=1`, undefined, { Cookie: cookie })
    assert.ok(html.includes(`src="/c/${share.token}.svg?logo=1"`))
    assert.equal((await server.open(`/c/${share.token}.svg?logo=1`)).status, 200)
    return html
  }
  assert.doesNotMatch(await sheet(meishi, meishi.url), /too long to leave room/)
  const url = `http://${'a'.repeat(60)}.${'b'.repeat(60)}.example`, far = await Meishi.start({ MEISHI_URL: url })
  try {
    assert.match(await sheet(far, url), /too long to leave room/)
  } finally {
    await far.stop()
  }
})
