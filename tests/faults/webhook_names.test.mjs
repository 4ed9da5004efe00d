// Names that lie about where they lead, and a name server that says nothing: no place is touched that must not be, whatever it
// answers and however it changes its mind, and nobody waits for it but those whose name it is. tests/support/names.mjs lies.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Meishi, until } from '../support/meishi.mjs'
import { enterStreet } from '../support/street.mjs'

const SILENT = 6
const street = await enterStreet(import.meta.url)
const skip = street.skip
let meishi
const members = {}, sent = {}

before(async () => {
  if (skip) return
  await street.open()
  meishi = await Meishi.start()
  // A member each: names of one member are asked for in turns.
  await Promise.all(Object.keys(cases).map(async host => { sent[host] = await start(await hookOf(await memberOf(host.split('.')[0]), host)) }))
})
after(async () => {
  await meishi?.stop()
  await street.close?.()
})

async function hookOf(member, host, server = meishi) {
  const made = await server.api(member.token, 'POST', '/webhooks', { url: `https://${host}/hook`, events: ['webhook.ping'] })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  return { token: member.token, id: made.body.id, host, server }
}
const memberOf = async name => (members[name] ??= await meishi.member(name))

// Sends a ping; the first attempt's error class (null: delivered).
async function start(hook) {
  const { body } = await hook.server.api(hook.token, 'POST', `/webhooks/${hook.id}/ping`, {})
  return { ...hook, delivery: body.delivery_id }
}
const look = async sent => (await sent.server.api(sent.token, 'GET', `/deliveries/${sent.delivery}`)).body
const finish = sent => until(async () => (await look(sent)).attempt_log[0], 30000)
const told = async hook => (await finish(await start(hook))).error

const cases = {
  'good.receivers.example': [null],
  'chained.receivers.example': [null],
  'mixed.receivers.example': ['refused address'],
  'mixed-other-way.receivers.example': ['refused address'],
  'mixed-families.receivers.example': ['refused address'],
  'chains-inside.receivers.example': ['refused address'],
  'thousand.receivers.example': ['refused address'],
  'loopback.receivers.example': ['refused address'],
  'loopback6.receivers.example': ['refused address', 'name not found'],
  'mapped.receivers.example': ['refused address', 'name not found'],
  'nat64.receivers.example': ['refused address', 'name not found'],
  'link-local.receivers.example': ['refused address'],
  'nowhere.receivers.example': ['refused address'],
  'ours.receivers.example': ['refused address'],
  'loops.receivers.example': ['name not found', 'name server failed'],
  'absent.receivers.example': ['name not found'],
  'empty.receivers.example': ['name not found'],
  'answers-another.receivers.example': ['name not found', 'name server failed'],
  'fails.receivers.example': ['name server failed'],
  'garbles.receivers.example': ['name server failed', 'name timeout'],
  'cut-short.receivers.example': ['name server failed', 'name timeout'],
  'very-silent.receivers.example': ['name timeout']
}
for (const [host, ends] of Object.entries(cases))
  test(`${host.split('.')[0]} ends as ${ends.map(end => end ?? 'delivered').join(' or ')}`, { skip }, async () => {
    const { error } = await finish(sent[host])
    assert.ok(ends.includes(error), `${error}`)
  })

test('who rebinds is called where the name led first, and never where it leads next', { skip }, async () => {
  const rebinder = await memberOf('rebinder')
  const once = await hookOf(rebinder, 'rebinds.receivers.example')
  assert.equal(await told(once), null)
  assert.equal(await told(once), 'refused address')
  const flipper = await hookOf(rebinder, 'flips.receivers.example')
  for (let i = 0; i < 4; i++) assert.ok([null, 'refused address'].includes(await told(flipper)))
  // Each delivery asks once: one answer is judged, and the same one called.
  const { questions } = await street.report()
  assert.ok(questions['rebinds.receivers.example'] <= 4, 'asked again between the judgement and the call')
})

test('nobody waits for a silent name server but those whose name it is', { skip }, async () => {
  const good = await hookOf(await memberOf('patient'), 'good.receivers.example')
  const silent = []
  for (let i = 0; i < SILENT; i++) silent.push(await hookOf(await memberOf(`silent${i}`), `silent${i}.receivers.example`))
  for (let round = 0; round < 2; round++) {
    const started = await Promise.all(silent.map(start))
    const healthy = await start(good)
    await until(async () => (await look(healthy)).attempt_log[0], 30000)
    const waiting = (await Promise.all(started.map(look))).filter(delivery => !delivery.attempts)
    assert.ok(round === 0 || waiting.length > 0, 'the healthy one waited for the silent ones')
    const ends = await Promise.all(started.map(finish))
    assert.deepEqual([...new Set(ends.map(end => end.error))], ['name timeout'])
    for (const end of ends) assert.ok(end.latency_ms < 15500, `${end.latency_ms} ms`)
    assert.equal((await look(healthy)).state, 'delivered')
  }
})

test('no place was touched that must not be', { skip }, async () => {
  assert.deepEqual(await street.canary(), [])
})

test('the canary notices when the operator allows its place', { skip }, async () => {
  const trusting = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: '10.0.0.0/8:*, 127.0.0.0/8:443' })
  try {
    const member = await trusting.member()
    for (const host of ['chains-inside.receivers.example', 'loopback.receivers.example'])
      assert.equal(await told(await hookOf(member, host, trusting)), 'tls')
    assert.deepEqual((await street.canary()).map(place => place.replace('::ffff:', '')).sort(), ['10.0.0.1:443', '127.0.0.1:443'])
  } finally {
    await trusting.stop()
  }
})
