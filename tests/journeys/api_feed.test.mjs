// The feed of leads, by which other programs keep a copy: whatever is written while they read, their copies end up as the leads
// are, and nothing came twice.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { client, wrong } from '../support/api.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

const BEGINNING = 'since=1970-01-01T00:00:00Z'
let meishi, jane, api
const asJane = (...call) => api(jane.token, ...call)

before(async () => {
  meishi = await Meishi.start()
  api = client(meishi)
  jane = await meishi.member()
})
after(() => meishi?.stop())

const send = async recipient => (await asJane('POST', `/cards/${jane.card.id}/shares`, { channel: 'email', recipient })).body
const leadOf = async share => (await asJane('GET', `/leads?share=${share.id}`)).body.data[0]

// Reads a feed from SINCE on to its end for now, LIMIT at a time: calls seen(lead) and gone(id), answers where to go on.
async function readOn(since, limit, seen, gone) {
  for (let path = `/leads?${since}&limit=${limit}`; ;) {
    const answer = await asJane('GET', path)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.ok(answer.body.data.length + answer.body.gone.length <= limit)
    answer.body.data.forEach(seen)
    answer.body.gone.forEach(gone)
    since = `since=${answer.body.next_since}`
    const next = answer.headers.get('link').match(/<\/api\/v1([^>]*)>; rel="next"/)?.[1]
    assert.equal(Boolean(next), answer.body.next_cursor !== null)
    if (!next) return since
    path = next
  }
}

test('a feed tells each change once, oldest first, and who is gone', async () => {
  const anns = await leadOf(await send('Ann')), bobs = await leadOf(await send('Bob'))
  const first = (await asJane('GET', `/leads?${BEGINNING}`)).body
  assert.deepEqual(first.data.map(lead => lead.id), [anns.id, bobs.id])
  assert.deepEqual([first.gone, first.next_cursor], [[], null])
  const again = (await asJane('GET', `/leads?since=${first.next_since}`)).body
  assert.deepEqual(again, { data: [], gone: [], next_cursor: null, next_since: first.next_since })

  await asJane('PATCH', `/leads/${anns.id}`, { note: 'Rang.' })
  const changed = (await asJane('GET', `/leads?since=${first.next_since}`)).body
  assert.deepEqual(changed.data.map(lead => lead.id), [anns.id])
  await asJane('PATCH', `/leads/${anns.id}`, { set_aside: true })
  const aside = (await asJane('GET', `/leads?since=${changed.next_since}`)).body
  assert.deepEqual(aside.data.map(lead => lead.set_aside), ['set aside by hand'], 'one that was set aside is told too')
  assert.deepEqual((await asJane('GET', `/leads?since=${changed.next_since}&set_aside=false`)).body.data, [])

  await asJane('DELETE', `/leads/${bobs.id}`)
  const erased = (await asJane('GET', `/leads?since=${aside.next_since}`)).body
  assert.deepEqual([erased.data, erased.gone], [[], [bobs.id]])
  const one = (await asJane('GET', `/leads?${BEGINNING}&limit=1`)).body
  assert.equal(one.next_cursor, one.next_since)
  assert.deepEqual((await asJane('GET', `/leads?${BEGINNING}&limit=1&cursor=${one.next_cursor}`)).body.gone, [bobs.id])
  const far = (await asJane('GET', '/leads?since=9999-12-31T23:59:59Z')).body
  assert.deepEqual(far.data, [])
  assert.deepEqual((await asJane('GET', `/leads?since=${far.next_since}`)).body.data, [])
})

test('a visitor who turns out to be known is gone as one and changed as the other', async () => {
  const cids = await send('Cid'), page = await meishi.open(`/c/${cids.token}`)
  const start = (await asJane('GET', `/leads?${BEGINNING}`)).body.next_since
  await sleep(3200)
  await meishi.post(`/c/${cids.token}/lead`, { ...page.form, name: 'Cid Known', reach: 'cid@example.com' })
  const dees = await send('Dee'), other = await meishi.open(`/c/${dees.token}`)
  const potential = await leadOf(dees)
  await sleep(3200)
  await meishi.post(`/c/${dees.token}/lead`, { ...other.form, name: 'Cid again', reach: 'CID@example.com' })
  const { data, gone } = (await asJane('GET', `/leads?since=${start}`)).body
  assert.deepEqual(data.map(lead => lead.name), ['Cid Known'])
  assert.deepEqual(gone, [potential.id])
})

test('other members\' changes are nobody else\'s, and nonsense is named', async () => {
  const eve = await meishi.member('eve', 'Eve Smith')
  const { body } = await api(eve.token, 'GET', `/leads?${BEGINNING}`)
  assert.deepEqual([body.data, body.gone], [[], []])
  for (const since of ['chg_', 'chg_0000000000000', 'led_0000000000001', 'yesterday', 'chg_00000000000001', '2026-01-01'])
    assert.deepEqual(wrong(await asJane('GET', `/leads?since=${since}`)), ['?since'], since)
  assert.deepEqual(wrong(await asJane('GET', `/leads?${BEGINNING}&cursor=led_0000000000001`)), ['?cursor'])
  assert.deepEqual(wrong(await asJane('GET', '/leads?cursor=chg_0000000000001')), ['?cursor'])
  assert.deepEqual(wrong(await asJane('GET', '/leads?since=chg_0000000000001&q=x')), ['?since'], 'words are looked for in a list')
})

test('copies kept by several readers while others write end up as the leads are', async () => {
  const STAGES = ['contacted', 'marketing-qualified', 'sales-qualified', 'opportunity', 'won', 'lost', 'junk']
  let writing = true, changes = 0
  // Four who make leads by sharing, change them and erase some.
  const writer = async number => {
    const own = []
    for (let i = 0; i < 40; i++) {
      own.push(await leadOf(await send(`Reader's ${number} ${i}`)))
      for (let j = 0; j < 3; j++, changes++) {
        const lead = own[(i * 7 + j) % own.length]
        const answer = await asJane('PATCH', `/leads/${lead.id}`, { stage: STAGES[(i + j) % STAGES.length] })
        assert.ok([200, 404].includes(answer.status))
      }
      if (i % 8 === 7) assert.equal((await asJane('DELETE', `/leads/${own.splice(i % own.length, 1)[0].id}`)).status, 204)
    }
  }
  // Visitors, whose leads come by the fold.
  const visitors = async () => {
    const link = await meishi.share(jane.token, jane.card, { channel: 'qr' })
    for (let i = 0; i < 30; i++) {
      const page = await meishi.open(`/c/${link.token}`)
      await meishi.post(`/c/${link.token}/seen`, { stamp: page.form.stamp })
    }
  }
  const reader = async limit => {
    const copy = new Map()
    let since = BEGINNING, told = 0
    const seen = lead => {
      assert.notDeepEqual(copy.get(lead.id), lead, 'nothing is told twice')
      copy.set(lead.id, lead)
      told++
    }
    do {
      const done = !writing // asked before reading, so the last round begins after the last write
      since = await readOn(since, limit, seen, id => copy.delete(id))
      if (done) return { copy, told }
    } while (true)
  }
  const readers = Promise.all([1, 3, 50].map(reader))
  const writers = Promise.all([...Array.from({ length: 4 }, (_, i) => writer(i)), visitors()])
    .then(() => until(async () => (await asJane('GET', '/inbox')).body.potential >= 30)).finally(() => { writing = false })
  const [copies] = await Promise.all([readers, writers])

  const now = new Map()
  for (const aside of ['false', 'true'])
    for (let cursor = ''; cursor !== null;) {
      const { body } = await asJane('GET', `/leads?limit=200&set_aside=${aside}${cursor && `&cursor=${cursor}`}`)
      for (const lead of body.data) now.set(lead.id, lead)
      cursor = body.next_cursor
    }
  assert.ok(now.size > 100 && changes === 480)
  for (const { copy, told } of copies) {
    assert.deepEqual([...copy.keys()].sort(), [...now.keys()].sort())
    for (const [id, lead] of now) assert.deepEqual(copy.get(id), lead)
    assert.ok(told > now.size, 'some were read while they were still to change')
  }
})

test('who reads on after an older store was put back misses nothing that is written then', async () => {
  const backup = join(meishi.folder, 'older.db')
  const lead = await leadOf(await send('Back Then'))
  assert.equal((await meishi.command('backup', backup)).code, 0)
  for (let i = 0; i < 20; i++) await asJane('PATCH', `/leads/${lead.id}`, { note: `n${i}` })
  const since = await readOn(BEGINNING, 200, () => {}, () => {})
  await meishi.kill('SIGTERM')
  assert.equal((await meishi.command('restore', backup)).code, 0)
  await meishi.serve()
  await asJane('PATCH', `/leads/${lead.id}`, { stage: 'lost' })
  const last = await readOn(since, 50, told => assert.equal(told.id, lead.id), () => assert.fail('nobody is gone'))
  assert.notEqual(last, since)
})
