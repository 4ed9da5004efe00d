// Whether every status of every operation in the contract was answered, to somebody, by a real server, as it is described: what
// the processes of the suite have noted in CONTRACT_SEEN. Asked alone, it lets the journeys through the API run first.
//
// Runs last: the others must have noted what they saw.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const { CONTRACT_SEEN: given, ...env } = process.env
delete process.env.CONTRACT_SEEN // this process itself has seen nothing
const { listed } = await import('../support/contract.mjs')

async function runJourneys() {
  const folder = mkdtempSync(join(tmpdir(), 'contract-'))
  const journeys = readdirSync('tests/journeys').filter(name => /^api.*\.test\.mjs$/.test(name)).map(name => join('tests/journeys', name))
  delete env.NODE_TEST_CONTEXT
  for (const journey of journeys)
    await promisify(execFile)(process.execPath, [journey], { env: { ...env, CONTRACT_SEEN: folder }, maxBuffer: 2 ** 26 })
      .catch(error => assert.fail(`${journey}: ${error.stdout ?? error}`))
  return folder
}

test('every status of every operation in the contract was answered by a real server', async () => {
  const folder = given ?? await runJourneys()
  const seen = new Set(readdirSync(folder).flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n')))
  if (!given) rmSync(folder, { recursive: true })
  assert.ok(listed.length > 200)
  assert.deepEqual(listed.filter(line => !seen.has(line)), [])
})
