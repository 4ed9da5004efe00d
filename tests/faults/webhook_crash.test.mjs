// kill -9 of the server and of the process that sends, at any moment and at chosen ones between send and record: every event
// that was acknowledged is told, again under the same webhook-id and with the same bytes. Who writes keeps a ledger, who
// receives keeps another, and a checker compares them; for a receiver that lies about what it keeps the checker must find
// the losses (negative control).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 6)
const MEMBERS = 6
const WAIT_MS = 90000
let meishi, receiver
const writers = []
const forgotten = new Set() // what the liar was given and does not keep

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  for (let i = 0; i < MEMBERS; i++) {
    const { token, card } = await meishi.member(`member${i}`)
    const made = await meishi.api(token, 'POST', '/webhooks', { url: `${receiver.url}/${i}`, events: ['share.created', 'webhook.ping'] })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    writers.push({ token, card, hook: made.body.id, path: `/hook/${i}`, sent: 0, acknowledged: [] })
  }
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

// Children of the server that are still there: whoever sends webhooks is one of them.
function children() {
  const pid = meishi.process.pid
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

const shareOf = request => JSON.parse(request.body).data.share?.id

// What the ledgers disagree on: acknowledged ids that never came, events under two ids, ids with two bodies.
function check(acknowledged, requests) {
  const ids = new Map(), bodies = new Map()
  for (const request of requests) {
    const event = shareOf(request), id = request.headers['webhook-id']
    ids.set(event, (ids.get(event) ?? new Set()).add(id))
    bodies.set(id, (bodies.get(id) ?? new Set()).add(request.body))
  }
  return {
    lost: acknowledged.filter(event => !ids.has(event)).length,
    renamed: [...ids.values()].filter(set => set.size > 1).length,
    changed: [...bodies.values()].filter(set => set.size > 1).length
  }
}

// Makes shares until told to stop or the server is gone.
async function write(writer, run) {
  while (!run.over) {
    writer.sent++
    try {
      const { status, body } = await meishi.api(writer.token, 'POST', `/cards/${writer.card.id}/shares`, { channel: 'qr' })
      if (status === 201) writer.acknowledged.push(body.id)
    } catch {
      if (run.ends) return
      await sleep(5)
    }
    await sleep(10)
  }
}

async function kill(round) {
  const [child] = children().slice(-1)
  if (round % 2 && child) {
    process.kill(child, 'SIGKILL')
    await until(() => !children().includes(child))
    return false
  }
  await meishi.kill('SIGKILL')
  return true
}

const requestsOf = writer => receiver.requests.filter(request => request.path === writer.path && shareOf(request))

test('no event is lost and none gets a second id, whoever is killed', async () => {
  const honest = writers.slice(0, -1), liar = writers[MEMBERS - 1]
  const acknowledged = () => honest.reduce((sum, writer) => sum + writer.acknowledged.length, 0)
  receiver.answer = request => {
    if (request.path === liar.path && shareOf(request) && (forgotten.has(shareOf(request)) || shareOf(request).charCodeAt(16) % 3 === 0))
      forgotten.add(shareOf(request))
    return 204
  }
  let kills = 0
  for (let round = 0; round < ROUNDS; round++) {
    const run = { over: false, ends: round % 2 === 0 }
    const running = writers.map(writer => write(writer, run))
    const many = acknowledged() + 20
    await until(() => acknowledged() > many)
    await sleep(Math.random() * 400)
    const serverGone = await kill(round)
    kills++
    if (!serverGone) await sleep(Math.random() * 300)
    run.over = true
    await Promise.all(running)
    if (serverGone) await meishi.serve()
  }
  assert.ok(honest.some(writer => writer.sent > writer.acknowledged.length), `no request was under way at ${kills} kills`)
  await until(() => honest.every(writer => check(writer.acknowledged, requestsOf(writer)).lost === 0), WAIT_MS).catch(() => {})
  for (const writer of honest)
    assert.deepEqual(check(writer.acknowledged, requestsOf(writer)), { lost: 0, renamed: 0, changed: 0 })
})

test('the checker finds what a receiver that lies has lost', async () => {
  const liar = writers[MEMBERS - 1]
  await until(() => check(liar.acknowledged, requestsOf(liar)).lost === 0, WAIT_MS)
  const kept = requestsOf(liar).filter(request => !forgotten.has(shareOf(request)))
  assert.equal(check(liar.acknowledged, kept).lost, liar.acknowledged.filter(id => forgotten.has(id)).length)
  assert.ok(check(liar.acknowledged, kept).lost > 0)
})

test('the checker finds a second id and a changed body', () => {
  const one = (id, word) => ({ headers: { 'webhook-id': id }, body: JSON.stringify({ word, data: { share: { id: 'shr_1' } } }) })
  assert.deepEqual(check(['shr_1'], [one('msg_1'), one('msg_2')]), { lost: 0, renamed: 1, changed: 0 })
  assert.deepEqual(check(['shr_1'], [one('msg_1', 'a'), one('msg_1', 'b')]), { lost: 0, renamed: 0, changed: 1 })
})

test('what the store calls delivered was received, and nothing is left waiting', async () => {
  for (const writer of writers) {
    const received = new Set(receiver.requests.filter(request => request.path === writer.path).map(request => request.headers['webhook-id']))
    const rows = async () => {
      const all = []
      for (let cursor = ''; ;) {
        const { body } = await meishi.api(writer.token, 'GET', `/webhooks/${writer.hook}/deliveries?limit=200${cursor && `&cursor=${cursor}`}`)
        all.push(...body.data)
        if (!body.next_cursor) return all
        cursor = body.next_cursor
      }
    }
    await until(async () => (await rows()).every(row => row.state === 'delivered'), WAIT_MS)
    for (const row of await rows()) assert.ok(received.has(row.event_id), `${row.id} is delivered but never came`)
  }
})

// A receiver of its own that keeps a request open until it is let go.
async function withHeldRequest(writer, act) {
  let letGo, held
  const holding = new Promise(resolve => { held = resolve })
  const server = receiver.server
  const [listener] = server.listeners('request')
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if (request.url !== writer.path || letGo) return listener(request, response)
    letGo = () => response.destroy()
    const chunks = []
    request.on('data', chunk => chunks.push(chunk)).on('end', () =>
      held({ headers: request.headers, body: Buffer.concat(chunks).toString(), answer: () => response.writeHead(204).end() }))
  })
  const { body } = await meishi.api(writer.token, 'POST', `/webhooks/${writer.hook}/ping`, {})
  const first = await holding
  const before = receiver.requests.length
  await act(first)
  const again = await until(() => receiver.requests.slice(before).find(request => request.headers['webhook-id'] === first.headers['webhook-id']), WAIT_MS)
  letGo()
  server.removeAllListeners('request')
  server.on('request', listener)
  assert.equal(again.body, first.body)
  const delivery = await until(async () => {
    const found = (await meishi.api(writer.token, 'GET', `/deliveries/${body.delivery_id}`)).body
    return found.state === 'delivered' && found
  }, WAIT_MS)
  assert.equal(delivery.event_id, first.headers['webhook-id'])
  return delivery
}

test('killed while the receiver has the request, the server sends it again under the same id', async () => {
  await withHeldRequest(writers[0], async () => {
    await meishi.kill('SIGKILL')
    await meishi.serve()
  })
})

test('killed as soon as the receiver has answered, the server sends it again or has recorded it', async () => {
  for (let i = 0; i < Math.min(ROUNDS, 12); i++) {
    const writer = writers[1 + i % 4]
    const gone = new Promise(resolve => {
      receiver.answer = () => {
        setTimeout(() => resolve(meishi.kill('SIGKILL')), i)
        receiver.answer = () => 204
        return 204
      }
    })
    const before = receiver.requests.length
    const { body } = await meishi.api(writer.token, 'POST', `/webhooks/${writer.hook}/ping`, {})
    await gone
    await meishi.serve()
    const delivery = await until(async () => {
      const found = (await meishi.api(writer.token, 'GET', `/deliveries/${body.delivery_id}`)).body
      return found.state === 'delivered' && found
    }, WAIT_MS)
    const came = receiver.requests.slice(before).filter(request => request.path === writer.path)
    assert.deepEqual([...new Set(came.map(request => request.headers['webhook-id']))], [delivery.event_id])
  }
})

test('when the process that sends is killed, the request goes out again and nobody is blamed', async context => {
  if (!children().length) return context.skip('the server sends by itself')
  const delivery = await withHeldRequest(writers[2], async () => {
    const [child] = children().slice(-1)
    process.kill(child, 'SIGKILL')
    await until(() => !children().includes(child))
  })
  assert.deepEqual(delivery.attempt_log.map(attempt => attempt.error), [null])
})
