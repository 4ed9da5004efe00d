// kill -9 at any moment in load: what was acknowledged is there once after the restart. The ledger is written by the client,
// before each request and after each answer; the same checker must find losses in what was only sent (negative control).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Ledger, check, storedHits } from '../support/ledger.mjs'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 5)
let meishi, receiver, jane, share

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card)
  await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created'] })
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

test('no acknowledged hit is lost or doubled by kill -9 in load', async () => {
  const ledger = new Ledger()
  for (let round = 0; round < ROUNDS; round++) {
    const many = ledger.acknowledged.length + 20
    const visitors = ledger.visitors(`${meishi.url}/c/${share.token}`, 32)
    await until(() => ledger.acknowledged.length > many)
    await sleep(Math.random() * 400)
    await meishi.kill('SIGKILL')
    await visitors
    await meishi.serve()
  }
  const stored = await storedHits(meishi, jane.token, share)
  const found = check(ledger.acknowledged, stored)
  assert.ok(ledger.acknowledged.length > 100, `only ${ledger.acknowledged.length} were acknowledged`)
  assert.deepEqual(found, { lost: 0, doubled: 0 })
  assert.ok(ledger.sent > stored.length - 1, 'more is stored than was sent')
  assert.ok(ledger.sent - ledger.acknowledged.length > 0, 'no request was under way at a kill: the test kills too late')
})

test('the checker finds what is lost and what is doubled', () => {
  assert.deepEqual(check(['hit_A', 'hit_B'], ['hit_A']), { lost: 1, doubled: 0 })
  assert.deepEqual(check(['hit_A'], ['hit_A', 'hit_A']), { lost: 0, doubled: 1 })
})

test('no acknowledged lead is lost, and each is told of at least once by the same id', async () => {
  const kept = []
  for (let round = 0; round < ROUNDS; round++) {
    const pages = await Promise.all(Array.from({ length: 6 }, () => meishi.open(`/c/${share.token}`)))
    await sleep(3100)
    const forms = pages.map(async (page, i) => {
      const email = `r${round}-${i}@example.com`
      try {
        const answer = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: `Round ${round} ${i}`, reach: email })
        if (answer.status === 303) kept.push(email)
      } catch { /* unanswered: may be there or not */ }
    })
    await sleep(Math.random() * 12)
    await meishi.kill('SIGKILL')
    await Promise.all(forms)
    await meishi.serve()
  }
  const leads = (await meishi.api(jane.token, 'GET', '/leads?stage=new&limit=200')).body.data
  const stored = leads.map(lead => lead.email)
  for (const email of kept) assert.equal(stored.filter(one => one === email).length, 1, email)
  // An interrupted delivery waits for its lease to end; the rest is told at once.
  await until(() => {
    const told = new Set(receiver.of('lead.created').map(request => JSON.parse(request.body).data.lead.email))
    return stored.every(email => told.has(email))
  }, 90000)
  const ids = new Map()
  for (const request of receiver.of('lead.created')) {
    const lead = JSON.parse(request.body).data.lead.id
    ids.set(lead, (ids.get(lead) ?? new Set()).add(request.headers['webhook-id']))
  }
  for (const [lead, messages] of ids) assert.equal(messages.size, 1, `${lead} was told under ${messages.size} ids`)
})

// Asks under one key until there is an answer, as a client does whose connection broke.
async function makeOnce(label) {
  for (let again = false; ; again = true) {
    try {
      const { status, body } = await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'print', label },
        { 'Idempotency-Key': `"${label}"` })
      if (status !== 503 && !/still running/.test(body.detail)) return { status, again }
    } catch { /* it was killed, or is not there yet */ }
    await sleep(5)
  }
}

test('what is asked under a key is done once, however often kill -9 comes between the work and its answer', async () => {
  const answers = [], labels = []
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const mine = Array.from({ length: 8 }, (_, i) => `Key ${round}.${i}`)
    labels.push(...mine)
    const asked = mine.map(makeOnce)
    await sleep(Math.random() * 15)
    await meishi.kill('SIGKILL')
    await meishi.serve()
    answers.push(...await Promise.all(asked))
  }
  const shares = []
  for (let after = ''; after !== null;) {
    const { body } = await meishi.api(jane.token, 'GET', `/cards/${jane.card.id}/shares?limit=100${after}`)
    shares.push(...body.data.map(one => one.label))
    after = body.next_cursor ? `&cursor=${body.next_cursor}` : null
  }
  for (const label of labels) assert.equal(shares.filter(one => one === label).length, 1, label)
  assert.ok(answers.some(one => one.again), 'no request was under way at a kill: the test kills too late')
  // 201: made now, or told again; 409: made before the kill, and what was answered went down with it.
  for (const one of answers) assert.ok(one.status === 201 || (one.status === 409 && one.again), JSON.stringify(one))
})
