// Every command, on a store that no server has, and beside a server through its control socket: what goes to stdout, what to
// stderr, and the exit codes of <sysexits.h>.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Store, ofSqlite, onPostgres } from '../support/engine.mjs'
import { BINARY, Meishi } from '../support/meishi.mjs'

const OK = 0, USAGE = 64, DATAERR = 65, NOINPUT = 66, NOUSER = 67, UNAVAILABLE = 69, CANTCREAT = 73, TEMPFAIL = 75, CONFIG = 78
let folder, beside
const stores = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meishi-cli-'))
  beside = await Meishi.start()
})
after(async () => {
  await beside?.stop()
  for (const store of stores) await store.drop()
  await rm(folder, { recursive: true, force: true })
})

const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MEISHI')))

// { code, out, words }: SETTINGS over a clean environment, INPUT on stdin.
function run(words, settings = {}, input) {
  return new Promise(resolve => {
    const child = execFile(BINARY, words, { env: { ...clean, ...settings }, encoding: 'utf8' }, (error, out, words_) =>
      resolve({ code: error ? error.code : OK, out, words: words_.replace(/^\S+ level=info .*\n/gm, '') }))
    child.stdin.end(input)
  })
}
async function newStore() {
  stores.push(await Store.make(folder, `store${stores.length}`))
  return stores.at(-1).settings
}

// The same steps with and without a server.
for (const where of ['on a free store', 'beside a server']) {
  test(`members, tokens and cards ${where}`, async () => {
    const settings = where === 'on a free store' ? await newStore() : beside.env
    const meishi = (...words) => run(words, settings)
    const json = async (...words) => {
      const { code, out, words: said } = await meishi(...words, '--json')
      assert.equal(code, OK, said)
      return JSON.parse(out)
    }

    const jane = await json('member', 'add', '--handle', 'jane', '--name', 'Jane Doe', '--email', 'Jane@Example.org')
    assert.deepEqual(Object.keys(jane).sort(), ['handle', 'id', 'sign_in_url'])
    assert.match(jane.id, /^mem_[0-9A-Z]{13}$/)
    assert.match(jane.sign_in_url, /^http:\/\/127\.0\.0\.1:\d+\/sign-in\/\w+$/)
    const plain = await meishi('member', 'add', '--handle=nora', '--name=Nora', '--role=admin')
    assert.equal(plain.code, OK)
    assert.match(plain.out, /^Nora is a member now.*\nhttp\S+\/sign-in\/\w+\n$/)
    assert.equal(plain.words, '')

    const list = await json('member', 'list')
    assert.deepEqual(list.map(member => [member.handle, member.role, member.email]), [['jane', 'owner', 'jane@example.org'], ['nora', 'admin', null]])
    assert.match((await meishi('member', 'list')).out, /^jane +owner +Jane Doe\nnora +admin +Nora\n$/)
    assert.notEqual((await json('member', 'link', '--handle', 'jane')).sign_in_url, jane.sign_in_url)
    assert.match((await meishi('member', 'link', '--handle', 'jane')).out, /^http\S+\n$/)

    for (const [words, code, said] of [
      [['member', 'add', '--handle', 'jane', '--name', 'Other'], DATAERR, /already/],
      [['member', 'add', '--handle', 'other', '--name', 'Other', '--email', 'JANE@example.org'], DATAERR, /already/],
      [['member', 'add', '--handle', 'Jane', '--name', 'X'], USAGE, /--handle/],
      [['member', 'add', '--handle', 'admin', '--name', 'X'], USAGE, /--handle/],
      [['member', 'add', '--name', 'X'], USAGE, /--handle/],
      [['member', 'add', '--handle', 'xx'], USAGE, /--name/],
      [['member', 'add', '--handle', 'xx', '--name', ' \t '], USAGE, /--name/],
      [['member', 'add', '--handle', 'xx', '--name', 'x'.repeat(121)], USAGE, /--name/],
      [['member', 'add', '--handle', 'xx', '--name', 'X', '--email', 'nonsense'], USAGE, /--email/],
      [['member', 'add', '--handle', 'xx', '--name', 'X', '--role', 'king'], USAGE, /--role/],
      [['member', 'add', '--handle', 'xx', '--name', 'X', 'extra'], USAGE, /extra/],
      [['member', 'list', '--all'], USAGE, /--all/],
      [['member', 'link', '--handle', 'nobody'], NOUSER, /nobody/],
      [['member', 'link'], USAGE, /handle/],
      [['member', 'disable', '--handle', 'nobody'], NOUSER, /nobody/],
      [['member', 'change', '--handle', 'nobody', '--name', 'X'], NOUSER, /nobody/],
      [['member', 'change', '--handle', 'jane'], USAGE, /--name.*--email/],
      [['member', 'change', '--handle', 'jane', '--name', ' '], USAGE, /--name/],
      [['member', 'change', '--handle', 'jane', '--email', 'nonsense'], USAGE, /--email/],
      [['token', 'add', '--member', 'nobody'], NOUSER, /nobody/],
      [['token', 'add', '--member', 'jane', '--name', 'x'.repeat(41)], USAGE, /--name/],
      [['token', 'list'], USAGE, /handle/],
      [['token', 'revoke', '--member', 'jane'], USAGE, /--id/],
      [['token', 'revoke', '--member', 'jane', '--id', 'nonsense'], USAGE, /--id/],
      [['token', 'revoke', '--member', 'jane', '--id', 'tok_0000000000001'], DATAERR, /not found/],
      [['card', 'export', '--member', 'nobody'], NOUSER, /nobody/],
      [['card', 'export', '--member', 'jane', '--handle', 'none'], DATAERR, /none/],
      [['card', 'import', '--member', 'jane'], USAGE, /usage/],
      [['card', 'import', '--member', 'jane', join(folder, 'none.json')], NOINPUT, /none.json/]
    ]) {
      const answer = await meishi(...words)
      assert.equal(answer.code, code, words.join(' '))
      assert.match(answer.words, said)
      assert.equal(answer.out, '', 'nothing on stdout')
      assert.equal((await meishi(...words, '--json')).out, '')
    }

    const token = await json('token', 'add', '--member', 'jane', '--name', 'CRM')
    assert.match(token.token, /^msh_[\w-]{43}$/)
    const shown = await meishi('token', 'add', '--member', 'jane', '--read-only')
    assert.match(shown.out, /^msh_[\w-]{43}\n$/)
    assert.match(shown.words, /Keep this token/)
    const tokens = await json('token', 'list', '--member', 'jane')
    assert.deepEqual(tokens.map(one => [one.name, one.scopes]).sort(), [['CRM', 'read write'], ['made by the operator', 'read']])
    assert.ok(!JSON.stringify(tokens).includes('msh_'))
    assert.deepEqual(await json('token', 'revoke', '--member', 'jane', '--id', token.id), { id: token.id, revoked: true })
    assert.equal((await meishi('token', 'revoke', '--member', 'nora', '--id', token.id)).code, DATAERR, "another member's")
    assert.match((await meishi('token', 'list', '--member', 'jane')).out, new RegExp(`${token.id} .*CRM \\(revoked\\)`))

    const card = { name: 'Jané Doe', title: 'Roofer', note: 'Two\nlines', phones: [{ label: 'mobile', number: '+49 40 5550 172' }],
      emails: [{ address: 'jane@example.org' }], links: [{ url: 'https://example.org/' }], addresses: [{ city: 'Kiel' }], accent: 'pine', theme: 'dark' }
    await writeFile(join(folder, 'card.json'), JSON.stringify(card))
    const made = await json('card', 'import', '--member', 'jane', '--handle', 'roofs', join(folder, 'card.json'))
    assert.equal(made.handle, 'roofs')
    assert.match(made.url, /\/@roofs$/)
    const exported = await json('card', 'export', '--member', 'jane', '--handle', 'roofs')
    assert.deepEqual(exported, card)
    const again = await run(['card', 'import', '--member', 'jane', '-', '--json'], settings, JSON.stringify(exported))
    assert.equal(again.code, OK, again.words)
    const all = await json('card', 'export', '--member', 'jane')
    assert.deepEqual(all, [card, card])
    assert.match((await run(['card', 'import', '--member', 'nora', '-'], settings, JSON.stringify(card))).out, /^http\S+\/@nora\n$/)
    for (const [input, said] of [['{', /not JSON/], ['[]', /object/], ['{"name":5,"more":1}', /name: This must be text.\nmore: /], ['{"name":"a","name":"b"}', /not JSON/],
      ['{"name":"\xff"}', /UTF-8/], ['\0', /cannot be read/]]) {
      const answer = await run(['card', 'import', '--member', 'jane', '-'], settings, Buffer.from(input, 'latin1'))
      assert.equal(answer.code, input === '\0' ? NOINPUT : DATAERR, input)
      assert.match(answer.words, said)
      assert.equal(answer.out, '')
    }
    assert.equal((await run(['card', 'import', '--member', 'jane', '--handle', 'roofs', '-'], settings, JSON.stringify(card))).code, DATAERR, 'the handle is taken')
    assert.equal((await run(['card', 'import', '--member', 'jane', '--handle', 'No Handle', '-'], settings, JSON.stringify(card))).code, USAGE)

    assert.deepEqual(await json('migrate'), { current: true })
    const rejudged = await json('rejudge')
    assert.deepEqual(Object.keys(rejudged).sort(), ['changed', 'looked_at'])
    assert.match((await meishi('rejudge')).out, /hits looked at/)
    assert.deepEqual(await json('forget', '--months', '13'), { kept_months: 13 })
    for (const months of ['0', '-1', 'x', '13x']) assert.equal((await meishi('forget', '--months', months)).code, 64)

    assert.deepEqual(await json('member', 'change', '--handle', 'nora', '--name', 'Nora Lind'), { handle: 'nora', changed: true })
    assert.match((await meishi('member', 'change', '--handle', 'nora', '--email', 'Nora@Lind.example')).words, /nora is changed/)
    assert.equal((await meishi('member', 'change', '--handle', 'nora', '--email', 'jane@example.org')).code, DATAERR)
    const nora = (await json('member', 'list')).find(one => one.handle === 'nora')
    assert.deepEqual([nora.name, nora.email], ['Nora Lind', 'nora@lind.example'])
    assert.deepEqual(await json('member', 'disable', '--handle', 'nora'), { handle: 'nora', disabled: true })
    assert.equal((await meishi('member', 'disable', '--handle', 'nora')).code, OK, 'twice is fine')
    assert.match((await meishi('member', 'list')).out, /nora .*\(disabled\)/)

    const demo = await json('demo')
    assert.match(demo.url, /\/@mika$/)
    const twice = await meishi('demo')
    assert.equal(twice.code, DATAERR)

    const doctor = await json('doctor')
    assert.equal(doctor.ok, true, JSON.stringify(doctor))
    assert.ok(doctor.checks.some(check => check.check === 'store' && check.ok))
    assert.match((await meishi('doctor')).out, /^ok +store +The store is sound\.$/m)
  })

  test(`a backup is written once and restored, ${where}`, async () => {
    const own = where === 'on a free store' ? await newStore() : beside.env
    await run(['member', 'add', '--handle', 'saved', '--name', 'Saved'], own)
    const name = where.replaceAll(' ', '-'), file = join(folder, `backup-${name}`)
    const wrote = await run(['backup', file], own)
    assert.equal(wrote.code, OK, wrote.words)
    assert.equal(wrote.out, '')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal((await run(['backup', file], own)).code, CANTCREAT)
    const relative = await new Promise(resolve => {
      const child = spawn(BINARY.startsWith('/') ? BINARY : join(process.cwd(), BINARY), ['backup', `relative-${name}`, '--json'], { cwd: folder, env: { ...clean, ...own } })
      let out = ''
      child.stdout.on('data', data => { out += data })
      child.on('exit', code => resolve({ code, out }))
    })
    assert.equal(relative.code, OK)
    assert.equal(JSON.parse(relative.out).file, join(folder, `relative-${name}`), 'a name is of the folder it was typed in')
    assert.ok(existsSync(JSON.parse(relative.out).file))
    assert.equal((await run(['backup'], own)).code, USAGE)

    if (where === 'beside a server') {
      assert.equal((await run(['restore', file], own)).code, TEMPFAIL, 'not under a running server')
      return
    }
    await run(['member', 'add', '--handle', 'later', '--name', 'Later'], own)
    assert.equal((await run(['restore', join(folder, 'none')], own)).code, NOINPUT)
    await writeFile(join(folder, 'nonsense'), 'no store at all')
    assert.equal((await run(['restore', join(folder, 'nonsense')], own)).code, DATAERR)
    assert.equal(JSON.parse((await run(['member', 'list', '--json'], own)).out).length, 2, 'what was there is untouched')
    const back = await run(['restore', file, '--json'], own)
    assert.equal(back.code, OK, back.words)
    assert.equal(JSON.parse(back.out).file, file)
    assert.match(JSON.parse(back.out).kept, /before/)
    assert.deepEqual(JSON.parse((await run(['member', 'list', '--json'], own)).out).map(member => member.handle), ['saved'])
  })
}

test('what a command does beside a server is seen at once', async () => {
  const { token } = await beside.json('token', 'add', '--member', 'jane')
  assert.equal((await beside.api(token, 'GET', '/cards')).status, 200)
  assert.equal((await beside.open('/@roofs')).status, 200)
  const { code, out } = await beside.command('member', 'link', '--handle', 'jane')
  assert.equal(code, OK)
  assert.ok(out.startsWith(beside.url), 'links are made of the address that the server has')
})

test('only one server has a store, and the control socket is its own user’s', { skip: ofSqlite('a database has any number of servers') }, async () => {
  const { code, words } = await run(['serve'], { ...beside.env, MEISHI_LISTEN: '127.0.0.1:0' })
  assert.equal(code, TEMPFAIL, words)
  const store = beside.env.MEISHI_STORE.replace('sqlite:', '')
  const socket = readdirSync(store).find(name => name.endsWith('.sock'))
  assert.equal(statSync(join(store, socket)).mode & 0o077, 0)
})

test('settings: unknown ones are refused, flags win, secrets are hidden', async () => {
  for (const words of [['config'], ['member', 'list'], ['serve'], ['doctor']]) {
    const answer = await run(words, { MEISHI_LISTN: 'x' })
    assert.equal(answer.code, CONFIG)
    assert.match(answer.words, /MEISHI_LISTN/)
    assert.equal(answer.out, '')
  }
  const secret = { MEISHI_SMTP_URL: 'smtps://me:p@ss/w%rd@mail.example.org', MEISHI_MAIL_FROM: 'me@example.org',
    MEISHI_STORE: 'postgres://meishi:hunter2@db/meishi?sslmode=require&password=hunter3&x=1' }
  for (const words of [['config'], ['config', '--json']]) {
    const { code, out } = await run(words, secret)
    assert.equal(code, OK)
    for (const hidden of ['p@ss', 'ss/w', 'hunter']) assert.ok(!out.includes(hidden), out)
    assert.match(out, /smtps:\/\/me:\*\*\*@mail\.example\.org/)
    assert.match(out, /sslmode=require&password=\*\*\*&x=1/)
  }
  const config = JSON.parse((await run(['config', '--json', '--listen', '127.0.0.1:9', '--url=https://cards.example.org/'], { MEISHI_LISTEN: '127.0.0.1:8', MEISHI_KEY_FILE: '' })).out)
  assert.equal(config.MEISHI_LISTEN, '127.0.0.1:9')
  assert.equal(config.MEISHI_URL, 'https://cards.example.org')
  assert.match(config.MEISHI_KEY_FILE, /\/meishi\.key$/, 'empty is not set')
  const beside = await run(['config', '--store', 'sqlite:/var/lib/meishi'])
  assert.match(beside.out, /^MEISHI_URL +http:\/\/127\.0\.0\.1:8080$/m)
  assert.match(beside.out, /^MEISHI_KEY_FILE +\/var\/lib\/meishi\/meishi\.key$/m)
  assert.equal(Object.keys(config).length, 14)
  for (const [settings, words, said] of [
    [{ MEISHI_URL: 'ftp://x' }, ['config'], /MEISHI_URL/], [{ MEISHI_URL: 'https://x/path' }, ['config'], /MEISHI_URL/],
    [{ MEISHI_SEND_WEBHOOKS: 'no' }, ['config'], /MEISHI_SEND_WEBHOOKS/],
    [{ MEISHI_KEEP_HITS_MONTHS: '1y' }, ['config'], /MEISHI_KEEP_HITS_MONTHS/], [{}, ['config', '--keep-hits-months', '0'], /MEISHI_KEEP_HITS_MONTHS/],
    [{ MEISHI_TRUSTED_PROXIES: '10.0.0.0/99' }, ['config'], /MEISHI_TRUSTED_PROXIES/], [{ MEISHI_SMTP_URL: 'smtp://x' }, ['config'], /MEISHI_MAIL_FROM/],
    [{}, ['config', '--listen'], /--listen/], [{ ...await newStore(), MEISHI_LISTEN: 'nonsense' }, ['serve'], /MEISHI_LISTEN/],
    [{ ...await newStore(), MEISHI_LISTEN: '127.0.0.1:0', MEISHI_WEBHOOK_ALLOW: 'nonsense' }, ['serve'], /MEISHI_WEBHOOK_ALLOW/]
  ]) {
    const answer = await run(words, settings)
    assert.equal(answer.code, CONFIG, `${words} ${JSON.stringify(settings)}: ${answer.words}`)
    assert.match(answer.words, said)
    assert.equal(answer.out, '')
  }
  assert.equal((await run(['config', 'extra'])).code, USAGE)
  assert.equal((await run(['config', 'extra'])).out, '')
})

const COMMANDS = ['serve', 'worker', 'migrate', 'config', 'doctor', 'key accept', 'member add', 'member import', 'member list', 'member link', 'member change', 'member disable', 'token add', 'token list',
  'token revoke', 'listen', 'webhook verify', 'card import', 'card export', 'backup', 'restore', 'copy', 'rejudge', 'forget', 'demo']

test('--help and --version answer everywhere, whatever the settings', async () => {
  const settings = { MEISHI_NONSENSE: '1' }
  const all = await run(['--help'], settings)
  assert.equal(all.code, OK)
  assert.equal(all.words, '')
  for (const command of COMMANDS) assert.match(all.out, new RegExp(`^  ${command} `, 'm'))
  for (const name of Object.keys(JSON.parse((await run(['config', '--json'])).out))) // every setting there is
    assert.ok(all.out.split(/\s+/).includes(name.replace('MEISHI_', '--').toLowerCase().replaceAll('_', '-')), name)
  assert.equal((await run([])).out, all.out)
  const listed = JSON.parse((await run(['--help', '--json'], settings)).out)
  assert.deepEqual(listed.map(one => one.command).filter(name => !COMMANDS.includes(name)), [])
  for (const command of COMMANDS) {
    for (const flag of ['--help', '-h']) {
      const { code, out, words } = await run([...command.split(' '), flag], settings)
      assert.equal(code, OK)
      assert.match(out, new RegExp(`^usage: meishi ${command}`))
      assert.equal(words, '')
    }
    assert.equal(JSON.parse((await run([...command.split(' '), '--help', '--json'])).out).command, command)
    assert.match((await run([...command.split(' '), '--version'], settings)).out, /^meishi \d+\.\d+\.\d+\n$/)
  }
  assert.match(JSON.parse((await run(['--version', '--json'])).out).version, /^\d+\.\d+\.\d+$/)
  const group = await run(['member', '--help'])
  assert.equal(group.code, OK)
  assert.match(group.out, /member add/)
  assert.doesNotMatch(group.out, /token add/)
})

test('words that are no command are told so on stderr', async () => {
  for (const words of [['nonsense'], ['member'], ['member', 'nonsense'], ['members', 'list'], ['nonsense', '--help'], ['serve', 'extra'], ['x'.repeat(5000)], ['']]) {
    const { code, out, words: said } = await run(words, await newStore())
    assert.equal(code, USAGE, words.join(' '))
    assert.equal(out, '')
    assert.match(said, /meishi: /)
  }
  const latin = await new Promise(resolve => execFile('/bin/sh', ['-c', `exec "$0" member add --handle xx --name "$(printf 'a\\377')"`, BINARY], (error, out, words) =>
    resolve({ code: error?.code, out, words })))
  assert.equal(latin.code, USAGE)
  assert.match(latin.words, /UTF-8/)
})

test('a worker needs a server, or a store that it can share and the address of links, and a folder that cannot be made is said', async () => {
  const worker = await run(['worker'], await newStore())
  assert.equal(worker.code, onPostgres ? CONFIG : UNAVAILABLE)
  assert.match(worker.words, onPostgres ? /MEISHI_URL/ : /No server/)
  const { code, words } = await run(['member', 'list'], { MEISHI_STORE: 'sqlite:/proc/none/store' })
  assert.equal(code, UNAVAILABLE)
  assert.match(words, /\/proc\/none\/store/)
})

test('doctor changes nothing, and says what to do about what is wrong', async () => {
  const settings = await newStore(), [store] = stores.slice(-1), key = settings.MEISHI_KEY_FILE ?? join(store.folder, 'meishi.key')
  assert.equal((await run(['doctor'], settings)).code, OK)
  assert.ok(!existsSync(key) && !existsSync(store.folder))
  await run(['member', 'add', '--handle', 'jane', '--name', 'Jane'], settings)
  const before = Object.keys(await store.written())
  await rm(key)
  const lost = await run(['doctor'], settings)
  assert.equal(lost.code, CONFIG)
  assert.match(lost.out, /WRONG key .*put back/)
  assert.ok(!existsSync(key), 'another key would not open what the lost one sealed')
  assert.deepEqual(before.filter(name => name !== 'meishi.key').sort(), Object.keys(await store.written()).sort())
  const refused = await run(['member', 'list'], settings)
  assert.equal(refused.code, UNAVAILABLE)
  assert.match(refused.words, /\.key is missing.*Put it back.*head -c 32/)
  assert.ok(!existsSync(key))
})
