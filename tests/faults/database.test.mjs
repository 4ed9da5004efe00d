// The database goes away under one server in load, and comes back: stopped at once as by a power cut, and every connection cut at
// any moment. Pages are served all the while, what was acknowledged is there once, and nobody restarts anything. What it takes
// to kill servers and promote a standby stands in fleet.test.mjs.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Cluster } from '../support/cluster.mjs'
import { Ledger, check, storedHits } from '../support/ledger.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

const CUTS = Number(process.env.KILL_ROUNDS ?? 5)
const LONG_MS = 60000
let cluster, meishi, jane, share, url

before(async () => {
  cluster = await Cluster.make()
  meishi = await Meishi.start({ MEISHI_STORE: cluster.url, MEISHI_KEY_FILE: `${cluster.folder}/meishi.key` })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card)
  url = `${meishi.url}/c/${share.token}`
})
after(async () => {
  await meishi?.stop()
  await cluster?.drop()
})

const more = (ledger, count) => {
  const many = ledger.acknowledged.length + count
  return until(() => ledger.acknowledged.length >= many, LONG_MS)
}

async function assertKept(ledger) {
  const stored = await until(() => storedHits(meishi, jane.token, share).catch(() => null), LONG_MS)
  assert.deepEqual(check(ledger.acknowledged, stored), { lost: 0, doubled: 0 })
  assert.equal(meishi.process.exitCode, null, 'it was never restarted')
}

test('a database that is stopped at once: pages go on, writes say 503, and all goes on by itself when it is back', async () => {
  const ledger = new Ledger(), visitors = ledger.visitors(url, 16)
  await more(ledger, 50)
  await cluster.stop('immediate')
  const refused = await until(async () => {
    const answer = await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'nfc' })
    return answer.status !== 201 && answer
  })
  assert.equal(refused.status, 503)
  assert.ok(refused.headers.get('retry-after'))
  await until(() => ledger.unrecorded > 20)
  await cluster.start()
  await more(ledger, 50)
  ledger.callBack()
  await visitors
  assert.equal((await until(async () => {
    const answer = await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'nfc' })
    return answer.status !== 503 && answer
  })).status, 201)
  await assertKept(ledger)
})

test('connections that are cut at any moment in load lose and double nothing', async () => {
  const ledger = new Ledger(), visitors = ledger.visitors(url, 16)
  for (let i = 0; i < CUTS; i++) {
    await more(ledger, 30)
    await sleep(Math.random() * 200)
    assert.ok(await cluster.cut() > 0)
  }
  await more(ledger, 30)
  ledger.callBack()
  await visitors
  await assertKept(ledger)
})
