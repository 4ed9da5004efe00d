// `meishi listen`: a member's events reach a program on this machine, signed as for any endpoint, through the API alone. The
// program goes away and comes back, the server goes away and comes back, and nothing is lost or told twice under another id.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { BINARY, Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const OK = 0, USAGE = 64, NOINPUT = 66, UNAVAILABLE = 69, NOPERM = 77, CONFIG = 78
const SECRET = /whsec_[A-Za-z0-9+/]{43}=/
const started = []
let meishi, jane, program

before(async () => {
  meishi = await Meishi.start() // no private receiver is allowed: nothing is pushed
  jane = await meishi.member()
  program = await Receiver.start()
})
after(async () => {
  for (const listen of started) listen.process.kill('SIGKILL')
  await meishi?.stop()
  await program?.stop()
})

class Listen {
  // Of a clean environment: everything it needs is in its words, unless the last of them is { variables, input }.
  constructor(...words) {
    const { variables = {}, input = '' } = typeof words.at(-1) === 'object' ? words.pop() : {}
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MEISHI')))
    this.process = spawn(BINARY, ['listen', ...words], { env: { ...clean, ...variables }, stdio: 'pipe' })
    this.process.stdin.on('error', () => {}).end(input)
    started.push(this)
    this.out = this.words = ''
    this.process.stdout.on('data', data => { this.out += data })
    this.process.stderr.on('data', data => { this.words += data })
    this.exited = new Promise(resolve => this.process.on('exit', (code, signal) => resolve({ code, signal })))
  }

  static async start(...words) {
    return Listen.begin('--token', jane.token, ...words)
  }

  static async begin(...words) {
    const listen = new Listen('--url', meishi.url, ...words)
    listen.exited.then(({ code }) => { listen.code = code })
    await until(() => SECRET.test(listen.out) || listen.code !== undefined)
    assert.equal(listen.code, undefined, listen.words)
    listen.secret = listen.out.match(SECRET)[0]
    return listen
  }

  async stop(signal = 'SIGINT') {
    this.process.kill(signal)
    return this.exited
  }
}

const api = (...words) => meishi.api(jane.token, ...words)
const listeners = async () => (await api('GET', '/webhooks')).body.data.filter(webhook => webhook.listener)
const ping = async () => (await api('POST', `/webhooks/${(await listeners())[0].id}/ping`)).body.delivery_id
const delivery = async id => (await api('GET', `/deliveries/${id}`)).body
const finished = id => until(async () => (await delivery(id)).state === 'delivered', 20000)

async function leadOf(name) {
  const share = await meishi.share(jane.token, jane.card)
  const page = await meishi.open(`/c/${share.token}`)
  await sleep(3100) // a form that is sent sooner is a robot's
  const sent = await meishi.post(`/c/${share.token}/lead`, { ...page.form, name, email: 'barry@example.com' })
  assert.equal(sent.status, 303)
  // Or the visit itself is told of later, to whoever listens then.
  await until(async () => /^meishi_hits_unfolded 0$/m.test(await (await fetch(`${meishi.url}/metrics`)).text()))
}

test('an event is forwarded as a real endpoint gets it, and its outcome stands in the log', async () => {
  const listen = await Listen.start('--forward', program.url, '--events', 'lead.created')
  await leadOf('Barry Jones')
  const [got] = await until(() => program.of('lead.created').length && program.of('lead.created'))
  const event = new Webhook(listen.secret).verify(got.body, got.headers)
  assert.equal(event.data.lead.name, 'Barry Jones')
  assert.equal(got.path, '/hook')
  assert.equal(got.headers['content-type'], 'application/json')
  assert.equal(got.headers['user-agent'], 'Meishi-Webhooks/1')
  assert.equal(got.headers.authorization, undefined, 'the token stays with the server')
  await until(() => listen.out.includes('lead.created'))
  assert.match(listen.out, new RegExp(`^\\d\\d:\\d\\d:\\d\\d  lead\\.created  ${got.headers['webhook-id']}  204  \\d+ ms$`, 'm'))
  assert.equal(listen.words, '')

  const [listener] = await listeners()
  const [row] = await until(async () => {
    const { data } = (await api('GET', `/webhooks/${listener.id}/deliveries`)).body
    return data.length && data[0].state === 'delivered' && data
  })
  assert.deepEqual([row.event_id, row.type, row.attempts, row.last_status], [got.headers['webhook-id'], 'lead.created', 1, 204])
  assert.equal((await delivery(row.id)).attempt_log.length, 1)

  // Nothing else was asked for; what is sent again comes with the same id.
  assert.deepEqual(program.requests.map(one => JSON.parse(one.body).type), ['lead.created'])
  assert.equal((await api('POST', `/deliveries/${row.id}/redeliver`)).status, 202)
  await until(() => program.of('lead.created').length === 2)
  assert.equal(program.requests[1].headers['webhook-id'], got.headers['webhook-id'])

  assert.deepEqual(await listen.stop(), { code: OK, signal: null })
  assert.deepEqual(await listeners(), [], 'Ctrl-C removes it')
})

test('a program that is down, or fails, gets the same event when it is back', async () => {
  program.requests.length = 0
  const { port } = program
  const listen = await Listen.start('--forward', program.url, '--json')
  await program.stop()
  const first = await ping(), second = await ping()
  await until(() => /does not answer .*wait until it does/.test(listen.words))
  assert.equal((await delivery(first)).state, 'pending')
  program = await Receiver.start(port)
  program.answer = () => program.requests.length === 1 ? 500 : 204
  await Promise.all([finished(first), finished(second)])
  assert.match(listen.words, /answers again/)
  assert.match(listen.words, /tried again, with the same id/)
  const ids = program.requests.map(request => request.headers['webhook-id'])
  assert.equal(ids.length, 3)
  assert.equal(new Set(ids).size, 2, 'the one that failed came again with its own id')
  for (const request of program.requests) new Webhook(listen.secret).verify(request.body, request.headers)
  const logs = await Promise.all([first, second].map(async id => (await delivery(id)).attempt_log.map(attempt => attempt.status)))
  assert.deepEqual(logs.sort((a, b) => a.length - b.length), [[204], [500, 204]], 'nobody there is no attempt')
  const lines = listen.out.trim().split('\n').map(line => JSON.parse(line))
  assert.deepEqual(Object.keys(lines[0]), ['listener', 'secret', 'forward'])
  assert.deepEqual(lines.slice(1).map(line => line.status).sort(), [204, 204, 500])
  await listen.stop('SIGTERM')
})

test('a server that is started again goes on with the same listener', async () => {
  program.requests.length = 0
  program.answer = () => 204
  const listen = await Listen.start('--forward', program.url)
  const id = (await listeners())[0].id
  await meishi.kill('SIGTERM')
  await until(() => /does not answer .*trying again/.test(listen.words))
  await meishi.serve()
  await until(() => /answers again/.test(listen.words), 20000)
  assert.equal((await listeners())[0].id, id)
  await finished(await ping())
  assert.equal(program.requests.length, 1)
  new Webhook(listen.secret).verify(program.requests[0].body, program.requests[0].headers)
  await listen.stop()
})

test('a listener that ended is made again with the same secret', async () => {
  program.requests.length = 0
  const before_ = await Listen.start('--forward', program.url)
  await before_.stop()
  const listen = await Listen.start('--forward', program.url, '--secret', before_.secret)
  assert.equal(listen.secret, before_.secret)
  const [{ id }] = await listeners()
  assert.equal((await api('DELETE', `/listeners/${id}`)).status, 204)
  await until(() => /making another/.test(listen.words))
  await until(async () => (await listeners()).length === 1)
  assert.notEqual((await listeners())[0].id, id)
  await finished(await ping())
  new Webhook(before_.secret).verify(program.requests[0].body, program.requests[0].headers)
  await listen.stop()
})

test('--print shows events and needs no program', async () => {
  const listen = await Listen.start('--print')
  const id = await ping()
  await finished(id)
  await until(() => listen.out.includes('"webhook"'))
  assert.match(listen.out, /^\d\d:\d\d:\d\d  webhook\.ping  msg_\w+\n\{\n  "type": "webhook\.ping",$/m)
  await listen.stop()
})

test('the token can come by ways that other users of the machine cannot read', async () => {
  const file = join(meishi.folder, 'token'), spoken = ['--print', '--events', 'lead.created']
  await writeFile(file, jane.token + '\n', { mode: 0o600 })
  for (const words of [['--token-file', file, ...spoken], ['--token-file', '-', ...spoken, { input: jane.token }],
    [...spoken, { variables: { MEISHI_TOKEN: jane.token } }], ['--token-file', file, ...spoken, { variables: { MEISHI_TOKEN: 'msh_other' } }]]) {
    const listen = await Listen.begin(...words)
    assert.ok(!(await readFile(`/proc/${listen.process.pid}/cmdline`, 'utf8')).includes(jane.token))
    assert.equal((await listeners()).length, 1)
    assert.deepEqual(await listen.stop(), { code: OK, signal: null })
  }
})

test('words that cannot work are refused with the code that says why', async () => {
  const forward = ['--forward', 'http://127.0.0.1:1/'], url = ['--url', meishi.url], token = ['--token', jane.token]
  const reader = await meishi.json('token', 'add', '--member', 'jane', '--read-only')
  for (const [words, code, said] of [
    [[...url, ...forward], USAGE, /--token-file/],
    [[...url, ...token, ...forward, '--token-file', '-'], USAGE, /once/],
    [[...url, ...forward, '--token-file', '-', { input: ' \n' }], USAGE, /--token-file/],
    [[...url, ...forward, '--token-file', '-', { input: 'two words' }], USAGE, /blank/],
    [[...url, ...forward, '--token-file', '/nowhere'], NOINPUT, /nowhere/],
    [[...url, ...forward, { variables: { MEISHI_TOKENS: 'msh_' } }], CONFIG, /MEISHI_TOKENS/],
    [[...url, ...token], USAGE, /--forward/],
    [[...url, ...token, '--forward', 'ftp://x'], USAGE, /--forward/],
    [[...url, ...token, ...forward, '--events', 'lead.created,nonsense'], USAGE, /nonsense/],
    [[...url, ...token, ...forward, '--events', ''], USAGE, /--events/],
    [[...url, ...token, ...forward, '--secret', 'whsec_short'], USAGE, /422/],
    [[...url, ...token, ...forward, 'more'], USAGE, /more/],
    [[...url, '--token', 'msh_wrong', ...forward], NOPERM, /token/],
    [[...url, '--token', reader.token, ...forward], NOPERM, /403/],
    [['--url', 'http://127.0.0.1:1', ...token, ...forward], UNAVAILABLE, /does not answer/]
  ]) {
    const listen = new Listen(...words)
    assert.deepEqual(await listen.exited, { code, signal: null }, `${words.join(' ')}: ${listen.words}`)
    await until(() => said.test(listen.words))
    assert.equal(listen.out, '')
  }
  assert.deepEqual(await listeners(), [])
})

test('after all that the store agrees with itself', async () => {
  assert.equal((await meishi.json('doctor')).ok, true)
})
