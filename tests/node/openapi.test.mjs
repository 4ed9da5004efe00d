// The contract, assets/openapi.yaml: sound by other people's linters, and its examples true to its own schemas.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createConfig, lint, lintFromString } from '@redocly/openapi-core'
import spectral from '@stoplight/spectral-core'
import parsers from '@stoplight/spectral-parsers'
import rulesets from '@stoplight/spectral-rulesets'
import { contract, operations, resolve, validator } from '../support/contract.mjs'

const FILE = 'assets/openapi.yaml'

test('the linter of redocly has nothing to say about the contract', async () => {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: { 'no-server-example.com': 'off', 'no-invalid-media-type-examples': 'error', 'no-invalid-schema-examples': 'error' }
  })
  const problems = await lint({ ref: FILE, config })
  assert.deepEqual(problems.map(problem => `${problem.ruleId} ${problem.location[0]?.pointer} ${problem.message}`), [])
})

// All of its rules. An installation has no address of its own to be reached at, an SPDX identifier excludes a URL (3.1), and the
// tags stand in the order one reads them.
async function askSpectral(text) {
  const judge = new spectral.Spectral()
  judge.setRuleset({
    extends: [[rulesets.oas, 'all']],
    rules: { 'contact-properties': 'off', 'license-url': 'off', 'openapi-tags-alphabetical': 'off' }
  })
  const problems = await judge.run(new spectral.Document(text, parsers.Yaml, FILE))
  return problems.map(problem => `${problem.code} ${problem.path.join('/')} ${problem.message}`)
}

test('spectral has nothing to say about the contract', async () => {
  assert.deepEqual(await askSpectral(readFileSync(FILE, 'utf8')), [])
})

test('the linters would have said something', async () => {
  const config = await createConfig({ extends: ['recommended-strict'] })
  const problems = await lintFromString({ source: 'openapi: 3.1.0\npaths: {}\n', config })
  assert.ok(problems.length > 0)
  const harmed = readFileSync(FILE, 'utf8').replace('      operationId: listCards\n', '')
  assert.match((await askSpectral(harmed)).join('\n'), /operation-operationId /)
})

test('every example of an event is what its schema says, and every event type is described', () => {
  const types = contract.components.schemas.EventType.enum
  assert.deepEqual(Object.keys(contract.webhooks).sort(), [...types].sort())
  let examples = 0
  for (const [type, { post }] of Object.entries(contract.webhooks)) {
    const media = post.requestBody.content['application/json']
    const check = validator(media.schema)
    for (const { value } of Object.values(media.examples ?? {})) {
      assert.ok(check(value), `${type}: ${JSON.stringify(check.errors)}`)
      assert.equal(value.type, type)
      examples++
    }
  }
  assert.ok(examples >= 4)
})

test('every example of a request or an answer is what its schema says, to the last member', () => {
  const counts = { request: 0, answer: 0 }
  const check = (what, where, media) => {
    for (const [name, example] of Object.entries(media?.examples ?? {})) {
      const valid = validator(media.schema), { value } = resolve(example)
      assert.ok(valid(value), `${where}, ${name}: ${JSON.stringify(valid.errors)}`)
      counts[what]++
    }
  }
  for (const { method, path, operation } of operations) {
    const where = `${method} ${path}`
    for (const media of Object.values(operation.requestBody?.content ?? {})) check('request', where, media)
    for (const [status, response] of Object.entries(operation.responses))
      for (const media of Object.values(resolve(response).content ?? {})) check('answer', `${where} ${status}`, media)
  }
  assert.ok(counts.request >= 6 && counts.answer >= 20, JSON.stringify(counts))
})

test('whatever takes a body shows one, and whatever answers one too', () => {
  const bare = []
  for (const { method, path, operation } of operations) {
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) if (/json/.test(type) && !media.examples) bare.push(`${method} ${path}`)
    for (const [status, response] of Object.entries(operation.responses))
      if (/^2/.test(status)) for (const media of Object.values(resolve(response).content ?? {})) if (!media.examples) bare.push(`${method} ${path} ${status}`)
  }
  assert.deepEqual(bare, [])
})
