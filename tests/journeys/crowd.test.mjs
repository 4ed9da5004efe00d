// One network that opens a share's page and calls it seen, on and on: every visit is counted, the first few hundred in an hour are
// listed as potential leads, and who leaves their details is a lead all the same. All servers of a store count together.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { onPostgres } from '../support/engine.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

const LISTED = 300, ALONE = 30 // server/pages/crowd.c
const VISITS = LISTED + 2 * ALONE + 20, AT_ONCE = 10
const servers = []
let jane

before(async () => {
  servers.push(await Meishi.start())
  if (onPostgres) servers.push(await Meishi.start(servers[0].store.settings))
  jane = await servers[0].member()
})
after(async () => {
  for (const server of servers.reverse()) await server.stop()
})

async function visit(share, i) {
  const server = servers[i % servers.length]
  const { form } = await server.open(`/c/${share.token}`)
  assert.equal((await server.post(`/c/${share.token}/seen`, { stamp: form.stamp })).status, 204)
  return form
}

const api = async path => (await servers[0].api(jane.token, 'GET', path)).body
const persons = async share => (await api(`/cards/${jane.card.id}/shares`)).data.find(one => one.id === share.id).hits.person
const listed = async () => (await api('/inbox')).potential

test('a crowd is counted to the last, listed to a bound, and nobody of it is turned away', async () => {
  const share = await servers[0].share(jane.token, jane.card)
  let form
  for (let i = 0; i < VISITS; i += AT_ONCE) [form] = await Promise.all(Array.from({ length: AT_ONCE }, (_, j) => visit(share, i + j)))
  await until(async () => await persons(share) === VISITS)
  const count = await listed()
  // A server that was not asked thirty times does not tell the others; and an hour may end meanwhile.
  assert.ok(count >= LISTED - 10 && count <= LISTED + (servers.length - 1) * ALONE, `${count} listed of ${VISITS}`)
  await sleep(3100) // who is faster is no person
  const sent = await servers[0].post(`/c/${share.token}/lead`, { ...form, name: 'Ann Okafor', reach: 'ann@okafor.example' })
  assert.equal(sent.status, 303)
  assert.deepEqual((await api('/leads?stage=new')).data.map(lead => lead.name), ['Ann Okafor'])
})

test('another share of the same card is listed from its first visitor on', async () => {
  const share = await servers[0].share(jane.token, jane.card), before = await listed()
  await visit(share, 0)
  await until(async () => await listed() === before + 1)
})
