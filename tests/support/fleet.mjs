// A fleet: hosts in network namespaces of their own on one bridge, two of which run PostgreSQL (a primary and its streaming
// standby), the others `meishi serve` and `meishi worker` on it. The file that uses it runs again in a namespace where the bridge
// is, from which it plays the visitors, the receiver of webhooks and whoever pulls the plug. Nothing in it leads anywhere else.
//
//   const world = enterWorld(import.meta.url)        { skip: "words" } where namespaces are not permitted
//   const fleet = await Fleet.open()                 once, in before()
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import http, { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hitOf } from './ledger.mjs'
import { BINARY, IPHONE, sleep, until } from './meishi.mjs'

const MARK = 'IN_A_WORLD'
const BIN = process.env.CLUSTER_BIN ?? '/usr/lib/postgresql/15/bin'
const HERE = '10.99.0.1'
const START_MS = 30000
const execute = promisify(execFile)
const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] })

export function enterWorld(url) {
  if (process.env[MARK]) return {}
  if (process.getuid() !== 0) return { skip: 'needs root, for hosts with networks of their own and a database that is run by somebody else' }
  const tried = spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'bridge0', 'type', 'bridge'])
  if (tried.status !== 0) return { skip: `needs network namespaces, which are not permitted here (${String(tried.stderr ?? tried.error).trim()})` }
  const again = spawnSync('unshare', ['-n', 'setpriv', '--pdeathsig', 'KILL', process.execPath, ...process.execArgv, fileURLToPath(url)],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } })
  process.exit(again.status ?? 1)
}

// A machine: it lives as long as the process that holds its namespace.
class Host {
  static async open(number) {
    const host = new Host()
    host.address = `10.99.0.${number}`
    host.holder = spawn('unshare', ['-n', 'setpriv', '--pdeathsig', 'KILL', 'sleep', 'infinity'], { stdio: 'ignore' })
    const ours = readlinkSync('/proc/self/ns/net')
    await until(() => readlinkSync(`/proc/${host.holder.pid}/ns/net`) !== ours)
    ip('link', 'add', `to${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(host.holder.pid))
    ip('link', 'set', `to${number}`, 'master', 'bridge0', 'up')
    for (const words of ['link set lo up', `addr add ${host.address}/24 dev eth0`, 'link set eth0 up']) host.run('ip', ...words.split(' '))
    return host
  }

  words(...words) { return ['-t', String(this.holder.pid), '-n', '--', ...words] }
  run(...words) { return execFileSync('nsenter', this.words(...words), { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' }) }
  runMeanwhile(...words) { return execute('nsenter', this.words(...words)) }
  spawn(words, options) {
    return spawn('nsenter', this.words('setpriv', '--pdeathsig', 'KILL', ...words), options)
  }

  // Packets that come from ADDRESS are lost on the way: what was sent before arrives, its answer does not.
  deafen(address) {
    this.run('nft', 'add', 'table', 'inet', 'cut')
    this.run('nft', 'add', 'chain', 'inet', 'cut', 'in', '{ type filter hook input priority 0; }')
    this.run('nft', 'add', 'rule', 'inet', 'cut', 'in', 'ip', 'saddr', address, 'drop')
  }
  hear() { this.run('nft', 'delete', 'table', 'inet', 'cut') }
}

// PostgreSQL on a host, by a user who is nobody.
class Database {
  constructor(host, folder, name) {
    Object.assign(this, { host, folder: join(folder, name), name })
    mkdirSync(this.folder)
    chownSync(this.folder, 65534, 65534)
    this.data = join(this.folder, 'data')
  }

  as(...words) { return ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', ...words] }

  make() {
    this.host.run(...this.as(`${BIN}/initdb`, '-D', this.data, '-U', 'admin', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--data-checksums', '--no-sync'))
    writeFileSync(join(this.data, 'pg_hba.conf'), 'local all all trust\nhost all all 10.99.0.0/24 trust\nhost replication all 10.99.0.0/24 trust\n')
  }

  // What it held is gone, and it is a streaming standby of OTHER, by the words of the README for one that was lost.
  async follow(other) {
    rmSync(this.data, { recursive: true, force: true })
    await this.host.runMeanwhile(...this.as(`${BIN}/pg_basebackup`, '-h', other.host.address, '-U', 'admin', '-D', this.data, '-R', '-c', 'fast', '--no-sync'))
    await this.start()
    await until(async () => (await other.ask('SELECT state FROM pg_stat_replication', 'postgres'))[0] === 'streaming', START_MS)
  }

  // Commits wait for a standby from now on (not for a base backup, whose name is another), and it has all there was before.
  async goOnWithStandby() {
    await this.alter("SET synchronous_standby_names = 'meishi'")
    await until(async () => (await this.ask("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'", 'postgres')).length, START_MS)
    const [written] = await this.ask('SELECT pg_current_wal_lsn()', 'postgres')
    await until(async () => (await this.ask(`SELECT 1 FROM pg_stat_replication WHERE flush_lsn >= '${written}'`, 'postgres')).length, START_MS)
  }

  async goOnAlone() { await this.alter('RESET synchronous_standby_names') }

  async alter(words) {
    await this.ask(`ALTER SYSTEM ${words}`, 'postgres')
    await this.ask('SELECT pg_reload_conf()', 'postgres')
  }

  async start() {
    const options = ['listen_addresses=' + this.host.address, 'unix_socket_directories=' + this.folder, 'max_connections=80', 'shared_buffers=32MB',
      'wal_receiver_status_interval=1s', 'wal_retrieve_retry_interval=200ms', 'wal_sender_timeout=5s', 'cluster_name=meishi']
    this.process = this.host.spawn([...this.as(`${BIN}/postgres`, '-D', this.data), ...options.flatMap(option => ['-c', option])],
      { stdio: ['ignore', 'pipe', 'pipe'] })
    this.log = ''
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', data => { this.log += data })
    this.ended = new Promise(resolve => this.process.on('exit', resolve))
    await until(() => this.answers(), START_MS).catch(error => { throw new Error(`${error.message}\n${this.log}`) })
  }

  answers() {
    return spawnSync(`${BIN}/pg_isready`, ['-q', '-h', this.folder]).status === 0
  }

  async stop(mode) {
    this.host.run(...this.as(`${BIN}/pg_ctl`, '-D', this.data, '-s', '-m', mode, 'stop'))
    await this.ended
  }

  promote() { this.host.run(...this.as(`${BIN}/pg_ctl`, '-D', this.data, '-s', '-w', 'promote')) }

  // Rows of the answer, as text.
  async ask(sql, database = 'meishi') {
    const { stdout } = await execute(`${BIN}/psql`, ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', this.folder, '-U', 'admin', '-d', database, '-c', sql])
    return stdout.trim().split('\n').filter(Boolean)
  }

  // Takes connections until there are no more. Ends them all with the function that it answers.
  async fill() {
    const held = []
    for (;;) {
      const session = spawn(`${BIN}/psql`, ['-Xq', '-h', this.host.address, '-U', 'meishi', '-d', 'meishi'], { stdio: ['pipe', 'pipe', 'pipe'] })
      session.stdin.write("SELECT 'in';\n")
      const went = await Promise.race([new Promise(resolve => session.stdout.once('data', () => resolve(true))),
        new Promise(resolve => session.once('exit', () => resolve(false)))])
      if (!went) break
      held.push(session)
    }
    return { count: held.length, release: () => held.forEach(session => session.kill('SIGKILL')) }
  }
}

// Only what a clean machine has: no setting of the caller's leaks in.
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MEISHI')))

// A process of ours on a host.
class Member {
  constructor(host, command, env) { Object.assign(this, { host, command, env: { ...clean, ...env } }) }

  async start() {
    this.process = this.host.spawn([resolve(BINARY), ...this.command], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.log = ''
    this.out = ''
    this.process.stderr.on('data', data => { this.log += data })
    this.exited = new Promise(resolve => this.process.on('exit', (code, signal) => resolve({ code, signal })))
    if (this.command[0] !== 'serve') return
    await new Promise((resolve, reject) => {
      this.process.stdout.on('data', data => {
        this.out += data
        if (this.out.includes('listening on')) resolve()
      })
      this.exited.then(how => reject(new Error(`${this.host.address} ended: ${JSON.stringify(how)}\n${this.log}`)))
      setTimeout(() => reject(new Error(`${this.host.address} did not say where it listens\n${this.log}`)), START_MS).unref()
    })
    this.lives = this.process.pid // 0 from the moment it is killed on purpose
  }

  async kill(signal = 'SIGKILL') {
    this.lives = 0
    this.process.kill(signal)
    return this.exited
  }

  get url() { return `http://${this.host.address}:8080` }

  async tell(...words) {
    const { stdout } = await execute('nsenter', this.host.words(resolve(BINARY), ...words, '--json'), { env: this.env })
    return JSON.parse(stdout)
  }

  async api(token, method, path, body) {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(20000)
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : null }
  }
}

export class Fleet {
  // SETTINGS are the servers' own besides those that every one needs.
  static async open({ servers = 3, workers = 2, settings = {}, synchronous = true } = {}) {
    const fleet = new Fleet()
    ip('link', 'set', 'lo', 'up')
    ip('link', 'add', 'bridge0', 'type', 'bridge')
    ip('addr', 'add', `${HERE}/24`, 'dev', 'bridge0')
    ip('link', 'set', 'bridge0', 'up')
    fleet.folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'meishi-fleet-'))
    chmodSync(fleet.folder, 0o755)
    try {
      await fleet.makeDatabases(synchronous)
      await fleet.openReceiver()
      await fleet.startMembers(servers, workers, settings)
    } catch (error) {
      await fleet.close()
      throw error
    }
    return fleet
  }

  // With a synchronous standby what is acknowledged is on both disks.
  async makeDatabases(synchronous) {
    this.primary = new Database(await Host.open(11), this.folder, 'one')
    this.standby = new Database(await Host.open(12), this.folder, 'two')
    this.primary.make()
    await this.primary.start()
    await this.primary.ask('CREATE ROLE meishi LOGIN', 'postgres')
    await this.primary.ask('CREATE DATABASE meishi OWNER meishi', 'postgres')
    if (synchronous) await this.primary.alter("SET synchronous_standby_names = 'meishi'") // which the copy then has as well
    await this.standby.follow(this.primary)
    if (synchronous) await this.primary.goOnWithStandby()
  }

  // The primary dies, and the standby goes on in its stead, alone.
  async failOver() {
    await this.primary.stop('immediate')
    await sleep(200)
    this.standby.promote()
    const promoted = Date.now()
    ;[this.primary, this.standby] = [this.standby, this.primary]
    await this.primary.goOnAlone()
    return promoted
  }

  // The one that was lost follows, and commits wait for it.
  async mend() {
    await this.standby.follow(this.primary)
    await this.primary.goOnWithStandby()
  }

  async openReceiver() {
    this.told = []
    this.receiver = createServer((request, response) => {
      const chunks = []
      request.on('data', chunk => chunks.push(chunk)).on('end', () => {
        this.told.push({ id: request.headers['webhook-id'], body: JSON.parse(Buffer.concat(chunks)) })
        response.writeHead(204).end()
      })
    })
    await new Promise(resolve => this.receiver.listen(9000, HERE, resolve))
  }

  async startMembers(servers, workers, settings) {
    const env = {
      MEISHI_STORE: 'postgres://meishi@10.99.0.11,10.99.0.12/meishi?target_session_attrs=read-write',
      MEISHI_KEY_FILE: join(this.folder, 'meishi.key'), MEISHI_WEBHOOK_ALLOW: `${HERE}/32:*`, MEISHI_TRUSTED_PROXIES: HERE,
      HOME: this.folder, ...settings
    }
    this.servers = []
    this.workers = []
    for (let i = 0; i < servers; i++) {
      const host = await Host.open(21 + i)
      this.servers.push(new Member(host, ['serve'], { ...env, MEISHI_LISTEN: `${host.address}:8080`, MEISHI_URL: `http://${host.address}:8080` }))
    }
    for (let i = 0; i < workers; i++) {
      const host = await Host.open(31 + i)
      this.workers.push(new Member(host, ['worker'], { ...env, MEISHI_LISTEN: `${host.address}:8080` }))
    }
    for (const member of [...this.servers, ...this.workers]) await member.start()
    const [server] = this.servers
    await server.tell('member', 'add', '--handle', 'jane', '--name', 'Jane Doe', '--email', 'jane@example.org')
    this.token = (await server.tell('token', 'add', '--member', 'jane')).token
    const hook = await server.api(this.token, 'POST', '/webhooks', { url: `http://${HERE}:9000/hook`, events: ['lead.created'] })
    if (hook.status !== 201) throw new Error(JSON.stringify(hook))
  }

  // A card of which nobody has seen anything yet: a limit on forms is one a card.
  async newCard() {
    const [server] = this.servers
    this.card = (await server.api(this.token, 'POST', '/cards', { name: 'Jane Doe' })).body
    this.share = (await server.api(this.token, 'POST', `/cards/${this.card.id}/shares`, { channel: 'qr' })).body
    this.run = (this.run ?? 0) + 1
  }

  async close() {
    for (const member of [...this.servers ?? [], ...this.workers ?? []]) member.process?.kill('SIGKILL')
    for (const database of [this.primary, this.standby]) database?.process?.kill('SIGQUIT')
    await Promise.all([this.primary, this.standby].map(database => database?.ended))
    this.receiver?.closeAllConnections?.()
    this.receiver?.close()
    for (const host of [this.primary, this.standby, ...this.servers ?? [], ...this.workers ?? []].map(one => one?.host)) host?.holder.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

// Each visitor comes from a network of their own, or the limits a network would stop them.
const somebody = () => `203.${Math.floor(Math.random() * 113)}.${Math.floor(Math.random() * 256)}.7`

const get = (url, agent, ms) => new Promise(resolve => {
  const request = http.get(url, { agent, timeout: ms, headers: { 'User-Agent': IPHONE, 'Accept-Language': 'en', 'X-Forwarded-For': somebody() } }, response => {
    let html = ''
    response.on('data', data => { html += data })
    response.on('end', () => resolve({ status: response.statusCode, html, headers: response.headers, complete: response.complete }))
    response.on('error', () => resolve(null))
  })
  request.on('timeout', () => request.destroy())
  request.on('error', () => resolve(null))
})

// Visitors of every server, and what they were promised: written down after each answer, so that what is not in the ledger was
// never acknowledged.
export class Visitors {
  constructor(fleet, { each = 4, pause_ms = 4, page_ms = 8000 } = {}) {
    Object.assign(this, { fleet, pause_ms, page_ms, hits: [], leads: [], unanswered: [], marked: 0, sent: 0, stopped: false, number: 0 })
    this.hitsBy = new Map(fleet.servers.map(server => [server, 0]))
    this.runs = fleet.servers.flatMap(server => [...Array.from({ length: each }, () => this.look(server)), this.write(server)])
  }

  // Opens the page again and again. A server that was killed refuses the connection; one that lives and does not answer with the
  // card has broken its promise.
  async look(server) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    while (!this.stopped) {
      const { lives } = server
      this.sent++
      const page = await get(`${server.url}/c/${this.fleet.share.token}`, agent, this.page_ms)
      if (page?.complete && page.status === 200) {
        const stamp = page.html.match(/name="stamp" value="([^"]+)"/)[1]
        if (page.headers['x-hit']) this.marked++
        else {
          this.hits.push(hitOf(stamp))
          this.hitsBy.set(server, this.hitsBy.get(server) + 1)
        }
      } else {
        if (lives === server.lives && lives && !this.stopped) this.unanswered.push(`${server.url}: ${page?.status ?? 'no answer'}`)
        await sleep(50)
      }
      await sleep(this.pause_ms)
    }
    agent.destroy()
  }

  // Leaves details, once a page; what is not answered or refused is sent again from the same page, as a person would.
  async write(server) {
    while (!this.stopped) {
      const page = await get(`${server.url}/c/${this.fleet.share.token}`, undefined, this.page_ms)
      const form = {}
      for (const [tag] of page?.html?.matchAll(/<input[^>]*>/g) ?? []) {
        const name = tag.match(/name="([^"]*)"/)?.[1]
        if (name && /type="hidden"/.test(tag)) form[name] = tag.match(/value="([^"]*)"/)?.[1] ?? ''
      }
      await sleep(form.stamp ? 3100 : 100)
      const email = `visitor${this.number++}.${this.fleet.run}@example.com`
      for (let tries = 0; form.stamp && tries < 40 && !this.stopped; tries++) {
        const answer = await fetch(`${server.url}/c/${this.fleet.share.token}/lead`, {
          method: 'POST', redirect: 'manual', headers: { 'User-Agent': IPHONE, Origin: server.url, 'X-Forwarded-For': somebody() }, signal: AbortSignal.timeout(this.page_ms),
          body: new URLSearchParams({ ...form, name: `Visitor ${email}`, reach: email })
        }).catch(() => null)
        if (answer?.status === 303) this.leads.push(email)
        if (answer?.status === 303 || answer?.status === 409) break
        await sleep(500)
      }
    }
  }

  async stop() {
    this.stopped = true
    await Promise.all(this.runs)
  }
}

// What the store holds of the share's hits and of the leads that were identified, through the API of SERVER.
export async function stored(fleet, server) {
  const all = async path => {
    const rows = []
    for (let cursor = ''; ;) {
      const { status, body } = await server.api(fleet.token, 'GET', `${path}limit=200${cursor && `&cursor=${cursor}`}`)
      if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
      rows.push(...body.data)
      if (!body.next_cursor) return rows
      cursor = body.next_cursor
    }
  }
  const hits = await all(`/shares/${fleet.share.id}/hits?`), leads = await all(`/leads?stage=new&share=${fleet.share.id}&`)
  return { hits: hits.map(hit => hit.id), leads: leads.map(lead => lead.email) }
}

// What the ledger and the store disagree on.
export function compare(ledger, kept) {
  const count = list => list.reduce((counts, one) => counts.set(one, (counts.get(one) ?? 0) + 1), new Map())
  const hits = count(kept.hits), leads = count(kept.leads)
  return {
    hits_lost: ledger.hits.filter(id => !hits.has(id)).length, hits_doubled: [...hits.values()].filter(times => times > 1).length,
    leads_lost: ledger.leads.filter(email => !leads.has(email)).length, leads_doubled: [...leads.values()].filter(times => times > 1).length
  }
}
