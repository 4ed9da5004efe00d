// The receivers that README.md offers, taken out of it and run: each takes what the real binary sends and knows it when it is
// told twice, and refuses what is forged, stale, unsigned, or signed with another secret.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { Meishi, Receiver, until } from '../support/meishi.mjs'

const run = promisify(execFile)
const README = readFileSync('README.md', 'utf8')
const LANGUAGES = {
  js: { file: 'receiver.mjs', start: ['node', 'receiver.mjs'] },
  python: { file: 'receiver.py', start: ['python3', 'receiver.py'] },
  go: { file: 'receiver.go', build: ['gccgo-12', 'receiver.go', '-o', 'receiver-go'], start: ['./receiver-go'] },
  php: { file: 'receiver.php', start: ['php', '-S', '127.0.0.1:3000', 'receiver.php'] },
  c: { file: 'receiver.c', build: [...(process.env.CC ?? 'gcc').split(' '), '-Wall', '-Wextra', 'receiver.c', '-lsodium', '-o', 'hook.cgi'], cgi: './hook.cgi' }
}
let meishi, jane, top, folder, port
const running = []

async function freePort() {
  const receiver = await Receiver.start()
  await receiver.stop()
  return receiver.port
}

before(async () => {
  top = await mkdtemp(join(tmpdir(), 'meishi-readme-'))
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: '127.0.0.1/32:*' })
  jane = await meishi.member()
})
after(async () => {
  for (const stop of running) stop()
  await meishi?.stop()
  await rm(top, { recursive: true, force: true })
})

// The gateway that a CGI program runs behind (RFC 3875), as far as this one asks of it.
function gateway(program, env, note) {
  return createServer((request, response) => {
    const variables = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value]))
    const child = execFile(program, { env: { ...env, ...variables }, cwd: folder }, (error, out, words) => {
      note(words)
      response.writeHead(Number(out.match(/^Status: (\d+)\n\n/)?.[1] ?? 500)).end()
    })
    request.pipe(child.stdin)
  })
}

const answers = () => new Promise(resolve => {
  const socket = connect(port, '127.0.0.1').on('error', () => resolve(false)).on('connect', () => {
    socket.destroy()
    resolve(true)
  })
})

// Starts a language's receiver with SECRET: { said(), stop() }.
async function start(language, secret) {
  const { file, build, start: words, cgi } = LANGUAGES[language]
  const [, code] = README.match(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm'))
  assert.ok(code.includes(file), 'the block says what file it is')
  await writeFile(join(folder, file), code.replaceAll('3000', port).replaceAll('/tmp/', `${folder}/`))
  if (build) assert.equal((await run(build[0], build.slice(1), { cwd: folder })).stderr, '', 'without a warning')
  const env = { PATH: process.env.PATH, TMPDIR: folder, WEBHOOK_SECRET: secret }
  let said = '', stop
  if (cgi) {
    const server = gateway(cgi, env, words => { said += words })
    await new Promise(resolve => server.listen(port, '127.0.0.1', resolve))
    stop = () => server.close()
  } else {
    const own = words.map(word => word.replace('3000', port))
    const child = spawn(own[0], own.slice(1), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { said += data })
    stop = () => child.kill('SIGKILL')
  }
  running.push(stop)
  await until(answers)
  return { said: () => said, stop }
}

for (const language of Object.keys(LANGUAGES)) {
  test(`the receiver in ${language} takes what is genuine and nothing else`, async () => {
    port = await freePort()
    folder = join(top, language)
    await mkdir(folder)
    const { body: webhook } = await meishi.api(jane.token, 'POST', '/webhooks', { url: `http://127.0.0.1:${port}/hook`, events: ['webhook.ping'] })
    const receiver = await start(language, webhook.secret)
    const ping = await meishi.api(jane.token, 'POST', `/webhooks/${webhook.id}/ping`)
    const row = await until(async () => {
      const { body } = await meishi.api(jane.token, 'GET', `/deliveries/${ping.body.delivery_id}`)
      return body.attempts && body
    })
    assert.deepEqual([row.state, row.last_status], ['delivered', 204], JSON.stringify(row))
    await until(() => receiver.said().includes('webhook.ping'))

    // Somebody else's signer makes the rest.
    const body = '{"type":"lead.created","timestamp":"2026-11-22T06:50:05.522Z","data":{"lead":{"name":"Zoë"}}}', now = Date.now()
    const post = async ({ id = 'msg_2', secret = webhook.secret, at = now, text = body, sign = headers => headers } = {}) => {
      const headers = { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1000)), 'webhook-signature': new Webhook(secret).sign(id, new Date(at), body) }
      return (await fetch(`http://127.0.0.1:${port}/hook`, { method: 'POST', body: text, headers: { 'Content-Type': 'application/json', ...sign(headers) } })).status
    }
    const without = name => ({ [name]: _, ...rest }) => rest
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    assert.equal(await post(), 204)
    assert.equal(await post(), 204, 'told twice is fine')
    assert.equal(await post({ id: 'msg_3', at: now - 290000 }), 204)
    assert.equal(await post({ id: 'msg_4', sign: headers => ({ ...headers, 'webhook-signature': `v1,${'A'.repeat(43)}= v1a,nonsense ${headers['webhook-signature']}` }) }), 204, 'one of several, as while a secret is rotated')
    for (const [what, wrong] of Object.entries({
      'another body': { text: body.replace('Zoë', 'Joe') }, 'another secret': { secret: other }, 'too old': { at: now - 320000 }, 'too new': { at: now + 320000 },
      'another id': { sign: headers => ({ ...headers, 'webhook-id': 'msg_9' }) }, 'no id': { sign: without('webhook-id') }, 'no time': { sign: without('webhook-timestamp') },
      'no signature': { sign: without('webhook-signature') }, 'an empty one': { sign: headers => ({ ...headers, 'webhook-signature': 'v1,' }) },
      'no number for a time': { sign: headers => ({ ...headers, 'webhook-timestamp': 'soon' }) }
    })) {
      const status = await post(wrong)
      assert.ok(status >= 400 && status < 500, `${what} is answered ${status}`)
    }
    await until(() => receiver.said().split('lead.created').length > 3)
    assert.equal(receiver.said().split('lead.created').length - 1, 3, 'msg_2 once, msg_3 and msg_4')
    receiver.stop()
  })
}
