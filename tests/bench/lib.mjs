// What the benches share: servers side by side, one load on each in turn, ratios of what they did in the same round.
//
// A ratio is taken between neighbours in time and the median over the rounds is what counts; a bare rate says more about the
// machine and its other guests than about either server. CPU is user and system time of all processes of a server over the
// requests it answered, the steadiest figure where load and servers share the cores.
import { execFile, spawn } from 'node:child_process'
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
export const BUILD = process.env.BUILD ?? 'build'
export const QUICK = process.env.BENCH_QUICK === '1'
export const ROUNDS = Number(process.env.BENCH_ROUNDS ?? (QUICK ? 3 : 11))
export const SECONDS = Number(process.env.BENCH_SECONDS ?? 1)
export const BIG_HITS = Number(process.env.BENCH_ROWS ?? (QUICK ? 200000 : 10000000))
export const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/18.1 Mobile/15E148 Safari/604.1'
export const PREVIEW = 'WhatsApp/2.23.20.0'
export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// A folder of this bench's own, gone at the end.
export const scratch = mkdtempSync(join(tmpdir(), 'meishi-bench-'))
chmodSync(scratch, 0o755)
const servers = []
process.on('exit', () => {
  for (const server of servers)
    for (const pid of pidsOf(server.process.pid)) process.kill(pid, 'SIGKILL') // nginx has workers
  rmSync(scratch, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

export const tool = async (...words) => (await run(`${BUILD}/tests/bench/make_store`, words.map(String))).stdout.trim()

// The store with BIG_HITS hits, made once; benches work on copies, since they add to it.
export async function bigStore() {
  const kept = `${BUILD}/bench/store-${BIG_HITS}`
  if (!existsSync(`${kept}.done`)) {
    rmSync(kept, { recursive: true, force: true })
    mkdirSync(`${BUILD}/bench`, { recursive: true })
    console.log(`(making a store of ${BIG_HITS} hits, once)`)
    await tool('fill', kept, BIG_HITS, 100000, 10000, 500000)
    writeFileSync(`${kept}.done`, '')
  }
  const copy = join(scratch, 'big')
  await run('cp', ['-r', '--reflink=auto', kept, copy])
  return copy
}

export async function smallStore(name = 'small') {
  const folder = join(scratch, name)
  await tool('fill', folder, 0, 1000, 100, 0)
  return folder
}

// ---- servers ----

// What /proc says, or nothing of a process that has ended meanwhile: PostgreSQL's come and go.
function told(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return ''
    throw error
  }
}

function pidsOf(pid) {
  const pids = [pid]
  const children = told(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean)
  for (const child of children) pids.push(...pidsOf(Number(child)))
  return pids
}

const TICKS = Number((await run('getconf', ['CLK_TCK'])).stdout)

// User and system time of a process and all below it.
export function cpuSecondsOf(root) {
  let ticks = 0
  for (const pid of pidsOf(root)) {
    const fields = told(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')
    if (!fields) continue // its time is its parent's from then on
    ticks += Number(fields[11]) + Number(fields[12]) + (pid === root ? Number(fields[13]) + Number(fields[14]) : 0)
  }
  return ticks / TICKS
}

export class Server {
  constructor(name, child, url) {
    Object.assign(this, { name, process: child, url })
    servers.push(this)
  }

  // Its own, and of what works for it (OTHERS).
  cpuSeconds() {
    return [this.process.pid, ...this.others ?? []].reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  }

  // The server's own, and what its children do not share with it.
  residentMb() {
    const [own, ...children] = pidsOf(this.process.pid)
    const sum = (pid, pattern) => [...readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').matchAll(pattern)].reduce((all, [, kb]) => all + Number(kb), 0)
    return children.reduce((all, pid) => all + sum(pid, /^Private_\w+:\s+(\d+)/gm), sum(own, /^Rss:\s+(\d+)/gm)) / 1024
  }

  async stop() {
    const gone = new Promise(resolve => this.process.on('exit', resolve))
    this.process.kill('SIGTERM')
    await gone
    servers.splice(servers.indexOf(this), 1)
  }
}

// No setting of the caller's leaks in.
export const cleanEnv = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('MEISHI')))

export async function meishi(name, store, settings = {}) {
  const child = spawn(`${BUILD}/meishi`, ['serve'], {
    env: { ...cleanEnv, MEISHI_STORE: store.includes('://') ? store : `sqlite:${store}`, MEISHI_LISTEN: '127.0.0.1:0', ...settings }, stdio: ['ignore', 'pipe', 'inherit']
  })
  const url = await new Promise((resolve, reject) => {
    let out = ''
    child.stdout.on('data', data => {
      out += data
      const line = out.match(/listening on (\S+)/)
      if (line) resolve(line[1])
    })
    child.on('exit', () => reject(new Error(`${name} did not start`)))
  })
  const server = new Server(name, child, url)
  server.store = store
  server.metrics = async () => {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Object.fromEntries([...text.matchAll(/^meishi_(\w+) (\d+)$/gm)].map(([, key, value]) => [key, Number(value)]))
  }
  return server
}

export async function freePort() {
  const listener = createServer()
  await new Promise(resolve => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address()
  await new Promise(resolve => listener.close(resolve))
  return port
}

// One worker, as Meishi has one loop on two cores, and set up for static files as well as it can be. It sends the page
// under every path, with the header lines that Meishi sent, so the same number of bytes goes over the wire.
export async function nginx(page, paths) {
  const folder = join(scratch, 'nginx')
  const port = await freePort()
  mkdirSync(`${folder}/www/c`, { recursive: true })
  writeFileSync(`${folder}/page`, page.bytes)
  for (const path of paths) linkSync(`${folder}/page`, `${folder}/www${path}`)
  const own = /^(date|content-length|content-type|connection|server|keep-alive)$/i
  const added = [...page.headers].filter(([name]) => !own.test(name))
    .map(([name, value]) => `add_header ${name} ${JSON.stringify(value)};`).join(' ')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(kind => `${kind}_temp_path ${folder}/${kind};`)
  writeFileSync(`${folder}/conf`, `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/errors;
    worker_rlimit_nofile 20000; events { worker_connections 16384; multi_accept on; }
    http { ${temporary.join(' ')} access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
      keepalive_timeout 300s; open_file_cache max=4000 inactive=600s; open_file_cache_valid 600s; server_tokens off;
      default_type ${JSON.stringify(page.headers.get('content-type'))}; etag off; max_ranges 0; if_modified_since off;
      server { listen 127.0.0.1:${port} backlog=4096; root ${folder}/www; add_header Last-Modified ""; ${added} } }`)
  const child = spawn('nginx', ['-c', `${folder}/conf`], { stdio: ['ignore', 'ignore', 'inherit'] })
  const server = new Server('nginx', child, `http://127.0.0.1:${port}`)
  for (;;) {
    try {
      await fetch(server.url + paths[0])
      return server
    } catch { await sleep(10) }
  }
}

export async function fetchPage(server, path, agent = IPHONE) {
  const answer = await fetch(server.url + path, { headers: { 'User-Agent': agent, 'Accept-Language': 'en' } })
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`)
  return { bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers }
}

// ---- load ----

// VISITOR: { method, agent, paths (a file) }. What wrk saw, and the CPU until SETTLED says that the work is done.
export async function load(server, visitor, connections, settled = async () => {}) {
  const before = server.cpuSeconds()
  const { stdout } = visitor.method === 'HEAD'
    ? await run(`${BUILD}/tests/bench/heads`, [new URL(server.url).port, connections, SECONDS, visitor.paths, visitor.agent].map(String))
    : await run('wrk', ['-t2', `-c${connections}`, `-d${SECONDS}s`, '--timeout', '10s', '--latency',
    '-s', 'tests/bench/shares.lua', server.url], {
    env: { ...process.env, METHOD: visitor.method, AGENT: visitor.agent, PATHS: visitor.paths, LANGUAGE: 'en-GB,en;q=0.9' }
  })
  const result = JSON.parse(stdout.trim().split('\n').pop())
  await settled(server)
  return {
    rate: result.answered / result.seconds, p50: result.p50_ms, p99: result.p99_ms, answered: result.answered,
    errors: result.errors, size: result.bytes / result.answered,
    cpu: (server.cpuSeconds() - before) / result.answered * 1e6
  }
}

// ---- figures ----

export const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]

// The median of the ratios of neighbours, with the least and the greatest.
export function ratio(ours, theirs, key) {
  const ratios = ours.map((one, i) => one[key] / theirs[i][key])
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) }
}

export const show = r => `${r.median.toFixed(2)} x (${r.least.toFixed(2)} to ${r.most.toFixed(2)})`

// One line of the table, and whether the bar is cleared.
let missed = 0
export function bar(words, value, limit, atLeast) {
  const good = atLeast ? value.median >= limit : value.median <= limit
  missed += !good
  console.log(`  ${good ? 'ok  ' : 'MISS'} ${words}: ${show(value)}, bar ${atLeast ? '>=' : '<='} ${limit}`)
}
export function plainBar(words, value, unit, limit) {
  const good = value <= limit
  missed += !good
  console.log(`  ${good ? 'ok  ' : 'MISS'} ${words}: ${value.toFixed(value < 10 ? 2 : 0)} ${unit}, bar <= ${limit}`)
}
export function end() {
  process.exit(missed && process.env.BENCH_STRICT === '1' ? 1 : 0)
}
