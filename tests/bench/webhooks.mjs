// Webhooks: how many signed and durably recorded deliveries a second beside a bare curl multi loop that signs and keeps
// nothing; how soon a healthy receiver hears beside a thousand poisoned ones; what a restart with a great many deliveries due
// costs those who open cards. `webhooks.mjs rate|neighbours|restart` does one of them.
//
// Receivers stand at many addresses of 127/8, so that what is bounded for one of them (two at once, ten a second) does not bind;
// for the rate they have answered before, since those that have not may not fill all places.
import { execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BUILD, PREVIEW, QUICK, ROUNDS, Server, bar, cleanEnv, end, fetchPage, freePort, load, median, meishi, plainBar, ratio, scratch, show,
  sleep, tool } from './lib.mjs'

const run = promisify(execFile)
const only = process.argv[2]
const MEMBERS = 500 // with four endpoints each, so that what is bounded for a member does not bind either
const ENDPOINTS = 2000
const DELIVERIES = QUICK ? 4000 : 10000
const MILLION = QUICK ? 100000 : 1000000
const SHARES = 1000
const BODY = 330 // what share.created of fill_store weighs

// Answers 204 to everything, on every address of 127/8.
async function receiver() {
  const folder = join(scratch, 'receiver')
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${folder}/${kind};`).join(' ')
  writeFileSync(`${folder}/conf`, `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/errors crit;
    events { worker_connections 4096; multi_accept on; }
    http { ${temporary} access_log off; server { listen 0.0.0.0:${port} backlog=4096; location / { return 204; } } }`)
  const server = new Server('nginx', spawn('nginx', ['-c', `${folder}/conf`], { stdio: ['ignore', 'ignore', 'inherit'] }), `http://127.0.0.1:${port}`)
  for (;;) {
    try {
      await fetch(server.url)
      return Object.assign(server, { port })
    } catch { await sleep(10) }
  }
}

// A store with COUNT deliveries due to ENDPOINTS places, made once; a copy for each who asks.
const made = {}
async function dueStore(port, count, name) {
  const folder = join(scratch, `due-${name}-${count}`)
  if (!made[folder]) {
    await tool('fill', folder, 0, SHARES, MEMBERS, 0)
    if (count) await tool('due', folder, SHARES, MEMBERS, ENDPOINTS, count, port)
    if (count && name === 'rate') await tool('answered', folder)
    made[folder] = true
  }
  const copy = join(scratch, name)
  rmSync(copy, { recursive: true, force: true })
  await run('cp', ['-r', folder, copy])
  return copy
}

const allow = port => ({ MEISHI_WEBHOOK_ALLOW: `127.0.0.0/8:${port}` })

// ---- rate ----

async function bare(port) {
  const { stdout } = await run(`${BUILD}/tests/bench/bench_webhooks`, [port, DELIVERIES, ENDPOINTS, BODY].map(String))
  const { sent, seconds, cpu_seconds: cpu } = JSON.parse(stdout)
  return { rate: sent / seconds, cpu: cpu / sent * 1e6 }
}

async function ours(port) {
  const store = await dueStore(port, DELIVERIES, 'rate')
  const server = await meishi('deliveries', store, allow(port))
  const began = performance.now(), cpuBefore = server.cpuSeconds()
  let delivered = 0, first
  for (;;) {
    ({ webhook_delivered_total: delivered } = await server.metrics())
    if (delivered && !first) first = { at: performance.now(), delivered }
    if (delivered >= DELIVERIES) break
    if (performance.now() - began > 60000) throw new Error(`only ${delivered} were delivered in a minute`)
    await sleep(50)
  }
  // From the first sight of a delivery, so that the start of the process does not count.
  const seconds = (performance.now() - first.at) / 1000
  const cpu = (server.cpuSeconds() - cpuBefore) / DELIVERIES * 1e6
  await server.stop()
  const [arrived, attempts, waiting] = (await tool('delivered', store)).split(' ').map(Number)
  if (arrived !== DELIVERIES || attempts !== DELIVERIES || waiting) throw new Error(`recorded ${arrived}, ${attempts} attempts, ${waiting} wait`)
  return { rate: (DELIVERIES - first.delivered) / seconds, cpu }
}

async function rates() {
  const peer = await receiver()
  const results = { ours: [], bare: [] }
  for (let round = -1; round < ROUNDS; round++) {
    const theirs = await bare(peer.port), own = await ours(peer.port)
    if (round < 0) continue // the first only warms
    results.bare.push(theirs)
    results.ours.push(own)
  }
  const mid = (list, key) => median(list.map(one => one[key])).toFixed(0)
  console.log(`deliveries a second, ${DELIVERIES} to ${ENDPOINTS} places, a connection each, 64 at once: ${mid(results.ours, 'rate')} signed and recorded ` +
    `(${mid(results.ours, 'cpu')} us of CPU), ${mid(results.bare, 'rate')} bare (${mid(results.bare, 'cpu')} us)`)
  console.log(`  CPU beside the bare loop: ${show(ratio(results.ours, results.bare, 'cpu'))}`)
  bar('rate beside the bare loop', ratio(results.ours, results.bare, 'rate'), 0.8, true)
  await peer.stop()
}

// ---- neighbours ----

// One port on all of 127/8: at 127.0.0.1 a healthy receiver, elsewhere poison by the last number of the address.
async function poisoned() {
  const arrived = [], sockets = new Set() // when a request was whole, at 127.0.0.1
  const server = createServer(socket => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}))
    if (socket.localAddress !== '127.0.0.1') {
      const kind = Number(socket.localAddress.split('.').pop()) % 3
      if (kind === 0) return // silent
      if (kind === 1) return socket.resetAndDestroy() // as good as refused
      socket.write('HTTP/1.1 200 OK\r\n')
      const drip = setInterval(() => socket.write('X-A: b\r\n'), 1000)
      return socket.on('close', () => clearInterval(drip))
    }
    let text = ''
    socket.on('data', data => {
      text += data
      if (!text.endsWith('}')) return
      arrived.push(performance.now())
      socket.end('HTTP/1.1 204 No Content\r\n\r\n')
    })
  })
  await new Promise(resolve => server.listen(0, '0.0.0.0', 4096, resolve))
  return { server, sockets, port: server.address().port, arrived }
}

const p99 = list => [...list].sort((a, b) => a - b)[Math.ceil(list.length * 0.99) - 1]

// A member with an endpoint that has answered once, as any that has been in use for a while; ping() makes it hear again.
async function healthy(name, place, poison) {
  const store = join(scratch, name)
  await tool('fill', store, 0, SHARES, MEMBERS, 0)
  let server = await meishi(name, store, allow(place.port))
  const command = async (...words) => JSON.parse(
    (await run(`${BUILD}/meishi`, [...words, '--json'], { env: { ...cleanEnv, MEISHI_STORE: `sqlite:${store}` } })).stdout)
  await command('member', 'add', '--handle', 'healthy', '--name', 'Healthy', '--email', 'healthy@example.org')
  const { token } = await command('token', 'add', '--member', 'healthy')
  const api = async (path, body) => {
    const answer = await fetch(`${server.url}/api/v1${path}`, {
      method: 'POST', body: JSON.stringify(body), headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    })
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    return answer.json()
  }
  const { id } = await api('/webhooks', { url: `http://127.0.0.1:${place.port}/${name}`, events: ['webhook.ping'] })
  const ping = async () => {
    const before = place.arrived.length, asked = performance.now()
    await api(`/webhooks/${id}/ping`, {})
    while (place.arrived.length === before) await sleep(1)
    return place.arrived[before] - asked
  }
  await ping()
  await sleep(500)
  await server.stop()
  if (poison) await tool('due', store, SHARES, MEMBERS, poison, poison * 10, place.port)
  server = await meishi(name, store, allow(place.port))
  return { server, ping }
}

async function neighbours() {
  const PINGS = QUICK ? 60 : 150, POISONED = 1000
  const place = await poisoned()
  const idle = await healthy('idle', place, 0), beside = await healthy('beside', place, POISONED)
  await sleep(2000) // the poison takes its places
  const times = { idle: [], beside: [] }
  for (let i = 0; i < PINGS; i++)
    for (const [name, one] of [['idle', idle], ['beside', beside]]) {
      times[name].push(await one.ping())
      await sleep(110) // an endpoint gets ten a second
    }
  const { webhook_attempts_total: attempts, webhook_in_flight: held } = await beside.server.metrics()
  console.log(`a ping to a healthy receiver, ${PINGS} times beside ${POISONED} poisoned ones with ${POISONED * 10} deliveries due (${attempts} attempts ` +
    `meanwhile, ${held} under way at the end): p50 ${median(times.beside).toFixed(1)} ms, p99 ${p99(times.beside).toFixed(1)} ms; ` +
    `idle p50 ${median(times.idle).toFixed(1)} ms, p99 ${p99(times.idle).toFixed(1)} ms`)
  plainBar('p99 beside them', p99(times.beside), 'ms', 1000)
  const factor = p99(times.beside) / p99(times.idle)
  bar('p99 beside the idle one', { median: factor, least: factor, most: factor }, 2, false)
  await idle.server.stop()
  await beside.server.stop()
  place.server.close()
  place.sockets.forEach(socket => socket.destroy())
}

// ---- restart ----

async function restart() {
  const peer = await receiver()
  const tokens = (await tool('tokens', SHARES, SHARES, MEMBERS)).split('\n').map(token => `/c/${token}`)
  const paths = join(scratch, 'paths')
  writeFileSync(paths, tokens.join('\n') + '\n')
  console.log(`(making a store with ${MILLION} deliveries due)`)
  const due = await dueStore(peer.port, MILLION, 'due'), none = await dueStore(peer.port, 0, 'none')
  const began = performance.now()
  const loaded = await meishi('due', due, allow(peer.port))
  const took = performance.now() - began
  const plain = await meishi('plain', none, allow(peer.port))
  const visitor = { method: 'GET', agent: PREVIEW, paths }
  for (const server of [loaded, plain]) for (const path of tokens) await fetchPage(server, path, PREVIEW)
  const results = { loaded: [], plain: [] }
  for (let round = -1; round < ROUNDS; round++)
    for (const [name, server] of [['loaded', loaded], ['plain', plain]]) {
      // Only one of them has anything to send: the other's turn is as quiet as a server without a backlog is.
      if (server === plain) loaded.process.kill('SIGSTOP')
      const result = await load(server, visitor, 64)
      loaded.process.kill('SIGCONT')
      if (round >= 0) results[name].push(result)
    }
  const { webhook_delivered_total: delivered } = await loaded.metrics()
  console.log(`card pages after a start with ${MILLION} deliveries due (${delivered} delivered meanwhile; it answered after ${took.toFixed(0)} ms): ` +
    `${median(results.loaded.map(one => one.rate)).toFixed(0)} a second, p99 ${median(results.loaded.map(one => one.p99)).toFixed(1)} ms; without them ` +
    `${median(results.plain.map(one => one.rate)).toFixed(0)}, ${median(results.plain.map(one => one.p99)).toFixed(1)} ms`)
  bar('rate beside the store without', ratio(results.loaded, results.plain, 'rate'), 0.9, true)
  bar('p99 beside the store without', ratio(results.loaded, results.plain, 'p99'), 1.5, false)
  for (const server of [loaded, plain, peer]) await server.stop()
}

if (!only || only === 'rate') await rates()
if (!only || only === 'neighbours') await neighbours()
if (!only || only === 'restart') await restart()
end()
