// Requests of every kind made from the contract, for fast-check: right, at the edge and wrong in each way that a request can be.
import fc from 'fast-check'
import { operations, resolve } from './contract.mjs'

const TEXTS = ['', ' ', 'a', 'Jane Doe', '\u0000', '\u0007', '日本語', 'مرحبا', '👩🏽‍🚒', '\ufeff', '\u202e', 'a\nb', '<b>', "'; --", '%00', '../..', 'null', '2030-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z', '0000-00-00T00:00:00Z', '2030-01-01T00:00:00.5+02:00', '2030-02-30T00:00:00Z', 'jane@example.org', 'https://example.org/', 'javascript:alert(1)', '+49 40 5550 172', 'en', 'true', '7']
const NUMBERS = [0, -0, 1, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 5e-324]
const some = (weight, arbitrary) => ({ weight, arbitrary })

const anything = fc.oneof(
  some(4, fc.constantFrom(null, true, false, ...NUMBERS, ...TEXTS)), some(1, fc.jsonValue({ maxDepth: 3 })), some(1, fc.string({ unit: 'binary', maxLength: 40 })))

function text({ minLength = 0, maxLength, format }) {
  const kinds = [some(4, fc.constantFrom(...TEXTS)), some(3, fc.string({ unit: 'grapheme', maxLength: 30 }))]
  const edges = [minLength - 1, minLength, maxLength, maxLength + 1].filter(length => length >= 0 && length < 10000)
  if (edges.length) kinds.push(some(2, fc.tuple(fc.constantFrom(...edges), fc.constantFrom('x', 'é', '👍')).map(([length, letter]) => letter.repeat(length))))
  if (format === 'date-time') kinds.push(some(8, fc.date({ noInvalidDate: true, min: new Date('1960-01-01'), max: new Date('2050-01-01') }).map(date => date.toISOString())))
  return fc.oneof(...kinds)
}

// A value that the schema allows, or nearly. THINGS has what there really is: ids by the name of their schema, and urls.
export function like(schema, things) {
  const name = schema.$ref?.split('/').pop()
  const own = name in things ? [some(12, fc.constantFrom(...things[name]))] : []
  const it = resolve(schema)
  const kinds = (type => {
    if (it.oneOf ?? it.anyOf) return (it.oneOf ?? it.anyOf).map(one => some(8, like(one, things)))
    if (it.const !== undefined) return [some(15, fc.constant(it.const))]
    if (it.enum) return [some(15, fc.constantFrom(...it.enum))]
    return type.map(one => some(one === 'null' ? 3 : 12, {
      null: () => fc.constant(null),
      boolean: () => fc.boolean(),
      integer: () => fc.constantFrom(it.minimum ?? 0, (it.minimum ?? 0) - 1, it.maximum ?? 9, (it.maximum ?? 9) + 1, 7),
      number: () => fc.constantFrom(...NUMBERS),
      string: () => text(it),
      array: () => fc.oneof(some(9, fc.array(like(it.items, things), { maxLength: Math.min(it.maxItems ?? 3, 3) })),
        some(1, like(it.items, things).map(item => Array((it.maxItems ?? 9) + 1).fill(item)))),
      object: () => object(it, things)
    }[one]()))
  })([it.type ?? 'string'].flat())
  return fc.oneof(...own, ...kinds, some(1, anything))
}

function object({ properties = {}, required = [] }, things) {
  const members = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, name === 'url' && things.url ? fc.constantFrom(...things.url) : like(schema, things)]))
  const whole = fc.record(members, { requiredKeys: required })
  return fc.oneof(some(12, whole), some(2, fc.record(members, { requiredKeys: [] })),
    some(2, fc.tuple(whole, fc.oneof(fc.constantFrom('a/b~c', '', 'nämé', 'id', '__proto__x'), fc.string({ maxLength: 9 })), anything).map(([value, name, more]) => ({ ...value, [name]: more }))))
}

// What becomes of a body on its way, as bytes: mostly nothing.
const BREAKS = {
  'not at all': text => text,
  'bad UTF-8': text => Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xff, 0xc0, 0xaf])]),
  'half a surrogate': text => text.replace(/"([^"]*)":\s*"/, '"$1":"\\ud800'),
  'a byte order mark': text => `\ufeff${text}`,
  'cut in two': text => text.slice(0, text.length / 2),
  'a member twice': text => text.replace(/^\{("[^"]*":)/, '{$1null,$1'),
  'very deep': text => text.replace(/:/, `:${'['.repeat(5000)}${']'.repeat(5000)},"x":`),
  'a huge number': text => text.replace(/:/, `:${'9'.repeat(500)},"x":`),
  'a number without end': text => text.replace(/:/, ':1e999,"x":'),
  'something behind it': text => `${text}{}`,
  'a list of it': text => `[${text}]`,
  'very large': text => text.padEnd(80000),
  'a comma too many': text => text.replace(/\}$/, ',}'),
  'nothing left': () => ''
}
const [whole, ...broken] = Object.keys(BREAKS)
const brokenHow = fc.oneof(some(8, fc.constant(whole)), some(1, fc.constantFrom(...broken)))

const ASCII = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/
const asText = value => typeof value === 'string' ? value : JSON.stringify(value)
const inPath = text => encodeURIComponent(text.toWellFormed?.() ?? text.replace(/[\ud800-\udfff]/g, 'x')).replace(/%(00|2F)|^\.+$/gi, 'x').slice(0, 60).replace(/%.?$/, '') || 'x'

// One operation as requests: { method, path, headers, body }. OWN, OTHERS, SPARE: ids by the name of their schema, what may be
// removed being spare; TOKENS: own, others and such as are none.
function requestsOf({ path, method, operation, parameters }, { own, others, spare, tokens, urls }) {
  const things = { ...(/webhook/.test(path) ? { url: urls } : {}), ...own }
  const schema = operation.requestBody?.content['application/json']?.schema
  const types = Object.keys(operation.requestBody?.content ?? {})
  const ids = parameters.filter(it => it.in === 'path').map(({ schema: { $ref } }) => {
    const name = $ref.split('/').pop(), mine = (method === 'DELETE' ? spare : own)[name] ?? []
    return fc.oneof(...(mine.length ? [some(12, fc.constantFrom(...mine))] : []), some(1, fc.constantFrom(...(others[name] ?? ['x']))), some(1, fc.constantFrom(...TEXTS).map(inPath)))
  })
  const query = parameters.filter(it => it.in === 'query')
    .map(it => fc.option(like(it.schema, things).map(value => [it.name, asText(value).replaceAll('\u0000', '').slice(0, 60)]), { freq: 2 }))
  const headers = parameters.filter(it => it.in === 'header')
    .map(it => fc.option(like(it.schema, things).map(asText).map(value => [it.name, ASCII.test(value) ? value : '"r1"']), { freq: 3 }))
  return fc.record({
    verb: fc.oneof(some(40, fc.constant(method)), some(1, fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS').filter(it => it !== 'DELETE'))),
    token: fc.oneof(some(40, fc.constant(tokens.own)), some(1, fc.constantFrom(...tokens.others))),
    ids: fc.tuple(...ids), query: fc.tuple(...query), headers: fc.tuple(...headers),
    stray: fc.oneof(some(30, fc.constant([])), some(1, fc.constantFrom([['limits', '5']], [['', '']], [['cursor', 'x']]))),
    type: types.length ? fc.oneof(some(30, fc.constantFrom(...types)), some(1, fc.constantFrom('text/plain', 'application/xml', 'application/jsonx', ''))) : fc.constant(''),
    value: schema ? like(schema, things) : fc.constantFrom(...TEXTS), how: schema ? brokenHow : fc.constant(whole)
  }).map(it => {
    const parts = [...it.ids], pairs = [...it.query.filter(Boolean), ...it.stray]
    const target = path.replace(/\{[^}]*\}/g, () => parts.shift()) + (pairs.length ? `?${new URLSearchParams(pairs)}` : '')
    const body = types.length ? BREAKS[it.how](schema ? JSON.stringify(it.value) : asText(it.value)) : ''
    return { method: it.verb, path: target, headers: { Authorization: `Bearer ${it.token}`, ...(it.type ? { 'Content-Type': it.type } : {}), ...Object.fromEntries(it.headers.filter(Boolean)) }, body: Buffer.from(body) }
  })
}

export const requests = world => fc.oneof(...operations.map(operation => requestsOf(operation, world)))
