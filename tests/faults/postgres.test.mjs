// A PostgreSQL that hangs, is cut off or forgets, under one server (what happens in load stands in database.test.mjs). Card pages go on from memory, marked at the latest
// after the two seconds that one waits for a hit; what needs the database is told to come back; and all goes on by itself. The
// ledger counts the pages that were answered without a mark: each of them is in the store, once.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Cluster, Line } from '../support/cluster.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

const LONGEST_MS = 3500 // two seconds, and what a busy machine adds
let cluster, line, meishi, jane, share, recorded = 0

before(async () => {
  cluster = await Cluster.make()
  line = await Line.to(cluster)
  meishi = await Meishi.start({ MEISHI_STORE: line.url, MEISHI_KEY_FILE: `${cluster.folder}/meishi.key`, MEISHI_STORE_POOL: '2' })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card)
  await visit()
})
after(async () => {
  await meishi?.stop()
  line?.stop()
  await cluster?.drop()
})

// A visit to the card: how long it took and whether its hit was recorded.
async function visit() {
  const start = performance.now()
  const page = await meishi.open(`/c/${share.token}`)
  assert.equal(page.status, 200)
  assert.match(page.html, /Jane Doe/)
  const kept = !page.headers.get('x-hit')
  recorded += kept
  return { kept, ms: performance.now() - start, form: page.form }
}

async function isKept() {
  const hits = await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits?limit=200`)
  return hits.status === 200 && hits.body.data
}

// Back within five seconds of the database: hits are kept and lists are answered; and nothing that was acknowledged is gone or there
// twice. A hit that was marked may have been kept all the same.
async function recovers() {
  await until(async () => (await visit()).kept, 5000)
  await until(isKept, 5000)
  const ids = (await isKept()).map(hit => hit.id)
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.length >= recorded, `${recorded} acknowledged, ${ids.length} kept`)
}

afterEach(recovers)

// A connection that was lost is looked after every second, and upon its return the pages in memory are forgotten: what was missed
// meanwhile nobody knows. They are there again with the next visit.
async function settle() {
  await sleep(2500)
  await visit()
}

async function goesOnWithout(ends) {
  await settle()
  await ends()
  const first = await visit()
  assert.ok(!first.kept)
  assert.ok(first.ms < LONGEST_MS, `the first page took ${first.ms} ms`)
  for (let i = 0; i < 5; i++) {
    const next = await visit()
    assert.ok(!next.kept)
    assert.ok(next.ms < 1000, `a further page took ${next.ms} ms`)
  }
  const refused = await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'nfc' })
  assert.equal(refused.status, 503)
  assert.match(refused.headers.get('retry-after'), /^\d+$/)
  const desk = await fetch(`${meishi.url}/sign-in/mail`, { method: 'POST', headers: { Origin: meishi.url }, body: new URLSearchParams({ email: 'a@b.example' }) })
  assert.equal((await fetch(`${meishi.url}/readyz`)).status, 503)
  assert.ok([404, 503].includes(desk.status))
}

test('a server that hangs', async () => {
  await goesOnWithout(async () => cluster.freeze()).finally(() => cluster.thaw())
})

test('a share that was found to be revoked stays so while the database is away', async () => {
  const gone = await meishi.share(jane.token, jane.card), page = () => meishi.open(`/c/${gone.token}`)
  assert.equal((await page()).status, 200)
  // By another server, and told while nobody heard.
  await cluster.psql(`UPDATE shares SET revoked_ms = 1 WHERE token = '${gone.token}'`)
  await cluster.cut()
  await until(async () => (await page()).status === 404)
  cluster.freeze()
  try {
    assert.notEqual((await page()).status, 200)
  } finally {
    cluster.thaw()
  }
})

test('a line that goes silent', async () => {
  await goesOnWithout(async () => { line.silent = true }).finally(() => line.speak())
})

test('connections that are ended between two verbs are made anew, and nobody notices', async () => {
  await cluster.cut()
  await until(async () => (await visit()).kept, 2000)
  assert.equal((await meishi.api(jane.token, 'GET', '/leads')).status, 200)
})

test('a form whose commit was not heard of is sent again, and makes one lead', async () => {
  const { form } = await visit()
  await sleep(3100) // sooner it would look like a machine's
  line.commitOf = /^INSERT INTO leads /
  const fields = { ...form, name: 'Ann Okafor', reach: 'ann@okafor.example', consent: '1' }
  const lost = await meishi.post(`/c/${share.token}/lead`, fields)
  assert.equal(lost.status, 503)
  assert.ok(lost.headers.get('retry-after'))
  assert.equal(await cluster.psql(`SELECT count(*) FROM leads WHERE name = 'Ann Okafor'`), '1', 'it was committed')
  line.speak()
  const again = await until(async () => {
    const answer = await meishi.post(`/c/${share.token}/lead`, fields)
    return answer.status !== 503 && answer
  })
  assert.equal(again.status, 303)
  const leads = await until(async () => {
    const answer = await meishi.api(jane.token, 'GET', '/leads')
    return answer.status === 200 && answer.body.data
  })
  assert.deepEqual(leads.map(lead => lead.name), ['Ann Okafor'])
})

test('a server that begins to forget is refused from then on, unless it is said that it may', async () => {
  const ready = async () => await fetch(`${meishi.url}/readyz`)
  await cluster.psql('ALTER ROLE meishi SET synchronous_commit = off')
  await cluster.cut()
  await until(async () => !(await visit()).kept)
  await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'nfc' })
  const said = await ready()
  assert.equal(said.status, 503)
  assert.match(await said.text(), /synchronous_commit is off/)
  const doctor = await meishi.command('doctor')
  assert.notEqual(doctor.code, 0)
  assert.match(doctor.out, /WRONG durable .*synchronous_commit is off/)
  const refused = await meishi.command('member', 'list')
  assert.notEqual(refused.code, 0)
  assert.match(refused.words, /synchronous_commit is off.*MEISHI_STORE_UNSAFE=yes/)
  const taken = await meishi.command('member', 'list', '--store-unsafe', 'yes')
  assert.equal(taken.code, 0, taken.words)
  assert.match(taken.out, /Jane Doe/)
  await cluster.psql('ALTER ROLE meishi RESET synchronous_commit')
  await cluster.cut()
  await until(async () => (await ready()).status === 200)
  assert.equal(await (await ready()).text(), 'ready\n')
})

test('who finds every connection lent is told to come back, and is not kept waiting', async () => {
  const ask = () => meishi.api(jane.token, 'GET', '/leads')
  await until(async () => (await Promise.all([ask(), ask(), ask(), ask()])).every(answer => answer.status === 200)) // all are back after the cut
  const held = cluster.psql('BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3.5); COMMIT')
  await until(async () => await cluster.psql(`SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'leads'::regclass AND granted`) === '1')
  const answers = await Promise.all(Array.from({ length: 4 }, async () => {
    const start = performance.now()
    const answer = await meishi.api(jane.token, 'GET', '/leads')
    return { status: answer.status, retry: answer.headers.get('retry-after'), ms: performance.now() - start }
  }))
  const refused = answers.filter(answer => answer.status === 503)
  assert.equal(refused.length, 2, JSON.stringify(answers))
  for (const answer of refused) assert.ok(answer.retry && answer.ms < LONGEST_MS, JSON.stringify(answer))
  assert.equal(answers.filter(answer => answer.status === 200).length, 2)
  await held
  for (const pool of ['0', '65', 'many']) {
    const { code, words } = await meishi.command('config', '--store-pool', pool)
    assert.notEqual(code, 0)
    assert.match(words, /MEISHI_STORE_POOL.*1 to 64/)
  }
})

test('nothing that is printed shows the password', async () => {
  const secret = 'hush%40hush', store = line.url.replace('meishi@', `meishi:${secret}@`)
  for (const words of [['config'], ['config', '--json'], ['member', 'list'], ['doctor']]) {
    for (const url of [store, store.replace('127.0.0.1', 'nowhere.invalid'), store.replace('%40', '/'), `${store}&password=${secret}`]) {
      const { out, words: said } = await meishi.command(...words, '--store', url)
      assert.ok(!/hush/.test(out + said), out + said)
    }
  }
})
