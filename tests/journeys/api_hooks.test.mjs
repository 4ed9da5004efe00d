// What a webhook's page can do, by the API: new secrets with the old one live, on again with what was missed, all that failed sent
// again, its health, and deliveries by their state.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { client, matrix, unanswered, wrong } from '../support/api.mjs'
import { Meishi, Receiver, until } from '../support/meishi.mjs'

let meishi, receiver, jane, eve, api
const asJane = (...call) => api(jane.token, ...call)
const make = async (fields = {}) => (await asJane('POST', '/webhooks', { url: receiver.url, events: ['share.created'], ...fields })).body
const get = async hook => (await asJane('GET', `/webhooks/${hook.id}`)).body
const share = () => asJane('POST', `/cards/${jane.card.id}/shares`, { channel: 'link' })
const verifies = (secret, { headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers)
    return true
  } catch {
    return false
  }
}
// The next request that arrives after what this does.
async function next(act) {
  const before = receiver.requests.length
  await act()
  return until(() => receiver.requests[before])
}

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  api = client(meishi)
  jane = await meishi.member()
  eve = await meishi.member('eve', 'Eve Smith')
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

test('a secret is changed while the old one still signs, and at once when it got known', async () => {
  const hook = await make(), path = `/webhooks/${hook.id}`
  const rotated = (await asJane('POST', `${path}/rotate`)).body
  assert.notEqual(rotated.secret, hook.secret)
  assert.ok(Math.abs(Date.parse(rotated.old_secret_until) - Date.now() - 24 * 3600e3) < 60000)
  assert.equal((await get(hook)).secret, undefined, 'it is told once')
  const both = await next(() => asJane('POST', `${path}/ping`))
  assert.ok(verifies(hook.secret, both) && verifies(rotated.secret, both))
  const now = (await asJane('POST', `${path}/rotate`, { keep_old_hours: 0 })).body
  assert.equal(now.old_secret_until, null)
  const one = await next(() => asJane('POST', `${path}/ping`))
  assert.deepEqual([hook.secret, rotated.secret, now.secret].map(secret => verifies(secret, one)), [false, false, true])
  for (const keep_old_hours of [-1, 169, 1.5, '24', true, 1e300]) assert.deepEqual(wrong(await asJane('POST', `${path}/rotate`, { keep_old_hours })), ['/keep_old_hours'], keep_old_hours)
  assert.deepEqual(wrong(await asJane('POST', `${path}/rotate`, { secret: 'mine' })), ['/secret'])
  await asJane('DELETE', path)
})

test('a webhook may be signed with ed25519 as well, and says by which key', async () => {
  const hook = await make({ ed25519: true })
  assert.match(hook.public_key, /^whpk_/)
  const signed = await next(() => asJane('POST', `/webhooks/${hook.id}/ping`))
  assert.match(signed.headers['webhook-signature'], /v1,\S+ v1a,\S+/)
  assert.equal((await asJane('PATCH', `/webhooks/${hook.id}`, { ed25519: false })).body.public_key, null)
  assert.deepEqual(wrong(await asJane('PATCH', `/webhooks/${hook.id}`, { ed25519: 1 })), ['/ed25519'])
  await asJane('DELETE', `/webhooks/${hook.id}`)
})

test('what a webhook missed is counted, and sent when it is on again or asked for', async () => {
  const hook = await make(), path = `/webhooks/${hook.id}`
  receiver.answer = () => 410
  await share()
  const off = await until(async () => { const it = await get(hook); return !it.enabled && it })
  assert.ok(off.disabled_why)
  const list = async state => (await asJane('GET', `${path}/deliveries${state ? `?state=${state}` : ''}`)).body.data
  const missed = await until(async () => { const rows = await list('disabled'); return rows.length && rows })
  assert.equal((await get(hook)).missed, missed.length)
  assert.equal((await asJane('POST', `${path}/replay`)).status, 409)
  receiver.answer = () => 204
  const again = await next(() => asJane('POST', `${path}/enable`, { send_missed: true }))
  assert.equal(again.headers['webhook-id'], missed[0].event_id, 'the same event')
  await until(async () => (await list('delivered')).length === missed.length)
  const well = await get(hook)
  assert.deepEqual([well.enabled, well.missed, well.failures_in_a_row, well.resting_until, well.disables_at], [true, 0, 0, null, null])
  assert.ok(well.last_day.attempts >= 2 && well.last_day.failures >= 1, JSON.stringify(well.last_day))
  assert.deepEqual(await list('failed'), [])
  assert.deepEqual((await asJane('POST', `${path}/replay`)).body, { deliveries: 0 })
  assert.deepEqual((await asJane('POST', `${path}/replay`, { since: '2999-01-01T00:00:00Z' })).body, { deliveries: 0 })
  assert.equal((await asJane('POST', `${path}/enable`)).status, 200, 'on already')
  assert.equal((await asJane('POST', `${path}/enable`, { send_missed: true })).status, 200)

  assert.deepEqual(wrong(await asJane('POST', `${path}/replay`, { since: 'yesterday', until: 1 })), ['/since', '/until'])
  assert.deepEqual(wrong(await asJane('POST', `${path}/enable`, { send_missed: 'yes', x: 1 })), ['/send_missed', '/x'])
  assert.deepEqual(wrong(await asJane('GET', `${path}/deliveries?state=lost&limit=0`)), ['?limit', '?state'])
  assert.equal((await asJane('POST', `${path}/enable`, [])).status, 400)
})

test('each delivery is numbered, and one is sent again ten times a minute at most', async () => {
  const hook = await make(), path = `/webhooks/${hook.id}`
  for (let i = 0; i < 3; i++) await asJane('POST', `${path}/ping`)
  const rows = await until(async () => { const { data } = (await asJane('GET', `${path}/deliveries?state=delivered`)).body; return data.length === 3 && data })
  assert.deepEqual(rows.map(row => [row.sequence, row.paused]), [[3, false], [2, false], [1, false]])
  let last
  for (let i = 0; i < 12; i++) {
    last = await asJane('POST', `/deliveries/${rows[i % 3].id}/redeliver`)
    if (last.status === 429) break
    await until(async () => (await asJane('GET', `/deliveries/${rows[i % 3].id}`)).body.state === 'delivered')
  }
  assert.equal(last.status, 429)
  assert.ok(Number(last.headers.get('retry-after')) > 0)
})

test('every route here asks for a token of its scope, and another member finds nothing', async () => {
  const hook = await make()
  for (const act of ['rotate', 'enable', 'replay']) {
    assert.equal((await api(eve.token, 'POST', `/webhooks/${hook.id}/${act}`, {})).status, 404, act)
    assert.equal((await asJane('POST', `/webhooks/x/${act}`, {})).status, 404)
  }
  const stranger = await asJane('POST', '/tokens', { name: 'x', scopes: ['webhooks:read'] })
  assert.equal(await matrix('hooks', api, jane.token, stranger.body.token, { webhooks: hook.id }), 3)
  assert.deepEqual(unanswered('hooks', ['rotate', 'enable', 'replay'].map(act => `POST /webhooks/{id}/${act} 409`)), [])
})
