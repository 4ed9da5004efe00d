// What else a card page's server must stand: ten thousand idle connections, a start on a big store, QR images from the cache.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import {
  BIG_HITS, BUILD, IPHONE, PREVIEW, ROUNDS, Server, bar, bigStore, cleanEnv, end, fetchPage, freePort, load, median, meishi,
  nginx, plainBar, ratio, scratch, show, sleep, smallStore, tool
} from './lib.mjs'

const paths = (await tool('tokens', 1000, 1000, 100)).split('\n').map(token => `/c/${token}`)
const pages = join(scratch, 'pages'), images = join(scratch, 'images')
writeFileSync(pages, paths.join('\n') + '\n')
writeFileSync(images, paths.map(path => `${path}.png`).join('\n') + '\n')

async function sideBySide(one, other) {
  const results = [[], []]
  for (let round = -1; round < ROUNDS; round++)
    for (const [i, act] of [one, other].entries()) {
      const result = await act()
      if (round >= 0) results[i].push(result) // the first only warms
    }
  return results
}

// ---- idle connections ----

// Asks on an open connection and waits for the whole answer.
function askOn(socket, path) {
  return new Promise((resolve, reject) => {
    let left = -1, head = ''
    if (socket.destroyed) throw new Error('a connection was cut')
    socket.removeAllListeners()
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
    socket.on('data', data => {
      if (left < 0) {
        head += data.toString('latin1')
        const at = head.indexOf('\r\n\r\n')
        if (at < 0) return
        left = Number(head.match(/content-length: (\d+)/i)[1]) - (head.length - at - 4)
      } else left -= data.length
      if (left > 0) return
      socket.removeAllListeners('close')
      resolve(socket)
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: ${PREVIEW}\r\n\r\n`)
  })
}

const open = port => new Promise((resolve, reject) => {
  const socket = connect(port, '127.0.0.1', () => resolve(socket))
  socket.on('error', reject)
})

async function idle(connections) {
  // The same server with and without them cannot take turns, so a second one stands beside it.
  const quiet = await meishi('quiet', await smallStore('quiet'))
  for (const path of paths) await fetchPage(quiet, path)
  const store = await smallStore()
  const crowded = await meishi('crowded', store)
  const port = new URL(crowded.url).port
  const sockets = []
  const before = crowded.residentMb()
  while (sockets.length < connections)
    sockets.push(...await Promise.all(Array.from({ length: 100 }, async (_, i) => askOn(await open(port), paths[i % paths.length]))))
  // Idle, but not for so long that they are cut.
  let asked = Date.now()
  const wakeAll = async () => {
    if (Date.now() - asked < 20000) return
    for (let i = 0; i < sockets.length; i += 100) await Promise.all(sockets.slice(i, i + 100).map(socket => askOn(socket, paths[0])))
    asked = Date.now()
  }
  const resident = crowded.residentMb()
  await wakeAll()
  const visitor = { method: 'GET', agent: PREVIEW, paths: pages }
  const [with_, without] = await sideBySide(async () => {
    await wakeAll()
    return load(crowded, visitor, 64)
  }, () => load(quiet, visitor, 64))
  const still = (await crowded.metrics()).http_connections
  console.log(`${connections} idle keep-alive connections (${still} open at the end): ${resident.toFixed(0)} MB, ` +
    `${((resident - before) / connections * 1024).toFixed(1)} kB each`)
  if (still < connections) throw new Error('some were cut')
  plainBar('memory', resident, 'MB', 100)
  bar('CPU of a request beside a server without them', ratio(with_, without, 'cpu'), 1.5, false)
  for (const socket of sockets) socket.destroy()
  await crowded.stop()
  return quiet
}

// ---- start ----

async function start(command, words, env, port, path) {
  const began = performance.now()
  const child = spawn(command, words, { env, stdio: ['ignore', 'ignore', 'ignore'] })
  for (;;) {
    try {
      const socket = await open(port)
      await askOn(socket, path)
      socket.destroy()
      break
    } catch { await new Promise(setImmediate) }
  }
  const took = performance.now() - began
  const server = new Server('started', child, '')
  const resident = server.residentMb()
  await server.stop()
  return { took, resident }
}

async function starts(quiet) {
  const store = await bigStore()
  const page = await fetchPage(quiet, paths[0])
  const peer = await nginx(page, paths.slice(0, 1))
  const peerPort = new URL(peer.url).port
  await peer.stop()
  const [ours, theirs] = await sideBySide(async () => {
    const port = await freePort()
    return start(`${BUILD}/meishi`, ['serve'], { ...cleanEnv, MEISHI_STORE: `sqlite:${store}`, MEISHI_LISTEN: `127.0.0.1:${port}` }, port, paths[0])
  }, () => start('nginx', ['-c', join(scratch, 'nginx/conf')], process.env, peerPort, paths[0]))
  console.log(`start to the first card page with ${BIG_HITS} hits: ${median(ours.map(one => one.took)).toFixed(0)} ms ` +
    `(nginx to its first file: ${median(theirs.map(one => one.took)).toFixed(0)} ms; ${show(ratio(ours, theirs, 'took'))})`)
  plainBar('start to first answer', median(ours.map(one => one.took)), 'ms', 100)
  plainBar('memory after start', median(ours.map(one => one.resident)), 'MB', 30)
}

// ---- QR images ----

async function qr(quiet) {
  for (const path of paths) await fetchPage(quiet, `${path}.png`)
  const [image, page] = await sideBySide(() => load(quiet, { method: 'GET', agent: IPHONE, paths: images }, 256),
    () => load(quiet, { method: 'GET', agent: PREVIEW, paths: pages }, 256))
  console.log(`QR image from the cache: ${median(image.map(one => one.rate)).toFixed(0)} a second, ${median(image.map(one => one.cpu)).toFixed(1)} us of CPU`)
  bar('CPU beside a card page without a hit to wait for', ratio(image, page, 'cpu'), 1, false)
}

const quiet = await idle(10000)
await qr(quiet)
await starts(quiet)
await quiet.stop()
end()
