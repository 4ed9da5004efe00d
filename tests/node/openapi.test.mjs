// The contract, assets/openapi.yaml: sound by somebody else's linter, and its examples true to its own schemas.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfig, lint } from '@redocly/openapi-core'
import { contract, validator } from '../support/contract.mjs'

test('the linter of redocly has nothing to say about the contract', async () => {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: { 'no-server-example.com': 'off', 'no-invalid-media-type-examples': 'error', 'no-invalid-schema-examples': 'error' }
  })
  const problems = await lint({ ref: 'assets/openapi.yaml', config })
  assert.deepEqual(problems.map(problem => `${problem.ruleId} ${problem.location[0]?.pointer} ${problem.message}`), [])
})

test('the linter would have said something', async () => {
  const config = await createConfig({ extends: ['recommended-strict'] })
  const { lintFromString } = await import('@redocly/openapi-core')
  const problems = await lintFromString({ source: 'openapi: 3.1.0\npaths: {}\n', config })
  assert.ok(problems.length > 0)
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
