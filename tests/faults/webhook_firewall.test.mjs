// The wall behind the code: the packet filter's rules for the worker's user, in a network namespace where a canary listens on every
// address, tried by a program that judges nothing and by the real worker with everything allowed. Without the rules both reach it.
// The unit is read by systemd's own tools.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ofSqlite } from '../support/engine.mjs'
import { Meishi, until } from '../support/meishi.mjs'

const MARK = 'BEHIND_A_WALL'
const UID = '65534', USER = 'nobody'
const PORTS = [80, 443, 8443, 9000]
const PLACES = ['10.1.2.3', '172.16.5.5', '192.168.7.1', '169.254.169.254', '100.64.9.9', '198.18.0.9', '203.0.113.7', '127.0.0.1',
  '[::1]', '[fd00::7]', '[2001:db8::7]', '[2002:a01:203::1]', '20.9.9.9', '[2606:4700::7]'] // the last two: this machine's own
const NEIGHBOUR = '20.0.0.1' // somebody on the internet

const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] })

// Runs this file again in a namespace of its own; the reason why it cannot.
function enterNamespace() {
  if (process.env[MARK]) return false
  if (process.getuid() !== 0) return 'needs root, to be another user in a network namespace'
  const tried = spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset'])
  if (tried.status !== 0) return `needs network namespaces and nft, which are not permitted here (${String(tried.stderr ?? tried.error).trim()})`
  const again = spawnSync('unshare', ['-n', 'setpriv', '--pdeathsig', 'KILL', process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } })
  process.exit(again.status ?? 1)
}
const skip = enterNamespace()
let touched = [], canaries = [], folder, neighbour, meishi

before(async () => {
  if (skip) return
  folder = mkdtempSync(join(tmpdir(), 'meishi-wall-'))
  ip('link', 'set', 'lo', 'up')
  for (const place of PLACES) {
    const address = place.replace(/[[\]]/g, '')
    if (!/^(127\.|::1$)/.test(address)) ip('addr', 'add', address.includes(':') ? `${address}/128` : `${address}/32`, 'dev', 'lo', ...(address.includes(':') ? ['nodad'] : []))
  }
  canaries = await Promise.all(PORTS.map(port => new Promise((resolve, reject) => {
    const server = createServer(socket => {
      touched.push(`${socket.localAddress}:${port}`)
      socket.on('error', () => {}).end('HTTP/1.1 204 No Content\r\n\r\n')
    })
    server.on('error', reject).listen(port, '::', () => resolve(server))
  })))
  neighbour = spawn('unshare', ['-n', 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', `
    process.stdin.once('data', () => {
      for (const words of ['link set lo up', 'addr add ${NEIGHBOUR}/32 dev lo', 'addr add 20.0.1.2/30 dev door', 'link set door up'])
        require('child_process').execFileSync('ip', words.split(' '))
      require('net').createServer(socket => socket.on('error', () => {}).end('HTTP/1.1 204 No Content\\r\\n\\r\\n'))
        .listen(443, '${NEIGHBOUR}', () => console.log('up'))
    })
    console.log('here')`], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise(resolve => neighbour.stdout.once('data', resolve))
  ip('link', 'add', 'door', 'type', 'veth', 'peer', 'name', 'door', 'netns', String(neighbour.pid))
  ip('addr', 'add', '20.0.1.1/30', 'dev', 'door')
  ip('link', 'set', 'door', 'up')
  ip('route', 'add', `${NEIGHBOUR}/32`, 'via', '20.0.1.2')
  neighbour.stdin.write('go\n')
  await new Promise(resolve => neighbour.stdout.once('data', resolve))
})
after(async () => {
  await meishi?.stop()
  neighbour?.kill('SIGKILL')
  for (const canary of canaries) canary.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const rules = allowed => {
  const text = readFileSync('assets/operate/meishi-worker.nft', 'utf8').replace('"meishi-worker"', UID)
  writeFileSync(`${folder}/rules.nft`, allowed ? text.replace(/# (ip daddr 10\.1\.2\.3 .*)/, '$1') : text)
  execFileSync('nft', ['-f', `${folder}/rules.nft`])
}
const noRules = () => execFileSync('nft', ['flush', 'ruleset'])

// Whether curl got an answer, as the worker's user unless said.
const calls = (url, uid = UID) => new Promise(resolve => {
  const child = spawn('setpriv', ['--reuid', uid, '--clear-groups', 'curl', '-s', '-o', '/dev/null', '--noproxy', '*', '-m', '5', url])
  child.on('close', code => resolve(code === 0))
})
async function reached(uid) {
  touched = []
  const answers = []
  for (const place of PLACES)
    answers.push(...await Promise.all(PORTS.map(async port => await calls(`http://${place}:${port}/`, uid) ? `${place}:${port}` : null)))
  return answers.filter(Boolean)
}

test('without the rules the canary is reached everywhere', { skip }, async () => {
  assert.equal((await reached()).length, PLACES.length * PORTS.length)
  assert.equal(touched.length, PLACES.length * PORTS.length)
})

test('with the rules the worker’s user reaches no address of this machine or of a private network', { skip }, async () => {
  rules()
  assert.deepEqual(await reached(), [])
  assert.deepEqual(touched, [])
  assert.ok(await calls(`http://${NEIGHBOUR}:443/`), 'the internet is there')
  assert.ok(!await calls(`http://${NEIGHBOUR}:80/`), 'at a webhook’s ports')
  assert.equal((await reached('0')).length, PLACES.length * PORTS.length, 'others go where they want')
})

test('a receiver that the operator lets through is reached, and nobody else', { skip }, async () => {
  rules(true)
  assert.deepEqual(await reached(), ['10.1.2.3:8443'])
})

test('the worker is held by the rules when its own judgement allows everything', { skip: skip || ofSqlite('a worker comes by a socket in the folder of the store') }, async () => {
  noRules()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: '0.0.0.0/0:*,[::]/0:*' })
  const { token } = await meishi.member()
  const worker = spawn(process.env.MEISHI ?? 'build/meishi', ['worker', '--user', USER], { env: meishi.env, stdio: ['ignore', 'ignore', 'inherit'] })
  await until(() => /webhook-worker-came/.test(meishi.log), 30000)
  const deliver = async () => {
    const ends = []
    for (const host of ['10.1.2.3', '127.0.0.1', '[fd00::7]', '20.9.9.9']) {
      const made = await meishi.api(token, 'POST', '/webhooks', { url: `http://${host}:9000/`, events: ['webhook.ping'] })
      assert.equal(made.status, 201, JSON.stringify(made.body))
      await meishi.api(token, 'POST', `/webhooks/${made.body.id}/ping`, {})
      ends.push(await until(async () => {
        const [delivery] = (await meishi.api(token, 'GET', `/webhooks/${made.body.id}/deliveries`)).body.data
        return delivery?.attempts && (delivery.last_error ?? delivery.state)
      }, 20000))
      await meishi.api(token, 'DELETE', `/webhooks/${made.body.id}`)
    }
    return ends
  }
  touched = []
  assert.deepEqual(await deliver(), Array(4).fill('delivered'))
  assert.equal(touched.length, 4)
  rules()
  touched = []
  assert.deepEqual(await deliver(), Array(4).fill('connect'))
  assert.deepEqual(touched, [])
  worker.kill('SIGTERM')
  await new Promise(resolve => worker.on('close', resolve))
})

const ranges = text => [...text.matchAll(/(?<![\w:.])(?:\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]*)\/\d+/g)].map(([range]) => range)

test('the unit and the rules deny the same ranges', () => {
  const unit = readFileSync('assets/operate/meishi-worker.service', 'utf8').match(/^IPAddressDeny=.*$/mg).join('\n')
  const filter = readFileSync('assets/operate/meishi-worker.nft', 'utf8').replace(/^ *#.*$/mg, '')
  const outside = ['::/3', '4000::/2', '8000::/1'] // what is not 2000::/3
  assert.deepEqual(ranges(unit).filter(range => !outside.includes(range)).sort(), ranges(filter).filter(range => range !== '2000::/3').sort())
  for (const range of outside) assert.ok(ranges(unit).includes(range))
})

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'systemd-analyze is not installed'
test('systemd understands the units and finds little exposed', { skip: analyze }, () => {
  const units = mkdtempSync(join(tmpdir(), 'meishi-units-'))
  const names = ['meishi.service', 'meishi.socket', 'meishi-worker.service', 'meishi-worker-postgres.service']
  for (const name of names)
    writeFileSync(join(units, name), readFileSync(`assets/operate/${name}`, 'utf8').replace('/usr/local/bin/meishi', '/bin/true').replace(/^Documentation.*\n/m, ''))
  const checked = spawnSync('systemd-analyze', ['verify', ...names.map(name => join(units, name))], { encoding: 'utf8' })
  assert.equal(checked.stderr.split('\n').filter(line => /meishi/.test(line)).join('\n'), '')
  for (const name of names.filter(name => name.endsWith('.service'))) {
    const said = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', join(units, name)], { encoding: 'utf8' })
    const level = Number(said.stdout.match(/exposure level for \S+: ([\d.]+)/)[1])
    assert.ok(level <= 2.5, said.stdout)
  }
  rmSync(units, { recursive: true, force: true })
})

// What systemd's groups leave out, it refuses: then nothing could be sent or decoded at all.
test('the units let processes lock themselves up', { skip: analyze }, () => {
  const groups = {}
  let group
  for (const line of spawnSync('systemd-analyze', ['syscall-filter', '--no-pager'], { encoding: 'utf8' }).stdout.split('\n')) {
    if (line.startsWith('@')) group = groups[line.trim()] = []
    else if (/^ +[@\w]/.test(line)) group?.push(line.trim())
  }
  const calls = name => name.startsWith('@') ? (groups[name] ?? []).flatMap(calls) : [name]
  for (const name of ['meishi.service', 'meishi-worker.service', 'meishi-worker-postgres.service']) {
    const allowed = new Set(calls('@default'))
    for (const [, not, words] of readFileSync(`assets/operate/${name}`, 'utf8').matchAll(/^SystemCallFilter=(~?)(.*)$/mg))
      for (const call of words.split(' ').flatMap(calls)) allowed[not ? 'delete' : 'add'](call)
    assert.deepEqual(['seccomp', 'setrlimit', 'prctl', 'close_range', 'execve'].filter(call => !allowed.has(call)), [], name)
    assert.ok(!allowed.has('mount'))
  }
})
