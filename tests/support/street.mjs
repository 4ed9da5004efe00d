// A street of its own for a test file: a network namespace in which the file runs again, with the server inside it, and another
// one "outside" that plays the internet: public addresses to which webhooks may really be sent, private ones to which they may
// not, a name server. Nothing in it leads anywhere else. The system's list of certificate authorities is covered by one
// authority made for the test, and its name server by the one outside, so that the binary runs with its own settings and none
// for tests.
//
//   const street = await enterStreet(import.meta.url)       { skip: "words" } where namespaces are not permitted
//   const outside = await street.open()                     once, in before()
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HOSTILE, addressOf } from './hostile.mjs'

export const NAME_SERVER = '20.0.0.53'
// What a lying name or a redirect may lead to on the other side; on the server's own side every address has a canary.
export const CANARIES = ['10.0.0.1', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '203.0.113.7']
export const CANARY_PORTS = [80, 443, 8443, 9000]
const MARK = 'ON_A_STREET'

const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] })

// Root needs no namespace of users, in which it could not reach what belongs to another.
const UNSHARE = process.getuid() === 0 ? '-nm' : '-rnm'

export async function enterStreet(url) {
  if (process.env[MARK]) return new Street()
  const tried = spawnSync('unshare', [UNSHARE, 'ip', 'link', 'set', 'lo', 'up'])
  if (tried.status !== 0)
    return { skip: `needs network namespaces, which are not permitted here (${String(tried.stderr ?? tried.error).trim()})` }
  const again = spawnSync('unshare', [UNSHARE, 'setpriv', '--pdeathsig', 'KILL', process.execPath, ...process.execArgv, fileURLToPath(url)],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } })
  process.exit(again.status ?? 1)
}

class Street {
  async open() {
    this.folder = mkdtempSync(join(tmpdir(), 'meishi-street-'))
    makeCertificates(this.folder)
    ip('link', 'set', 'lo', 'up')
    const child = spawn('unshare', ['-n', 'setpriv', '--pdeathsig', 'KILL', process.execPath, 'tests/support/outside.mjs', this.folder],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.outside = child
    await this.heard('here')
    ip('link', 'add', 'door', 'type', 'veth', 'peer', 'name', 'door', 'netns', String(child.pid))
    ip('addr', 'add', '198.18.0.1/30', 'dev', 'door')
    ip('link', 'set', 'door', 'up')
    ip('route', 'add', 'default', 'via', '198.18.0.2')
    HOSTILE.forEach((one, i) => { if (one.unreachable) ip('route', 'add', 'unreachable', `${addressOf(i)}/32`) })
    child.send({ word: 'open' })
    await this.heard('open')
    writeFileSync(`${this.folder}/resolv.conf`, `nameserver ${NAME_SERVER}\n`)
    execFileSync('mount', ['--bind', `${this.folder}/resolv.conf`, '/etc/resolv.conf'])
    execFileSync('mount', ['--bind', `${this.folder}/authority.pem`, '/etc/ssl/certs/ca-certificates.crt'])
    await this.watchThisSide()
    return this
  }

  heard(word) {
    return new Promise((resolve, reject) => {
      const listen = message => {
        if (message.word !== word) return
        this.outside.off('message', listen)
        resolve(message)
      }
      this.outside.on('message', listen)
      this.outside.once('exit', code => reject(new Error(`what stands outside ended: ${code}`)))
    })
  }

  // Whoever connects to any address of this side at a port that a webhook might try.
  async watchThisSide() {
    this.touched = []
    this.canaries = CANARY_PORTS.map(port => createServer(socket => {
      this.touched.push(`${socket.localAddress}:${port}`)
      socket.destroy()
    }).listen(port, '::'))
    await Promise.all(this.canaries.map(canary => new Promise((resolve, reject) => canary.on('listening', resolve).on('error', reject))))
  }

  // Every connection to a place that must not be called, on either side.
  async canary() {
    return [...this.touched, ...(await this.report()).canary]
  }

  // { canary: [], places: { name: { connections, requests: [{ headers, body, path, at }] } }, questions: { host: times } }
  async report() {
    const answer = this.heard('report')
    this.outside.send({ word: 'report' })
    return answer
  }

  async close() {
    this.closing = true
    for (const canary of this.canaries ?? []) canary.close()
    this.outside?.kill('SIGKILL')
    spawnSync('umount', ['/etc/resolv.conf', '/etc/ssl/certs/ca-certificates.crt'])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

// An authority that the server trusts, one it does not know, and what receivers show of them.
function makeCertificates(folder) {
  const openssl = (...words) => execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  for (const name of ['authority', 'stranger'])
    openssl('req', '-x509', ...key, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '30')
  const everywhere = `${Array.from({ length: 200 }, (_, i) => `IP:20.0.1.${i + 1}`).join(',')},DNS:*.receivers.example`
  const issue = (name, authority, names, days) => {
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${names}\n`)
    openssl('req', '-new', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial',
      '-extfile', `${name}.ext`, '-days', String(days), '-out', `${name}.pem`)
  }
  issue('good', 'authority', everywhere, 20)
  issue('expired', 'authority', everywhere, -1)
  issue('elsewhere', 'authority', 'DNS:somebody-else.example', 20)
  issue('unknown', 'stranger', everywhere, 20)
  writeFileSync(join(folder, 'own.ext'), `subjectAltName=${everywhere}\n`)
  openssl('req', '-x509', ...key, '-keyout', 'own.key', '-out', 'own.pem', '-subj', '/CN=own', '-days', '20',
    '-addext', `subjectAltName=${everywhere}`)
}
