// Listeners by the API alone: what is handed out, to whom, for how long, and what becomes of it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { client, matrix, unanswered, wrong } from '../support/api.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

let meishi, jane, eve, api
const asJane = (...call) => api(jane.token, ...call)
const listen = async (fields = {}) => (await asJane('POST', '/listeners', fields)).body
const ping = async ({ id }) => (await asJane('POST', `/webhooks/${id}/ping`)).body.delivery_id
const take = async ({ id }, query = '') => (await asJane('GET', `/listeners/${id}/deliveries${query}`)).body.data
const tell = ({ id }, delivery, outcome) => asJane('POST', `/listeners/${id}/deliveries/${delivery}/outcome`, outcome)

before(async () => {
  meishi = await Meishi.start()
  api = client(meishi)
  jane = await meishi.member()
  eve = await meishi.member('eve', 'Eve Smith')
})
after(() => meishi?.stop())

test('what is due is handed out once, whole and signed, and its outcome is kept', async () => {
  const listener = await listen({ events: ['lead.created'] })
  assert.deepEqual(await take(listener), [])
  const first = await ping(listener), second = await ping(listener)
  const [one] = await take(listener, '?limit=1')
  assert.deepEqual([one.id, one.type, one.attempts], [first, 'webhook.ping', 0])
  assert.equal(new Webhook(listener.secret).verify(one.body, one.headers).data.webhook.id, listener.id)
  assert.equal(one.headers['webhook-id'], one.event_id)
  assert.deepEqual((await take(listener)).map(delivery => delivery.id), [second], 'the first is under way')
  assert.deepEqual((await tell(listener, first, { status: 204, latency_ms: 12 })).body, { state: 'delivered', due_at: null })
  assert.equal((await tell(listener, first, { status: 204 })).status, 404, 'there is nothing more to say of it')
  assert.equal((await tell(listener, second, { status: 500 })).body.state, 'pending')
  assert.equal((await tell(listener, second, { error: 'connect' })).body.state, 'pending', 'and that is no attempt')
  const log = (await asJane('GET', `/deliveries/${second}`)).body
  assert.deepEqual([log.state, log.attempts, log.attempt_log.length, log.last_error], ['pending', 1, 1, 'connect'])
  const [again] = await take(listener, '?wait=10')
  assert.deepEqual([again.id, again.attempts], [second, 1])
  assert.equal((await tell(listener, second, { error: 'timeout', latency_ms: 15000 })).body.state, 'pending')
  const seen = (await asJane('GET', `/webhooks/${listener.id}`)).body
  assert.deepEqual([seen.listener, seen.url, seen.failures_in_a_row], [true, null, 2])
  assert.deepEqual(wrong(await asJane('PATCH', `/webhooks/${listener.id}`, { url: 'https://example.org/', format: 'discord' })), ['/format', '/url'])
  assert.deepEqual(wrong(await asJane('PATCH', `/webhooks/${listener.id}`, { payload: 'thin' })), ['/payload'])
  assert.equal((await asJane('DELETE', `/listeners/${listener.id}`)).status, 204)
  assert.equal((await asJane('GET', `/deliveries/${second}`)).body.state, 'disabled')
  assert.equal((await asJane('GET', `/listeners/${listener.id}/deliveries`)).status, 404)
})

test('who waits is told at once, the later of two who wait, and that the listener is gone', async () => {
  const listener = await listen()
  const asked = take(listener, '?wait=30')
  await sleep(300)
  const id = await ping(listener)
  assert.deepEqual((await asked).map(delivery => delivery.id), [id])
  await tell(listener, id, { status: 200 })

  let answered = 0
  const earlier = take(listener, '?wait=30').then(data => { answered++; return data })
  await sleep(100)
  const later = asJane('GET', `/listeners/${listener.id}/deliveries?wait=30`)
  assert.deepEqual(await earlier, [])
  assert.equal(answered, 1)
  await asJane('DELETE', `/listeners/${listener.id}`)
  const gone = await later
  assert.equal(gone.status, 404)
  assert.equal(gone.headers.get('content-type'), 'application/problem+json')
})

test('many wait without holding up anybody, and a server that stops lets them go', async () => {
  const listeners = await Promise.all(Array.from({ length: 15 }, () => listen({ events: ['lead.created'] })))
  const waiting = listeners.map(listener => asJane('GET', `/listeners/${listener.id}/deliveries?wait=30`))
  await sleep(300)
  assert.equal((await asJane('GET', '/cards')).status, 200, 'there are fewer workers than that')
  await meishi.kill('SIGTERM')
  for (const answer of await Promise.all(waiting)) assert.deepEqual([answer.status, answer.body.data], [200, []])
  await meishi.serve()
  for (const { id } of listeners) assert.equal((await asJane('DELETE', `/listeners/${id}`)).status, 204)
})

test('HEAD takes nothing', async () => {
  const listener = await listen(), id = await ping(listener)
  const head = await fetch(`${meishi.url}/api/v1/listeners/${listener.id}/deliveries?wait=30`, { method: 'HEAD', headers: { Authorization: `Bearer ${jane.token}` } })
  assert.equal(head.status, 200)
  assert.deepEqual((await take(listener)).map(delivery => delivery.id), [id])
  await asJane('DELETE', `/listeners/${listener.id}`)
})

test("nobody reads another member's, and no webhook is read as a listener", async () => {
  const listener = await listen(), id = await ping(listener)
  const webhook = (await asJane('POST', '/webhooks', { url: 'https://crm.example.com/hook', events: ['lead.created'] })).body
  assert.equal((await api(eve.token, 'GET', `/listeners/${listener.id}/deliveries`)).status, 404)
  assert.equal((await api(eve.token, 'POST', `/listeners/${listener.id}/deliveries/${id}/outcome`, { status: 200 })).status, 404)
  assert.equal((await api(eve.token, 'DELETE', `/listeners/${listener.id}`)).status, 404)
  assert.equal((await asJane('GET', `/listeners/${webhook.id}/deliveries`)).status, 404)
  assert.equal((await asJane('DELETE', `/listeners/${webhook.id}`)).status, 404)
  assert.equal((await asJane('DELETE', `/webhooks/${webhook.id}`)).status, 204)
  assert.equal((await asJane('DELETE', `/listeners/${listener.id}`)).status, 204)
})

test('a secret may be brought along, and wrong input is named', async () => {
  const first = await listen(), second = await listen({ secret: first.secret, events: null })
  assert.equal(second.secret, first.secret)
  assert.deepEqual(wrong(await asJane('POST', '/listeners', { events: [], secret: 'whsec_short', more: 1 })), ['/events', '/more', '/secret'])
  assert.deepEqual(wrong(await asJane('POST', '/listeners', { events: ['lead.created', 'nonsense', 7], secret: `whsec_${'A'.repeat(43)}=` })), ['/events/1', '/events/2', '/secret'])
  assert.deepEqual(wrong(await asJane('GET', `/listeners/${first.id}/deliveries?wait=31&limit=0&more`)), ['?limit', '?more', '?wait'])
  for (const [outcome, places] of [[{}, ['/status']], [{ status: 200, error: 'tls' }, ['/status']], [{ status: 99 }, ['/status']], [{ status: '200' }, ['/status']],
    [{ error: 'nonsense' }, ['/error']], [{ status: 200, latency_ms: -1 }, ['/latency_ms']], [{ status: 200, more: 1 }, ['/more']]])
    assert.deepEqual(wrong(await tell(first, 'dlv_0000000000001', outcome)), places)
  const answers = []
  for (let i = 0; i < 20; i++) answers.push(await asJane('POST', '/listeners', {}))
  assert.equal(answers.at(-1).status, 422)
  assert.match(answers.at(-1).body.detail, /20 webhooks/)
  for (const id of [first.id, second.id, ...answers.filter(({ status }) => status === 201).map(({ body }) => body.id)])
    assert.equal((await asJane('DELETE', `/listeners/${id}`)).status, 204)
})

test('every route here asks for a token of its scope and answers every status in the contract', async () => {
  const stranger = await meishi.json('token', 'add', '--member', 'jane', '--scope', 'metrics:read')
  const spare = await listen()
  assert.equal(await matrix('listeners', api, jane.token, stranger.token, { listeners: spare.id }), 4)
  assert.deepEqual(unanswered('listeners', ['POST /listeners 409', 'POST /listeners/{id}/deliveries/{delivery}/outcome 409']), [])
})
