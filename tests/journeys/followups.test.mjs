// A promise on a lead: made by a button, due above the inbox, told to other systems, done or dropped; the same by the API.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { client, matrix, unanswered } from '../support/api.mjs'
import { Meishi, Receiver, until } from '../support/meishi.mjs'

const DAY_MS = 24 * 60 * 60 * 1000
let meishi, receiver, jane, lead, cookie

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  await meishi.share(jane.token, jane.card, { channel: 'email', recipient: 'Barry Jones' })
  ;[lead] = (await meishi.api(jane.token, 'GET', '/leads')).body.data
  await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['follow_up.due'] })
  const link = new URL(jane.member.sign_in_url).pathname
  const { form } = await meishi.open(link)
  const signed = await meishi.post(link, form)
  cookie = signed.headers.get('set-cookie').split(';')[0]
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

const desk = path => meishi.open(path, undefined, { Cookie: cookie })
const act = async (page, path, fields) => meishi.post(path, { form_token: (await desk(page)).form.form_token, ...fields }, { Cookie: cookie })
const list = async (query = '') => (await meishi.api(jane.token, 'GET', `/leads/${lead.id}/follow-ups${query}`)).body.data
const days = ms => Math.round((ms - Date.now()) / DAY_MS)

test('one button promises a day, a week and a month', async () => {
  const answer = await act(`/leads/${lead.id}`, `/leads/${lead.id}/follow-ups`, { after: 'all', promise: '  Ask about the roof.  ' })
  assert.equal(answer.status, 303)
  const promised = await list()
  assert.deepEqual(promised.map(one => days(Date.parse(one.due_at)) >= 28 ? 'month' : days(Date.parse(one.due_at))).reverse(), [1, 7, 'month'])
  assert.deepEqual([...new Set(promised.map(one => one.note))], ['Ask about the roof.'])
  const { html } = await desk(`/leads/${lead.id}`)
  assert.match(html, /in 6 d|in 7 d/)
  assert.match(html, /You promised to follow up/)
})

test('a day that is none is told beside the field, and nothing typed is lost', async () => {
  const answer = await act(`/leads/${lead.id}`, `/leads/${lead.id}/follow-ups`, { day: '2026-13-40', promise: 'Send the quote' })
  assert.equal(answer.status, 422)
  assert.match(answer.text, /id="day-error">Please write the day like 2026-12-31\./)
  assert.match(answer.text, /value="Send the quote"/)
  assert.match(answer.text, /value="2026-13-40"/)
  const over = await act(`/leads/${lead.id}`, `/leads/${lead.id}/follow-ups`, { day: '2020-01-01' })
  assert.match(over.text, /id="day-error">This day is over/)
  const long = await act(`/leads/${lead.id}`, `/leads/${lead.id}/follow-ups`, { after: 'day', promise: 'x'.repeat(501) })
  assert.equal(long.status, 422)
  assert.match(long.text, /id="promise-error"/)
  assert.equal((await list()).length, 3)
})

test('what is due stands above the inbox, and was told once', async () => {
  const made = await meishi.api(jane.token, 'POST', `/leads/${lead.id}/follow-ups`, { due_at: new Date().toISOString(), note: 'Ring Barry' })
  assert.equal(made.status, 201)
  await until(() => receiver.of('follow_up.due').length)
  const { html } = await desk('/inbox')
  assert.match(html, /To follow up now/)
  assert.match(html, /Ring Barry/)
  const [told] = receiver.of('follow_up.due').map(request => JSON.parse(request.body).data)
  assert.equal(told.follow_up.id, made.body.id)
  assert.equal(told.lead.id, lead.id)
  assert.equal((await act('/inbox', `/follow-ups/${made.body.id}`, { act: 'done', from: 'inbox' })).headers.get('location'), '/inbox')
  assert.doesNotMatch((await desk('/inbox')).html, /To follow up now/)
  assert.match((await desk(`/leads/${lead.id}`)).html, /You followed up/)
  assert.equal(receiver.of('follow_up.due').length, 1)
})

test('one is dropped, and others are not touched', async () => {
  const [first] = await list()
  assert.equal((await act(`/leads/${lead.id}`, `/follow-ups/${first.id}`, { act: 'drop' })).status, 303)
  assert.equal((await list()).length, 2)
  assert.equal((await act(`/leads/${lead.id}`, `/follow-ups/${first.id}`, { act: 'drop' })).status, 404)
  assert.equal((await meishi.post(`/follow-ups/${first.id}`, { act: 'drop' }, { Cookie: cookie })).status, 403)
})

test('the API puts off, finishes, opens again and removes', async () => {
  const [one] = await list()
  const due_at = new Date(Date.now() + 40 * DAY_MS).toISOString()
  const change = body => meishi.api(jane.token, 'PATCH', `/follow-ups/${one.id}`, body)
  assert.equal((await change({ due_at, note: null })).body.due_at, due_at)
  assert.equal((await change({ done: true })).body.note, null)
  assert.deepEqual((await list('?state=done')).map(it => it.id).includes(one.id), true)
  assert.equal((await change({ done: false })).body.done_at, null)
  const wrong = await change({ due_at: '2001-01-01T00:00:00Z', done: 1, when: 2 })
  assert.deepEqual(wrong.body.errors.map(error => error.pointer).sort(), ['/done', '/due_at', '/when'])
  const soon = await meishi.api(jane.token, 'GET', `/follow-ups?due_before=${new Date(Date.now() + 8 * DAY_MS).toISOString()}`)
  assert.ok(soon.body.data.length >= 1 && soon.body.data.every(it => it.id !== one.id))
  assert.equal((await meishi.api(jane.token, 'GET', '/follow-ups?state=some&due_before=x&nothing=1')).status, 422)
  assert.equal((await meishi.api(jane.token, 'DELETE', `/follow-ups/${one.id}`)).status, 204)
  assert.equal((await meishi.api(jane.token, 'GET', `/follow-ups/${one.id}`)).status, 404)
})

test('a member finds nothing of another', async () => {
  const mallory = await meishi.member('mallory', 'Mallory')
  const [one] = await list()
  for (const [method, path, body] of [['GET', `/follow-ups/${one.id}`], ['PATCH', `/follow-ups/${one.id}`, { done: true }], ['DELETE', `/follow-ups/${one.id}`],
    ['GET', `/leads/${lead.id}/follow-ups`]])
    assert.equal((await meishi.api(mallory.token, method, path, body)).status, 404, `${method} ${path}`)
  assert.equal((await meishi.api(mallory.token, 'POST', `/leads/${lead.id}/follow-ups`, { after: 'day' })).status, 404)
  assert.deepEqual((await meishi.api(mallory.token, 'GET', '/follow-ups')).body.data, [])
})

test('every route here asks for a token of its scope and is not read twice', async () => {
  const [one] = await list()
  const stranger = await meishi.json('token', 'add', '--member', 'jane', '--scope', 'metrics:read')
  assert.equal(await matrix('followups', client(meishi), jane.token, stranger.token, { leads: lead.id, 'follow-ups': one.id }), 6)
  assert.deepEqual(unanswered('followups', ['POST /leads/{id}/follow-ups 409']), [])
})
