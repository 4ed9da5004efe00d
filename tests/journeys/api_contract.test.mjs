// What every operation of the contract answers whatever it is about: nobody's token, a wrong address, a body of the wrong kind, a
// disk that hangs. The operations are read from the contract, so a new one is tried without a word here. Then each example of a
// request is sent as it stands, and its answer has the members of the example's.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, request as ask } from 'node:http'
import { after, before, test } from 'node:test'
import { judge, operations, resolve } from '../support/contract.mjs'
import { Disk } from '../support/disk.mjs'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'
import { refuseBreach } from '../support/proxy.mjs'

const AT_ONCE = 8, HANGING = 64, WAITING = 1100 // more than there are workers, and more than may wait for one
const PICTURE = readFileSync('assets/touch.png')
const disk = new Disk()
let meishi, receiver, jane, stranger, ids
const running = []

async function start(settings) {
  const it = await Meishi.start(settings)
  running.push(it)
  return it
}

before(async () => {
  receiver = await Receiver.start()
  meishi = await start({ MEISHI_WEBHOOK_ALLOW: receiver.allow, ...disk.settings })
  disk.isUnder(meishi.store)
  jane = await meishi.member()
  stranger = (await meishi.json('token', 'add', '--member', 'jane', '--scope', 'metrics:read')).token
  ids = await things()
})
after(async () => {
  await receiver?.stop()
  for (const it of running) await it.stop()
  disk.remove()
})

// What a member must have for the examples to be about something, by the schema of the id in the path.
async function things() {
  const share = await meishi.share(jane.token, jane.card, { recipient: 'Ann' })
  const webhook = (await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['webhook.ping'] })).body
  const ping = (await meishi.api(jane.token, 'POST', `/webhooks/${webhook.id}/ping`)).body
  const lead = (await meishi.api(jane.token, 'GET', '/leads')).body.data[0]
  const followup = (await meishi.api(jane.token, 'POST', `/leads/${lead.id}/follow-ups`, { after: 'day' })).body
  const token = (await meishi.api(jane.token, 'POST', '/tokens', { name: 'CRM', scopes: ['leads:read'] })).body
  const listener = (await meishi.api(jane.token, 'POST', '/listeners', {})).body
  const claimed = (await meishi.api(jane.token, 'POST', `/webhooks/${listener.id}/ping`)).body
  return { ListenerId: listener.id, ClaimedId: claimed.delivery_id, CardId: jane.card.id, ShareId: share.id, LeadId: lead.id, FollowUpId: followup.id, WebhookId: webhook.id, DeliveryId: ping.delivery_id, TokenId: token.id }
}

// PATH with an id in it that is well formed and nobody's.
const nowhere = ({ path, parameters }) => parameters.filter(it => it.in === 'path')
  .reduce((at, { name, schema }) => at.replace(`{${name}}`, /\^(\w+_)/.test(resolve(schema).pattern) ? `${resolve(schema).pattern.match(/\^(\w+_)/)[1]}0000000000001` : 'x'), path)
// PATH with an id in it of what is the member's own.
function somewhere(operation) {
  return operation.parameters.filter(it => it.in === 'path').reduce((at, { name, schema }) => {
    const id = ids[schema.$ref?.split('/').pop()]
    assert.ok(id, `things() must make what ${operation.method} ${operation.path} is about`)
    return at.replace(`{${name}}`, id)
  }, operation.path)
}
const says = (operation, status) => operation.operation.responses[status]
const takesBody = operation => operation.operation.requestBody?.content['application/json']

async function send(operation, { token = jane.token, path = nowhere(operation), headers = {}, body, type = 'application/json', url = meishi.apiUrl } = {}) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method: operation.method, body,
    headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'Content-Type': type }), ...headers }
  })
  refuseBreach(response.headers)
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null }
}

// Tries every operation that lists STATUS, and those alone.
function every(status, words, how, where = says) {
  test(words, async () => {
    let tried = 0
    for (const operation of operations) {
      if (!where(operation, status)) continue
      const answer = await how(operation)
      assert.equal(answer.status, status, `${operation.method} ${operation.path}: ${JSON.stringify(answer.body)}`)
      tried++
    }
    assert.ok(tried > 0)
  })
}

every(401, 'without a token every operation answers 401', operation => send(operation, { token: null, body: takesBody(operation) && '{}' }))
every(400, 'an address with %00 is 400', operation => send(operation, { path: `${nowhere(operation)}?%00` }))
every(404, 'what nobody has is 404', operation => send(operation, { body: takesBody(operation) && '{}' }), (operation, status) => says(operation, status) && /\{/.test(operation.path))
every(403, 'a token without the scope is 403', operation => send(operation, { token: stranger, body: takesBody(operation) && '{}' }))
every(415, 'a body that is not JSON by its type is 415', operation => send(operation, { body: '{}', type: 'text/plain' }))
// The answer to a body that is announced and never sent.
function announce(operation, length) {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${jane.token}`, 'Content-Type': 'application/json', 'Content-Length': length }
    const asked = ask(`${meishi.url}/api/v1${nowhere(operation)}`, { method: operation.method, headers }, async response => {
      const chunks = []
      for await (const chunk of response) chunks.push(chunk)
      asked.destroy()
      resolve({ status: response.statusCode, headers: new Headers(response.headers), body: JSON.parse(Buffer.concat(chunks)) })
    })
    asked.on('error', reject).flushHeaders()
  })
}

every(413, 'a body that is too large is 413 before any of it came', async operation => {
  const answer = await announce(operation, 2 ** 30)
  assert.equal(judge(operation.method, nowhere(operation), answer), undefined)
  return answer
})
every(422, 'a parameter that is none is 422', operation => send(operation, { path: `${somewhere(operation)}?nothing=1`, body: takesBody(operation) && exampleOf(operation) }))
every(422, 'an Idempotency-Key that was used with another body is 422', async operation => {
  const path = somewhere(operation), headers = { 'Idempotency-Key': `twice ${path}` }
  assert.notEqual((await send(operation, { path, headers, body: '{}' })).status, 400)
  return send(operation, { path, headers, body: '{"another":"body"}' })
}, (operation, status) => says(operation, status) && operation.parameters.some(it => it.name === 'Idempotency-Key'))
every(422, 'a limit that is none is 422', operation => send(operation, { path: `${nowhere(operation)}?limit=none` }),
  (operation, status) => says(operation, status) && operation.parameters.some(it => it.name === 'limit'))
every(431, 'too many headers are 431, a problem like any other', operation => send(operation, { headers: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`X-${i}`, 'x'])) }),
  operation => says(operation, 'default'))

test('no path takes another method than those of the contract', async () => {
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
  for (const path of new Set(operations.map(it => it.path))) {
    const known = operations.filter(it => it.path === path)
    for (const method of METHODS.filter(it => !known.some(operation => operation.method === it))) {
      const { status, headers } = await send({ ...known[0], method })
      assert.equal(status, 405, `${method} ${path}`)
      assert.deepEqual(headers.get('allow').split(', ').filter(it => it !== 'HEAD').sort(), known.map(it => it.method).sort(), path)
    }
  }
})

test('who guesses tokens gets 429 from every operation', async () => {
  const other = await start({})
  for (const operation of operations) {
    if (!says(operation, 429)) continue
    const guess = () => send(operation, { token: `msh_${'B'.repeat(43)}`, url: other.apiUrl, body: takesBody(operation) && '{}' })
    await until(async () => (await guess()).status === 429)
  }
})

test('while a disk hangs and a queue is full, every operation answers 503 at once, and afterwards all goes on', async () => {
  const agent = new Agent({ maxSockets: Infinity }), answers = []
  const hang = (method, body) => answers.push(new Promise((resolve, reject) => {
    ask(`${meishi.url}/api/v1/cards`, { method, agent, headers: { Authorization: `Bearer ${jane.token}`, 'Content-Type': 'application/json' } }, response => {
      response.resume().on('end', () => resolve(response.statusCode))
    }).on('error', reject).end(body)
  }))
  await disk.hang()
  try {
    for (let i = 0; i < HANGING; i++) hang('POST', '{"name":"Waits for the disk"}')
    await until(() => disk.failures())
    for (let i = 0; i < WAITING; i++) hang('GET')
    const [first] = operations
    await until(async () => (await Promise.race([send(first), sleep(200)]))?.status === 503)
    for (const operation of operations) {
      if (!says(operation, 503)) continue
      const answer = await send(operation, { body: takesBody(operation) && '{}' })
      assert.equal(answer.status, 503, `${operation.method} ${operation.path}`)
      assert.ok(Number(answer.headers.get('retry-after')) > 0)
    }
  } finally {
    await disk.mend()
  }
  const statuses = await Promise.all(answers)
  agent.destroy()
  assert.deepEqual([...new Set(statuses)].sort(), [200, 201, 503])
  assert.equal((await meishi.api(jane.token, 'GET', '/cards')).status, 200)
})

// Many at once, again and again, until one comes upon another.
const collide = (operation, options) => until(async () => {
  const dry = operation.parameters.some(it => it.name === 'dry_run') ? '?dry_run=true' : '' // the examples are sent in earnest below
  const path = somewhere(operation) + dry, { headers, ...rest } = options()
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => send(operation, { path, headers, ...rest })))
  for (const { headers: got, status } of answers) if (status === 201 && got.get('location')) await fetch(meishi.url + got.get('location'), { method: 'DELETE', headers: { Authorization: `Bearer ${jane.token}` } })
  return answers.some(it => it.status === 409)
}, 20000)
const exampleOf = operation => JSON.stringify(resolve(Object.values(takesBody(operation)?.examples ?? { none: { value: {} } })[0]).value)

test('a POST whose Idempotency-Key is still under way is 409', async () => {
  let round = 0
  for (const operation of operations)
    if (says(operation, 409) && operation.parameters.some(it => it.name === 'Idempotency-Key'))
      await collide(operation, () => ({ body: exampleOf(operation), headers: { 'Idempotency-Key': `race ${round++}` } }))
})

test('changes of one revision that meet are 409, but for the first', async () => {
  for (const operation of operations)
    if (says(operation, 409) && operation.parameters.some(it => it.name === 'If-Match'))
      await collide(operation, () => takesBody(operation) ? { body: exampleOf(operation) } : operation.method === 'PUT' ? { body: PICTURE, type: 'image/png' } : {})
})

const shape = thing => Array.isArray(thing) ? thing.map(shape) : thing && typeof thing === 'object'
  ? Object.fromEntries(Object.entries(thing).sort().map(([name, value]) => [name, shape(value)])) : typeof thing

test('every example of a request does what the contract says, and its answer looks like the example', async () => {
  let sent = 0, alike = 0
  for (const operation of operations) {
    for (const [name, example] of Object.entries(takesBody(operation)?.examples ?? {})) {
      const path = somewhere(operation)
      const answer = await send(operation, { path, body: JSON.stringify(resolve(example).value) })
      assert.ok(answer.status < 300, `${operation.method} ${path}, ${name}: ${JSON.stringify(answer.body)}`)
      sent++
      const expected = resolve(resolve(operation.operation.responses[answer.status]).content?.['application/json']?.examples?.[name])
      if (expected) {
        assert.deepEqual(shape(answer.body), shape(expected.value), `${operation.method} ${operation.path}, ${name}`)
        alike++
      }
      const made = answer.headers.get('location')?.replace('/api/v1', '')
      if (made && operations.some(it => it.method === 'DELETE' && it.path.replace(/\{\w+\}/, made.split('/').at(-1)) === made)) await meishi.api(jane.token, 'DELETE', made)
    }
  }
  assert.ok(sent >= 6 && alike >= 3, `${sent} sent, ${alike} alike`)
})
