// The card page beside nginx, which sends the same bytes from a file: with a durable hit, on an empty store and on a big one,
// and without a hit to wait for (link previews, HEAD).
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BIG_HITS, IPHONE, PREVIEW, ROUNDS, SECONDS, bar, bigStore, end, fetchPage, load, median, meishi, nginx, plainBar, ratio, scratch,
  show, sleep, smallStore, tool
} from './lib.mjs'

const only = process.argv[2] // hit, preview or head
const CONNECTIONS = (process.env.BENCH_CONNECTIONS ?? '256,1024').split(',').map(Number)

const paths = { small: join(scratch, 'small.paths'), big: join(scratch, 'big.paths') }
const list = async (...words) => (await tool('tokens', ...words)).split('\n').map(token => `/c/${token}`)
const smallPaths = await list(1000, 1000, 100)
writeFileSync(paths.small, smallPaths.join('\n') + '\n')
writeFileSync(paths.big, (await list(100000, 1000, 10000)).join('\n') + '\n')

const small = await meishi('Meishi', await smallStore())
const big = !only || only === 'big' ? await meishi(`Meishi with ${BIG_HITS} hits`, await bigStore()) : null
for (const path of smallPaths) await fetchPage(small, path) // into the cache
const page = await fetchPage(small, smallPaths[0])
const reference = await nginx(page, smallPaths)

// Every answered hit is in the tables and counters within a second of the last answer.
let slowestFold = 0
async function folded(server) {
  const start = Date.now()
  while ((await server.metrics()).hits_unfolded > 0) {
    if (Date.now() - start > 5000) throw new Error('hits are not folded')
    await sleep(50)
  }
  slowestFold = Math.max(slowestFold, Date.now() - start)
}

const known = new Map() // server: answered requests since start
async function one(server, kind, connections) {
  const counted = server !== reference
  const visitor = { ...kind, paths: server === big ? paths.big : paths.small }
  const result = await load(server, visitor, connections, counted ? folded : undefined)
  if (result.errors) throw new Error(`${server.name}: ${result.errors} errors`)
  known.set(server, (known.get(server) ?? 0) + result.answered)
  return result
}

function line(server, results, theirs) {
  const mid = key => median(results.map(result => result[key]))
  console.log(`  ${server.name.padEnd(28)} ${mid('rate').toFixed(0).padStart(6)} req/s, p50 ${mid('p50').toFixed(2)} p99 ${mid('p99').toFixed(1)} ms, ` +
    `cpu ${mid('cpu').toFixed(1)} us, ${mid('size').toFixed(0)} bytes` +
    (theirs ? `; rate ${show(ratio(results, theirs, 'rate'))}, cpu ${show(ratio(results, theirs, 'cpu'))}` : ''))
}

async function compare(title, kind, connections, contestants) {
  const results = new Map(contestants.map(server => [server, []]))
  for (const server of contestants) await one(server, kind, connections) // warm
  for (let round = 0; round < ROUNDS; round++)
    for (const server of contestants) results.get(server).push(await one(server, kind, connections))
  console.log(`${title}, ${connections} connections, ${ROUNDS} rounds of ${SECONDS} s`)
  for (const server of contestants) line(server, results.get(server), server === reference ? null : results.get(reference))
  return server => results.get(server)
}

const HIT = { method: 'GET', agent: IPHONE }
for (const connections of CONNECTIONS) {
  if (!only || only === 'hit' || only === 'big') {
    const got = await compare('card page with a durable hit', HIT, connections, [reference, small, big].filter(Boolean))
    bar('rate beside nginx', ratio(got(small), got(reference), 'rate'), 0.75, true)
    bar('CPU beside nginx', ratio(got(small), got(reference), 'cpu'), 1.45, false)
    if (big) {
      bar('rate of the big store beside the empty one', ratio(got(big), got(small), 'rate'), 0.95, true)
      bar('p99 of the big store, folding meanwhile, beside nginx', ratio(got(big), got(reference), 'p99'), 2, false)
    }
  }
  for (const [title, kind] of [['link preview', { method: 'GET', agent: PREVIEW }], ['HEAD', { method: 'HEAD', agent: IPHONE }]]) {
    if (only && only !== title.split(' ').pop().toLowerCase()) continue
    const got = await compare(`card page without a hit to wait for (${title})`, kind, connections, [reference, small])
    bar('rate beside nginx', ratio(got(small), got(reference), 'rate'), 1, true)
    bar('CPU beside nginx', ratio(got(small), got(reference), 'cpu'), 0.95, false)
  }
}
plainBar('the last answer to all folded and readable, at most', slowestFold, 'ms', 1000)

// Nothing lost, nothing twice: every answered request is a row's, and both counters agree.
for (const server of [small, big].filter(Boolean)) {
  await sleep(1500) // a second's repeats
  await folded(server)
  const { hits_unrecorded_total: unrecorded } = await server.metrics()
  const before = server === big ? BIG_HITS : 0
  await server.stop()
  const [rows, byShare, byDay] = (await tool('count', server.store)).split(' ').map(Number)
  const least = known.get(server) + before
  const good = rows === byShare && rows === byDay && rows >= least && !unrecorded
  console.log(`  ${good ? 'ok  ' : 'MISS'} ${server.name}: ${least} answered or there before, ${rows} kept, ${byShare} and ${byDay} counted, ` +
    `${unrecorded} unrecorded`)
  if (!good) process.exitCode = 1
}
end()
