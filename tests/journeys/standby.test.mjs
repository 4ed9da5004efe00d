// Lists read from a standby: what a member wrote is in the next list, on whichever server it is asked for, however far the standby
// is behind; a standby that is away costs no answer. On hosts of their own with a streaming standby, as tests/faults/fleet.test.mjs.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Fleet, enterWorld } from '../support/fleet.mjs'
import { until } from '../support/meishi.mjs'

const world = enterWorld(import.meta.url)
let fleet, lead
const check = (words, body) => test(words, { skip: world.skip }, body)
const STANDBY = 'postgres://meishi@10.99.0.12/meishi'

before(async () => {
  if (world.skip) return
  fleet = await Fleet.open({ servers: 2, workers: 0, settings: { MEISHI_STORE_READ: STANDBY }, synchronous: false })
  await fleet.newCard()
  const [server] = fleet.servers
  await server.api(fleet.token, 'POST', `/cards/${fleet.card.id}/shares`, { channel: 'email', recipient: 'Barry Jones' })
  ;[lead] = (await server.api(fleet.token, 'GET', '/leads')).body.data
})
after(() => fleet?.close())

const figures = async server => Object.fromEntries([...(await (await fetch(`${server.url}/metrics`, { headers: { Authorization: `Bearer ${fleet.token}` } })).text())
  .matchAll(/^meishi_store_standby_(\w+)_total (\d+)$/gm)].map(([, name, count]) => [name, Number(count)]))
const replays = way => fleet.standby.ask(`SELECT pg_wal_replay_${way}()`, 'postgres')
const promised = async server => (await server.api(fleet.token, 'GET', `/leads/${lead.id}/follow-ups?limit=200`)).body.data.map(one => one.note)

check('a list comes from the standby once that is there', async () => {
  const [server] = fleet.servers
  await until(async () => (await server.api(fleet.token, 'GET', '/leads')).status === 200 && (await figures(server)).reads > 0)
})

check('what was written a moment ago is in the list of any server, while the standby stands still', async () => {
  const [one, other] = fleet.servers
  await replays('pause')
  const before = await figures(other)
  for (let i = 0; i < 5; i++) {
    assert.equal((await one.api(fleet.token, 'POST', `/leads/${lead.id}/follow-ups`, { after: 'day', note: `Promise ${i}` })).status, 201)
    assert.ok((await promised(other)).includes(`Promise ${i}`), `promise ${i} is not in the list of the other server`)
    assert.ok((await promised(one)).includes(`Promise ${i}`))
  }
  const now = await figures(other)
  assert.ok(now.behind >= before.behind + 5, 'the standby was asked and found behind')
  assert.equal(now.reads, before.reads, 'and nothing was read from it')
  await replays('resume')
  await until(async () => (await promised(other)).length === 5 && (await figures(other)).reads > now.reads)
})

check('who wrote nothing is served by a standby that is behind', async () => {
  const [one, other] = fleet.servers
  await one.tell('member', 'add', '--handle', 'ann', '--name', 'Ann Okafor', '--email', 'ann@example.org')
  const { token } = await one.tell('token', 'add', '--member', 'ann')
  await until(async () => (await fleet.standby.ask("SELECT 1 FROM members WHERE handle = 'ann'")).length)
  await replays('pause')
  const before = await figures(other)
  assert.equal((await other.api(token, 'GET', '/leads')).status, 200)
  assert.equal((await figures(other)).reads, before.reads + 1)
  await replays('resume')
})

check('a standby that is away costs no list, and is read again when it is back', async () => {
  const [, server] = fleet.servers
  await fleet.standby.stop('immediate')
  for (let i = 0; i < 20; i++) assert.equal((await server.api(fleet.token, 'GET', '/leads')).status, 200)
  assert.ok((await figures(server)).failures > 0)
  await fleet.standby.start()
  const { reads } = await figures(server)
  await until(async () => (await server.api(fleet.token, 'GET', '/leads')).status === 200 && (await figures(server)).reads > reads, 10000)
})
