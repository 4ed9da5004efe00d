// Members and cards by the list: all or nothing, every row's mistakes at once, and a dry run that tells the truth.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { client, matrix, unanswered, wrong } from '../support/api.mjs'
import { Meishi } from '../support/meishi.mjs'

let meishi, owner, mika, api
const asOwner = (...call) => api(owner.token, ...call)
const count = async () => [(await meishi.json('member', 'list')).length, (await asOwner('GET', '/cards')).body.data.length]

before(async () => {
  meishi = await Meishi.start()
  api = client(meishi)
  owner = await meishi.member()
  mika = await meishi.member('mika', 'Mika Tanaka')
})
after(() => meishi?.stop())

test('members are added by the list and may sign in, after a dry run that said so', async () => {
  const members = [{ handle: 'ann', name: ' Ann\tOkafor ', email: 'Ann@Example.org' }, { handle: 'bo', name: 'Bo Li', role: 'admin' }, { handle: 'cid', name: 'Cid', email: null, role: null }]
  const before = await count()
  const dry = await asOwner('POST', '/members/bulk?dry_run=true', { members })
  assert.equal(dry.status, 200)
  assert.equal(dry.body.dry_run, true)
  assert.deepEqual(await count(), before)
  const made = await asOwner('POST', '/members/bulk', { members })
  assert.equal(made.status, 201)
  assert.deepEqual(made.body.data.map(({ id, sign_in_url, ...rest }) => rest), dry.body.data.map(({ id, sign_in_url, ...rest }) => rest))
  assert.deepEqual(made.body.data.map(one => [one.handle, one.name, one.email, one.role]),
    [['ann', 'Ann Okafor', 'ann@example.org', 'member'], ['bo', 'Bo Li', null, 'admin'], ['cid', 'Cid', null, 'member']])
  for (const { sign_in_url: url } of made.body.data) {
    assert.equal((await meishi.post(new URL(url).pathname, {})).status, 303)
    assert.equal((await meishi.post(new URL(url).pathname, {})).status, 404, 'once')
  }
  const { data } = (await asOwner('GET', '/members?limit=2')).body
  assert.deepEqual(data.map(member => member.handle), ['cid', 'bo'])
  assert.deepEqual(wrong(await asOwner('GET', '/members?limit=0&cursor=x&y=1')), ['?cursor', '?limit', '?y'])
  const walked = []
  for (let cursor = ''; cursor !== null;) {
    const { body } = await asOwner('GET', `/members?limit=2${cursor && `&cursor=${cursor}`}`)
    walked.push(...body.data.map(member => member.handle))
    cursor = body.next_cursor
  }
  assert.deepEqual(walked, ['cid', 'bo', 'ann', 'mika', 'jane'])
})

test('one wrong row keeps all out, and every mistake of every row is named', async () => {
  const before = await count()
  const rows = [
    { handle: 'fine', name: 'Fine' }, { handle: 'A B', name: '', email: 'no', role: 'king' }, 'text', { name: 5, more: 1 }, { handle: 'fine-too', name: 'x'.repeat(121), email: 7, role: [] }, null
  ]
  const pointers = ['/members/1/email', '/members/1/handle', '/members/1/name', '/members/1/role', '/members/2', '/members/3/handle', '/members/3/more', '/members/3/name',
    '/members/4/email', '/members/4/name', '/members/4/role', '/members/5']
  for (const query of ['', '?dry_run=true']) assert.deepEqual(wrong(await asOwner('POST', `/members/bulk${query}`, { members: rows })), pointers)
  const taken = [{ handle: 'new-one', name: 'New' }, { handle: 'mika', name: 'Taken' }, { handle: 'new-one', name: 'Twice' }, { handle: 'other', name: 'Mail', email: 'MIKA@example.org' },
    { handle: 'dup', name: 'Dup', email: 'dup@example.org' }, { handle: 'dup2', name: 'Dup', email: 'Dup@example.org' }]
  for (const query of ['', '?dry_run=true'])
    assert.deepEqual(wrong(await asOwner('POST', `/members/bulk${query}`, { members: taken })), ['/members/1/handle', '/members/2/handle', '/members/3/email', '/members/5/email'])
  const many = await asOwner('POST', '/members/bulk', { members: Array.from({ length: 500 }, () => ({})) })
  assert.equal(wrong(many).length, 1000, 'however many there are')
  assert.deepEqual(wrong(await asOwner('POST', '/members/bulk', { members: Array.from({ length: 501 }, () => ({})) })), ['/members'])
  for (const members of [[], {}, 'x', null, undefined]) assert.deepEqual(wrong(await asOwner('POST', '/members/bulk?dry_run=yes&x=1', { members, more: 1 })), ['/members', '/more', '?dry_run', '?x'])
  assert.deepEqual(await count(), before)
})

test('only owners and admins add and list members, and nobody gives more than their own role', async () => {
  for (const [method, path, body] of [['POST', '/members/bulk', { members: [{ handle: 'x1', name: 'X' }] }], ['GET', '/members']]) {
    const answer = await api(mika.token, method, path, body)
    assert.equal(answer.status, 403)
    assert.match(answer.body.detail, /owner or an admin/)
    assert.equal(answer.headers.get('www-authenticate'), null, 'no scope would help')
  }
  const admin = await meishi.json('token', 'add', '--member', 'bo')
  assert.deepEqual(wrong(await api(admin.token, 'POST', '/members/bulk', { members: [{ handle: 'x1', name: 'X', role: 'admin' }, { handle: 'x2', name: 'X', role: 'owner' }] })), ['/members/1/role'])
  assert.equal((await api(admin.token, 'POST', '/members/bulk', { members: [{ handle: 'x1', name: 'X', role: 'admin' }] })).status, 201)
})

test('cards are made by the list, one\'s own and, by an admin, those of others', async () => {
  const before = await count()
  const cards = [{ name: 'Jane Two' }, { name: 'Mika Two', member: 'mika', emails: [{ label: 'work', address: 'm@example.org' }] }, { name: 'Named', handle: 'named', member: 'jane' }]
  const dry = await asOwner('POST', '/cards/bulk?dry_run=true', { cards })
  assert.deepEqual([dry.status, dry.body.data.map(card => card.handle)], [200, ['jane-2', 'mika-2', 'named']])
  assert.deepEqual(await count(), before)
  assert.equal((await meishi.open('/@named')).status, 404)
  const made = await asOwner('POST', '/cards/bulk', { cards })
  assert.equal(made.status, 201)
  assert.deepEqual(made.body.data.map(({ handle, url, name }) => ({ handle, url, name })), dry.body.data)
  for (const card of made.body.data) assert.equal((await meishi.open(`/@${card.handle}`)).status, 200)
  assert.equal((await api(mika.token, 'GET', `/cards/${made.body.data[1].id}`)).body.emails.length, 1)
  assert.equal((await asOwner('GET', `/cards/${made.body.data[1].id}`)).status, 404, 'it is hers')

  assert.deepEqual(wrong(await asOwner('POST', '/cards/bulk', { cards: [{ name: 'A', member: 'nobody' }, { name: '', member: 5 }, 7, { name: 'B', emails: [{ address: 'no' }], handle: 'admin', more: 1 }] })),
    ['/cards/0/member', '/cards/1/member', '/cards/1/name', '/cards/2', '/cards/3/emails/0/address', '/cards/3/handle', '/cards/3/more'].sort())
  assert.deepEqual(wrong(await asOwner('POST', '/cards/bulk', { cards: [{ name: 'A', handle: 'named' }, { name: 'B', handle: 'brand-new' }, { name: 'C', handle: 'brand-new' }, { name: 'D', emails: [] }] })),
    ['/cards/0/handle', '/cards/2/handle'])
  assert.equal((await meishi.open('/@brand-new')).status, 404)
  assert.deepEqual(wrong(await api(mika.token, 'POST', '/cards/bulk', { cards: [{ name: 'A', member: 'jane' }, { name: 'B', member: 'mika' }] })), ['/cards/0/member'])
  assert.equal((await api(mika.token, 'POST', '/cards/bulk', { cards: [{ name: 'B', member: 'mika' }, { name: 'C' }] })).status, 201)
})

test('five hundred at once, once for each Idempotency-Key, and a dry run is another request', async () => {
  const members = Array.from({ length: 500 }, (_, i) => ({ handle: `m-${i}`, name: `Member ${i}`, email: `m${i}@example.org` }))
  const key = { 'Idempotency-Key': 'five hundred' }
  const made = await asOwner('POST', '/members/bulk', { members }, key)
  assert.equal(made.status, 201)
  const again = await asOwner('POST', '/members/bulk', { members }, key)
  assert.deepEqual([again.status, again.headers.get('idempotent-replayed'), again.body], [201, 'true', made.body])
  assert.equal((await asOwner('POST', '/members/bulk?dry_run=true', { members }, key)).status, 422)
  const cards = members.map(({ handle, name }) => ({ member: handle, name, note: 'x'.repeat(500) }))
  const all = await asOwner('POST', '/cards/bulk', { cards }, key)
  assert.equal(all.status, 422, 'the key is used up')
  const done = await asOwner('POST', '/cards/bulk', { cards })
  assert.deepEqual(done.body.data.map(card => card.handle), members.map(member => member.handle))
})

test('members are imported from a spreadsheet\'s table, all or none', async () => {
  const file = `${meishi.folder}/team.csv`
  const run = (table, ...words) => {
    writeFileSync(file, table)
    return meishi.command('member', 'import', ...words, file)
  }
  const before = await count()
  const table = '\ufeffName,Handle,Email,Role\r\n"Okafor, Ann",table-ann,table-ann@example.org,\r\nBo Li,table-bo,,admin\r\n'
  const dry = await run(table, '--dry-run')
  assert.deepEqual([dry.code, dry.words], [0, '2 would be added; nobody was.\n'])
  assert.deepEqual(await count(), before)
  writeFileSync(file, table)
  const made = await meishi.json('member', 'import', file)
  assert.deepEqual(made.map(one => [one.handle, one.name, one.email, one.role]), [['table-ann', 'Okafor, Ann', 'table-ann@example.org', 'member'], ['table-bo', 'Bo Li', null, 'admin']])
  assert.equal((await meishi.post(new URL(made[0].sign_in_url).pathname, {})).status, 303)
  for (const [bad, said] of [['handle\nx', /must be among/], ['handle,name,phone\nx,X,1', /"phone"/], ['handle,name,handle\n', /twice/], ['handle,name\n', /nobody/], ['', /must be among/],
    ['handle,name,email,role\nA B,,no,king\nfine-one,Fine\n', /line 2: handle[^]*line 2: name[^]*line 2: email[^]*line 2: role/], ['handle,name\n"open,X', /line 2/],
    ['handle,name\nmika,Taken\nbrand-new,New\n', /line 2: handle: "mika" is taken.\nNobody was added/]]) {
    const { code, words, out } = await run(bad)
    assert.deepEqual([code, out], [65, ''], bad)
    assert.match(words, said)
  }
  assert.deepEqual((await count())[0], before[0] + 2)
})

test('every route here asks for a token of its scope and answers every status in the contract', async () => {
  const stranger = await asOwner('POST', '/tokens', { name: 'x', scopes: ['metrics:read'] })
  assert.equal(await matrix('bulk', api, owner.token, stranger.body.token, {}), 3)
  assert.deepEqual(unanswered('bulk', ['POST /members/bulk 409', 'POST /cards/bulk 409']), [])
})
