// The process that sends webhooks, from outside: the server's own is killed in the middle of a call and started again; a
// `meishi worker` takes its place and gives it back. Whatever happens, every event arrives, and what is sent again has the same id.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { ofSqlite } from '../support/engine.mjs'
import { BINARY, Meishi, until } from '../support/meishi.mjs'

const OK = 0, USAGE = 64, NOUSER = 67, UNAVAILABLE = 69, TEMPFAIL = 75
const LONG_MS = 30000 // sanitizers are slow
const isRoot = process.getuid() === 0
const bySocket = ofSqlite('a worker comes by a socket in the folder of the store')
const isSanitized = /[at]san/.test(process.env.BUILD ?? '')
let meishi, token, endpoint, receiver
let holding = false
const requests = [], held = []

before(async () => {
  receiver = createServer((request, response) => request.resume().on('end', () => {
    requests.push(request.headers['webhook-id'])
    if (holding) held.push(response)
    else response.writeHead(204).end()
  }))
  await new Promise(resolve => receiver.listen(0, '127.0.0.1', resolve))
  const { port } = receiver.address()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: `127.0.0.1:${port}` })
  token = (await meishi.member()).token
  const made = await meishi.api(token, 'POST', '/webhooks', { url: `http://127.0.0.1:${port}/hook`, events: ['webhook.ping'] })
  endpoint = made.body.id
})
after(async () => {
  letGo()
  await meishi?.stop()
  receiver.closeAllConnections?.()
  receiver.close()
})

function letGo() {
  holding = false
  for (const response of held.splice(0)) response.writeHead(204).end()
}

// Pings; the receiver has the request now.
async function ping() {
  const before = requests.length
  assert.equal((await meishi.api(token, 'POST', `/webhooks/${endpoint}/ping`, {})).status, 202)
  await until(() => requests.length > before, LONG_MS)
  return requests.at(-1)
}

const newest = async () => (await meishi.api(token, 'GET', `/webhooks/${endpoint}/deliveries`)).body.data[0]
const delivered = () => until(async () => (await newest()).state === 'delivered', LONG_MS)

async function metric(name) {
  const text = await (await fetch(`${meishi.url}/metrics`)).text()
  return Number(text.match(new RegExp(`^meishi_${name} (\\d+)$`, 'm'))[1])
}

const status = (pid, name) => readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${name}:\\s+(\\S+)`, 'm'))[1]

// The server's own sender, once it is locked up, and no more the one that was.
const ownSender = was => until(() => readdirSync('/proc').filter(name => /^\d+$/.test(name)).find(pid => {
  try {
    return pid !== was && Number(status(pid, 'PPid')) === meishi.process.pid && status(pid, 'Seccomp') === '2' &&
      readFileSync(`/proc/${pid}/cmdline`, 'utf8') === 'meishi\0webhook-sender\0'
  } catch {
    return false // it has gone
  }
}), LONG_MS)

function work(...flags) {
  const child = spawn(BINARY, ['worker', ...flags], { env: { ...meishi.env, SECRET: 'of the environment' }, stdio: ['ignore', 'pipe', 'pipe'] })
  const worker = { child, words: '', out: '' }
  child.stderr.on('data', data => { worker.words += data })
  child.stdout.on('data', data => { worker.out += data })
  worker.ended = new Promise(resolve => child.on('close', code => resolve(code)))
  worker.here = Promise.race([worker.ended, until(async () => /sending the webhooks/.test(worker.words) && /webhook-worker-came/.test(meishi.log), LONG_MS)])
  return worker
}
const forgetLog = () => { meishi.log = '' }

test('the sender has nothing but its socket', { skip: !isRoot && 'reads another process as root' }, async () => {
  const pid = await ownSender()
  assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
  assert.equal(status(pid, 'NoNewPrivs'), '1')
  assert.equal(status(pid, 'Threads'), isSanitized ? status(pid, 'Threads') : '1')
  const open = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`))
  assert.deepEqual(open.filter(name => !/^socket:|^\/dev\/null$/.test(name)), [])
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
  assert.match(limits, /Max core file size +0 +0/)
  if (!isSanitized) assert.match(limits, /Max address space +201326592 +201326592/)
})

test('a sender killed in the middle of a call is started again, and the same id is sent again', async () => {
  holding = true
  const id = await ping()
  const restarts = await metric('webhook_sender_restarts_total')
  process.kill(Number(await ownSender()), 'SIGKILL')
  letGo()
  await delivered()
  assert.equal(requests.at(-1), id)
  assert.equal(requests.filter(one => one === id).length, 2)
  assert.equal((await newest()).attempts, 1, 'its own death is not counted')
  assert.equal(await metric('webhook_sender_restarts_total'), restarts + 1)
  assert.match(meishi.log, /event=webhook-sender-ended signal=9 again_in_ms=/)
})

test('a sender that keeps dying is given longer and longer, and what is due waits', async () => {
  for (let i = 0, pid; i < 4; i++) {
    pid = await ownSender(pid)
    process.kill(Number(pid), 'SIGKILL')
  }
  await ping()
  await delivered()
  const pauses = [...meishi.log.matchAll(/again_in_ms=(\d+)/g)].map(([, ms]) => Number(ms))
  assert.ok(pauses.length >= 5 && pauses[0] <= 100, String(pauses))
  assert.ok(pauses.at(-1) > 300 && pauses.at(-1) <= 3200, String(pauses))
})

test('the sender leaves with its server', async () => {
  const pid = await ownSender()
  await meishi.kill('SIGKILL')
  await until(() => {
    try { return !process.kill(Number(pid), 0) } catch { return true }
  })
  await meishi.serve()
  await ping()
  await delivered()
})

test('a worker sends in the stead of the server, and only one', { skip: bySocket }, async () => {
  forgetLog()
  const worker = work()
  assert.equal(await worker.here, true, worker.words)
  assert.equal(await metric('webhook_worker_attached'), 1)
  const second = await meishi.command('worker')
  assert.equal(second.code, TEMPFAIL)
  assert.match(second.words, /Another worker/)
  assert.equal(second.out, '')
  if (isRoot) {
    assert.equal(readFileSync(`/proc/${worker.child.pid}/environ`, 'utf8').replaceAll('\0', ''), '')
    assert.equal(status(worker.child.pid, 'Seccomp'), '2')
  }

  // The server's own is not used: dead or alive, nothing is interrupted.
  holding = true
  const id = await ping()
  process.kill(Number(await ownSender()), 'SIGKILL')
  worker.child.kill('SIGTERM') // it finishes what is under way
  await until(() => /./.test(worker.words))
  assert.equal(worker.child.exitCode, null)
  letGo()
  assert.equal(await worker.ended, OK, worker.words)
  assert.equal(worker.out, '')
  await delivered()
  assert.equal(requests.filter(one => one === id).length, 1, 'sent once')
  await until(async () => await metric('webhook_worker_attached') === 0)
  await ping()
  await delivered()
})

test('a worker killed in the middle of a call loses nothing', { skip: bySocket }, async () => {
  forgetLog()
  const worker = work()
  assert.equal(await worker.here, true, worker.words)
  holding = true
  const id = await ping()
  worker.child.kill('SIGKILL')
  await worker.ended
  letGo()
  await delivered()
  assert.equal(requests.filter(one => one === id).length, 2)
  assert.match(meishi.log, /event=webhook-worker-left interrupted=1/)
})

test('a worker gives up root for the user it is told', { skip: bySocket || !isRoot && 'only root can become another user' }, async () => {
  forgetLog()
  const worker = work('--user', 'nobody')
  assert.equal(await worker.here, true, worker.words)
  const ids = readFileSync(`/proc/${worker.child.pid}/status`, 'utf8')
  assert.match(ids, /^Uid:\t65534\t65534\t65534\t65534$/m)
  assert.match(ids, /^CapEff:\t0000000000000000$/m)
  assert.match(ids, /^Groups:\t65534 $/m)
  await ping()
  await delivered()
  await meishi.kill('SIGTERM')
  assert.equal(await worker.ended, UNAVAILABLE)
  assert.match(worker.words, /the server went away/)
  const alone = await meishi.command('worker')
  assert.equal(alone.code, UNAVAILABLE)
  assert.match(alone.words, /No server/)
  await meishi.serve()
})

test('a worker says what it does not understand', { skip: bySocket }, async () => {
  assert.equal((await meishi.command('worker', 'extra')).code, USAGE)
  assert.equal((await meishi.command('worker', '--user', 'no-such-user')).code, NOUSER)
})
