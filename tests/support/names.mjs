// A name server that lies (RFC 1035): what a name answers stands in NAMES, everything else does not exist. Addresses of 20.0.1.x
// are receivers that may be called; the rest are places that may not.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

export const questions = {} // how often an address was asked of a name

const A = 1, CNAME = 5, AAAA = 28
const FAILED = 2, NO_SUCH_NAME = 3
export const GOOD = '20.0.1.200'

const v6 = address => {
  const [head, tail = ''] = address.split('::')
  const words = part => part.split(':').filter(Boolean)
  const middle = Array(8 - words(head).length - words(tail).length).fill('0')
  return Buffer.from([...words(head), ...middle, ...words(tail)].map(word => word.padStart(4, '0')).join(''), 'hex')
}
const address = text => text.includes(':') ? { type: AAAA, data: v6(text) } : { type: A, data: Buffer.from(text.split('.').map(Number)) }
const wire = name => Buffer.concat([...name.split('.').map(label => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])])
const alias = name => ({ type: CNAME, data: wire(name) })

// { host: (times asked before) => what it answers }: a list of addresses or of [name, record], or one word about the reply.
const chain = (host, links, ...ends) => [
  ...Array.from({ length: links }, (_, i) => [i ? `link${i}.${host}` : host, alias(`link${i + 1}.${host}`)]),
  ...ends.map(end => [`link${links}.${host}`, address(end)])
]
export const NAMES = {
  'good.receivers.example': () => [GOOD],
  'chained.receivers.example': () => chain('chained.receivers.example', 6, GOOD),
  'rebinds.receivers.example': times => [times ? '10.0.0.1' : GOOD],
  'flips.receivers.example': times => [times % 2 ? '127.0.0.1' : GOOD],
  'mixed.receivers.example': () => [GOOD, '10.0.0.1'],
  'mixed-other-way.receivers.example': () => ['10.0.0.1', GOOD],
  'mixed-families.receivers.example': () => [GOOD, '::ffff:a00:1'],
  'chains-inside.receivers.example': () => chain('chains-inside.receivers.example', 6, '10.0.0.1'),
  'loops.receivers.example': () => [['loops.receivers.example', alias('pool.receivers.example')], ['pool.receivers.example', alias('loops.receivers.example')]],
  'thousand.receivers.example': () => Array.from({ length: 1000 }, (_, i) => i === 7 ? '10.0.0.1' : `20.0.${2 + (i >> 8)}.${i & 255}`),
  'loopback.receivers.example': () => ['127.0.0.1'],
  'loopback6.receivers.example': () => ['::1'],
  'mapped.receivers.example': () => ['::ffff:7f00:1'],
  'nat64.receivers.example': () => ['64:ff9b::a00:1'],
  'link-local.receivers.example': () => ['169.254.169.254'],
  'nowhere.receivers.example': () => ['0.0.0.0'],
  'ours.receivers.example': () => ['198.18.0.1'],
  'absent.receivers.example': () => NO_SUCH_NAME,
  'empty.receivers.example': () => [],
  'fails.receivers.example': () => FAILED,
  'cut-short.receivers.example': () => 'cut short',
  'garbles.receivers.example': () => 'garbage',
  'answers-another.receivers.example': () => [['another.receivers.example', address(GOOD)]]
}

function reply(query, host, type, overTcp) {
  const silent = host.includes('silent')
  const what = silent ? null : NAMES[host]?.(type === A ? (questions[host] = (questions[host] ?? 0) + 1) - 1 : questions[host] ?? 0)
  if (silent) {
    questions[host] = (questions[host] ?? 0) + 1
    return null
  }
  if (what === 'garbage') return Buffer.concat([query.subarray(0, 2), Buffer.from('fffefdfcfbfa', 'hex')])
  if (what === 'cut short' && overTcp) return null
  const list = Array.isArray(what) ? what.map(one => typeof one === 'string' ? [host, address(one)] : one) : []
  const records = list.filter(([, record]) => record.type === type || record.type === CNAME)
  const code = typeof what === 'number' ? what : what ? 0 : NO_SUCH_NAME
  let end = 12
  while (query[end]) end += query[end] + 1
  const body = Buffer.concat(records.map(([name, record]) => {
    const fixed = Buffer.alloc(10) // type, class IN, a lifetime of nothing, length
    fixed.writeUInt16BE(record.type, 0)
    fixed.writeUInt16BE(1, 2)
    fixed.writeUInt16BE(record.data.length, 8)
    return Buffer.concat([name === host ? Buffer.from([0xc0, 12]) : wire(name), fixed, record.data])
  }))
  const tooLong = !overTcp && (body.length > 460 || what === 'cut short')
  const head = Buffer.alloc(12)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8180 | code | (tooLong ? 0x200 : 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(tooLong ? 0 : records.length, 6)
  return Buffer.concat([head, query.subarray(12, end + 5), tooLong ? Buffer.alloc(0) : body])
}

function hear(query, overTcp) {
  const labels = []
  let at = 12
  for (; query[at]; at += query[at] + 1) labels.push(query.subarray(at + 1, at + 1 + query[at]).toString())
  return reply(query, labels.join('.').toLowerCase(), query.readUInt16BE(at + 1), overTcp)
}

export async function serveNames(where) {
  const udp = createSocket('udp4')
  udp.on('message', (query, from) => {
    const answer = hear(query, false)
    if (answer) udp.send(answer, from.port, from.address)
  })
  await new Promise((resolve, reject) => udp.on('error', reject).bind(53, where, resolve))
  await new Promise((resolve, reject) => createServer(socket => {
    socket.on('error', () => {})
    let waiting = Buffer.alloc(0)
    socket.on('data', data => {
      waiting = Buffer.concat([waiting, data])
      while (waiting.length > 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const query = waiting.subarray(2, 2 + waiting.readUInt16BE(0))
        waiting = waiting.subarray(2 + query.length)
        const answer = hear(query, true)
        if (answer) socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]))
      }
    })
  }).on('error', reject).listen(53, where, resolve))
}
