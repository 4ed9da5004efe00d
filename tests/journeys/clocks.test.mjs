// Servers of one database whose clocks differ: everybody who should know is told of it, nobody is refused, and a visitor whose form
// goes to another server than their page came from is no machine on that account.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { onPostgres } from '../support/engine.mjs'
import { Meishi, sleep, until } from '../support/meishi.mjs'

const skip = !onPostgres && 'on SQLite a store has one server'
const SHIM = new URL(`../../${process.env.BUILD ?? 'build'}/tests/faults/shim.so`, import.meta.url).pathname
let right, ahead, behind, jane

before(async () => {
  if (skip) return
  right = await Meishi.start()
  const clock = ms => ({ ...right.store.settings, LD_PRELOAD: SHIM, CLOCK_AHEAD_MS: String(ms) })
  ahead = await Meishi.start(clock(5300))
  behind = await Meishi.start(clock(-1500))
  jane = await right.member()
})
after(async () => {
  if (skip) return
  await ahead?.stop()
  await behind?.stop()
  await right?.stop()
})

async function figure(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return Number(text.match(/^meishi_store_clock_ahead_seconds (\S+)$/m)[1])
}

test('a clock that is off is told of in the log, by readyz, by the doctor and in the figures', { skip }, async () => {
  const seconds = await until(async () => await figure(ahead))
  assert.ok(seconds > 4 && seconds < 5.4, `${seconds} s ahead`)
  await until(() => /level=warning event=clock-off ahead_ms=\d+ /.test(ahead.log))
  const ready = await fetch(`${ahead.url}/readyz`)
  assert.equal(ready.status, 200, 'it goes on serving')
  assert.match(await ready.text(), /^ready\nthis machine's clock is [45]\.\d s ahead of the database's/)
  const doctor = await ahead.command('doctor')
  assert.notEqual(doctor.code, 0)
  assert.match(doctor.out, /WRONG clocks .*clock is [45]\.\d s ahead of the database's/)
})

test('one that is a little off is only in the figures', { skip }, async () => {
  const seconds = await until(async () => await figure(behind))
  assert.ok(seconds < -0.5 && seconds > -1.6, `${seconds} s ahead`)
  for (const server of [right, behind]) {
    assert.equal(await (await fetch(`${server.url}/readyz`)).text(), 'ready\n')
    assert.doesNotMatch(server.log, /clock-off/)
    assert.match((await server.command('doctor')).out, /ok +clocks /)
  }
})

test('who fills in a form for three seconds is a person by either clock, and who does not is none', { skip }, async () => {
  const share = await right.share(jane.token, jane.card)
  const page = async () => (await right.open(`/c/${share.token}`)).form
  const send = async (form, name) => behind.post(`/c/${share.token}/lead`, { ...form, name, reach: `${name}@example.net` })
  const patient = await page()
  await sleep(3200)
  assert.equal((await send(patient, 'ann')).status, 303)
  assert.equal((await send(await page(), 'robot')).status, 303)
  const names = async filter => (await right.api(jane.token, 'GET', `/leads?${filter}`)).body.data.map(lead => lead.name)
  assert.deepEqual(await names('set_aside=true'), ['robot'])
  assert.deepEqual(await names('set_aside=false'), ['ann'])
})
