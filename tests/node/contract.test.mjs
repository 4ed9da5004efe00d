// The judge of the API sees what is wrong: each lie of a false server, and each request that was wrongly taken, is told by its words.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { contract, faults, resolve, seen } from '../support/contract.mjs'
import { ContractProxy } from '../support/proxy.mjs'

const JSON_TYPE = { 'Content-Type': 'application/json' }
const card = contract.components.examples.Card.value
const problem = (status, errors) => ({ type: 'about:blank', title: 'x', status, detail: 'x', instance: '/', ...(errors && { errors }) })
let server, proxy, next

before(async () => {
  server = createServer((request, response) => {
    const { status, headers, body } = next
    request.resume().on('end', () => response.writeHead(status, headers).end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)))
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  proxy = await ContractProxy.start(() => `http://127.0.0.1:${server.address().port}`)
})
after(() => {
  proxy.stop()
  server.close()
  seen.clear() // a false server exercises nothing
})

// What the proxy says when METHOD PATH is answered so.
async function told(method, path, status, headers, body, asked) {
  next = { status, headers, body }
  const response = await fetch(`${proxy.url}/api/v1${path}`, { method, ...(asked === undefined ? {} : { headers: JSON_TYPE, body: typeof asked === 'string' ? asked : JSON.stringify(asked) }) })
  const words = response.headers.get('x-contract-breach')
  assert.equal(response.status, words ? 500 : status)
  return words && decodeURIComponent(words)
}
const ID = card.id
const TYPED = { 'Content-Type': 'application/problem+json' }

test('what is as in the contract passes as it is', async () => {
  assert.equal(await told('GET', `/cards/${ID}`, 200, JSON_TYPE, card), null)
  assert.equal(await told('POST', '/cards', 422, TYPED, problem(422, [{ pointer: '/name', detail: 'x' }]), {}), null)
  assert.equal(await told('GET', '/nothing', 404, TYPED, problem(404)), null)
  assert.equal(await told('PUT', '/cards', 405, { ...TYPED, Allow: 'GET, POST' }, problem(405)), null)
  assert.deepEqual(proxy.breaches, [])
  assert.ok(seen.has('GET /cards/{id} 200'))
})

for (const [what, call, words] of [
  ['a member that is not described', ['GET', `/cards/${ID}`, 200, JSON_TYPE, { ...card, more: 1 }], /additional properties/],
  ['a member that is missing', ['GET', `/cards/${ID}`, 200, JSON_TYPE, { ...card, handle: undefined }], /required property 'handle'/],
  ['a time that is none', ['GET', `/cards/${ID}`, 200, JSON_TYPE, { ...card, updated_at: 'yesterday' }], /date-time/],
  ['a status that is not listed', ['GET', `/cards/${ID}`, 202, JSON_TYPE, card], /answers 202/],
  ['another content type', ['GET', `/cards/${ID}`, 200, { 'Content-Type': 'text/plain' }, card], /is text\/plain/],
  ['what is not JSON', ['GET', `/cards/${ID}`, 200, JSON_TYPE, '<html>'], /not JSON/],
  ['a header that is required and missing', ['POST', '/cards', 201, JSON_TYPE, card, { name: 'x' }], /Location: null/],
  ['a header of another type', ['GET', '/cards', 503, { ...TYPED, 'Retry-After': 'soon' }, problem(503)], /Retry-After: soon/],
  ['a body where there is none', ['DELETE', `/cards/${ID}`, 200, JSON_TYPE, {}], /answers 200/],
  ['a problem that tells another status', ['GET', '/cards', 401, { ...TYPED, 'WWW-Authenticate': 'Bearer' }, problem(400)], /says it is 400/],
  ['a route outside the contract', ['GET', '/secrets', 200, JSON_TYPE, {}], /not in the contract/],
  ['a 405 without Allow', ['PUT', '/cards', 405, TYPED, problem(405)], /lacks Allow/],
  ['a wrong member that was taken', ['POST', '/cards', 201, { ...JSON_TYPE, Location: '/x' }, card, { name: 5 }], /taken \(201\) with \/name wrong/],
  ['a wrong parameter that was taken', ['GET', '/leads?limit=0', 200, JSON_TYPE, { data: [], next_cursor: null }], /\?limit wrong/],
  ['a member given twice that was taken', ['POST', '/cards', 201, { ...JSON_TYPE, Location: '/x' }, card, '{"name":"a","name":"b"}'], /body wrong/],
  ['a pointer to nowhere', ['POST', '/cards', 422, TYPED, problem(422, [{ pointer: '/emails/3/address', detail: 'x' }]), { name: 'x' }], /leads nowhere/],
  ['a parameter that was not sent', ['GET', '/leads', 422, TYPED, problem(422, [{ parameter: 'limit', detail: 'x' }])], /was not sent/]
])
  test(`the proxy tells of ${what}`, async () => assert.match(await told(...call) ?? '', words))

test('faults of a request are named where they are', () => {
  const ask = body => faults('POST', '/cards', { 'content-type': 'application/json' }, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
  assert.deepEqual(ask({ name: 'A' }), [])
  assert.deepEqual(ask({}), ['/name'])
  assert.deepEqual(ask({ name: 'A', 'a/b~': 1, emails: [{ address: 7 }] }).sort(), ['/a~1b~0', '/emails/0/address'])
  for (const body of ['', '[]', '{}{}', '{"name":"\\ud800"}', '{"a":{"x":1,"x":2}}', '{"a":1,"\\u0061":2}']) assert.deepEqual(ask(body), ['body'], body)
  assert.deepEqual(ask('{"name":"a","note":"{\\"name\\":1,\\"name\\":2}"}'), [])
  assert.equal(resolve({ $ref: '#/components/schemas/Theme' }), contract.components.schemas.Theme)
})
