// What others do to a server that means no harm and some that do: a log that nobody reads, no descriptor left, visitors who
// never finish their request. Card pages are answered all the while, or at once when it is over.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { Disk } from '../support/disk.mjs'
import { IPHONE, Meishi, sleep, until } from '../support/meishi.mjs'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'meishi-pressure-'))
const running = [], sockets = []
after(async () => {
  for (const socket of sockets) socket.destroy()
  for (const meishi of running) await meishi.stop()
  rmSync(folder, { recursive: true })
})

async function start(settings, stderr) {
  const meishi = await Meishi.start(settings, stderr)
  running.push(meishi)
  const jane = await meishi.member()
  const share = await meishi.share(jane.token, jane.card)
  return { meishi, jane, path: `/c/${share.token}` }
}

// A card page by a connection of its own, or null when there is none within MS.
function card(meishi, path, ms, agent = false) {
  return new Promise(resolve => {
    const request = http.get(meishi.url + path, { agent, headers: { 'User-Agent': IPHONE } }, response => {
      let html = ''
      response.on('data', data => { html += data })
      response.on('end', () => resolve({ status: response.statusCode, html, unrecorded: response.headers['x-hit'] }))
    })
    request.on('error', () => resolve(null))
    request.setTimeout(ms, () => { request.destroy(); resolve(null) })
  })
}

// A connection that sent WORDS; what became of it stands in its fields.
function connect(meishi, words) {
  const socket = net.connect({ host: '127.0.0.1', port: Number(new URL(meishi.url).port) })
  sockets.push(socket)
  socket.text = ''
  socket.on('data', data => { socket.text += data })
  socket.on('error', () => {})
  socket.on('close', () => { socket.gone = true })
  socket.write(words)
  return socket
}

// A pipe into which nothing more goes and from which nobody reads. Opened twice, so that only ours does not block.
function fullPipe() {
  const path = join(folder, 'log')
  execFileSync('mkfifo', [path])
  const theirs = openSync(path, constants.O_RDWR)
  const ours = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  assert.throws(() => { for (;;) writeSync(ours, Buffer.alloc(4096, 'x')) }, { code: 'EAGAIN' })
  closeSync(ours)
  return theirs
}

test('a log that nobody reads is not waited for', async () => {
  const disk = new Disk()
  const pipe = fullPipe()
  const { meishi, path } = await start(disk.settings, pipe)
  disk.isUnder(meishi.store)
  closeSync(pipe)
  await disk.fill() // every hit that cannot be written is worth a line
  for (let i = 0; i < 20; i++) {
    const page = await card(meishi, path, 5000)
    assert.equal(page?.status, 200)
    assert.equal(page.unrecorded, 'unrecorded')
  }
  await disk.mend()
  await until(async () => (await card(meishi, path, 5000))?.unrecorded === undefined)
  assert.deepEqual(await meishi.kill('SIGTERM'), { code: 0, signal: null })
  disk.remove()
})

test('without a descriptor left nothing falls over, and as soon as one is there again it serves', async () => {
  const { meishi, path } = await start()
  const pid = meishi.process.pid
  const regular = new http.Agent({ keepAlive: true, maxSockets: 1 })
  assert.equal((await card(meishi, path, 5000, regular)).status, 200)
  const limits = (await run('prlimit', ['--pid', pid, '--nofile', '--raw', '--noheadings', '--output', 'SOFT,HARD'])).stdout.trim().split(/\s+/)
  const limit = (soft, hard) => run('prlimit', ['--pid', pid, `--nofile=${soft}:${hard}`])
  const room = many => { // the limit that leaves so many descriptors
    const used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number))
    let fd = 0
    for (; many; fd++) if (!used.has(fd)) many--
    return fd
  }

  await limit(room(8), limits[1])
  const waiting = Array.from({ length: 40 }, () => connect(meishi, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ${IPHONE}\r\n\r\n`))
  await until(() => waiting.filter(socket => /^HTTP\/1.1 200/.test(socket.text)).length === 8)
  await sleep(300)
  assert.equal(await card(meishi, path, 500), null, 'there is no descriptor for one more')
  assert.equal((await card(meishi, path, 5000, regular))?.status, 200, 'who is connected is served')
  assert.equal(meishi.process.exitCode, null)

  await limit(...limits)
  assert.equal((await card(meishi, path, 5000))?.status, 200)
  await until(() => waiting.every(socket => /^HTTP\/1.1 200/.test(socket.text)))

  const tight = room(8)
  await limit(tight, limits[1])
  const more = Array.from({ length: 40 }, () => connect(meishi, ''))
  await sleep(300)
  assert.ok(room(1) > tight, 'all are taken')
  for (const socket of [...waiting, ...more]) socket.destroy() // now by leaving instead of by a higher limit
  assert.equal((await card(meishi, path, 5000))?.status, 200)
  regular.destroy()
  assert.deepEqual(await meishi.kill('SIGTERM'), { code: 0, signal: null })
})

test('two hundred visitors who never finish their request hold up nobody, and are cut off', async () => {
  const { meishi, path } = await start()
  const slow = Array.from({ length: 200 }, (_, i) =>
    connect(meishi, i % 2 ? `GET ${path} HTTP/1.1\r\nHost: localhost\r\n` :
      `POST ${path}/lead HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nname=`))
  const began = Date.now()
  const drip = setInterval(() => { for (const [i, socket] of slow.entries()) if (!socket.gone) socket.write(i % 2 ? 'X-A: b\r\n' : 'a') }, 500)
  for (let i = 0; i < 50; i++) assert.equal((await card(meishi, path, 2000))?.status, 200)
  const cut = () => slow.filter((socket, i) => i % 2 && socket.gone).length
  assert.equal(cut(), 0, 'none was cut off before its time')
  await until(() => cut() === 100)
  clearInterval(drip)
  assert.ok(Date.now() - began > 9000, 'ten seconds is what a header has')
})
