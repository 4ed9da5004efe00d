// What stands outside the door of a street (street.mjs): the receivers of hostile.mjs, one to an address, canaries at private
// ones, and the name server of names.mjs. Started there, in a network namespace of its own; it tells what it saw when asked.
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { HOSTILE, addressOf } from './hostile.mjs'
import { GOOD, questions, serveNames } from './names.mjs'
import { CANARIES, CANARY_PORTS, NAME_SERVER } from './street.mjs'

const folder = process.argv[2]
const ip = (...words) => execFileSync('ip', words)
const read = (name, kind) => readFileSync(`${folder}/${name}.${kind}`)
const canary = []
const places = {}

const listen = (server, ...where) => new Promise((resolve, reject) => server.on('error', reject).listen(...where, resolve))

// Reads one whole request; null when the other side went away first.
function wholeRequest(socket) {
  return new Promise(resolve => {
    let text = ''
    socket.on('data', data => {
      text += data.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(text.match(/content-length: (\d+)/i)?.[1] ?? 0)
      if (text.length < end + 4 + length) return
      const [first, ...lines] = text.slice(0, end).split('\r\n')
      const headers = Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]))
      resolve({ path: first.split(' ')[1], headers, body: text.slice(end + 4), at: Date.now() })
    })
    for (const end of ['close', 'error']) socket.on(end, () => resolve(null))
  })
}

async function place(one, address) {
  const seen = places[one.name] = { connections: 0, requests: [] }
  if (one.route) return ip('route', 'add', 'table', 'local', one.route, `${address}/32`)
  if (one.nobody || one.unreachable) return
  if (one.full) return fullBacklog(address)
  const certificate = one.certificate ?? 'good'
  const secureContext = createSecureContext({
    key: read(certificate, 'key'), cert: read(certificate, 'pem'), ca: read('authority', 'pem'), ...one.tls
  })
  await listen(createServer(async raw => {
    seen.connections++
    raw.on('error', () => {})
    raw.setNoDelay(true)
    if (one.raw) return one.raw(raw)
    const socket = new TLSSocket(raw, { isServer: true, secureContext, ...one.tls })
    socket.on('error', () => {})
    const request = await wholeRequest(socket)
    if (!request) return
    seen.requests.push(request)
    await one.answer(socket, raw, request)
  }), 443, address)
}

// A listener whose queue is full and that never accepts: its process is stopped before anybody has come.
async function fullBacklog(address) {
  const child = spawn(process.execPath, ['-e',
    `require('net').createServer(()=>{}).listen({port:443,host:'${address}',backlog:1},()=>console.log('up'))`],
  { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout.once('data', resolve))
  child.kill('SIGSTOP')
  process.on('exit', () => child.kill('SIGKILL'))
  await new Promise(resolve => setTimeout(resolve, 50))
  for (let i = 0; i < 4; i++) connect(443, address).on('error', () => {})
}

async function open() {
  ip('link', 'set', 'lo', 'up')
  ip('addr', 'add', '198.18.0.2/30', 'dev', 'door')
  ip('link', 'set', 'door', 'up')
  for (const net of ['20.0.0.0/16', ...CANARIES]) ip('route', 'add', 'local', net, 'dev', 'lo')
  for (const address of CANARIES)
    for (const port of CANARY_PORTS)
      await listen(createServer(socket => {
        canary.push(`${address}:${port}`)
        socket.destroy()
      }), port, address)
  await Promise.all(HOSTILE.map((one, i) => place(one, addressOf(i))))
  await place({ name: 'good', answer: socket => socket.end('HTTP/1.1 204 No Content\r\n\r\n') }, GOOD)
  await serveNames(NAME_SERVER)
}

process.on('message', async ({ word }) => {
  if (word === 'open') {
    await open()
    process.send({ word })
  } else if (word === 'report') {
    process.send({ word, canary, places, questions })
  }
})
process.on('disconnect', () => process.exit())
process.send({ word: 'here' })
