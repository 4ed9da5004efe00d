// An installation moved to another store, on the other engine where the run has it, and back: what was printed, sent and handed out
// before goes on working, with the same key file.
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { Store } from '../support/engine.mjs'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

let meishi, receiver, jane, share, secret, receipt, other, back

const leave = async (name = 'Ann') => {
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3200) // who is quicker is no person
  const answer = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name: `${name} Okafor`, reach: `${name}@okafor.example`, message: 'Two gutters.' })
  assert.equal(answer.status, 303)
  return answer.headers.get('location')
}

// The server stops, and starts again on another store with the key file it had.
const move = async (from, to) => {
  await meishi.kill('SIGTERM')
  const done = await meishi.json('copy', '--from', from, '--to', to.settings.MEISHI_STORE)
  assert.ok(done.rows > 20 && done.tables > 20)
  assert.equal(done.tables_again, 0)
  Object.assign(meishi.env, to.settings, { MEISHI_KEY_FILE: join(meishi.folder, 'kept.key') })
  await meishi.serve()
}

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  assert.equal((await meishi.command('demo')).code, 0)
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card, { channel: 'qr', label: 'Berlin fair, badge' })
  const webhook = await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created', 'lead.erased'] })
  secret = webhook.body.secret
  receipt = await leave()
  await until(() => receiver.of('lead.created').length === 1)
  const key = meishi.env.MEISHI_KEY_FILE ?? join(meishi.store.folder, 'meishi.key')
  copyFileSync(key, join(meishi.folder, 'kept.key'))
  // Away from the engine of the run, and back to it.
  other = { settings: { MEISHI_STORE: `sqlite:${meishi.folder}/other` } }
  back = await Store.make(meishi.folder, 'back')
})
after(async () => {
  await back?.drop()
  await meishi?.stop()
  await receiver?.stop()
})

const goesOn = async visitor => {
  const told = receiver.of('lead.created').length
  assert.match((await meishi.open(`/c/${share.token}`)).html, /Jane Doe/)
  assert.match((await meishi.open('/@mika')).html, /Mika Sørensen-Tanaka/)
  assert.equal((await fetch(`${meishi.url}/c/${share.token}.png`)).status, 200)
  assert.match((await meishi.open(receipt)).html, /Ann Okafor/)
  const leads = await meishi.api(jane.token, 'GET', '/leads?q=okafor')
  assert.equal(leads.status, 200)
  assert.ok(leads.body.data.length >= 1)
  await leave(visitor)
  await until(() => receiver.of('lead.created').length > told)
  const last = receiver.of('lead.created').at(-1)
  assert.equal(new Webhook(secret).verify(last.body, last.headers).type, 'lead.created')
  assert.equal((await meishi.command('doctor')).out.match(/^\w+ +store .*$/m)?.[0].startsWith('ok'), true)
}

test('a copy is not made while a server has the store', async () => {
  const { code, words } = await meishi.command('copy', '--from', meishi.env.MEISHI_STORE, '--to', other.settings.MEISHI_STORE)
  assert.equal(code, 75, words)
  assert.ok(words)
})

test('links, receipts, tokens and webhooks go on working on the copy', async () => {
  await move(meishi.env.MEISHI_STORE, other)
  await goesOn('Ben')
})

test('and on the copy of the copy, where a receipt erases', async () => {
  await move(other.settings.MEISHI_STORE, back)
  await goesOn('Cleo')
  const erased = await meishi.post(`${receipt}/erase`, { sure: 'yes' })
  assert.equal(erased.status, 200)
  await until(() => receiver.of('lead.erased').length)
})

test('no password of a store is repeated', async () => {
  const answer = await meishi.command('copy', '--from', 'mysql://ann:geheim@db.example/meishi?password=secret', '--to', `sqlite:${meishi.folder}/new`)
  assert.equal(answer.code, 66)
  assert.match(answer.words, /mysql:\/\/ann:\*\*\*@db\.example/)
  assert.doesNotMatch(answer.words, /geheim|secret/)
})

test('it says in words what it needs', async () => {
  assert.equal((await meishi.command('copy')).code, 64)
  const nothing = await meishi.command('copy', '--from', `sqlite:${meishi.folder}/nothing`, '--to', `sqlite:${meishi.folder}/new`)
  assert.equal(nothing.code, 66)
  assert.match(nothing.words, /There is no store/)
  await meishi.kill('SIGTERM')
  const full = await meishi.command('copy', '--from', back.settings.MEISHI_STORE, '--to', other.settings.MEISHI_STORE)
  assert.equal(full.code, 73)
  assert.match(full.words, /is not empty/)
})
