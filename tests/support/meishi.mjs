// A real server for journeys: the built binary on a free port with a store of its own (engine.mjs says on which engine), a proxy
// before its API that knows the contract, and a receiver of webhooks. Everything is started by start() and gone after stop().
import { spawn, execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Store } from './engine.mjs'
import { ContractProxy, refuseBreach } from './proxy.mjs'

const run = promisify(execFile)
export const BINARY = process.env.MEISHI ?? 'build/meishi'
export const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Version/18.1 Mobile/15E148 Safari/604.1'

const START_MS = 30000

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// Asks again until the answer is true enough, for at most MS.
export async function until(question, ms = 20000) {
  const end = Date.now() + ms
  for (;;) {
    const answer = await question()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`not true within ${ms} ms: ${question}`)
    await sleep(20)
  }
}

export class Meishi {
  // STDERR may be a descriptor that takes the log instead of this.log.
  static async start(settings = {}, stderr = 'pipe') {
    const meishi = new Meishi()
    meishi.stderr = stderr
    meishi.folder = await mkdtemp(join(tmpdir(), 'meishi-'))
    // Only what a clean machine has: no setting of the caller's leaks in.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MEISHI')))
    meishi.store = await Store.make(meishi.folder)
    meishi.env = { ...env, ...meishi.store.settings, MEISHI_LISTEN: '127.0.0.1:0', ...settings }
    meishi.proxy = await ContractProxy.start(() => meishi.url)
    await meishi.serve().catch(error => {
      meishi.proxy.stop()
      throw error
    })
    meishi.apiUrl = meishi.proxy.url // the same server, with the contract looking on
    return meishi
  }

  async serve(...flags) {
    this.process = spawn(BINARY, ['serve', ...flags], { env: this.env, stdio: ['ignore', 'pipe', this.stderr] })
    this.log = ''
    this.out = ''
    this.process.stderr?.on('data', data => { this.log += data })
    this.exited = new Promise(resolve => this.process.on('exit', (code, signal) => resolve({ code, signal })))
    this.url = await new Promise((resolve, reject) => {
      this.process.stdout.on('data', data => {
        this.out += data
        const line = this.out.match(/listening on (\S+)/)
        if (line) resolve(line[1])
      })
      this.exited.then(how => reject(new Error(`serve ended: ${JSON.stringify(how)}\n${this.log}`)))
      setTimeout(() => reject(new Error(`serve did not say where it listens\n${this.log}`)), START_MS).unref()
    })
    this.env.MEISHI_LISTEN = this.url.replace('http://', '') // the same address after a restart
  }

  async kill(signal = 'SIGKILL') {
    this.process.kill(signal)
    return this.exited
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill('SIGTERM')
    this.proxy.stop()
    await this.store.drop()
    await rm(this.folder, { recursive: true, force: true })
    if (this.proxy.breaches.length) throw new Error(`Not as in the contract: ${this.proxy.breaches.join('\n')}`)
  }

  // A command of the binary: { code, out, words }.
  async command(...words) {
    try {
      const { stdout, stderr } = await run(BINARY, words, { env: this.env })
      return { code: 0, out: stdout, words: stderr }
    } catch (error) {
      return { code: error.code, out: error.stdout, words: error.stderr }
    }
  }

  async json(...words) {
    const { code, out, words: said } = await this.command(...words, '--json')
    if (code) throw new Error(`${words.join(' ')}: exit ${code}: ${said}`)
    return JSON.parse(out)
  }

  // A member with an API token and a card: { member, token, card }.
  async member(handle = 'jane', name = 'Jane Doe') {
    const member = await this.json('member', 'add', '--handle', handle, '--name', name, '--email', `${handle}@example.org`)
    const { token } = await this.json('token', 'add', '--member', handle)
    const card = await this.api(token, 'POST', '/cards', {
      name, title: 'Master roofer', organization: 'Doe & Daughters',
      emails: [{ label: 'work', address: `${handle}@example.org` }], phones: [{ label: 'mobile', number: '+49 40 5550 172' }],
      links: [{ label: 'web', url: 'https://example.org/' }], note: 'Slate, tile and flat roofs.'
    })
    return { member, token, card: card.body }
  }

  async api(token, method, path, body, headers = {}) {
    const answer = await fetch(`${this.apiUrl}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body)
    })
    refuseBreach(answer.headers)
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : null }
  }

  async share(token, card, fields = { channel: 'qr' }) {
    return (await this.api(token, 'POST', `/cards/${card.id}/shares`, fields)).body
  }

  // Opens a card page as a phone would; the fields of its form come along, as they stand in the page.
  async open(path, agent = IPHONE, headers = {}) {
    const answer = await fetch(this.url + path, { headers: { 'User-Agent': agent, 'Accept-Language': 'en', ...headers } })
    const html = await answer.text()
    const form = {}
    for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
      const name = tag.match(/name="([^"]*)"/)?.[1]
      if (name && /type="hidden"/.test(tag)) form[name] = tag.match(/value="([^"]*)"/)?.[1] ?? ''
    }
    return { status: answer.status, headers: answer.headers, html, form }
  }

  async post(path, fields, headers = {}) {
    const answer = await fetch(this.url + path, {
      method: 'POST', redirect: 'manual', body: new URLSearchParams(fields),
      headers: { 'User-Agent': IPHONE, Origin: this.url, ...headers }
    })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }
}

// Keeps every request; answers what answer() says (204 unless told otherwise).
export class Receiver {
  // PORT 0 picks one.
  static async start(port = 0) {
    const receiver = new Receiver()
    receiver.requests = []
    receiver.answer = () => 204
    receiver.server = createServer((request, response) => {
      const chunks = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        const got = { headers: request.headers, body: Buffer.concat(chunks).toString(), path: request.url }
        receiver.requests.push(got)
        response.writeHead(receiver.answer(got)).end()
      })
    })
    await new Promise(resolve => receiver.server.listen(port, '127.0.0.1', resolve))
    receiver.server.unref() // a test that fails before it stops this ends all the same
    receiver.port = receiver.server.address().port
    receiver.url = `http://127.0.0.1:${receiver.port}/hook`
    receiver.allow = `127.0.0.1/32:${receiver.port}`
    return receiver
  }

  stop() {
    this.server.closeAllConnections?.()
    return new Promise(resolve => this.server.close(resolve))
  }

  of(type) {
    return this.requests.filter(request => JSON.parse(request.body).type === type)
  }
}
