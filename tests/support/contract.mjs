// The API's contract as a judge: what is asked and answered must be described in assets/openapi.yaml, to the last member.
// proxy.mjs stands between client and server and asks it. What was exercised is kept in seen and, at the end of the process,
// written to the folder CONTRACT_SEEN, where tests/node/openapi_seen.test.mjs looks for what nobody has exercised.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'

export const contract = parse(readFileSync('assets/openapi.yaml', 'utf8'))

// A copy in which no object may hold members that are not described: a client may be told more one day, a test may not.
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed)
  if (schema === null || typeof schema !== 'object') return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]))
  if (copy.properties && copy.additionalProperties === undefined) copy.additionalProperties = false
  return copy
}

const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true })
addFormats.default(ajv)
const rebased = schema => JSON.parse(JSON.stringify(closed(schema)).replaceAll('"#/components/schemas/', '"contract#/$defs/'))
ajv.addSchema({ $id: 'contract', $defs: rebased(contract.components.schemas) })
export const validator = schema => ajv.compile(rebased(schema))

const compiled = new Map()
const valid = schema => {
  if (!compiled.has(schema)) compiled.set(schema, validator(schema))
  return compiled.get(schema)
}

// "#/components/responses/Card" and so on.
export function resolve(thing) {
  if (!thing?.$ref) return thing
  return thing.$ref.slice(2).split('/').reduce((at, name) => at[name], contract)
}

// Every operation with its parameters, those of its path included, resolved.
export const operations = Object.entries(contract.paths).flatMap(([path, item]) => Object.entries(item)
  .filter(([name]) => name !== 'parameters').map(([name, operation]) => ({
    path, method: name.toUpperCase(), operation, parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve)
  })))

// The paths as patterns, those with more fixed words first. A name in a path has no dot.
const patterns = Object.keys(contract.paths).sort((a, b) => a.split('{').length - b.split('{').length)
  .map(path => ({ path, regexp: new RegExp(`^${path.replace(/\{[^}]*\}/g, '([^/.]+)')}$`) }))
const routeOf = path => patterns.find(({ regexp }) => regexp.test(path))
const operationOf = (method, route) => route && operations.find(it => it.path === route.path && it.method === (method === 'HEAD' ? 'GET' : method))

export const seen = new Set() // "GET /cards/{id} 200": what was answered and found true
export const listed = operations.flatMap(({ method, path, operation }) => Object.keys(operation.responses).map(status => `${method} ${path} ${status}`))
if (process.env.CONTRACT_SEEN) process.on('exit', () => writeFileSync(join(process.env.CONTRACT_SEEN, `${process.pid}`), [...seen].join('\n')))

// A parameter as its schema's type, or the text that it is.
function coerced(text, schema) {
  const { type } = schema.$ref ? resolve(schema) : schema
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

// Whether text holds an object with a member twice, which JSON.parse forgives. For text that it takes.
function hasTwins(text) {
  const open = []
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs)) {
    const top = open.at(-1)
    if (token === '{') open.push({ names: new Set(), isKey: true })
    else if (token === '[') open.push({})
    else if (token === '}' || token === ']') open.pop()
    else if (token === ',') top.isKey = Boolean(top.names)
    else if (token === ':') top.isKey = false
    else if (top?.isKey) {
      const name = JSON.parse(token)
      if (top.names.has(name)) return true
      top.names.add(name)
    }
  }
  return false
}

// The body as an object: undefined when it is not one JSON object of UTF-8 without repeated members.
function bodyOf(bytes) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value = JSON.parse(text)
    const odd = JSON.stringify(value).match(/\\ud[89a-f]/i)
    return value !== null && typeof value === 'object' && !Array.isArray(value) && !odd && !hasTwins(text) ? value : undefined
  } catch {
    return undefined
  }
}

// What the contract does not allow in a request, as pointers ("/name"), parameters ("?limit") and, for the rest, words.
// HEADERS is an object in lower case, BODY its bytes. The path starts behind /api/v1.
export function faults(method, target, headers, body) {
  const [path, query = ''] = target.split(/\?(.*)/s)
  const route = routeOf(path)
  const operation = operationOf(method, route)
  if (!operation) return ['no such operation']
  const found = []
  const inPath = path.match(route.regexp).slice(1)
  const given = [...new URLSearchParams(query)]
  for (const { name, in: place, required, schema } of operation.parameters) {
    const values = place === 'path' ? [decodeURIComponent(inPath.shift())] : place === 'query' ? given.filter(([key]) => key === name).map(([, value]) => value)
      : [headers[name.toLowerCase()]].filter(value => value !== undefined)
    if (required && !values.length) found.push(`no ${name}`)
    for (const value of values) if (!valid(schema)(coerced(value, schema))) found.push(place === 'query' ? `?${name}` : `${place} ${name}`)
  }
  for (const [key] of given) if (!operation.parameters.some(({ name, in: place }) => place === 'query' && name === key)) found.push(`?${key}`)
  const content = operation.operation.requestBody?.content
  if (!content || (!body.length && !operation.operation.requestBody.required)) return found
  const type = (headers['content-type'] ?? '').split(';')[0].trim().toLowerCase()
  const schema = content[type]?.schema
  if (!schema) return [...found, 'content type']
  if (type !== 'application/json') return found
  const value = bodyOf(body)
  if (value === undefined) return [...found, 'body']
  const check = valid(schema)
  if (check(value)) return found
  const pointers = check.errors.map(({ instancePath, keyword, params }) =>
    keyword === 'required' ? `${instancePath}/${params.missingProperty}`
      : keyword === 'additionalProperties' ? `${instancePath}/${params.additionalProperty.replaceAll('~', '~0').replaceAll('/', '~1')}` : instancePath)
  return [...found, ...new Set(pointers)]
}

// Whether an error of a problem points at something: a member that came, or one that its object lacks.
function pointsAtNothing(error, body, query) {
  if (error.parameter !== undefined) return !new URLSearchParams(query).has(error.parameter) && `parameter ${error.parameter} was not sent`
  let at = bodyOf(body)
  const steps = error.pointer.split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (error.pointer && !error.pointer.startsWith('/')) return `${error.pointer} is no pointer`
  for (const [i, step] of steps.entries()) {
    if (at === null || typeof at !== 'object') return `${error.pointer} leads nowhere`
    if (!Object.hasOwn(at, step)) return i === steps.length - 1 && !Array.isArray(at) ? false : `${error.pointer} leads nowhere`
    at = at[step]
  }
  return false
}

// What is wrong with an answer by itself, or nothing. TARGET is behind /api/v1, BODY parsed or null, HEADERS a Headers.
export function judge(method, target, { status, headers, body }) {
  const path = target.split('?')[0]
  const route = routeOf(path)
  const operation = operationOf(method, route)
  if (!operation) {
    if (status !== (route ? 405 : 404) && ![400, 413, 417, 431, 503].includes(status)) return `${method} ${path} is not in the contract, but answered ${status}`
    if (status === 405 && !headers.get('allow')) return `${method} ${path} 405 lacks Allow`
    if (method === 'HEAD') return undefined
    return valid(contract.components.schemas.Problem)(body) ? undefined : `${method} ${path} ${status} is no problem: ${JSON.stringify(body)}`
  }
  const where = `${operation.method} ${route.path}`
  const { responses } = operation.operation
  const name = responses[status] ? `${status}` : 'default'
  const response = resolve(responses[name])
  if (!response || (name === 'default' && status < 400)) return `${where} answers ${status}, which is not in the contract`
  for (const [header, it] of Object.entries(response.headers ?? {})) {
    const { required, schema } = resolve(it), value = headers.get(header)
    if (value === null ? required : !valid(schema)(coerced(value, schema))) return `${where} ${status} has ${header}: ${value}`
  }
  const type = Object.keys(response.content ?? {})[0]
  const is = headers.get('content-type')
  if (type && is !== type) return `${where} ${status} is ${is}`
  if (method !== 'HEAD') {
    if (!type && body !== null) return `${where} ${status} has a body`
    if (type) {
      const check = valid(response.content[type].schema)
      if (!check(body)) return `${where} ${status}: ${JSON.stringify(check.errors)} in ${JSON.stringify(body)}`
      if (status >= 400 && body.status !== status) return `${where} ${status} says it is ${body.status}`
    }
    seen.add(`${where} ${name}`)
  }
  return undefined
}

// What is wrong with an answer to a request: what the contract does not allow must not be taken, and what a problem points at must
// be there.
export function judgeBoth(method, target, asked, answer) {
  const { status, body } = answer
  const breach = judge(method, target, answer)
  if (breach) return breach
  const found = faults(method, target, asked.headers, asked.body)
  if (status < 400 && found.length) return `${method} ${target} was taken (${status}) with ${found} wrong: ${asked.body}`
  for (const error of status === 422 && method !== 'HEAD' ? body.errors ?? [] : []) {
    const lost = pointsAtNothing(error, asked.body, target.split(/\?(.*)/s)[1] ?? '')
    if (lost) return `${method} ${target} 422: ${lost} in ${asked.body}`
  }
  return undefined
}
