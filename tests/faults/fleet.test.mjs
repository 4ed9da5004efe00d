// Three servers and two workers on one PostgreSQL with a synchronous standby, each on a host of its own, while each part of it
// fails in turn under load. Throughout: no acknowledged hit, lead or delivery is lost or doubled, the card is shown by every server
// that lives, members are told to come again, and all goes on by itself soon after the database does. The ledger is the visitors'
// own; that its checker finds losses is shown by a standby which is promoted without being synchronous.
//
// Runs alone: it measures how long a recovery takes, and three servers with two databases fill a small machine.
// FLEET_ROUNDS (1) repeats each fault; `make faults` does it ten times. Between two promotions the one that was lost becomes the
// standby of the other, under load and by the words of the README, so that the two take turns.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Fleet, Visitors, compare, enterWorld, stored } from '../support/fleet.mjs'
import { sleep, until } from '../support/meishi.mjs'

const world = enterWorld(import.meta.url)
const ROUNDS = Number(process.env.FLEET_ROUNDS ?? 1)
const RECOVERY_MS = 5000 // after the database is back
let fleet
const fault = (words, body) => test(words, { skip: world.skip }, body)

before(async () => { if (!world.skip) fleet = await Fleet.open() })
after(() => fleet?.close())

const works = server => server.api(fleet.token, 'GET', '/leads?limit=1').then(answer => answer.status === 200, () => false)

// All is as it should be again: members' pages and hits on the disk, at every server.
async function recovered(visitors, since, t) {
  for (const server of fleet.servers) await until(() => works(server), RECOVERY_MS)
  const before = new Map(visitors.hitsBy)
  for (const server of fleet.servers) await until(() => visitors.hitsBy.get(server) > before.get(server) + 3, RECOVERY_MS)
  const took_ms = Date.now() - since
  t.diagnostic(`recovered within ${took_ms} ms`)
  return took_ms
}

// Who asks for their leads meanwhile gets a clear word, never an error page or silence.
async function toldToComeAgain(server) {
  const answer = await server.api(fleet.token, 'GET', '/leads?limit=1')
  assert.equal(answer.status, 503)
  assert.ok(Number(answer.headers.get('retry-after')) > 0)
  assert.match(answer.headers.get('content-type'), /problem\+json/)
}

// Runs FAULT in load, ROUNDS times, and holds the ledger against the store.
async function under(t, fault) {
  await fleet.newCard()
  const visitors = new Visitors(fleet), took = []
  try {
    await until(() => visitors.hits.length > 100, 20000)
    for (let round = 0; round < ROUNDS; round++) {
      const back = await fault(visitors, round)
      took.push(await recovered(visitors, back ?? Date.now(), t))
    }
    if (ROUNDS > 1) t.diagnostic(`recovered ${ROUNDS} times, within ${Math.min(...took)} to ${Math.max(...took)} ms`)
    const leads = visitors.leads.length
    await until(() => visitors.leads.length > leads, 30000)
  } finally {
    await visitors.stop()
  }
  const kept = await stored(fleet, fleet.servers[1])
  t.diagnostic(`${visitors.hits.length} hits and ${visitors.leads.length} leads acknowledged, ${visitors.marked} pages marked as not recorded`)
  assert.deepEqual(compare(visitors, kept), { hits_lost: 0, hits_doubled: 0, leads_lost: 0, leads_doubled: 0 })
  assert.deepEqual(visitors.unanswered, [], 'every server that lives shows the card')
  await until(() => visitors.leads.every(email => told().has(email)), 60000)
  for (const [email, ids] of told()) assert.equal(ids.size, 1, `${email} was told under ${ids.size} ids`)
  const doctor = await fleet.servers[0].tell('doctor')
  assert.ok(doctor.checks.some(check => check.check === 'store'))
  assert.deepEqual(doctor.checks.filter(check => !check.ok), [])
}

// By lead, the ids under which the receiver was told of it.
function told() {
  const ids = new Map()
  for (const { id, body } of fleet.told) {
    const { email } = body.data.lead
    ids.set(email, (ids.get(email) ?? new Set()).add(id))
  }
  return ids
}

fault('any server and any worker is killed at any moment', t => under(t, async (visitors, round) => {
  const members = [...fleet.servers, ...fleet.workers]
  for (const member of ROUNDS === 1 ? [fleet.servers[1], fleet.workers[0]] : [members[round % members.length]]) {
    await sleep(Math.random() * 300)
    await member.kill()
    await sleep(500)
    await member.start()
  }
}))

fault('the database is stopped at once and started again', t => under(t, async visitors => {
  await fleet.primary.stop('immediate')
  await sleep(300)
  for (const server of fleet.servers) await toldToComeAgain(server)
  await sleep(1000)
  await fleet.primary.start()
  return Date.now()
}))

fault('the answers of the database are lost on their way to one server', t => under(t, async visitors => {
  const [, , server] = fleet.servers
  server.host.deafen(fleet.primary.host.address)
  await sleep(4000)
  server.host.hear()
  return Date.now()
}))

fault('other programs take every connection that the database has', t => under(t, async visitors => {
  const crowd = await fleet.primary.fill()
  assert.ok(crowd.count > 10)
  await fleet.primary.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'meishi%'")
  const taken = await fleet.primary.fill()
  await sleep(1500)
  crowd.release()
  taken.release()
  return Date.now()
}))

fault('each commit takes a second', t => under(t, async visitors => {
  await fleet.primary.ask(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON hit_inbox DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
  const hits = visitors.hits.length
  await sleep(5000)
  assert.ok(visitors.hits.length > hits, 'slowly, but they are recorded')
  await fleet.primary.ask('DROP TRIGGER slow ON hit_inbox; DROP FUNCTION slow()')
}))

fault('the standby is promoted after the primary died', t => under(t, async (visitors, round) => {
  if (round > 0) {
    await fleet.mend()
    const hits = visitors.hits.length
    await until(() => visitors.hits.length > hits + 100, 20000)
  }
  return fleet.failOver()
}))

fault('the checker sees what a standby that was not synchronous has lost', async t => {
  const { primary, standby } = fleet
  await standby.follow(primary)
  await fleet.newCard()
  await until(async () => (await standby.ask(`SELECT 1 FROM shares WHERE token = '${fleet.share.token}'`)).length, 20000)
  standby.host.deafen(primary.host.address)
  const visitors = new Visitors(fleet)
  await until(() => visitors.hits.length > 50, 20000)
  await primary.stop('immediate')
  standby.promote()
  ;[fleet.primary, fleet.standby] = [standby, primary]
  for (const server of fleet.servers) await until(() => works(server), RECOVERY_MS)
  await visitors.stop()
  const found = compare(visitors, await stored(fleet, fleet.servers[0]))
  t.diagnostic(`${found.hits_lost} of ${visitors.hits.length} hits were lost, as they must be`)
  assert.ok(found.hits_lost > 0)
})

test('the checker finds what is lost and what is doubled', () => {
  assert.deepEqual(compare({ hits: ['a', 'b'], leads: ['x'] }, { hits: ['a', 'a'], leads: ['x', 'x', 'y'] }),
    { hits_lost: 1, hits_doubled: 1, leads_lost: 0, leads_doubled: 1 })
  assert.equal(compare({ hits: [], leads: ['x'] }, { hits: [], leads: [] }).leads_lost, 1)
})
