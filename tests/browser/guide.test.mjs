// The page /api: the whole contract for people, without a script or anything from elsewhere, and true in what it shows.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { FileSystemConfigLoader, HtmlValidate } from 'html-validate'
import { launch, violations } from '../support/browser.mjs'
import { contract, operations } from '../support/contract.mjs'
import { Meishi, Receiver, until } from '../support/meishi.mjs'

const PAGE_MAX = 40 * 1024 // as it is sent
let meishi, receiver, jane, browser, html
before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  browser = await launch()
  html = await (await fetch(`${meishi.url}/api`)).text()
})
after(async () => {
  await browser?.close()
  await receiver?.stop()
  await meishi?.stop()
})

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, javaScriptEnabled: true, ...options })
  const page = await context.newPage()
  page.asked = []
  page.on('request', request => page.asked.push(request.url()))
  await page.goto(`${meishi.url}/api`)
  return page
}

const plain = text => text.replace(/<[^>]*>/g, '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

test('every operation, event and object is told of, under an address of its own', () => {
  const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
  assert.equal(new Set(ids).size, ids.length)
  const wanted = [...operations.map(it => it.operation.operationId), ...Object.values(contract.webhooks).map(({ post }) => post.operationId), ...Object.keys(contract.components.schemas)]
  assert.deepEqual(wanted.filter(id => !ids.includes(id)), [])
  for (const { method, path, operation } of operations) {
    const part = plain(html.slice(html.indexOf(` id="${operation.operationId}"`)).split('</article>')[0])
    for (const words of [`${method} ${path}`, operation.summary, '/api/v1']) assert.ok(part.includes(words), `${operation.operationId}: ${words}`)
  }
  const links = [...html.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id)
  assert.ok(links.length > 300)
  assert.deepEqual(links.filter(id => !ids.includes(id)), [])
  for (const title of contract.info.description.matchAll(/^\*\*(.*?)\.?\*\*/gm)) assert.ok(html.includes(`>${title[1]}</h2>`), title[1])
})

test('the page is valid HTML, small on its way, and asked for again only when it has changed', async () => {
  const judge = new HtmlValidate(new FileSystemConfigLoader({}))
  const report = await judge.validateString(html, join(process.cwd(), 'tests', 'api.html'))
  assert.deepEqual(report.results.flatMap(result => result.messages.map(m => `${m.line} ${m.ruleId} ${m.message}`)), [])
  const { status, headers } = await fetch(`${meishi.url}/api`, { headers: { 'Accept-Encoding': 'br' } })
  assert.deepEqual([status, headers.get('content-type'), headers.get('content-encoding')], [200, 'text/html; charset=utf-8', 'br'])
  assert.ok(Number(headers.get('content-length')) < PAGE_MAX, headers.get('content-length'))
  assert.match(headers.get('content-security-policy'), /^default-src 'none'/)
  assert.doesNotMatch(headers.get('content-security-policy'), /unsafe|https?:/)
  assert.equal((await fetch(`${meishi.url}/api`, { headers: { 'Accept-Encoding': 'br', 'If-None-Match': headers.get('etag') } })).status, 304)
})

test('it loads style and icon of this server, no script, and is whole without one', async () => {
  assert.doesNotMatch(html, /<script|style="| on\w+="/)
  const page = await open({ javaScriptEnabled: false })
  assert.deepEqual(page.asked.filter(url => !url.startsWith(`${meishi.url}/assets/`) && url !== `${meishi.url}/api`), [])
  assert.ok(await page.locator('#addCard pre').first().isVisible())
  await page.context().close()
})

for (const colorScheme of ['light', 'dark'])
  for (const width of [390, 1280])
    test(`axe finds nothing in ${colorScheme} at ${width} px`, async () => {
      const page = await open({ viewport: { width, height: 844 }, colorScheme })
      assert.deepEqual(await violations(page), [])
      await page.context().close()
    })

test('nothing scrolls sideways at 320 px nor with text twice as large', async () => {
  const page = await open()
  for (const [width, size] of [[320, '100%'], [390, '200%'], [1280, '200%']]) {
    await page.setViewportSize({ width, height: 700 })
    const over = await page.evaluate(size => {
      document.documentElement.style.fontSize = size
      return document.documentElement.scrollWidth - innerWidth
    }, size)
    assert.ok(over <= 0, `${width} px, ${size}: ${over} px too wide`)
  }
  await page.context().close()
})

test('every curl line is taken as it stands', async () => {
  const lines = [...html.matchAll(/<pre><code>(?:export [^\n]*\n)?(curl .*?)<\/code><\/pre>/gs)].map(([, text]) => plain(text))
  assert.equal(lines.length, operations.length + 1)
  await copyFile('assets/touch.png', join(meishi.folder, 'FILE'))
  for (const line of lines) {
    const typed = line.replace('curl ', "curl -sS -o /dev/null -w '%{http_code}' ")
    const { stdout } = await promisify(execFile)('bash', ['-c', typed], { cwd: meishi.folder, env: { ...process.env, MEISHI: meishi.apiUrl, TOKEN: jane.token } })
    // The ids are nobody's, and the file is no JPEG by its name alone.
    assert.match(stdout, /^(200|201|202|204|404)$/, `${line}: ${stdout}`)
  }
})

test('the program that it shows tells a genuine event from a forged one', async () => {
  const [, code] = contract.info.description.match(/```js\n(.*?)\n```/s)
  assert.ok(plain(html).includes(code.split('\n').at(-1)))
  const { isGenuine } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
  const { body: webhook } = await meishi.api(jane.token, 'POST', '/webhooks', { url: receiver.url, events: ['webhook.ping'] })
  await meishi.api(jane.token, 'POST', `/webhooks/${webhook.id}/ping`)
  await until(() => receiver.requests.length)
  const [{ headers, body }] = receiver.requests
  assert.equal(isGenuine(headers, body, webhook.secret), true)
  assert.equal(isGenuine({ ...headers, 'webhook-signature': `v2,x ${headers['webhook-signature']}` }, body, webhook.secret), true)
  assert.equal(isGenuine(headers, `${body} `, webhook.secret), false)
  assert.equal(isGenuine(headers, body, `whsec_${Buffer.alloc(32).toString('base64')}`), false)
  assert.equal(isGenuine({ ...headers, 'webhook-timestamp': '1' }, body, webhook.secret), false)
  assert.equal(isGenuine({ ...headers, 'webhook-timestamp': undefined }, body, webhook.secret), false)
})

test('answers of the API, the account and the webhooks lead to it', async () => {
  const { headers } = await fetch(`${meishi.url}/api/v1/cards`)
  assert.match(headers.get('link'), /<\/api>; rel="service-doc"; type="text\/html"/)
  const { sign_in_url: link } = await meishi.json('member', 'add', '--handle', 'reader', '--name', 'Reader', '--email', 'reader@example.org')
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(link)
  await page.locator('button[type=submit]').first().click()
  for (const path of ['/account', '/webhooks']) {
    await page.goto(meishi.url + path)
    assert.ok(await page.locator('a[href^="/api"]').first().isVisible(), path)
  }
  await context.close()
})
