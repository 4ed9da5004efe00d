// The figures for monitors: /metrics is read by a Prometheus parser, says what really happened, and the dashboard that is shipped
// asks only for figures that are there, in expressions that Prometheus' own grammar takes.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { parser } from '@prometheus-io/lezer-promql'
import parseMetrics from 'parse-prometheus-text-format'
import { Meishi, until } from '../support/meishi.mjs'

let meishi, jane, share
before(async () => {
  meishi = await Meishi.start()
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card)
})
after(() => meishi?.stop())

const scrape = async () => {
  const text = await (await fetch(`${meishi.url}/metrics`)).text()
  return new Map(parseMetrics(text).map(family => [family.name, family]))
}
const total = (families, name, label = {}) => {
  const [[key, value] = []] = Object.entries(label)
  return families.get(name).metrics.filter(one => !key || one.labels?.[key] === value).reduce((sum, one) => sum + Number(one.value), 0)
}

test('every family has words and a type, and its name says its unit', async () => {
  const families = await scrape()
  assert.ok(families.size > 30)
  for (const [name, { help, type }] of families) {
    assert.ok(help.length > 10, name)
    assert.match(type, /^(COUNTER|GAUGE|HISTOGRAM)$/, name)
    assert.equal(type === 'COUNTER', name.endsWith('_total'), `${name} is a ${type}`)
  }
})

test('hits are counted by verdict, and a confirmed one once more', async () => {
  const before = await scrape()
  const page = await meishi.open(`/c/${share.token}`)
  await meishi.open(`/c/${share.token}`, 'WhatsApp/2.23.20.0')
  await until(async () => total(await scrape(), 'meishi_hits_total') === total(before, 'meishi_hits_total') + 2)
  const seen = await meishi.post(`/c/${share.token}/seen`, { stamp: page.form.stamp })
  assert.equal(seen.status, 204)
  const now = await until(async () => {
    const families = await scrape()
    return total(families, 'meishi_hits_confirmed_total') > total(before, 'meishi_hits_confirmed_total') && families
  })
  const more = verdict => total(now, 'meishi_hits_total', { verdict }) - total(before, 'meishi_hits_total', { verdict })
  assert.deepEqual([more('unconfirmed'), more('preview'), more('person')], [1, 1, 0])
})

test('a commit is in both histograms, whose ranges add up', async () => {
  const families = await scrape()
  const [rows] = families.get('meishi_hit_commit_rows').metrics, [time] = families.get('meishi_hit_commit_seconds').metrics
  assert.ok(Number(rows.count) > 0)
  assert.equal(rows.count, time.count)
  assert.equal(Number(rows.sum), total(families, 'meishi_hits_committed_total'))
  for (const one of [rows, time]) {
    const counts = Object.entries(one.buckets).sort(([a], [b]) => (a === '+Inf') - (b === '+Inf') || a - b).map(([, count]) => Number(count))
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b), 'cumulative')
    assert.equal(counts.at(-1), Number(one.count))
  }
  assert.ok(Number(time.sum) > 0 && Number(time.sum) < 60, 'seconds, not microseconds')
})

test('the dashboard asks for nothing that is not there', async () => {
  const families = await scrape()
  const dashboard = JSON.parse(await readFile('assets/operate/grafana.json', 'utf8'))
  const asked = new Set()
  let expressions = 0
  for (const panel of dashboard.panels)
    for (const { expr } of panel.targets ?? []) {
      const plain = expr.replaceAll('$__rate_interval', '5m')
      parser.parse(plain).iterate({
        enter(node) {
          assert.ok(!node.type.isError, `${panel.title}: not PromQL: ${expr}`)
          if (node.name === 'Identifier' && node.node.parent.name === 'VectorSelector') asked.add(plain.slice(node.from, node.to))
        }
      })
      expressions++
    }
  assert.ok(expressions > 25)
  for (const name of asked)
    assert.ok(families.has(name) || families.get(name.replace(/_(bucket|sum|count)$/, ''))?.type === 'HISTOGRAM', name)
  const drawn = name => asked.has(name) || asked.has(`${name}_bucket`)
  const not_drawn = [...families.keys()].filter(name => !drawn(name) && !/_http_requests_total|_hits_committed_total/.test(name))
  assert.deepEqual(not_drawn, [], 'every figure has its place on the dashboard')
})

test('no two panels of the dashboard lie on each other', async () => {
  const { panels } = JSON.parse(await readFile('assets/operate/grafana.json', 'utf8'))
  const places = new Set()
  assert.equal(new Set(panels.map(panel => panel.id)).size, panels.length)
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x + w <= 24, title)
    for (let i = x; i < x + w; i++)
      for (let j = y; j < y + h; j++) {
        assert.ok(!places.has(`${i} ${j}`), title)
        places.add(`${i} ${j}`)
      }
  }
})
