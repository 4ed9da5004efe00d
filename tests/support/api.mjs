// Calls of the API for the journeys. The proxy before the server holds each against the contract.
import assert from 'node:assert/strict'
import { contract, seen } from './contract.mjs'
import { until } from './meishi.mjs'
import { refuseBreach } from './proxy.mjs'

// api(token, method, path, body, headers) of a server; a body that is text or bytes goes as it is, all else as JSON.
export const client = meishi => async (token, method, path, body, headers = {}) => {
  const raw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(`${meishi.apiUrl}/api/v1${path}`, {
    method, body: body === undefined || raw ? body : JSON.stringify(body),
    headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers }
  })
  refuseBreach(response.headers)
  const text = await response.text()
  const answer = { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null }
  assert.match(answer.headers.get('link'), /<\/api\/openapi.yaml>; rel="service-desc"/)
  assert.equal(answer.headers.get('x-robots-tag'), 'noindex')
  return answer
}

// The places that a 422 names: pointers, and ?parameters.
export const wrong = answer => {
  assert.equal(answer.status, 422, JSON.stringify(answer.body))
  return answer.body.errors.map(error => error.pointer ?? `?${error.parameter}`).sort()
}

// Each path is answered for by one file of journeys: those named here by the file so called, all others by api.test.mjs.
const HOMES = {
  listeners: ['/listeners', '/listeners/{id}', '/listeners/{id}/deliveries', '/listeners/{id}/deliveries/{delivery}/outcome'],
  access: ['/account', '/tokens', '/tokens/{id}', '/cards/{id}/portrait', '/inbox'],
  bulk: ['/members', '/members/bulk', '/cards/bulk'],
  followups: ['/leads/{id}/follow-ups', '/follow-ups', '/follow-ups/{id}'],
  hooks: ['/webhooks/{id}/rotate', '/webhooks/{id}/enable', '/webhooks/{id}/replay']
}
const homeOf = path => Object.keys(HOMES).find(home => HOMES[home].includes(path)) ?? 'main'
export const pathsOf = home => Object.keys(contract.paths).filter(path => homeOf(path) === home)

// Which statuses of this home's routes nobody was answered, but those that
// api_contract.test.mjs brings about, and RACES.
export function unanswered(home, races = []) {
  const missing = []
  for (const path of pathsOf(home))
    for (const [method, { responses }] of Object.entries(contract.paths[path]))
      for (const status of Object.keys(responses ?? {}))
        if (!['default', '429', '503'].includes(status)) missing.push(`${method.toUpperCase()} ${path} ${status}`)
  return missing.filter(line => !seen.has(line) && !races.includes(line))
}

// What every route does alike: asks for a token with the right scope, refuses what is no address or body, and is not read
// twice. IDS are by the first part of a path; STRANGER is a token with none of these scopes.
export async function matrix(home, api, token, stranger, ids) {
  let tried = 0
  for (const pattern of pathsOf(home)) {
    const path = pattern.replace(/^\/([\w-]+)\/\{id\}/, (all, kind) => `/${kind}/${ids[kind]}`)
    for (const [name, operation] of Object.entries(contract.paths[pattern])) {
      const method = name.toUpperCase(), say = `${method} ${path}`
      if (name === 'parameters') continue
      tried++
      const json = operation.requestBody?.content['application/json'] || method === 'POST'
      const body = json ? {} : undefined
      assert.equal((await api(null, method, path, body)).status, 401, say)
      const lacking = await api(stranger, method, path, body)
      assert.equal(lacking.status, 403, say)
      assert.match(lacking.headers.get('www-authenticate'), new RegExp(`error="insufficient_scope", scope="\\w+:${method === 'GET' ? 'read' : 'write'}"`), say)
      assert.equal((await api(token, method, `${path}?%00`)).status, 400, say)
      assert.ok(wrong(await api(token, method, `${path}?nothing=1`, body)).includes('?nothing'), say)
      if (method === 'GET') {
        await until(async () => { // what is under way, a delivery say, may change between the two
          const first = await api(token, method, path)
          assert.equal(first.status, 200, say)
          const again = await api(token, method, path, undefined, { 'If-None-Match': `"other", W/${first.headers.get('etag')}` })
          return again.status === 304 && again.headers.get('etag') === first.headers.get('etag')
        })
        assert.equal((await api(token, method, path, undefined, { 'If-None-Match': '"other"' })).status, 200, say)
      }
      if (!json) continue
      const max = Number(operation.requestBody?.description?.match(/At most (\d+) [KM]iB/)?.[1] ?? 64) * (/MiB/.test(operation.requestBody?.description) ? 1024 : 1)
      assert.equal((await api(token, method, path, ' '.repeat(max * 1024 + 1))).status, 413, say)
      assert.equal((await api(token, method, path, '{}', { 'Content-Type': 'text/plain' })).status, 415, say)
      if (operation.requestBody) assert.equal((await api(token, method, path, '{"')).status, 400, say)
      if (method !== 'POST') continue
      const key = { 'Idempotency-Key': `matrix ${path}` }
      assert.equal((await api(token, method, path, {}, { 'Idempotency-Key': 'é' })).status, 400, say)
      assert.notEqual((await api(token, method, path, {}, key)).status, 400)
      assert.equal((await api(token, method, path, { another: 'body' }, key)).status, 422, say)
    }
  }
  return tried
}
