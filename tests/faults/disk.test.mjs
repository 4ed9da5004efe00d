// A disk that is full, fails a sync, or holds something else than it should. tests/support/disk.mjs makes it fail.
import assert from 'node:assert/strict'
import { readdirSync, openSync, writeSync, closeSync } from 'node:fs'
import { after, test } from 'node:test'
import { Disk } from '../support/disk.mjs'
import { ofSqlite, onPostgres } from '../support/engine.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

const running = []
after(async () => {
  for (const meishi of running) {
    await meishi.stop()
    meishi.disk?.remove()
  }
})

async function start(settings = {}) {
  const meishi = await Meishi.start(settings)
  running.push(meishi)
  return meishi
}

async function startWithFaults() {
  const disk = new Disk(), meishi = await start(disk.settings)
  disk.isUnder(meishi.store)
  return Object.assign(meishi, { disk })
}

test('a full disk: pages are served and marked, writes say 503, and service resumes by itself', async () => {
  const meishi = await startWithFaults()
  const jane = await meishi.member()
  const share = await meishi.share(jane.token, jane.card)
  assert.equal((await meishi.open(`/c/${share.token}`)).headers.get('x-hit'), null)

  await meishi.disk.fill()
  const page = await meishi.open(`/c/${share.token}`)
  assert.equal(page.status, 200)
  assert.match(page.html, /Jane Doe/)
  assert.equal(page.headers.get('x-hit'), 'unrecorded')
  const refused = await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'nfc' })
  assert.equal(refused.status, 503)
  assert.ok(refused.headers.get('retry-after'))
  assert.ok(await meishi.disk.failures() > 0)
  const form = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: 'Ann Okafor', reach: 'ann@example.com', message: 'Two gutters.' })
  assert.equal(form.status, 503)
  for (const typed of ['Ann Okafor', 'ann@example.com', 'Two gutters.']) assert.ok(form.text.includes(typed), `${typed} is lost`)

  await meishi.disk.mend()
  await until(async () => (await meishi.open(`/c/${share.token}`)).headers.get('x-hit') === null)
  assert.equal((await meishi.api(jane.token, 'POST', `/cards/${jane.card.id}/shares`, { channel: 'nfc' })).status, 201)
  const hits = (await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits`)).body.data
  assert.ok(hits.length >= 2)
  assert.equal(meishi.process.exitCode, null, 'it was never restarted')
  await sleep(1500) // a fold goes through again
  assert.ok((await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits`)).body.data.length >= hits.length)
})

test('a failed sync: nothing more is acknowledged, and the server starts itself anew with everything it had', { skip: ofSqlite('the sync is the database\'s own, which starts itself anew') }, async () => {
  const meishi = await startWithFaults()
  const jane = await meishi.member()
  const share = await meishi.share(jane.token, jane.card)
  const acknowledged = []
  const open = async () => {
    const page = await meishi.open(`/c/${share.token}`).catch(() => null)
    if (page?.status === 200 && !page.headers.get('x-hit')) acknowledged.push(page.form.stamp)
    return page
  }
  for (let i = 0; i < 5; i++) await open()
  await sleep(5500) // long enough after the start that starting anew is worth it
  meishi.disk.failSync()
  await until(async () => { await open(); return await meishi.disk.failures() > 0 })
  await until(async () => (await open())?.status === 200 && /restart/.test(meishi.log))
  await until(async () => acknowledged.length >= 6 || (await open(), false))
  const hits = (await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits?limit=200`)).body.data
  assert.ok(hits.length >= acknowledged.length, `${acknowledged.length} acknowledged, ${hits.length} stored`)
  assert.equal(new Set(hits.map(hit => hit.id)).size, hits.length)
})

test('a damaged store is refused with what to do', { skip: ofSqlite('a damaged database is its administrator\'s') }, async () => {
  const meishi = await start()
  await meishi.member()
  await meishi.kill('SIGTERM')
  const path = `${meishi.store.folder}/meishi.db`
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.alloc(200, 0x5a), 0, 200, 0)
  closeSync(fd)
  const answer = await meishi.command('serve')
  assert.notEqual(answer.code, 0)
  assert.match(answer.words, /restore|backup/i)
})

test('a second server on the same store is refused and says so', { skip: ofSqlite('a database has any number of servers') }, async () => {
  const meishi = await start()
  const answer = await meishi.command('serve', '--listen', '127.0.0.1:0')
  assert.equal(answer.code, 75)
  assert.match(answer.words, /meishi\.db\.lock|another|already/i)
})

test('SIGTERM in load drains: every answer is complete and every acknowledged hit is there', async () => {
  const meishi = await start()
  const jane = await meishi.member()
  const share = await meishi.share(jane.token, jane.card)
  let acknowledged = 0, stopping = false
  const visitor = async () => {
    while (!stopping) {
      const page = await meishi.open(`/c/${share.token}`).catch(() => null)
      if (page?.status === 200) acknowledged++
      else return
    }
  }
  const visitors = Array.from({ length: 16 }, visitor)
  await until(() => acknowledged > 50)
  await sleep(100)
  const how = await meishi.kill('SIGTERM')
  stopping = true
  await Promise.all(visitors)
  assert.deepEqual(how, { code: 0, signal: null })
  await meishi.serve()
  const { body } = await meishi.api(jane.token, 'GET', `/cards/${jane.card.id}/shares`)
  const counts = body.data.find(row => row.id === share.id).hits
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0)
  assert.ok(all >= acknowledged, `${acknowledged} acknowledged, ${all} counted`)
})

test('a backup taken in load opens as a store of its own', async () => {
  const meishi = await start()
  const jane = await meishi.member()
  const share = await meishi.share(jane.token, jane.card)
  for (let i = 0; i < 20; i++) await meishi.open(`/c/${share.token}`)
  const file = `${meishi.folder}/copy.meishi`
  assert.equal((await meishi.command('backup', file)).code, 0)
  assert.notEqual((await meishi.command('backup', file)).code, 0, 'an existing file is not overwritten')
  assert.notEqual((await meishi.command('restore', file)).code, 0, 'not under a running server')
  await meishi.kill('SIGTERM')
  const restored = await meishi.command('restore', file)
  assert.equal(restored.code, 0, restored.words)
  if (!onPostgres) assert.ok(readdirSync(meishi.store.folder).length > 4, 'the old files are kept beside it')
  await meishi.serve()
  assert.equal((await meishi.open(`/c/${share.token}`)).status, 200)
  assert.equal((await meishi.api(jane.token, 'GET', `/shares/${share.id}/hits`)).body.data.length, 21)
  assert.equal((await meishi.command('doctor')).code, 0)
})
