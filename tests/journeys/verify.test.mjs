// `meishi webhook verify` on a request that the real server sent: as it came, forged, stale, written again, and with wrong words.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { BINARY, Meishi, Receiver, until } from '../support/meishi.mjs'

const GENUINE = 0, NOT_GENUINE = 1, USAGE = 64, DATAERR = 65, NOINPUT = 66
let meishi, receiver, secret, other, got, headers, body, whole

const file = async (name, text) => {
  await writeFile(join(meishi.folder, name), text)
  return join(meishi.folder, name)
}
const asLines = fields => Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  const { token } = await meishi.member()
  const made = async () => (await meishi.api(token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created'] })).body
  const webhook = await made()
  secret = webhook.secret
  other = (await made()).secret
  assert.equal((await meishi.api(token, 'POST', `/webhooks/${webhook.id}/ping`)).status, 202)
  got = await until(() => receiver.requests[0])
  headers = await file('headers', asLines(got.headers))
  body = await file('body', got.body)
  whole = await file('whole', `POST /hook HTTP/1.1\r\n${asLines(got.headers)}\r\n${got.body}`)
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

// { code, out, words } with INPUT on stdin.
const verify = (words, input) => new Promise(resolve => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MEISHI')))
  const child = execFile(BINARY, ['webhook', 'verify', ...words], { env }, (error, out, said) => resolve({ code: error?.code ?? 0, out, words: said }))
  child.stdin.on('error', () => {}) // a command that refuses its words does not read
  child.stdin.end(input)
})

test('a genuine request is called so, however it was captured', async () => {
  const json = await file('headers.json', JSON.stringify(got.headers))
  for (const words of [['--headers', headers, '--body', body], ['--headers', json, '--body', body], [whole], [`--tolerance=60`, whole]]) {
    const { code, out, words: said } = await verify(['--secret', secret, ...words])
    assert.equal(code, GENUINE, out + said)
    assert.match(out, /^right  webhook-signature  Made with this secret\.$/m)
    assert.match(out, /This request is genuine: webhook\.ping\.\n$/)
  }
  const piped = await verify(['--secret', secret, '--json', '-'], `${asLines(got.headers)}\r\n${got.body}`)
  assert.equal(piped.code, GENUINE)
  const verdict = JSON.parse(piped.out)
  assert.deepEqual([verdict.genuine, verdict.reason, verdict.type], [true, null, 'webhook.ping'])
  assert.ok(verdict.findings.every(finding => finding.right))
})

test('what is wrong is named', async () => {
  const stale = await file('stale', asLines({ ...got.headers, 'webhook-timestamp': String(got.headers['webhook-timestamp'] - 7300) }))
  const bare = await file('bare', asLines({ ...got.headers, 'webhook-signature': undefined }).replace(/^webhook-signature.*\r\n/m, ''))
  const saved = await file('saved', got.body + '\n')
  const again = await file('again', JSON.stringify(JSON.parse(got.body), null, 2))
  const forged = await file('forged', got.body.replace('webhook.ping', 'lead.created'))
  const plain = await file('plain', asLines(got.headers).replace(/^content-length.*\r\n/m, ''))
  for (const [with_, lines, text, reason, words] of [
    [other, headers, body, 'other-secret', /^WRONG  webhook-signature  It was not made with this secret/m],
    [secret, plain, forged, 'other-secret', /changed by a single byte/],
    [secret, plain, saved, 'body-changed', /^WRONG  body  .*newline was added/m],
    [secret, headers, again, 'body-changed', /^WRONG  body  .*parsed as JSON and written anew/m],
    [secret, stale, body, 'too-old', /^WRONG  webhook-timestamp  It is 2 h 1 min old, and 5 min 0 s is allowed/m],
    [secret, bare, body, 'missing-header', /^WRONG  webhook-signature  This header is missing/m]
  ]) {
    const { code, out } = await verify(['--secret', with_, '--headers', lines, '--body', text])
    assert.equal(code, NOT_GENUINE, out)
    assert.match(out.replace(/^(WRONG  \S+) +/gm, '$1  '), words)
    assert.match(out, /A receiver must refuse this request\.\n$/)
    const json = await verify(['--secret', with_, '--headers', lines, '--body', text, '--json'])
    assert.equal(json.code, NOT_GENUINE)
    assert.equal(JSON.parse(json.out).reason, reason)
  }
})

test('words that make no check are refused with the code that says why', async () => {
  const both = ['--headers', headers, '--body', body]
  for (const [words, code, said] of [
    [[], USAGE, /--secret/],
    [both, USAGE, /--secret/],
    [['--secret', 'msh_abc', ...both], USAGE, /API token/],
    [['--secret', secret, '--public-key', 'whpk_abc', ...both], USAGE, /--public-key/],
    [['--secret', secret], USAGE, /--headers FILE and --body FILE/],
    [['--secret', secret, '--headers', headers], USAGE, /--body/],
    [['--secret', secret, ...both, whole], USAGE, /--body/],
    [['--secret', secret, '--headers', '-', '--body', '-'], USAGE, /standard input/],
    [['--secret', secret, '--tolerance', '5m', ...both], USAGE, /--tolerance/],
    [['--secret', secret, '--tolerance', '-1', ...both], USAGE, /--tolerance/],
    [['--secret', secret, whole, 'more'], USAGE, /more/],
    [['--secret', secret, join(meishi.folder, 'none')], NOINPUT, /none cannot be read/],
    [['--secret', secret, body], DATAERR, /no captured request/]
  ]) {
    const answer = await verify(words)
    assert.equal(answer.code, code, `${words.join(' ')}: ${answer.words}`)
    assert.match(answer.words, said)
    assert.equal(answer.out, '')
  }
})
