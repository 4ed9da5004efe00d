// Requests made at random from the contract: whatever is sent, the answer is one that the contract describes, none is a 5xx, what
// the contract forbids is never taken and what it allows never called malformed, and wrong fields are named. API_REQUESTS says
// how many, API_SEED repeats a run. The first that is answered wrongly is made as small as it goes.
import assert from 'node:assert/strict'
import { Agent, request as ask } from 'node:http'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { requests } from '../support/arbitrary.mjs'
import { faults, judgeBoth } from '../support/contract.mjs'
import { Meishi, Receiver } from '../support/meishi.mjs'

const COUNT = Number(process.env.API_REQUESTS ?? 10000), AT_ONCE = 16
const seed = Number(process.env.API_SEED ?? Math.floor(Math.random() * 2 ** 31))
const ERRORS_MAX = 32 // named in one problem
const LARGE = 32768 // bytes of a body
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
let meishi, receiver, world

// One of each thing, by the schema of its id.
async function things({ token, card }) {
  const share = await meishi.share(token, card, { recipient: 'Ann' })
  const webhook = (await meishi.api(token, 'POST', '/webhooks', { url: receiver.url, events: ['webhook.ping'] })).body
  const ping = (await meishi.api(token, 'POST', `/webhooks/${webhook.id}/ping`)).body
  const key = (await meishi.api(token, 'POST', '/tokens', { name: 'CRM', scopes: ['leads:read'] })).body
  const lead = (await meishi.api(token, 'GET', `/leads?share=${share.id}`)).body.data[0]
  return { CardId: [card.id], ShareId: [share.id], LeadId: [lead.id], WebhookId: [webhook.id], DeliveryId: [ping.delivery_id], TokenId: [key.id] }
}

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  const jane = await meishi.member(), mika = await meishi.member('mika', 'Mika Tanaka')
  const narrow = (await meishi.json('token', 'add', '--member', 'jane', '--scope', 'cards:read')).token
  const { body: spare } = await meishi.api(jane.token, 'POST', '/cards', { name: 'To be retired' })
  world = {
    own: await things(jane), others: await things(mika), spare: await things({ token: jane.token, card: spare }),
    tokens: { own: jane.token, others: [mika.token, narrow, 'msh_', jane.token.slice(1)] },
    urls: [receiver.url, 'http://10.0.0.1/', 'https://[::1]/', 'ftp://example.com/', 'nonsense', '', 'https://user:secret@example.com/', `https://127.0.0.1/${'x'.repeat(2100)}`, null, 7]
  }
})
after(async () => {
  agent.destroy()
  await receiver?.stop()
  await meishi?.stop()
})

// A large body waits for a word from the server, which refuses some before it has read them.
function send({ method, path, headers, body }) {
  const waits = body.length > LARGE
  return new Promise((resolve, reject) => {
    const sent = { ...headers, ...(body.length ? { 'Content-Length': body.length } : {}), ...(waits ? { Expect: '100-continue' } : {}) }
    const asked = ask(`${meishi.url}/api/v1${path}`, { method, agent, headers: sent }, async response => {
      const chunks = []
      for await (const chunk of response) chunks.push(chunk)
      if (!asked.writableEnded) asked.destroy()
      const text = Buffer.concat(chunks).toString()
      resolve({ status: response.statusCode, headers: new Headers(response.headers), body: text ? JSON.parse(text) : null, text })
    }).on('error', reject)
    if (waits) asked.on('continue', () => asked.end(body)).flushHeaders()
    else asked.end(body.length ? body : undefined)
  })
}

// Whether one of these places holds the other, or is it.
const meet = (a, b) => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)

// What is wrong with how a request was answered, or nothing.
function wrongWith({ method, path, headers, body }, answer) {
  const { status } = answer
  const asked = { headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])), body }
  if (status >= 500 && !(status === 503 && /portrait/.test(path))) return `a ${status}` // pictures are few at a time
  const breach = judgeBoth(method, path, asked, answer)
  if (breach) return breach
  const found = faults(method, path, asked.headers, body)
  if ([400, 415].includes(status) && !found.length) return `a ${status}, though the contract allows it`
  const fields = found.filter(fault => /^[/?]/.test(fault)), errors = answer.body?.errors ?? []
  if (status !== 422 || !fields.length || errors.length >= ERRORS_MAX || /Idempotency-Key/.test(answer.body.detail)) return undefined
  const named = errors.map(error => error.pointer ?? `?${error.parameter}`)
  return named.some(name => fields.some(field => meet(name, field))) ? undefined : `${fields} wrong and ${named} named`
}

async function tell(asked) {
  const answer = await send(asked)
  const wrong = wrongWith(asked, answer)
  return { answer, words: wrong && `${wrong}\n${asked.method} ${asked.path} ${JSON.stringify(asked.headers)} ${asked.body}\n→ ${answer.status} ${answer.text}` }
}

test(`${COUNT} requests made at random are answered as the contract says (API_SEED=${seed})`, async () => {
  const arbitrary = requests(world), statuses = new Map()
  const all = fc.sample(arbitrary, { numRuns: COUNT, seed })
  let next = 0, failed
  const work = async () => {
    while (next < all.length && !failed) {
      const i = next++
      const { answer, words } = await tell(all[i]).catch(error => ({ answer: {}, words: `${error.stack}\n${JSON.stringify(all[i])}` }))
      if (words) failed ??= { i, words }
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  if (failed) {
    // The same one again, alone; if it fails then too, fast-check looks for a smaller one.
    const smaller = await fc.check(fc.asyncProperty(arbitrary, async asked => assert.equal((await tell(asked)).words, undefined)), { seed, path: `${failed.i}`, numRuns: 1 })
    if (smaller.failed) assert.fail(`request ${failed.i}: ${failed.words}\n\nsmaller: ${(await tell(smaller.counterexample[0])).words}`)
    assert.fail(`only among others: ${failed.words}`)
  }
  for (const status of [200, 201, 202, 204, 400, 401, 403, 404, 405, 412, 413, 415, 422]) assert.ok(COUNT < 5000 || statuses.get(status), `none was ${status}: ${JSON.stringify([...statuses])}`)
  assert.equal(meishi.process.exitCode, null)
  assert.equal((await fetch(`${meishi.url}/readyz`)).status, 200)
})
