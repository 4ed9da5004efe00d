// The API's contract as a judge: what the server answers must be described in assets/openapi.yaml, to the last member.
import { readFileSync } from 'node:fs'
import Ajv2020 from 'ajv/dist/2020.js'
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

const uri = text => URL.canParse ? URL.canParse(text) : /^[a-z]+:\/\/\S+$/.test(text)
const ajv = new Ajv2020({
  strict: false, allErrors: true,
  formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/, uri, 'uri-reference': true }
})
ajv.addSchema({ $id: 'contract', components: closed(contract.components) })

const rebased = schema => JSON.parse(JSON.stringify(closed(schema)).replaceAll('"#/components/', '"contract#/components/'))
export const validator = schema => ajv.compile(rebased(schema))

// "#/components/responses/Card" and so on.
export function resolve(thing) {
  if (!thing?.$ref) return thing
  return thing.$ref.slice(2).split('/').reduce((at, name) => at[name], contract)
}

const validators = new Map()
export const seen = new Set() // "GET /cards/{id} 200": what was answered and found true

const pattern = path => new RegExp(`^${path.replace(/\{[^}]*\}/g, '[^/]*')}$`)

// What is wrong with an answer, or nothing. PATH is without /api/v1 and query.
export function judge(method, path, { status, headers, body }) {
  const route = Object.keys(contract.paths).find(known => pattern(known).test(path))
  const operation = contract.paths[route]?.[method.toLowerCase()]
  if (!operation) return `${method} ${path} is not in the contract`
  const response = resolve(operation.responses[status])
  if (!response) return `${method} ${route} answers ${status}, which is not in the contract`
  const type = Object.keys(response.content ?? {})[0]
  if (!type) return body === null ? (seen.add(`${method} ${route} ${status}`), undefined) : `${method} ${route} ${status} has a body`
  if (headers.get('content-type') !== type) return `${method} ${route} ${status} is ${headers.get('content-type')}`
  for (const [name, header] of Object.entries(response.headers ?? {}))
    if (resolve(header).required && !headers.get(name)) return `${method} ${route} ${status} lacks ${name}`
  const key = `${route} ${method} ${status}`
  if (!validators.has(key)) validators.set(key, validator(response.content[type].schema))
  const check = validators.get(key)
  if (!check(body)) return `${method} ${route} ${status}: ${JSON.stringify(check.errors)} in ${JSON.stringify(body)}`
  seen.add(`${method} ${route} ${status}`)
}
