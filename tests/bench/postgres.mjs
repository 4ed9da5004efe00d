// The card page with a durable hit on PostgreSQL, beside nginx, which sends the same bytes from a file, and beside a bare loop on
// libpq that puts the same rows into the same cluster, 64 a commit. All share the processors: with Meishi they are the browser's,
// the server's and the database's; the bare loop has them for the database and itself. postgres.sh makes the cluster.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BUILD, IPHONE, ROUNDS, SECONDS, bar, cleanEnv, cpuSecondsOf, end, fetchPage, load, median, meishi, nginx, ratio, scratch, show, sleep, tool } from './lib.mjs'

const run = promisify(execFile)
const SHARES = 1000, MEMBERS = 100
const url = process.env.BENCH_POSTGRES, database = Number(process.env.BENCH_POSTGRES_PID)
const connections = Number(process.env.BENCH_CONNECTIONS ?? 256)

const key = join(scratch, 'key'), list = join(scratch, 'paths')
process.env.MEISHI_KEY_FILE = key
await tool('fill', url, 0, SHARES, MEMBERS, 0)
const paths = (await tool('tokens', SHARES, SHARES, MEMBERS)).split('\n').map(token => `/c/${token}`)
writeFileSync(list, paths.join('\n') + '\n')
const server = await meishi('Meishi on PostgreSQL', url, { MEISHI_KEY_FILE: key })
server.others = [database]
for (const path of paths) await fetchPage(server, path)
const page = await fetchPage(server, paths[0])
const reference = await nginx(page, paths)

async function folded() {
  const start = Date.now()
  while ((await server.metrics()).hits_unfolded > 0) {
    if (Date.now() - start > 10000) throw new Error('hits are not folded')
    await sleep(50)
  }
  slowestFold = Math.max(slowestFold, Date.now() - start)
}
let slowestFold = 0, answered = 0

async function pages(which) {
  const before = cpuSecondsOf(database)
  const result = await load(which, { method: 'GET', agent: IPHONE, paths: list }, connections, which === server ? folded : undefined)
  result.database = (cpuSecondsOf(database) - before) / result.answered * 1e6
  if (result.errors) throw new Error(`${which.name}: ${result.errors} errors`)
  if (which === server) answered += result.answered
  return result
}

async function bare() {
  const before = cpuSecondsOf(database)
  const { stdout } = await run(`${BUILD}/tests/bench/bench_libpq`, [url, SECONDS, SHARES, MEMBERS].map(String), { env: cleanEnv })
  const result = JSON.parse(stdout)
  return { rate: result.rows / result.seconds, cpu: ((cpuSecondsOf(database) - before) * 1e6 + result.cpu_us) / result.rows }
}

const contestants = [['nginx', () => pages(reference)], [server.name, () => pages(server)], ['bare libpq, 64 rows a commit', bare]]
const results = contestants.map(() => [])
for (const [, once] of contestants) await once() // warm
for (let round = 0; round < ROUNDS; round++)
  for (const [i, [, once]] of contestants.entries()) results[i].push(await once())

const [theirs, ours, loop] = results
console.log(`card page with a durable hit on PostgreSQL, ${connections} connections, ${ROUNDS} rounds of ${SECONDS} s`)
for (const [i, [name]] of contestants.entries()) {
  const mid = what => median(results[i].map(result => result[what]))
  const least = Math.min(...results[i].map(result => result.rate)), most = Math.max(...results[i].map(result => result.rate))
  console.log(`  ${name.padEnd(28)} ${mid('rate').toFixed(0).padStart(6)} ${i === 2 ? 'rows' : 'req'}/s (${least.toFixed(0)} to ${most.toFixed(0)}), ` +
    `cpu ${mid('cpu').toFixed(1)} us` + (i === 1 ? `, ${mid('database').toFixed(1)} of them the database's` : '') +
    (i === 2 ? '' : `, p50 ${mid('p50').toFixed(2)} p99 ${mid('p99').toFixed(1)} ms`))
}
bar('rate beside nginx', ratio(ours, theirs, 'rate'), 0.5, true)
bar('rate beside the bare loop', ratio(ours, loop, 'rate'), 0.8, true)
// Where the processors are full, nobody sends a page and puts a row in less time than both take one after the other.
const both = theirs.map((page, i) => ({ rate: 1 / (1 / page.rate + 1 / loop[i].rate), cpu: page.cpu + loop[i].cpu }))
console.log(`       beside nginx's page and then the bare loop's row: rate ${show(ratio(ours, both, 'rate'))}, CPU ${show(ratio(ours, both, 'cpu'))}; ` +
  `the last answer to all folded: ${slowestFold} ms at most`)

// Nothing lost, nothing twice: every answered request is a row's, and both counters agree.
await sleep(1500) // a second's repeats
await folded()
const { hits_unrecorded_total: unrecorded, hits_committed_total: committed, commits_total: commits } = await server.metrics()
await server.stop()
const [rows, byShare, byDay] = (await tool('count', url)).split(' ').map(Number)
const least = answered + paths.length + 1
const good = rows === byShare && rows === byDay && rows >= least && !unrecorded
console.log(`  ${good ? 'ok  ' : 'MISS'} ${least} answered, ${rows} kept, ${byShare} and ${byDay} counted, ${unrecorded} unrecorded` +
  (commits ? `; ${(committed / commits).toFixed(0)} a commit` : ''))
if (!good) process.exitCode = 1
end()
