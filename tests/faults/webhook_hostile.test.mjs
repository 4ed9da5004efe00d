// Receivers that misbehave, against the binary with the settings of the house: each delivery ends in time, in little memory and
// with the class of error that tells the member what is wrong; no second request follows, and no place is touched that must not
// be. The receivers stand in tests/support/hostile.mjs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { HOSTILE, addressOf } from '../support/hostile.mjs'
import { Meishi, until } from '../support/meishi.mjs'
import { enterStreet } from '../support/street.mjs'

const MEMBERS = 10 // so that no member's limit of what is under way at once makes one receiver wait for another
const LIMIT_MS = 15500
const street = await enterStreet(import.meta.url)
const skip = street.skip
let meishi, members
const ends = {}

function pidsOf(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(pidsOf)]
}
const residentMb = () => pidsOf(meishi.process.pid).reduce((sum, pid) =>
  sum + Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1] ?? 0), 0) / 1024

before(async () => {
  if (skip) return
  await street.open()
  meishi = await Meishi.start()
  members = await Promise.all(Array.from({ length: MEMBERS }, (_, i) => meishi.member(`member${i}`)))
  for (const [i, one] of HOSTILE.entries()) {
    one.token = members[i % MEMBERS].token
    const url = `https://${addressOf(i)}${one.port ? `:${one.port}` : ''}/hook`
    const made = await meishi.api(one.token, 'POST', '/webhooks', { url, events: ['webhook.ping'] })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    one.id = made.body.id
  }
})
after(async () => {
  await meishi?.stop()
  await street.close?.()
})

test('every delivery to them ends in time', { skip }, async () => {
  const before = residentMb()
  for (const one of HOSTILE) await meishi.api(one.token, 'POST', `/webhooks/${one.id}/ping`, {})
  await until(async () => {
    for (const one of HOSTILE) {
      if (ends[one.name]) continue
      const { body } = await meishi.api(one.token, 'GET', `/webhooks/${one.id}/deliveries`)
      const delivery = body.data[0]
      if (!delivery || !delivery.attempts) return false
      ends[one.name] = (await meishi.api(one.token, 'GET', `/deliveries/${delivery.id}`)).body
    }
    return true
  }, 60000)
  const grown = residentMb() - before
  if (!/[at]san/.test(process.env.BUILD ?? '')) assert.ok(grown < 24, `grew by ${grown.toFixed(1)} MB`)
})

for (const one of HOSTILE)
  test(`who ${one.name} ends as ${one.error ?? 'delivered'}`, { skip }, () => {
    const first = ends[one.name].attempt_log[0]
    assert.deepEqual({ error: first.error, status: first.status }, { error: one.error, status: one.status ?? 0 })
    assert.ok(first.latency_ms <= LIMIT_MS, `${first.latency_ms} ms`)
  })

test('no second request follows and nothing else is touched', { skip }, async () => {
  const { places } = await street.report()
  for (const one of HOSTILE)
    assert.ok(places[one.name].requests.length <= ends[one.name].attempts, `${one.name}: ${places[one.name].requests.length} requests`)
  assert.deepEqual(await street.canary(), [])
})
