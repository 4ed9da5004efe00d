// The API through the real server: every route and status, in exactly the shapes that DESIGN.md and assets/openapi.yaml promise.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { client, matrix, unanswered, wrong } from '../support/api.mjs'
import { contract } from '../support/contract.mjs'
import { IPHONE, Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

let meishi, receiver, jane, mika, api

const asJane = (...call) => api(jane.token, ...call)
const asMika = (...call) => api(mika.token, ...call)
const share = async (fields = { channel: 'link' }, card = jane.card) => {
  const answer = await asJane('POST', `/cards/${card.id}/shares`, fields)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body
}
// A visitor leaves their details on a page that has been open for a while.
const leave = async (page, token, fields) => {
  const answer = await meishi.post(`/c/${token}/lead`, { ...page.form, ...fields })
  assert.equal(answer.status, 303, answer.text)
}

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  api = client(meishi)
  jane = await meishi.member()
  mika = await meishi.member('mika', 'Mika Tanaka')
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

test('a card is made, read, listed, changed and retired', async () => {
  const fields = {
    name: 'Dr. José Ñandú', prefix: 'Dr.', given: 'José', additional: 'María', family: 'Ñandú', suffix: 'MSc', pronunciation: 'ho-SAY',
    pronouns: 'he/him', title: 'Vet', organization: 'Zoo', department: 'Birds', note: 'Call\nme', lang: 'es-AR', accent: 'pine',
    theme: 'dark', phones: [{ label: 'mobile', number: '+54 11 5555 0172' }], emails: [{ label: 'work', address: 'jose@example.org' }],
    links: [{ label: 'web', url: 'https://example.org/me' }],
    addresses: [{ label: 'work', street: 'Calle 1\nPiso 2', city: 'Rosario', region: 'SF', postcode: '2000', country: 'Argentina' }]
  }
  const made = await asJane('POST', '/cards', { handle: 'jose', ...fields })
  assert.equal(made.status, 201)
  assert.equal(made.headers.get('location'), `/api/v1/cards/${made.body.id}`)
  assert.equal(made.headers.get('etag'), '"r1"')
  assert.equal(made.body.handle, 'jose')
  assert.equal(made.body.url, `${meishi.url}/@jose`)
  for (const [name, value] of Object.entries(fields)) assert.deepEqual(made.body[name], value, name)

  const path = `/cards/${made.body.id}`
  assert.deepEqual((await asJane('GET', path)).body, made.body)
  assert.deepEqual((await asJane('GET', '/cards')).body, { data: [jane.card, made.body], next_cursor: null })

  const changed = await asJane('PATCH', path, { title: 'Head vet', note: null, phones: [], emails: null })
  assert.equal(changed.status, 200)
  assert.equal(changed.headers.get('etag'), '"r2"')
  const { note, ...kept } = fields
  for (const [name, value] of Object.entries({ ...kept, title: 'Head vet', phones: [], emails: [] })) assert.deepEqual(changed.body[name], value, name)
  assert.ok(!('note' in changed.body))
  assert.deepEqual((await asJane('GET', path)).body, changed.body)
  assert.deepEqual(wrong(await asJane('PATCH', path, { name: null })), ['/name'])
  assert.deepEqual(wrong(await asJane('PATCH', path, { handle: 'other', id: made.body.id })), ['/handle', '/id'])

  assert.equal((await asJane('POST', '/cards', { name: 'X', handle: 'jose' })).status, 409)
  assert.equal((await meishi.open('/@jose')).status, 200)
  assert.equal((await asJane('DELETE', path)).status, 204)
  assert.equal((await asJane('GET', path)).status, 404)
  assert.equal((await asJane('PATCH', path, { name: 'X' })).status, 404)
  assert.equal((await asJane('DELETE', path)).status, 404)
  assert.equal((await asJane('GET', `${path}/shares`)).status, 404)
  assert.equal((await meishi.open('/@jose')).status, 404)
})

test('If-Match keeps one from overwriting the other', async () => {
  const { body: card } = await asJane('POST', '/cards', { name: 'Two Hands' })
  const path = `/cards/${card.id}`
  assert.equal((await asJane('PATCH', path, { title: 'A' }, { 'If-Match': '"r1"' })).status, 200)
  assert.equal((await asJane('PATCH', path, { title: 'B' }, { 'If-Match': '"r1"' })).status, 412)
  for (const header of ['"r7"', 'r2', 'W/"r2"', '"x"', '""']) assert.equal((await asJane('PATCH', path, { title: 'B' }, { 'If-Match': header })).status, 412)
  assert.equal((await asJane('GET', path)).body.title, 'A')
  assert.equal((await asJane('PATCH', path, { title: 'B' }, { 'If-Match': '*' })).status, 200)
  assert.equal((await asJane('DELETE', path, undefined, { 'If-Match': '"r1"' })).status, 412)
  const many = await Promise.all(Array.from({ length: 8 }, (_, i) => asJane('PATCH', path, { title: `T${i}` }, { 'If-Match': '"r3"' })))
  assert.deepEqual(many.map(answer => answer.status).sort(), [200, ...Array(7).fill(412)])
  assert.equal((await asJane('DELETE', path, undefined, { 'If-Match': '"r4"' })).status, 204)
})

test('each wrong field of a card is named by its pointer', async () => {
  const post = body => asJane('POST', '/cards', body)
  assert.deepEqual(wrong(await post({})), ['/name'])
  assert.deepEqual(wrong(await post({ name: '   ' })), ['/name'])
  assert.deepEqual(wrong(await post({ name: 5, title: [], note: true, phones: {}, emails: [1], links: 'x', nonsense: 1, 'a/b~c': 2 })),
    ['/a~1b~0c', '/emails/0', '/links', '/name', '/nonsense', '/note', '/phones', '/title'].sort())
  assert.deepEqual(wrong(await post({
    name: 'x'.repeat(121), pronouns: 'x'.repeat(41), note: 'é'.repeat(501), lang: 'not a tag', accent: 'pink', theme: 'blue',
    emails: [{ address: 'ok@example.org' }, { address: 'no' }], phones: [{ number: 'abc' }], links: [{ url: 'javascript:alert(1)' }],
    addresses: [{ city: 'x'.repeat(121) }]
  })), ['/accent', '/addresses/0/city', '/emails/1/address', '/lang', '/links/0/url', '/name', '/note', '/phones/0/number', '/pronouns', '/theme'])
  assert.deepEqual(wrong(await post({ name: 'A', emails: Array(9).fill({ address: 'a@example.org' }) })), ['/emails'])
  assert.deepEqual(wrong(await post({ name: 'A', emails: [{}], phones: [{ number: 1, extra: 2 }] })), ['/emails/0/address', '/phones/0/extra', '/phones/0/number'])
  assert.deepEqual(wrong(await post({ name: 5, title: 'x'.repeat(121), emails: [{ address: null }], accent: '', theme: ' dark', '?x': 1 })),
    ['/?x', '/accent', '/emails/0/address', '/name', '/theme', '/title'])
  for (const handle of ['A', 'a b', '-a', 'admin', 'x'.repeat(33), 7]) assert.ok(wrong(await post({ name: 'A', handle })).includes('/handle'), handle)
  assert.deepEqual(wrong(await post('{"name":"a\\u0000b","title":"\\u0000"}')), ['/name', '/title'])
  const emoji = await post({ name: '👩🏽‍🚒'.repeat(24), note: '\u0007 \t kept\r\n' })
  assert.equal(emoji.status, 201)
  assert.equal(emoji.body.note, 'kept')
  await asJane('DELETE', `/cards/${emoji.body.id}`)
})

test('a body that is not one JSON object of UTF-8 is refused with what is wrong', async () => {
  const bad = {
    empty: '', 'not JSON': '{', array: '[]', text: '"x"', number: '5', null: 'null', 'two values': '{}{}', comment: '{/**/}',
    'trailing comma': '{"name":"a",}', duplicate: '{"name":"a","name":"b"}', 'huge number': '{"name":1e999}',
    'huge integer': `{"name":${'9'.repeat(400)}}`, deep: `{"name":${'['.repeat(20000)}${']'.repeat(20000)}}`,
    'half a surrogate': '{"name":"\\ud800"}', 'raw NUL': '{"name":"a\u0000"}', 'NUL in a name': '{"na\\u0000me":1}', 'raw newline': '{"name":"a\nb"}',
    'bad UTF-8': Buffer.from('{"name":"\xff"}', 'latin1'), 'overlong UTF-8': Buffer.from([...Buffer.from('{"name":"'), 0xc0, 0xaf, ...Buffer.from('"}')]),
    'a surrogate in UTF-8': Buffer.from([...Buffer.from('{"name":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]), 'bytes': Buffer.from([0xff, 0xfe, 0x00])
  }
  for (const [what, body] of Object.entries(bad)) {
    const answer = await asJane('POST', '/cards', body)
    assert.equal(answer.status, 400, what)
    assert.match(answer.body.detail, /^The body /, what)
  }
  const places = {
    '{"emails":[{"address":"a@example.org"},{"address":1e999}]}': ['/emails/1/address', 'This number is too large.'],
    [bad['huge integer']]: ['/name', 'This number is too large.'], [bad.duplicate]: ['/name', 'This name stands here twice.'],
    [bad.deep]: [`/name${'/0'.repeat(15)}`, 'This is nested too deeply.'], '{"a/b":{"c': ['/a~1b', 'The body ends in the middle of this.'],
    '{"name":"a",}': ['', "This is not JSON: string or '}' expected near '}'."]
  }
  for (const [body, [pointer, detail]] of Object.entries(places)) assert.deepEqual((await asJane('POST', '/cards', body)).body.errors, [{ pointer, detail }])
  assert.deepEqual((await asJane('POST', '/cards', bad['bad UTF-8'])).body.errors, [{ pointer: '/name', detail: 'This is not UTF-8.' }])
  // A long error text that would be cut in the middle of a letter is still JSON.
  for (let i = 0; i < 4; i++) assert.equal((await asJane('POST', '/cards', `{"name": ${'x'.repeat(i)}${'é'.repeat(300)}`)).status, 400)
})

test('sizes, types and methods are refused by problems that say so', async () => {
  assert.equal((await asJane('POST', '/cards', { name: 'A', note: 'x'.repeat(70000) })).status, 413)
  assert.equal((await asJane('PATCH', `/cards/${jane.card.id}`, ' '.repeat(70000))).status, 413)
  assert.equal((await asJane('POST', '/webhooks', ' '.repeat(17000))).status, 413)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'multipart/form-data; boundary=x'])
    assert.equal((await asJane('POST', '/cards', '{}', { 'Content-Type': type })).status, 415, type)
  assert.equal(wrong(await asJane('POST', '/cards', '{}', { 'Content-Type': 'Application/JSON; charset=utf-8' }))[0], '/name')
  for (const [method, path, allow] of [['PUT', '/cards', 'GET, HEAD, POST'], ['DELETE', '/leads', 'GET, HEAD'], ['OPTIONS', '/webhooks', 'GET, HEAD, POST'],
    ['POST', `/cards/${jane.card.id}`, 'GET, HEAD, PATCH, DELETE'], ['POST', `/cards/${jane.card.id}/portrait`, 'PUT, DELETE'], ['GET', '/webhooks/x/ping', 'POST']]) {
    const answer = await fetch(`${meishi.url}/api/v1${path}`, { method })
    assert.equal(answer.status, 405)
    assert.equal(answer.headers.get('allow'), allow)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.equal((await answer.json()).status, 405)
  }
  for (const path of ['/api/v1/nothing', '/api/v1', '/api/', '/api/v2/cards', '/api/v1/cards/', '/api/v1/cards/a.b']) {
    const answer = await fetch(meishi.url + path)
    assert.equal(answer.status, 404)
    assert.equal((await answer.json()).instance, path)
  }
})

test('HEAD is GET without the body', async () => {
  for (const path of ['/cards', `/cards/${jane.card.id}`, '/leads', '/cards/x']) {
    const call = method => fetch(`${meishi.url}/api/v1${path}`, { method, headers: { Authorization: `Bearer ${jane.token}` } })
    const [head, get] = [await call('HEAD'), await call('GET')]
    assert.equal(head.status, get.status)
    assert.equal(head.headers.get('content-length'), get.headers.get('content-length'))
    assert.equal(head.headers.get('etag'), get.headers.get('etag'))
    assert.equal(await head.text(), '')
  }
})

// What a request that the library would forgive gets, under /api/.
function rawly(text) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(meishi.url).port), '127.0.0.1', () => socket.end(text))
    let said = ''
    socket.on('data', data => { said += data })
    socket.on('error', reject)
    socket.on('close', () => resolve(said))
  })
}

test('what http itself refuses under /api is a problem too', async () => {
  const cases = [
    ['GET /api/v1/cards?q=%00 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET /api/v1/cards HTTP/1.1\r\n\r\n', 400],
    ['POST /api/v1/cards HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411],
    ['POST /api/v1/cards HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nabcde', 415],
    ['POST /api/v1/cards HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: a-miracle\r\n\r\n{}', 417]
  ]
  for (const [request, status] of cases) {
    const said = await rawly(request)
    assert.match(said, new RegExp(`^HTTP/1.1 ${status} `), request)
    assert.match(said, /\r\nContent-Type: application\/problem\+json\r\n/, request)
    assert.equal(JSON.parse(said.slice(said.indexOf('\r\n\r\n') + 4)).status, status)
  }
})

test('tokens: none, wrong, of another scheme, revoked, read-only', async () => {
  const none = await api(null, 'GET', '/cards')
  assert.equal(none.status, 401)
  assert.equal(none.headers.get('www-authenticate'), 'Bearer realm="meishi"')
  for (const header of ['Bearer', 'Bearer ', 'Bearer msh_', `Bearer msh_${'A'.repeat(43)}`, `Bearer ${jane.token}x`, `Bearer ${jane.token.slice(4)}`,
    `Basic ${btoa(`jane:${jane.token}`)}`, jane.token, `Bearer ${jane.token.toUpperCase()}`]) {
    const answer = await api(null, 'GET', '/cards', undefined, { Authorization: header })
    assert.equal(answer.status, 401, header)
    assert.match(answer.headers.get('www-authenticate'), /error="invalid_token"/)
  }
  assert.equal((await api(null, 'GET', '/cards', undefined, { Authorization: `bearer ${jane.token}` })).status, 200)
  for (const [method, path] of [['GET', '/leads'], ['POST', '/cards'], ['DELETE', `/cards/${jane.card.id}`], ['GET', '/cards/x/shares'], ['POST', '/webhooks/x/ping']])
    assert.equal((await api(null, method, path, method === 'POST' ? {} : undefined)).status, 401)

  const reader = await meishi.json('token', 'add', '--member', 'jane', '--read-only')
  assert.equal((await api(reader.token, 'GET', '/cards')).status, 200)
  for (const [method, path] of [['POST', '/cards'], ['PATCH', `/cards/${jane.card.id}`], ['DELETE', `/cards/${jane.card.id}`], ['POST', `/cards/${jane.card.id}/shares`],
    ['DELETE', '/shares/x'], ['PATCH', '/leads/x'], ['DELETE', '/leads/x'], ['POST', '/webhooks'], ['PATCH', '/webhooks/x'], ['DELETE', '/webhooks/x'],
    ['POST', '/webhooks/x/ping'], ['POST', '/deliveries/x/redeliver']]) {
    const answer = await api(reader.token, method, path, method === 'DELETE' ? undefined : {})
    assert.equal(answer.status, 403, `${method} ${path}`)
    assert.match(answer.headers.get('www-authenticate'), /error="insufficient_scope"/)
  }
  await meishi.json('token', 'revoke', '--member', 'jane', '--id', reader.id)
  assert.equal((await api(reader.token, 'GET', '/cards')).status, 401)
})

test('what belongs to another member is not there', async () => {
  const theirs = await share()
  const { body: webhook } = await asJane('POST', '/webhooks', { url: receiver.url, events: ['webhook.ping'] })
  const { body: ping } = await asJane('POST', `/webhooks/${webhook.id}/ping`)
  const named = await share({ recipient: 'Ann' })
  const { body: { data: [lead] } } = await asJane('GET', `/leads?share=${named.id}`)
  const calls = [['GET', `/cards/${jane.card.id}`], ['PATCH', `/cards/${jane.card.id}`, { title: 'x' }], ['DELETE', `/cards/${jane.card.id}`],
    ['GET', `/cards/${jane.card.id}/shares`], ['POST', `/cards/${jane.card.id}/shares`, {}], ['GET', `/shares/${theirs.id}`], ['DELETE', `/shares/${theirs.id}`],
    ['GET', `/shares/${theirs.id}/hits`], ['GET', `/leads/${lead.id}`], ['PATCH', `/leads/${lead.id}`, { stage: 'won' }], ['DELETE', `/leads/${lead.id}`],
    ['GET', `/webhooks/${webhook.id}`], ['PATCH', `/webhooks/${webhook.id}`, { enabled: false }], ['DELETE', `/webhooks/${webhook.id}`],
    ['POST', `/webhooks/${webhook.id}/ping`], ['GET', `/webhooks/${webhook.id}/deliveries`], ['GET', `/deliveries/${ping.delivery_id}`],
    ['POST', `/deliveries/${ping.delivery_id}/redeliver`]]
  for (const [method, path, body] of calls) {
    assert.equal((await asMika(method, path, body)).status, 404, `${method} ${path}`)
    const nowhere = path.replace(/_[0-9A-Z]+/, '_0000000000001')
    assert.equal((await asJane(method, nowhere, body)).status, 404, `${method} ${nowhere}`)
    assert.equal((await asJane(method, path.replace(/[a-z]+_[0-9A-Z]+/, 'x'), body)).status, 404)
  }
  assert.deepEqual(wrong(await asMika('POST', `/cards/${mika.card.id}/shares`, { parent: theirs.id })), ['/parent'])
  assert.deepEqual((await asMika('GET', '/leads')).body.data, [])
  assert.deepEqual((await asMika('GET', `/leads?share=${named.id}`)).body.data, [])
  assert.deepEqual((await asMika('GET', '/webhooks')).body.data, [])
  assert.equal((await asJane('GET', `/webhooks/${webhook.id}`)).body.enabled, true)
  await asJane('DELETE', `/webhooks/${webhook.id}`)
})

test('a share has its token, addresses and chain, and is wrong field by field', async () => {
  const answer = await asJane('POST', `/cards/${jane.card.id}/shares`, {
    channel: 'event', label: ' Berlin fair,\tbadge ', print_run: 'badges', vouch: 'Ask about slate.', expires_at: '2030-06-01T12:00:00+02:00'
  })
  assert.equal(answer.status, 201)
  const made = answer.body
  assert.equal(answer.headers.get('location'), `/api/v1/shares/${made.id}`)
  assert.equal(made.url, `${meishi.url}/c/${made.token}`)
  assert.equal(made.qr_png_url, `${made.url}.png`)
  assert.equal(made.label, 'Berlin fair, badge')
  assert.equal(made.print_run, 'badges')
  assert.equal(made.expires_at, '2030-06-01T10:00:00.000Z')
  assert.equal(made.sharer.handle, 'jane')
  assert.equal(made.chain.length, 1)
  assert.equal(made.chain[0].vouch, 'Ask about slate.')
  const { hits, leads, ...read } = (await asJane('GET', `/shares/${made.id}`)).body
  assert.deepEqual(read, made)
  assert.deepEqual([Object.values(hits).reduce((sum, number) => sum + number), leads], [0, 0])
  assert.equal((await meishi.open(`/c/${made.token.toLowerCase()}`)).status, 200)
  for (const [url, type] of [[made.qr_png_url, 'image/png'], [made.qr_svg_url, 'image/svg+xml']]) assert.equal((await fetch(url)).headers.get('content-type'), type)

  const child = await share({ channel: 'whatsapp', parent: made.id })
  assert.equal(child.parent, made.id)
  assert.deepEqual(child.chain.map(hand => hand.token), [made.token, child.token])
  assert.equal((await share({})).channel, 'link')
  assert.equal((await share({ channel: null, label: null, recipient: null, parent: null, expires_at: null, vouch: null, print_run: null })).channel, 'link')

  const bad = body => asJane('POST', `/cards/${jane.card.id}/shares`, body).then(wrong)
  assert.deepEqual(await bad({ channel: 'pigeon', label: 1, recipient: [], parent: 'x', expires_at: 'tomorrow', more: 1 }),
    ['/channel', '/expires_at', '/label', '/more', '/parent', '/recipient'])
  assert.deepEqual(await bad({ label: 'x'.repeat(81), recipient: 'x'.repeat(121), vouch: 'x'.repeat(241), print_run: 'x'.repeat(81) }), ['/label', '/print_run', '/recipient', '/vouch'])
  assert.deepEqual(await bad({ parent: 'shr_0000000000001' }), ['/parent'])
  assert.deepEqual(await bad({ parent: jane.card.id }), ['/parent'])
  for (const time of ['2020-01-01T00:00:00Z', '1960-01-01T00:00:00Z', '2060-01-01T00:00:00Z', '2030-01-01', '2030-02-31T00:00:00Z', '2030-13-01T00:00:00Z',
    '2030-01-01T25:00:00Z', '2030-01-01T00:00:00', '2030-01-01 00:00:00Z', ' 2030-01-01T00:00:00Z', '2030-1-1T0:0:0Z', '2030-01-01T00:00:00+1:00', 5])
    assert.deepEqual(await bad({ expires_at: time }), ['/expires_at'], time)
})

test('a chain of hands ends somewhere', async () => {
  let parent = await share()
  for (let i = 1; i < 16; i++) parent = await share({ parent: parent.id })
  assert.equal(parent.chain.length, 16)
  const more = await asJane('POST', `/cards/${jane.card.id}/shares`, { parent: parent.id })
  assert.equal(more.status, 422)
  assert.match(more.body.detail, /too many hands/)
})

test('a share expires, and is revoked once and for all', async () => {
  const soon = await share({ expires_at: new Date(Date.now() + 1500).toISOString() })
  assert.equal((await meishi.open(`/c/${soon.token}`)).status, 200)
  await sleep(1600)
  assert.equal((await meishi.open(`/c/${soon.token}`)).status, 404)
  assert.equal((await asJane('GET', `/shares/${soon.id}`)).status, 200)

  const gone = await share()
  assert.equal((await asJane('DELETE', `/shares/${gone.id}`)).status, 204)
  const { revoked_at: at } = (await asJane('GET', `/shares/${gone.id}`)).body
  assert.ok(at)
  assert.equal((await asJane('DELETE', `/shares/${gone.id}`)).status, 204)
  assert.equal((await asJane('GET', `/shares/${gone.id}`)).body.revoked_at, at)
  assert.equal((await meishi.open(`/c/${gone.token}`)).status, 404)

  const { body: { data } } = await asJane('GET', `/cards/${jane.card.id}/shares?limit=200`)
  const own = data.find(row => row.standing)
  assert.equal((await asJane('DELETE', `/shares/${own.id}`)).status, 409)
  assert.equal((await meishi.open('/@jane')).status, 200)
})

test('pages of a list are walked to the end by Link and by cursor, and miss nothing', async () => {
  const { body: card } = await asJane('POST', '/cards', { name: 'Many Shares' })
  const made = []
  for (let i = 0; i < 11; i++) made.push((await share({ label: `n${i}` }, card)).id)
  const all = (await asJane('GET', `/cards/${card.id}/shares`)).body
  assert.equal(all.next_cursor, null)
  assert.equal(all.data.length, 12, 'the standing one too')
  const ids = all.data.map(row => row.id)
  assert.deepEqual(ids.slice(0, 11), made.toReversed?.() ?? [...made].reverse())
  for (const limit of [1, 3, 4, 5, 11, 12, 13]) {
    const walked = []
    let path = `/cards/${card.id}/shares?limit=${limit}`
    for (let pages = 0; path; pages++) {
      assert.ok(pages <= 12)
      const page = await asJane('GET', path)
      assert.equal(page.status, 200)
      assert.ok(page.body.data.length, 'no page is empty')
      walked.push(...page.body.data.map(row => row.id))
      if (walked.length === limit) await share({ label: 'added meanwhile' }, card) // what is new never shifts the pages
      const next = page.headers.get('link').match(/<\/api\/v1([^>]*)>; rel="next"/)?.[1]
      assert.equal(Boolean(next), page.body.next_cursor !== null)
      assert.equal(/rel="first"/.test(page.headers.get('link')), path.includes('cursor='))
      if (next) assert.match(next, new RegExp(`limit=${limit}&cursor=${page.body.next_cursor}$`))
      path = next
    }
    const expected = (await asJane('GET', `/cards/${card.id}/shares?limit=200`)).body.data.map(row => row.id)
    assert.deepEqual(walked, expected.slice(expected.length - walked.length))
    assert.deepEqual(walked.slice(-12), ids)
  }
  await asJane('DELETE', `/cards/${card.id}`)
})

test('limits, cursors and parameters that are none are refused by name', async () => {
  const { id } = await share()
  const lists = [`/cards/${jane.card.id}/shares`, `/shares/${id}/hits`, '/leads']
  for (const list of lists) {
    for (const limit of ['0', '-1', '201', '1e2', '', 'x', '99999999999999999999', '+5', '5.0', '%205'])
      assert.deepEqual(wrong(await asJane('GET', `${list}?limit=${limit}`)), ['?limit'], limit)
    for (const cursor of ['x', '', 'crd_0000000000001', 'shr_', 'shr_00000000000001'])
      assert.deepEqual(wrong(await asJane('GET', `${list}?cursor=${cursor}`)), ['?cursor'], cursor)
    assert.deepEqual(wrong(await asJane('GET', `${list}?limits=5&page=2&stage_=won&=x`)), ['?', '?limits', '?page', '?stage_'])
    assert.deepEqual(wrong(await asJane('GET', `${list}?limit=5&cursor=&limit=6`)), ['?cursor', '?limit'])
    assert.equal((await asJane('GET', `${list}?limit=200&`)).status, 200)
  }
  for (const q of ['%ff', '%c0%af', '%', 'a%4', '%zz'])
    assert.ok([400, 422].includes((await asJane('GET', `/leads?q=${q}`)).status), q)
  assert.deepEqual(wrong(await asJane('GET', '/leads?q=%ff')), ['?q'])
  assert.deepEqual(wrong(await asJane('GET', '/leads?kind=none&stage=none&channel=none&share=none&since=none&set_aside=maybe&limit=0&more=1')),
    ['?channel', '?kind', '?limit', '?more', '?set_aside', '?share', '?since', '?stage'])
})

test('a named recipient is a potential lead at once', async () => {
  const sent = await share({ channel: 'email', recipient: 'Ann Okafor' })
  const { body: { data } } = await asJane('GET', `/leads?share=${sent.id}`)
  assert.equal(data.length, 1)
  assert.equal(data[0].stage, 'potential')
  assert.equal(data[0].recipient, 'Ann Okafor')
  assert.equal(data[0].name, null)
  assert.equal(data[0].identified_at, null)
  assert.equal(data[0].share.channel, 'email')
})

test('hits tell who came, and are counted on the share', async () => {
  const fair = await share({ channel: 'event' })
  const page = await meishi.open(`/c/${fair.token}`)
  await meishi.post(`/c/${fair.token}/seen`, { stamp: page.form.stamp })
  await meishi.open(`/c/${fair.token}`, 'WhatsApp/2.24.20.89 A')
  await meishi.open(`/c/${fair.token}`, IPHONE, { 'Sec-Purpose': 'prefetch' })
  const { data } = (await asJane('GET', `/shares/${fair.id}/hits`)).body
  assert.deepEqual(data.map(hit => hit.verdict), ['prefetch', 'preview', 'person'])
  assert.ok(data[2].acts.includes('seen'))
  const first = (await asJane('GET', `/shares/${fair.id}/hits?limit=2`)).body
  const rest = (await asJane('GET', `/shares/${fair.id}/hits?limit=2&cursor=${first.next_cursor}`)).body
  assert.deepEqual([...first.data, ...rest.data], data)
  assert.equal(rest.next_cursor, null)
  const row = await until(async () => {
    const rows = (await asJane('GET', `/cards/${jane.card.id}/shares`)).body.data
    const found = rows.find(one => one.id === fair.id)
    return found.hits.person && found.hits.preview && found
  })
  assert.deepEqual(row.hits, { person: 1, unconfirmed: 0, preview: 1, scanner: 0, prefetch: 1, bot: 0, self: 0 })
  assert.equal(row.leads, 0)
  assert.equal(row.sharer.handle, 'jane')
  assert.ok(!('chain' in row))
})

test('leads are found by kind, stage, channel, share, since and words', async () => {
  const started = new Date().toISOString()
  const qr = await share({ channel: 'qr', label: 'stand' })
  const pages = await Promise.all([0, 1].map(() => meishi.open(`/c/${qr.token}`)))
  await sleep(3200)
  await leave(pages[0], qr.token, { name: 'Zoë Ångström', reach: 'zoe@example.com', company: 'Slate AG', message: 'Zwei Dächer' })
  await leave(pages[1], qr.token, { name: 'Bo Li', reach: '+49 30 555 0100' })
  const passed = JSON.parse((await meishi.post(`/c/${qr.token}/pass-on`, { ...pages[0].form, vouch: 'Good.' }, { Accept: 'application/json' })).text)
  const next = await meishi.open(`/c/${passed.token}`)
  await sleep(3200)
  await leave(next, passed.token, { name: 'Carla Referred', reach: 'carla@example.com' })

  const find = async query => (await asJane('GET', `/leads?since=${started}&${query}`)).body.data.map(lead => lead.name)
  assert.deepEqual(await find('kind=referral'), ['Carla Referred'])
  assert.deepEqual(await find('kind=lead&stage=new'), ['Zoë Ångström', 'Bo Li'], 'since makes it a feed: see api_feed.test.mjs')
  assert.deepEqual(await find('stage=new'), ['Zoë Ångström', 'Bo Li', 'Carla Referred'])
  assert.deepEqual(await find('channel=qr'), ['Zoë Ångström', 'Bo Li'])
  assert.deepEqual(await find('channel=email'), [])
  assert.deepEqual(await find(`share=${qr.id}`), ['Zoë Ångström', 'Bo Li'])
  assert.deepEqual((await asJane('GET', `/leads?share=${qr.id}`)).body.data.map(lead => lead.name), ['Bo Li', 'Zoë Ångström'])
  assert.deepEqual(await find('q=angstrom'), ['Zoë Ångström'])
  assert.deepEqual(await find('q=zoe+slate'), ['Zoë Ångström'])
  assert.deepEqual(await find('q=dacher'), ['Zoë Ångström'])
  assert.deepEqual(await find('q=%22%20OR%20*%20NEAR('), [])
  assert.deepEqual(await find('q=nobody'), [])
  assert.deepEqual(await find('stage=won'), [])
  assert.deepEqual((await asJane('GET', '/leads?since=2999-01-01T00:00:00Z')).body.data, [])
  assert.equal((await asJane('GET', `/leads?since=${started.replace('Z', '%2B00:00')}&kind=referral`)).body.data.length, 1)
  const q = 'x'.repeat(900) // the Link of a next page names the whole question again
  assert.equal((await asJane('GET', `/leads?q=${q}`)).status, 200)
  const long = await asJane('GET', `/leads?limit=1&stage=new&channel=qr&kind=lead&set_aside=false`)
  assert.match(long.headers.get('link'), /kind=.*cursor=led_\w+>; rel="next"/)

  const [referral] = (await asJane('GET', '/leads?kind=referral')).body.data
  assert.deepEqual(referral.endorser, { id: referral.chain[1].sharer.id, handle: null, name: 'Zoë Ångström', vouch: 'Good.' })
  assert.equal(referral.sharer.name, 'Zoë Ångström')
  assert.deepEqual(referral.chain.map(hand => hand.sharer.name), ['Jane Doe', 'Zoë Ångström'])

  const walked = []
  for (let cursor = ''; cursor !== null;) {
    const { body } = await asJane('GET', `/leads?limit=1&stage=new${cursor && `&cursor=${cursor}`}`)
    walked.push(...body.data.map(lead => lead.name))
    cursor = body.next_cursor
  }
  assert.deepEqual(walked, ['Carla Referred', 'Bo Li', 'Zoë Ångström'])
  const words = []
  for (let cursor = ''; cursor !== null;) {
    const { body } = await asJane('GET', `/leads?limit=1&q=example&since=${started}${cursor && `&cursor=${cursor}`}`)
    words.push(...body.data.map(lead => lead.name))
    cursor = body.next_cursor
  }
  assert.deepEqual(words, ['Carla Referred', 'Zoë Ångström'])
})

test('a lead is moved, noted, set aside, taken in and erased', async () => {
  const [lead] = (await asJane('GET', '/leads?q=bo+li')).body.data
  const path = `/leads/${lead.id}`
  const read = await asJane('GET', path)
  assert.match(read.headers.get('etag'), /^"r1-[0-9a-f]{32}"$/)
  assert.ok(read.body.timeline.some(moment => moment.kind === 'form'))
  const moved = await asJane('PATCH', path, { stage: 'contacted', note: ' Rang.\nCall back. ' }, { 'If-Match': '"r1"' })
  assert.equal(moved.body.stage, 'contacted')
  assert.equal(moved.headers.get('etag'), '"r2"')
  assert.equal((await asJane('PATCH', path, { stage: 'won' }, { 'If-Match': '"r1"' })).status, 412)
  assert.equal((await asJane('PATCH', path, { notes: 'Second.' })).status, 200)
  const { timeline } = (await asJane('GET', path)).body
  assert.deepEqual(timeline.filter(moment => moment.kind === 'note').map(moment => moment.words), ['Rang.\nCall back.', 'Second.'])
  assert.ok(timeline.some(moment => moment.kind === 'stage' && /Contacted/.test(moment.words)))
  for (const stage of ['new', 'marketing-qualified', 'sales-qualified', 'opportunity', 'won', 'lost', 'junk', 'contacted'])
    assert.equal((await asJane('PATCH', path, { stage })).body.stage, stage)
  const unchanged = (await asJane('PATCH', path, {})).headers.get('etag')
  assert.equal((await asJane('PATCH', path, {}, { 'If-Match': (await asJane('GET', path)).headers.get('etag') })).status, 200)
  for (const body of [{}, { stage: null, note: null, notes: null, set_aside: null }, { stage: 'contacted' }, { note: '  ' }])
    assert.equal((await asJane('PATCH', path, body)).headers.get('etag'), unchanged, JSON.stringify(body))

  assert.equal((await asJane('PATCH', path, { stage: 'potential' })).status, 422)
  assert.deepEqual(wrong(await asJane('PATCH', path, { stage: 'gone', note: 1, set_aside: 'yes', name: 'x' })), ['/name', '/note', '/set_aside', '/stage'])
  assert.deepEqual(wrong(await asJane('PATCH', path, { note: 'x'.repeat(4001) })), ['/note'])
  assert.deepEqual(wrong(await asJane('PATCH', path, { notes: 'é'.repeat(4001) })), ['/notes'])
  assert.deepEqual(wrong(await asJane('PATCH', path, { note: 'a', notes: 'b' })), ['/notes'])
  assert.equal((await asJane('PATCH', path, { note: 'é'.repeat(4000) })).status, 200)
  assert.equal((await asJane('PATCH', path, ' '.repeat(33000))).status, 413)
  assert.equal((await asJane('PATCH', path, '{', { 'Content-Type': 'text/plain' })).status, 415)
  assert.equal((await asJane('PATCH', path, '{')).status, 400)

  const aside = await asJane('PATCH', path, { set_aside: true })
  assert.ok(aside.body.set_aside)
  assert.ok(!(await asJane('GET', '/leads?q=bo+li')).body.data.length)
  assert.equal((await asJane('GET', '/leads?q=bo+li&set_aside=true')).body.data.length, 1)
  assert.equal((await asJane('PATCH', path, { set_aside: false })).body.set_aside, null)

  assert.equal((await asJane('DELETE', path, undefined, { 'If-Match': '"r1"' })).status, 412)
  assert.equal((await asJane('DELETE', path)).status, 204)
  assert.equal((await asJane('GET', path)).status, 404)
  assert.equal((await asJane('DELETE', path)).status, 404)
})

test('a webhook is made, read, changed, pinged and removed, and its deliveries are shown', async () => {
  const made = await asJane('POST', '/webhooks', { url: receiver.url, events: ['share.created', 'lead.created'] })
  assert.equal(made.status, 201)
  assert.match(made.body.secret, /^whsec_/)
  assert.equal(made.headers.get('location'), `/api/v1/webhooks/${made.body.id}`)
  assert.deepEqual(made.body.events.sort(), ['lead.created', 'share.created'])
  const path = `/webhooks/${made.body.id}`
  const { secret, ...known } = made.body
  const { missed, last_day: day, ...read } = (await asJane('GET', path)).body
  assert.deepEqual([missed, day.attempts], [0, 0])
  assert.deepEqual({ ...read, events: read.events.sort() }, known, 'the secret is told once')
  assert.deepEqual((await asJane('GET', '/webhooks')).body.data.map(webhook => webhook.id), [made.body.id])

  const { body: { delivery_id: id } } = await asJane('POST', `${path}/ping`)
  const delivery = await until(async () => {
    const { body } = await asJane('GET', `/deliveries/${id}`)
    return body.state === 'delivered' && body
  })
  assert.equal(delivery.attempt_log.length, 1)
  assert.equal(delivery.last_status, 204)
  assert.equal((await asJane('POST', `/deliveries/${id}/redeliver`, {})).status, 202)
  await until(() => receiver.of('webhook.ping').filter(ping => ping.headers['webhook-id'] === delivery.event_id).length === 2)
  for (let i = 0; i < 4; i++) assert.equal((await asJane('POST', `${path}/ping`, {})).status, 202)
  const all = (await asJane('GET', `${path}/deliveries`)).body.data.map(row => row.id)
  assert.equal(all.length, 5)
  const walked = []
  for (let cursor = ''; cursor !== null;) {
    const { body } = await asJane('GET', `${path}/deliveries?limit=2${cursor && `&cursor=${cursor}`}`)
    walked.push(...body.data.map(row => row.id))
    cursor = body.next_cursor
  }
  assert.deepEqual(walked, all)
  assert.deepEqual(wrong(await asJane('GET', `${path}/deliveries?limit=x&states=failed`)), ['?limit', '?states'])

  const { body: off } = await asJane('PATCH', path, { enabled: false })
  assert.equal(off.enabled, false)
  assert.ok(off.disabled_why)
  assert.equal((await asJane('POST', `${path}/ping`)).status, 409)
  await until(async () => (await asJane('GET', `/deliveries/${id}`)).body.state !== 'pending')
  assert.equal((await asJane('POST', `/deliveries/${id}/redeliver`)).status, 409)
  const { body: on } = await asJane('PATCH', path, { enabled: true, events: ['card.scanned'], url: `${receiver.url}?x=1` })
  assert.deepEqual([on.enabled, on.disabled_why, on.events, on.url], [true, null, ['card.scanned'], `${receiver.url}?x=1`])
  const same = (await asJane('PATCH', path, { url: null, events: null, format: null, payload: null, ed25519: null, enabled: null })).body
  for (const name of ['url', 'events', 'format', 'payload', 'public_key', 'enabled']) assert.deepEqual(same[name], on[name])

  const bad = body => asJane('POST', '/webhooks', body).then(wrong)
  assert.deepEqual(await bad({}), ['/events', '/url'])
  assert.deepEqual(await bad({ url: 5, events: 'lead.created', enabled: 'no', secret: 'x' }), ['/enabled', '/events', '/secret', '/url'])
  assert.deepEqual(await bad({ url: receiver.url, events: [] }), ['/events'])
  assert.deepEqual(await bad({ url: receiver.url, events: ['lead.created', 'lead.lost', 7] }), ['/events/1', '/events/2'])
  for (const url of ['nonsense', 'ftp://example.com/', 'https://user:pass@example.com/', 'https://10.0.0.1/', 'https://[::1]/',
    'http://127.0.0.1:1/', `https://example.com/${'x'.repeat(2100)}`, '']) assert.deepEqual(await bad({ url, events: ['lead.created'] }), ['/url'], url)
  assert.deepEqual(wrong(await asJane('PATCH', path, { url: 'http://10.0.0.1/', events: [], x: 1 })), ['/events', '/url', '/x'])
  assert.equal((await asJane('PATCH', path, '[')).status, 400)
  assert.equal((await asJane('PATCH', path, '{}', { 'Content-Type': 'text/json' })).status, 415)
  assert.equal((await asJane('PATCH', path, ' '.repeat(17000))).status, 413)

  assert.equal((await asJane('DELETE', path)).status, 204)
  assert.equal((await asJane('GET', path)).status, 404)
  assert.equal((await asJane('DELETE', path)).status, 404)
  assert.equal((await asJane('POST', `/deliveries/${id}/redeliver`)).status, 409)
})

test('a webhook may be made switched off, and twenty are enough', async () => {
  const { body: off } = await asMika('POST', '/webhooks', { url: receiver.url, events: ['lead.created'], enabled: false })
  assert.equal(off.enabled, false)
  assert.equal((await asMika('GET', `/webhooks/${off.id}`)).body.enabled, false)
  for (let i = 1; i < 20; i++) assert.equal((await asMika('POST', '/webhooks', { url: receiver.url, events: ['lead.created'], enabled: true })).status, 201)
  const more = await asMika('POST', '/webhooks', { url: receiver.url, events: ['lead.created'] })
  assert.equal(more.status, 422)
  assert.match(more.body.detail, /20/)
  assert.equal((await asMika('GET', '/webhooks')).body.data.length, 20)
})

test('with Idempotency-Key a POST happens once', async () => {
  const path = `/cards/${jane.card.id}/shares`, key = { 'Idempotency-Key': '8e03978e-40d5-43dd-bc93-6894a57f9324' }
  const first = await asJane('POST', path, { label: 'once' }, key)
  assert.equal(first.status, 201)
  assert.equal(first.headers.get('idempotent-replayed'), null)
  const again = await asJane('POST', path, { label: 'once' }, key)
  assert.deepEqual([again.status, again.body], [201, first.body])
  assert.equal(again.headers.get('idempotent-replayed'), 'true')
  assert.equal(again.headers.get('location'), first.headers.get('location'))
  assert.equal((await asJane('POST', path, { label: 'other' }, key)).status, 422)
  assert.equal((await asJane('POST', '/cards', { label: 'once' }, key)).status, 422, 'another address is another request')
  const other = await asMika('POST', `/cards/${mika.card.id}/shares`, { label: 'once' }, key)
  assert.notEqual(other.body.id, first.body.id, 'another member has keys of their own')

  const many = await Promise.all(Array.from({ length: 20 }, () => asJane('POST', path, { label: 'race' }, { 'Idempotency-Key': '"race"' })))
  assert.ok(many.every(answer => [201, 409].includes(answer.status)))
  assert.equal(new Set(many.filter(answer => answer.status === 201).map(answer => answer.body.id)).size, 1)
  const { data } = (await asJane('GET', `${path}?limit=200`)).body
  assert.equal(data.filter(row => row.label === 'race').length, 1)

  const wrongOnce = await asJane('POST', path, { label: 1 }, { 'Idempotency-Key': 'wrong' })
  const wrongTwice = await asJane('POST', path, { label: 1 }, { 'Idempotency-Key': 'wrong' })
  assert.deepEqual([wrongTwice.status, wrongTwice.body], [422, wrongOnce.body])
  assert.equal((await asJane('POST', path, {}, { 'Idempotency-Key': 'x'.repeat(256) })).status, 400)
  assert.equal((await asJane('POST', path, {}, { 'Idempotency-Key': 'é' })).status, 400)
  assert.equal((await asJane('POST', path, {}, { 'Idempotency-Key': 'x'.repeat(255) })).status, 201)
})

test('an answer kept for its Idempotency-Key is sealed on disk', async () => {
  const body = { url: receiver.url, events: ['lead.created'] }
  const { body: { secret, id } } = await asJane('POST', '/webhooks', body, { 'Idempotency-Key': 'secret' })
  assert.equal((await asJane('POST', '/webhooks', body, { 'Idempotency-Key': 'secret' })).body.secret, secret)
  const files = Object.values(await meishi.store.written())
  assert.ok(files.some(bytes => bytes.includes(receiver.url)), 'what is not secret is found, so this looks in the right place')
  assert.ok(!files.some(bytes => bytes.includes(secret) || bytes.includes(secret.slice(6, 40))))
  await asJane('DELETE', `/webhooks/${id}`)
})

test('a disabled member has no API, and their cards are shown to nobody', async () => {
  const gone = await meishi.member('gone', 'Gone Away')
  const link = await meishi.share(gone.token, gone.card, { channel: 'link' })
  assert.equal((await meishi.open('/@gone')).status, 200)
  assert.equal((await meishi.open(`/c/${link.token}`)).status, 200)
  await meishi.json('member', 'disable', '--handle', 'gone')
  assert.equal((await api(gone.token, 'GET', '/cards')).status, 401)
  await until(async () => (await meishi.open('/@gone')).status === 404) // the command may run where no server is and tell them all
  await until(async () => (await meishi.open(`/c/${link.token}`)).status === 404)
})

test('every route asks for a token of its scope and is not read twice, and every body must be JSON of a fitting size', async () => {
  const { body: webhook } = await asJane('POST', '/webhooks', { url: receiver.url, events: ['webhook.ping'] })
  const { body: ping } = await asJane('POST', `/webhooks/${webhook.id}/ping`)
  await until(async () => (await asJane('GET', `/deliveries/${ping.delivery_id}`)).body.state === 'delivered') // and changes no more
  const { id } = await share({ recipient: 'Somebody' })
  const { body: { data: [lead] } } = await asJane('GET', `/leads?share=${id}`)
  const ids = { cards: jane.card.id, shares: id, leads: lead.id, webhooks: webhook.id, deliveries: ping.delivery_id }
  const stranger = await meishi.json('token', 'add', '--member', 'jane', '--scope', 'metrics:read')
  const tried = await matrix('main', api, jane.token, stranger.token, ids)
  assert.ok(tried > 20)
  await asJane('DELETE', `/webhooks/${webhook.id}`)
})

test('what is left of the allowance is told, and guessing tokens is slowed down', async () => {
  const left = async () => Number((await asJane('GET', '/cards')).headers.get('ratelimit').match(/^"api";r=(\d+);t=\d+$/)[1])
  const [first, second] = [await left(), await left()]
  assert.ok(second < first || first < 30000, `${first}, then ${second}`)
  assert.equal((await asJane('GET', '/cards')).headers.get('ratelimit-policy'), '"api";q=30000;w=60')
  let answer
  for (let i = 0; i < 70; i++) answer = await api(`msh_${'B'.repeat(43)}`, 'GET', '/cards')
  assert.equal(answer.status, 429)
  assert.ok(Number(answer.headers.get('retry-after')) > 0)
  assert.equal((await asJane('GET', '/cards')).status, 200, 'who has a token is not held up')
})

test('the description is served as it is', async () => {
  const description = await fetch(`${meishi.url}/api/openapi.yaml`)
  assert.equal(description.status, 200)
  assert.equal(description.headers.get('content-type'), 'application/yaml')
  const { parse } = await import('yaml')
  assert.deepEqual(parse(await description.text()), contract)
  assert.equal((await fetch(`${meishi.url}/api/openapi.yaml`, { headers: { 'If-None-Match': description.headers.get('etag') } })).status, 304)
})

test('every status of every route here was answered, but those that need a fault or a race', () => {
  assert.deepEqual(unanswered('main', ['PATCH /cards/{id} 409', 'POST /cards/{id}/shares 409', 'POST /webhooks 409']), [])
})
