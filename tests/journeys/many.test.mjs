// Three servers and two workers on one PostgreSQL database, each a process of its own: what one changes all show, what one sends
// no other sends, and what one counts all count.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { onPostgres, psql } from '../support/engine.mjs'
import { BINARY, Meishi, until } from '../support/meishi.mjs'

const skip = !onPostgres && 'on SQLite a store has one server'
const LONG_MS = 60000, ENDPOINTS = 20, SHARES = 15
const servers = [], workers = []
let jane, receiver, port
const got = [] // [endpoint, webhook-id]
let answerMs = 0, holding = false
const held = []

function answer(response) {
  if (holding) held.push(response)
  else setTimeout(() => response.writeHead(204).end(), answerMs)
}

function letGo() {
  holding = false
  for (const response of held.splice(0)) response.writeHead(204).end()
}

async function work() {
  const child = spawn(BINARY, ['worker'], { env: { ...servers[0].env, MEISHI_URL: servers[0].url }, stdio: ['ignore', 'ignore', 'pipe'] })
  const worker = { child, words: '' }
  child.stderr.on('data', data => { worker.words += data })
  worker.ended = new Promise(resolve => child.on('close', code => resolve(code)))
  await until(() => {
    assert.equal(child.exitCode, null, worker.words)
    return /sending the webhooks/.test(worker.words)
  }, LONG_MS)
  workers.push(worker)
  return worker
}

before(async () => {
  if (skip) return
  receiver = createServer((request, response) => request.resume().on('end', () => {
    got.push([request.url, request.headers['webhook-id']])
    answer(response)
  }))
  await new Promise(resolve => receiver.listen(0, '127.0.0.1', resolve))
  port = receiver.address().port
  const allow = { MEISHI_WEBHOOK_ALLOW: `127.0.0.1:${port}` }
  servers.push(await Meishi.start(allow))
  const shared = { ...servers[0].store.settings, ...allow }
  servers.push(await Meishi.start(shared), await Meishi.start({ ...shared, MEISHI_SEND_WEBHOOKS: 'no' }))
  jane = await servers[0].member()
})
after(async () => {
  if (skip) return
  letGo()
  for (const { child } of workers) child.kill('SIGKILL')
  for (const server of servers.slice(1)) await server.stop()
  await servers[0].stop()
  receiver.closeAllConnections?.()
  receiver.close()
})

const everywhere = question => until(async () => (await Promise.all(servers.map(question))).every(Boolean), LONG_MS)

test('an edit by one server is on every server\'s page', { skip }, async () => {
  const share = await servers[0].share(jane.token, jane.card)
  await everywhere(async server => (await server.open(`/c/${share.token}`)).html.includes('Master roofer'))
  for (const [i, server] of servers.entries()) {
    const title = `Roofer number ${i}`
    const changed = await server.api(jane.token, 'PATCH', `/cards/${jane.card.id}`, { title })
    assert.equal(changed.status, 200)
    assert.match((await server.open(`/c/${share.token}`)).html, new RegExp(title), 'its own page at once')
    await everywhere(async other => (await other.open(`/c/${share.token}`)).html.includes(title))
  }
})

test('a revoked share, and a member disabled by a command, are gone from every server', { skip }, async () => {
  const share = await servers[1].share(jane.token, jane.card)
  await everywhere(async server => (await server.open(`/c/${share.token}`)).status === 200)
  assert.equal((await servers[2].api(jane.token, 'DELETE', `/shares/${share.id}`)).status, 204)
  await everywhere(async server => (await server.open(`/c/${share.token}`)).status === 404)
  const eve = await servers[0].member('eve', 'Eve Smith')
  const other = await servers[0].share(eve.token, eve.card)
  await everywhere(async server => (await server.open(`/c/${other.token}`)).status === 200)
  await servers[0].json('member', 'disable', '--handle', 'eve')
  await everywhere(async server => (await server.open(`/c/${other.token}`)).status === 404)
})

// Each from a page of its own, since a page's second form is the first once more.
async function leaveDetails(server, share, i) {
  const page = await server.open(`/c/${share.token}`)
  return { page, send: () => server.post(`/c/${share.token}/lead`, { ...page.form, name: `Visitor ${i}`, reach: `visitor${i}@example.net` }) }
}

test('forms of one network are counted by all servers together', { skip }, async () => {
  const share = await servers[0].share(jane.token, jane.card)
  const visits = []
  for (let i = 0; i < 33; i++) visits.push(await leaveDetails(servers[i % 3], share, i))
  await new Promise(resolve => setTimeout(resolve, 3200)) // who is faster is no person
  const statuses = []
  for (const { send } of visits) statuses.push((await send()).status)
  assert.deepEqual(statuses.slice(0, 30), Array(30).fill(303))
  assert.equal(statuses.filter(status => status === 303).length, 30, String(statuses))
})

// How often each message came to each endpoint.
function tally() {
  const times = new Map()
  for (const [path, id] of got) times.set(`${path} ${id}`, (times.get(`${path} ${id}`) ?? 0) + 1)
  return times
}
// What came more than once: the checker.
const doubles = () => [...tally()].filter(([, count]) => count > 1).map(([name]) => name)

const waiting = async () => Number(await psql(servers[0].store.url, 'SELECT COUNT(*) FROM deliveries WHERE state = 0'))
// Who is in somebody's hands, and until when.
const leased = async () => (await psql(servers[0].store.url, `SELECT id || ' ' || leased_until_ms FROM deliveries
  WHERE state = 0 AND leased_until_ms IS NOT NULL`)).trim().split('\n').filter(Boolean)

async function shareMany(count) {
  for (let i = 0; i < count; i++) await servers[i % servers.length].share(jane.token, jane.card)
}

test('each delivery is sent once by one of four senders, or again with its id when its sender was killed', { skip }, async () => {
  for (let i = 0; i < ENDPOINTS; i++) {
    const made = await servers[i % 3].api(jane.token, 'POST', '/webhooks', { url: `http://127.0.0.1:${port}/hook${i}`, events: ['share.created'] })
    assert.equal(made.status, 201)
  }
  const doomed = await work()
  const other = await work()
  await shareMany(SHARES / 3)
  await until(() => got.length >= ENDPOINTS, LONG_MS)
  holding = true
  await shareMany(SHARES / 3)
  await until(() => held.length > 0, LONG_MS)
  doomed.child.kill('SIGKILL')
  await doomed.ended
  const inHand = await leased()
  letGo()
  // The living record what they had; what is left after that was the dead one's.
  let left = inHand
  for (let quiet = 0; quiet < 5;) {
    await new Promise(resolve => setTimeout(resolve, 200))
    const now = new Set(await leased()), still = left.filter(one => now.has(one))
    quiet = still.length < left.length ? 0 : quiet + 1
    left = still
  }
  assert.deepEqual(doubles(), [], 'nothing was sent twice while leases were kept')
  const before = tally()
  const ids = left.map(one => one.split(' ')[0])
  if (ids.length) await psql(servers[0].store.url, `UPDATE deliveries SET due_ms = 1, leased_until_ms = 1 WHERE id IN (${ids});
    UPDATE webhooks SET next_due_ms = 1, waits_for = NULL WHERE pending > 0`) // a minute later
  await shareMany(SHARES / 3)
  await until(async () => await waiting() === 0, LONG_MS)
  assert.equal(tally().size, ENDPOINTS * SHARES)
  const twice = [...tally()].filter(([, count]) => count > 1)
  assert.ok(twice.length <= left.length, 'only what the dead one had came again')
  for (const [name, count] of twice) assert.deepEqual([before.get(name), count], [1, 2])
  other.child.kill('SIGTERM')
  assert.equal(await other.ended, 0, other.words)
})

test('the checker sees doubles when leases are not kept', { skip }, async () => {
  got.length = 0
  answerMs = 400
  await work()
  await shareMany(3)
  await until(async () => {
    await psql(servers[0].store.url, `UPDATE deliveries SET due_ms = 1, leased_until_ms = NULL WHERE state = 0;
      UPDATE webhooks SET next_due_ms = 1, turn_ms = 0, waits_for = NULL WHERE pending > 0`)
    return doubles().length
  }, LONG_MS)
  answerMs = 0
})
