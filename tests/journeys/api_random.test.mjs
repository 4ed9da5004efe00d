// Requests made at random from the contract: whatever is sent, the answer is one that the contract describes, and none is a 5xx.
// API_REQUESTS says how many, API_SEED repeats a run.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { contract, judge, resolve } from '../support/contract.mjs'
import { Meishi, Receiver } from '../support/meishi.mjs'

const COUNT = Number(process.env.API_REQUESTS ?? 5000), AT_ONCE = 16
const seed = Number(process.env.API_SEED ?? Math.floor(Math.random() * 2 ** 31))
let meishi, receiver, jane, ids

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  const share = await meishi.share(jane.token, jane.card, { recipient: 'Ann' })
  const webhook = (await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['webhook.ping'] })).body
  const ping = (await meishi.api(jane.token, 'POST', `/webhooks/${webhook.id}/ping`)).body
  const lead = (await meishi.api(jane.token, 'GET', '/leads')).body.data[0]
  const { id: token } = (await meishi.api(jane.token, 'GET', '/account')).body.token
  ids = { TokenId: token, CardId: jane.card.id, ShareId: share.id, LeadId: lead.id, WebhookId: webhook.id, DeliveryId: ping.delivery_id }
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

// mulberry32: small, and the same everywhere.
function dice(state) {
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = n => Math.floor(next() * n)
  return { next, below, of: list => list[below(list.length)], chance: p => next() < p }
}

const TEXTS = ['', ' ', 'a', 'Jane Doe', 'x'.repeat(120), 'x'.repeat(121), 'é'.repeat(4001), '\u0000', '\u0007', '日本語', 'مرحبا', '👩🏽‍🚒', '\ufeff', '\u202e', 'a\nb', '<b>', "'; --",
  '%00', '../..', 'null', '2030-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '0000-00-00T00:00:00Z', 'jane@example.org', 'https://example.org/', '+49 40 5550 172', 'en', 'pine', 'qr', 'won', 'true', '7']
const NUMBERS = [0, -0, 1, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 5e-324]

function anything(roll, depth = 0) {
  const kind = roll.below(depth > 3 ? 4 : 7)
  if (kind === 0) return null
  if (kind === 1) return roll.chance(0.5)
  if (kind === 2) return roll.of(NUMBERS)
  if (kind === 3 || kind === 4) return roll.of(TEXTS)
  if (kind === 5) return Array.from({ length: roll.below(5) }, () => anything(roll, depth + 1))
  return Object.fromEntries(Array.from({ length: roll.below(4) }, () => [roll.of(TEXTS), anything(roll, depth + 1)]))
}

// A value that the schema allows, or nearly.
function like(schema, roll, wild) {
  schema = schema.$ref ? contract.components.schemas[schema.$ref.split('/').pop()] : schema
  if (roll.chance(wild)) return anything(roll)
  if (schema.oneOf) return like(roll.of(schema.oneOf), roll, wild)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return roll.of(schema.enum)
  const type = Array.isArray(schema.type) ? roll.of(schema.type) : schema.type
  if (type === 'null') return null
  if (type === 'boolean') return roll.chance(0.5)
  if (type === 'integer') return roll.of([schema.minimum ?? 0, schema.maximum ?? 9, (schema.minimum ?? 0) + roll.below(20)])
  if (type === 'array') return Array.from({ length: roll.below((schema.maxItems ?? 3) + 2) }, () => like(schema.items, roll, wild))
  if (type === 'object') {
    const object = {}
    for (const [name, member] of Object.entries(schema.properties))
      if (schema.required?.includes(name) ? !roll.chance(wild) : roll.chance(0.3)) object[name] = like(member, roll, wild)
    if (roll.chance(wild)) object[roll.of(TEXTS)] = anything(roll)
    return object
  }
  const id = Object.entries(ids).find(([name]) => contract.components.schemas[name] === schema)
  if (id && roll.chance(0.8)) return id[1]
  return roll.of(TEXTS)
}

function body(schema, roll) {
  const text = JSON.stringify(like(schema, roll, roll.of([0, 0.05, 0.3])))
  if (!roll.chance(0.1)) return text
  const bytes = Buffer.from(text) // damaged on the way
  for (let i = roll.below(3) + 1; i > 0; i--) bytes[roll.below(bytes.length)] = roll.below(256)
  return roll.chance(0.3) ? bytes.subarray(0, roll.below(bytes.length)) : bytes
}

const operations = Object.entries(contract.paths).flatMap(([path, methods]) => Object.entries(methods).filter(([name]) => name !== 'parameters')
  .map(([method, operation]) => ({ path, method: method.toUpperCase(), operation, parameters: [...(methods.parameters ?? []), ...(operation.parameters ?? [])].map(resolve) })))

function make(roll) {
  const { path, method, operation, parameters } = roll.of(operations)
  const headers = { Authorization: `Bearer ${roll.chance(0.99) ? jane.token : 'msh_'}` }
  let real = path
  const query = new URLSearchParams()
  for (const parameter of parameters) {
    const value = like(parameter.schema, roll, 0.1)
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    if (parameter.in === 'path') real = real.replace('{id}', encodeURIComponent(roll.chance(0.85) ? ids[parameter.schema.$ref.split('/').pop()] : text.slice(0, 60).toWellFormed?.() ?? 'x').replace(/%(00|2F)|^\.+$/gi, 'x') || 'x')
    else if (parameter.in === 'query' && roll.chance(0.3)) query.set(parameter.name, text.replaceAll('\u0000', '').slice(0, 60))
    else if (parameter.in === 'header' && roll.chance(0.2)) headers[parameter.name] = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) ? text : '"r1"'
  }
  // What all others need is neither retired nor erased nor switched off.
  if (method === 'DELETE') real = path.replace('{id}', roll.of(['x', Object.values(ids)[0]]).replace(/[0-9A-Z]{13}$/, '0000000000001'))
  if (query.size ?? [...query].length) real += `?${query}`
  const types = operation.requestBody?.content, type = types && roll.of(Object.keys(types))
  if (types) headers['Content-Type'] = roll.chance(0.98) ? type : roll.of(['text/plain', 'application/xml'])
  if (types && type !== 'application/json') return { method, path: real, headers, body: roll.of(TEXTS) } // no picture
  return { method, path: real, headers, body: types && body(types[type].schema, roll) }
}

test(`${COUNT} requests made at random are answered as the contract says (API_SEED=${seed})`, async () => {
  const roll = dice(seed), statuses = new Map()
  let left = COUNT
  const work = async () => {
    while (left-- > 0) {
      const asked = make(roll)
      const response = await fetch(`${meishi.url}/api/v1${asked.path}`, asked)
      const text = await response.text()
      const told = `${asked.method} ${asked.path} ${JSON.stringify(asked.headers)} ${asked.body} → ${response.status} ${text}`
      assert.ok(response.status < 500 || (response.status === 503 && /portrait/.test(asked.path)), told) // pictures are few at a time
      assert.equal(judge(asked.method, asked.path.split('?')[0], { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null }), undefined, told)
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  for (const status of [200, 201, 400, 404, 412, 415, 422]) assert.ok(COUNT < 2000 || statuses.get(status), `none was ${status}: ${JSON.stringify([...statuses])}`)
  assert.equal(meishi.process.exitCode, null)
  assert.equal((await fetch(`${meishi.url}/readyz`)).status, 200)
})
