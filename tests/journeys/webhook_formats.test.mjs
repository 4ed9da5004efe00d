// What a webhook says: every event as it leaves the real binary, full, thin and in each chat's format. Full and thin bodies
// are judged by the schemas of the contract, whose examples must look like them; chats' messages by what their receivers
// document, by the types those publish, and by their own parsers, which must find nobody called and no link drawn by what a
// stranger wrote.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import Ajv2020 from 'ajv/dist/2020.js'
import ts from 'typescript'
import { Webhook } from 'standardwebhooks'
import { parse } from 'yaml'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

const require = createRequire(import.meta.url)
const { AdaptiveCard, SerializationContext } = require('adaptivecards')
const discord = require('discord-markdown')
const { Parser } = require('@mattermost/commonmark')

const CHATS = ['slack', 'discord', 'teams', 'mattermost', 'ntfy']
const MADE = ['lead.potential', 'lead.created', 'lead.updated', 'lead.erased', 'share.created', 'share.passed_on', 'card.scanned',
  'follow_up.due', 'webhook.ping']
const NAME = '<!channel> @here [Barry](https://evil.example) <@U024BE7LH>'
const MESSAGE = 'Call me 👩‍👩‍👧 at 10:30, it is *urgent* & <!everyone>.\n@everyone @channel @all <@123456> <@&99> <#42> #tag ~town-square :smile:\n' +
  'https://evil.example/a www.evil.example evil.example [free](https://evil.example) ![p](https://evil.example/p.png)\n' +
  '<https://evil.example|free> &commat;here mailto:x@evil.example\n# Heading\n> quote\n- list\n```\ncode\n``` `x` ||y|| _z_ ~~w~~ $x$ <b>\n<t:1618953630:R> \\@all'
const LABEL = '@channel www.evil.example *fair*'
const VOUCH = 'She found <@U1> https://evil.example when nobody else could. @all'

let meishi, receiver, jane, lead, referral
const hooks = []
const contract = parse(readFileSync('assets/openapi.yaml', 'utf8'))
const read = name => JSON.parse(readFileSync(`tests/fixtures/chats/${name}.json`, 'utf8'))
const post = (path, fields) => meishi.post(path, fields)

async function leave(token, name, reach, message) {
  const page = await meishi.open(`/c/${token}`)
  await post(`/c/${token}/seen`, { stamp: page.form.stamp })
  await sleep(3200)
  assert.equal((await post(`/c/${token}/lead`, { ...page.form, name, reach, message })).status, 303)
  return page
}

const leads = async query => (await meishi.api(jane.token, 'GET', `/leads?${query}`)).body.data
// An event as JSON by the path of its endpoint and its type.
const sent = (path, type) => receiver.requests.filter(one => one.path === path).map(one => JSON.parse(one.body))
  .filter(event => event.type === type)
// What a chat got: its messages, in the order of the events.
const messages = chat => receiver.requests.filter(one => one.path === (chat === 'ntfy' ? '/' : `/${chat}`))
  .map(one => JSON.parse(one.body)).filter(body => chat !== 'ntfy' || body.topic === 'my-leads')

// Erasing takes the words out of what is kept, and what waits is not sent any more: so it comes after all is told.
const allTold = () => until(async () => {
  for (const hook of hooks) {
    const { data } = (await meishi.api(jane.token, 'GET', `/webhooks/${hook.id}/deliveries?limit=200`)).body
    if (!data.length || data.some(one => one.state !== 'delivered')) return false
  }
  return true
}, 60000)

before(async () => {
  receiver = await Receiver.start()
  meishi = await Meishi.start({ MEISHI_WEBHOOK_ALLOW: receiver.allow })
  jane = await meishi.member()
  const events = MADE.filter(type => type !== 'webhook.ping')
  const root = receiver.url.replace('/hook', '')
  for (const wish of [{ url: `${root}/full` }, { url: `${root}/thin`, payload: 'thin' },
    ...CHATS.map(format => ({ url: `${root}/${format === 'ntfy' ? 'my-leads' : format}`, format })),
    ...CHATS.map(format => ({ url: `${root}/thin-${format}`, format, payload: 'thin' }))]) {
    const made = await meishi.api(jane.token, 'POST', '/webhooks', { events, ...wish })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    hooks.push(made.body)
  }
  const share = await meishi.share(jane.token, jane.card, { channel: 'event', label: LABEL })
  await meishi.share(jane.token, jane.card, { channel: 'email', recipient: 'Ann @here Okafor' })
  const page = await leave(share.token, NAME, 'barry_j@mail.example', MESSAGE)
  await until(async () => (await leads('stage=new')).length === 1)
  lead = (await leads('stage=new'))[0]
  const passed = await meishi.post(`/c/${share.token}/pass-on`, { ...page.form, vouch: VOUCH }, { Accept: 'application/json' })
  await leave(JSON.parse(passed.text).token, 'Claire Dubois', '+33 1 23 45 67 89', 'Hello.')
  referral = (await leads('kind=referral&stage=new'))[0]
  assert.equal((await meishi.api(jane.token, 'PATCH', `/leads/${lead.id}`, { stage: 'contacted' })).status, 200)
  const promised = await meishi.api(jane.token, 'POST', `/leads/${lead.id}/follow-ups`, { due_at: new Date().toISOString(), note: `Call ${NAME}` })
  assert.equal(promised.status, 201, JSON.stringify(promised.body))
  for (const hook of hooks) await meishi.api(jane.token, 'POST', `/webhooks/${hook.id}/ping`)
  await until(() => sent('/full', 'follow_up.due').length, 30000)
  await allTold()
  await erase(share.token)
  await until(() => ['/full', '/thin'].every(path => sent(path, 'lead.erased').length) && CHATS.every(chat =>
    messages(chat).some(body => JSON.stringify(body).includes('Lead erased'))), 60000)
})
after(async () => {
  await meishi?.stop()
  await receiver?.stop()
})

async function erase(token) {
  const page = await meishi.open(`/c/${token}`)
  await sleep(3200)
  const sentForm = await post(`/c/${token}/lead`, { ...page.form, name: 'Gone Person', reach: '+33 1 23 45 67 89' })
  await allTold()
  assert.equal((await post(`${sentForm.headers.get('location')}/erase`, { sure: 'yes' })).status, 200)
}

// ---- the contract ----

const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { uri: /^https?:\/\//, 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ } })
ajv.addSchema({ $id: 'contract', components: contract.components })
const ofEvent = type => contract.webhooks[type].post.requestBody.content['application/json']
const validators = Object.fromEntries(Object.keys(contract.webhooks).map(type =>
  [type, ajv.compile(JSON.parse(JSON.stringify(ofEvent(type).schema).replaceAll('"#/components/', '"contract#/components/')))]))

// Every object in it, so that a member can be put where none belongs.
function * objects(value) {
  if (value === null || typeof value !== 'object') return
  if (!Array.isArray(value)) yield value
  for (const item of Object.values(value)) yield * objects(item)
}

test('every event is made, full and thin, and is what the contract says, no more and no less', () => {
  for (const path of ['/full', '/thin'])
    for (const type of MADE) {
      const [event] = sent(path, type)
      assert.ok(event, `${path} never heard of ${type}`)
      const check = validators[type]
      assert.ok(check(event), `${path} ${type}: ${JSON.stringify(check.errors)} in ${JSON.stringify(event)}`)
      for (const object of objects(event)) {
        object.surplus = 1
        assert.ok(!check(event), `${path} ${type} may hold more than the contract says, in ${JSON.stringify(object)}`)
        delete object.surplus
        for (const name of Object.keys(object)) {
          const value = object[name]
          delete object[name]
          assert.ok(!check(event), `${path} ${type} may lack ${name}`)
          object[name] = value
        }
      }
      assert.deepEqual(Object.keys(event).sort(), ['data', 'sequence', 'timestamp', 'type'])
    }
})

// Names of members only; null stands for anything, a list for its first item.
function alike(one, other, at) {
  if (one === null || other === null) return
  assert.equal(Array.isArray(one), Array.isArray(other), at)
  if (Array.isArray(one)) return one.length && other.length ? alike(one[0], other[0], `${at}/0`) : undefined
  assert.equal(typeof one, typeof other, at)
  if (typeof one !== 'object') return
  assert.deepEqual(Object.keys(one), Object.keys(other), at)
  for (const name of Object.keys(one)) alike(one[name], other[name], `${at}/${name}`)
}

test('the examples in the contract look like what is sent', () => {
  for (const type of MADE)
    for (const kind of ['full', 'thin']) {
      const example = ofEvent(type).examples[kind]?.value
      assert.ok(example, `${type} has no example of a ${kind} body`)
      assert.ok(validators[type](example), `${type}: ${JSON.stringify(validators[type].errors)}`)
      alike(example, sent(`/${kind}`, type)[0], `${type} ${kind}`)
    }
})

test('a thin body names nobody, a full one everybody who had a hand in it', () => {
  const thin = receiver.requests.filter(one => one.path.startsWith('/thin')).map(one => one.body).join('\n')
  for (const word of ['Barry', 'barry_j', 'Claire', 'Jane', 'Doe', 'fair', '45 67', 'nobody else', 'Ann', 'urgent'])
    assert.ok(!thin.includes(word), `thin bodies tell ${word}`)
  const { data } = sent('/full', 'lead.created').find(event => event.data.lead.id === referral.id)
  assert.equal(data.lead.kind, 'referral')
  assert.equal(data.lead.endorser.vouch, VOUCH)
  assert.deepEqual(data.lead.chain.map(hand => hand.sharer.name), ['Jane Doe', NAME])
  for (const { body } of receiver.requests)
    for (const word of ['127.0.0.1"', 'Mozilla', 'iPhone']) assert.ok(!body.includes(word), `a body tells ${word}`)
})

test('each endpoint counts its own events from 1, leaving none out', () => {
  for (const path of ['/full', '/thin']) {
    const numbers = receiver.requests.filter(one => one.path === path).map(one => JSON.parse(one.body).sequence)
    assert.deepEqual(numbers.sort((one, other) => one - other), numbers.map((_, i) => i + 1))
  }
})

test('the address in a thin body gives the rest', async () => {
  const thin = sent('/thin', 'lead.created').find(event => event.data.lead.id === referral.id)
  const path = new URL(thin.data.lead.api_url).pathname.replace('/api/v1', '')
  const answer = await meishi.api(jane.token, 'GET', path)
  assert.equal(answer.body.name, 'Claire Dubois')
})

// ---- chats ----

// Every text in it, with where it stands.
function * texts(value, at = '') {
  if (typeof value === 'string') yield { text: value, at }
  else if (value && typeof value === 'object') for (const [name, item] of Object.entries(value)) yield * texts(item, `${at}/${name}`)
}

test('a message is what its receiver documents, full and thin', () => {
  for (const chat of CHATS) {
    const check = new Ajv2020({ strict: false, allErrors: true }).compile(read(chat))
    const got = [...messages(chat), ...receiver.requests.map(one => ({ ...one, body: JSON.parse(one.body) }))
      .filter(one => one.path === `/thin-${chat}` || (one.path === '/' && one.body.topic === `thin-${chat}`)).map(one => one.body)]
    assert.ok(got.length > 2 * MADE.length, `${chat} got ${got.length}`)
    for (const message of got) assert.ok(check(message), `${chat}: ${JSON.stringify(check.errors)} in ${JSON.stringify(message)}`)
    assert.ok(!check({ ...got[0], surplus: 1 }))
  }
})

test('each chat shows who, from where, how to reach them and where to read on', () => {
  for (const chat of CHATS) {
    const one = messages(chat).map(body => JSON.stringify(body)).find(body => body.includes('New lead'))
    for (const word of ['Barry', 'barry_j', 'mail.example', 'Event', 'fair', 'Jane Doe', 'Call me', `${meishi.url}/leads/${lead.id}`])
      assert.ok(one.replaceAll('\\\\', '').includes(word), `${chat} does not say ${word}: ${one}`)
    const other = messages(chat).map(body => JSON.stringify(body)).find(body => body.includes('New referral'))
    for (const word of ['Claire Dubois', '+33 1 23 45 67 89', 'Endorsed by', 'nobody else could', `/leads/${referral.id}`])
      assert.ok(other.replaceAll('\\\\', '').includes(word), `${chat} does not say ${word}: ${other}`)
  }
})

test('no text in a chat holds what its app would make a mention or a link of', () => {
  const found = /https?:\/\/|www\.|\bevil\.|\.example|[@#~]\w|:\w+:|mailto:\w/
  for (const chat of CHATS)
    for (const message of messages(chat)) {
      for (const { text, at } of texts(message)) {
        if (/\/(url|click|title_link|topic|\$schema|contentType|timestamp|color)$/.test(at)) continue
        const ours = text.replaceAll('[barry_j@mail.example](mailto:barry_j@mail.example)', '')
          .replaceAll('[barry\\_j@mail.example](mailto:barry_j@mail.example)', '').replaceAll(/barry\\?_j@mail.example/g, '')
          .replaceAll(/\]\(tel:\+33123456789\)/g, '')
        assert.doesNotMatch(ours, found, `${chat} ${at}`)
      }
      for (const { text, at } of texts(message))
        if (/\/(url|click|title_link)$/.test(at)) assert.ok(text.startsWith(`${meishi.url}/`) || /^(mailto:barry_j@mail\.example|tel:\+33123456789)$/.test(text), text)
    }
})

const DECLARATIONS = `
import type { KnownBlock } from '@slack/types'
import type { RESTPostAPIWebhookWithTokenJSONBody } from 'discord-api-types/v10'
interface Slack { text: string; unfurl_links: boolean; unfurl_media: boolean; blocks: KnownBlock[] }
`
function complaints(source) {
  const options = { noEmit: true, strict: true, skipLibCheck: true, types: [], moduleResolution: ts.ModuleResolutionKind.Node10, target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts'] }
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  const path = `${process.cwd()}/tests/judged.ts`
  host.getSourceFile = (name, ...rest) => name === path ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022) : getSourceFile.call(host, name, ...rest)
  return ts.getPreEmitDiagnostics(ts.createProgram([path], options, host)).map(one => ts.flattenDiagnosticMessageText(one.messageText, '\n'))
}

test('the types that Slack and Discord publish take the messages', () => {
  const all = (chat, type) => messages(chat).map((message, i) => `export const ${chat}${i}: ${type} = ${JSON.stringify(message)}\n`).join('')
  const source = DECLARATIONS + all('slack', 'Slack') + all('discord', 'RESTPostAPIWebhookWithTokenJSONBody')
  assert.deepEqual(complaints(source), [])
  assert.ok(complaints(source.replace('"rich_text_section"', '"rich_text_sekt"')).length, 'a wrong block would have been seen')
  assert.ok(complaints(source.replace('"embeds"', '"embedz"')).length, 'a wrong member would have been seen')
})

test('Slack calls nobody: what strangers wrote stands in text that is not parsed', () => {
  for (const message of messages('slack')) {
    assert.doesNotMatch(message.text, /[<>]|&(?!amp;|lt;|gt;)/)
    for (const { text, at } of texts(message.blocks)) assert.ok(!/mrkdwn/.test(text), at)
  }
  const quote = messages('slack').flatMap(one => one.blocks[0].elements).find(one => one.type === 'rich_text_quote' && one.elements[0].text.includes('urgent'))
  assert.equal(quote.elements[0].text.replaceAll('\u200b', ''), MESSAGE)
})

test('Discord\'s Markdown finds nothing in what strangers wrote but the words', () => {
  const plain = nodes => nodes.map(node => {
    assert.ok(['text', 'br', 'newline', 'escape'].includes(node.type), `${node.type} in ${JSON.stringify(nodes)}`)
    return typeof node.content === 'string' ? node.content : node.type === 'br' ? '\n' : plain(node.content ?? [])
  }).join('')
  assert.throws(() => plain(discord.parser(MESSAGE)), 'the message itself is full of marks')
  const read = new Set()
  for (const { allowed_mentions: allowed, embeds: [embed] } of messages('discord')) {
    assert.deepEqual(allowed, { parse: [] })
    for (const text of [embed.title, embed.description, ...embed.fields.map(field => field.value)].filter(Boolean))
      read.add(plain(discord.parser(text)).replaceAll('\u200b', ''))
    const sum = [...texts([embed.title, embed.description, embed.fields])].reduce((length, { text }) => length + text.length, 0)
    assert.ok(sum <= 6000)
  }
  assert.ok(read.has(MESSAGE), [...read].join('\n---\n'))
  assert.ok(read.has(`New lead: ${NAME}`))
})

// As the server does: the texts of the tree, put together, split where no letter, digit or one of . - _ : @ stands.
function mentions(markdown) {
  const found = []
  const walker = new Parser().parse(markdown).walker()
  const kinds = new Set()
  let words = '', event
  while ((event = walker.next())) {
    if (event.entering) kinds.add(event.node.type)
    words += event.node.type === 'text' ? event.node.literal : event.node.type === 'softbreak' ? '\n' : ''
    if (event.node.type === 'link' && event.entering) kinds.add(`link ${event.node.destination}`)
  }
  for (const word of words.split(/[^\p{L}\p{N}.\-_:@]+/u))
    for (const piece of new Set([word, ...word.split(/[.\-:]/)])) if (/^@\w/.test(piece)) found.push(piece)
  return { found, kinds: [...kinds], words }
}

test('Mattermost\'s Markdown finds nobody mentioned and no link that is not ours', () => {
  assert.deepEqual(mentions('\\@channel &commat;here').found, ['@channel', '@here'], 'escapes alone would not do')
  const known = ['document', 'paragraph', 'text', 'strong', 'softbreak', 'link', 'link mailto:barry_j@mail.example', 'link tel:+33123456789']
  const read = []
  for (const { attachments: [one] } of messages('mattermost'))
    for (const text of [one.text, one.title, one.fallback, ...one.fields.map(field => field.value)].filter(Boolean)) {
      const { found, kinds, words } = mentions(text)
      assert.deepEqual(found, [], text)
      assert.deepEqual(kinds.filter(kind => !known.includes(kind)), [], text)
      read.push(words.replaceAll('\u200b', ''))
    }
  assert.ok(read.some(words => words.includes('Call me 👩‍👩‍👧 at 10:30, it is *urgent* & <!everyone>.')))
})

test('the reader of Adaptive Cards takes each card whole', () => {
  const issues = card => {
    const context = new SerializationContext()
    const read = new AdaptiveCard()
    read.parse(card, context)
    return [...Array(context.eventCount).keys()].map(i => context.getEventAt(i).message).concat(read.validateProperties().validationEvents.map(one => one.message))
  }
  for (const message of messages('teams')) {
    const card = message.attachments[0].content
    assert.deepEqual(issues(card), [])
    assert.ok(Buffer.byteLength(JSON.stringify(message)) < 28 * 1024)
    for (const block of objects(card.body)) assert.notEqual(block.type, 'TextBlock', 'it would read Markdown')
  }
  assert.ok(issues({ type: 'AdaptiveCard', version: '1.4', body: [{ type: 'RichTextBlok' }] }).length)
})

test('ntfy gets JSON at its root with the topic in it', () => {
  const got = messages('ntfy')
  assert.ok(got.length >= MADE.length)
  for (const { message } of got) assert.ok(Buffer.byteLength(message) <= 4096)
  const { actions } = got.find(one => one.title.includes('Barry'))
  assert.deepEqual(actions.map(action => action.label), ['Open in Meishi', 'Write'])
})

test('every format is signed, and sent again as the same bytes with the same id', async () => {
  for (const hook of hooks.filter(one => one.payload === 'full')) {
    const path = hook.format === 'ntfy' ? '/' : new URL(hook.url).pathname
    const { data } = (await meishi.api(jane.token, 'GET', `/webhooks/${hook.id}/deliveries?limit=200`)).body
    const ping = data.find(one => one.type === 'webhook.ping')
    const copies = () => receiver.requests.filter(one => one.path === path && one.headers['webhook-id'] === ping.event_id)
    const [first] = copies()
    new Webhook(hook.secret).verify(first.body, first.headers)
    assert.equal((await meishi.api(jane.token, 'POST', `/deliveries/${ping.id}/redeliver`)).status, 202)
    await until(() => copies().length === 2, 60000)
    assert.equal(copies()[1].body, first.body)
    assert.equal(first.headers['content-type'], 'application/json')
  }
})

test('an endpoint says its format, changes it, and is told what is wrong with a wish', async () => {
  const { data } = (await meishi.api(jane.token, 'GET', '/webhooks')).body
  const slack = data.find(hook => hook.format === 'slack' && hook.payload === 'full')
  const changed = await meishi.api(jane.token, 'PATCH', `/webhooks/${slack.id}`, { payload: 'thin', format: 'standard' })
  assert.deepEqual([changed.body.format, changed.body.payload], ['standard', 'thin'])
  assert.equal((await meishi.api(jane.token, 'PATCH', `/webhooks/${slack.id}`, { format: null, payload: null })).body.payload, 'thin')
  const wrong = await meishi.api(jane.token, 'PATCH', `/webhooks/${slack.id}`, { format: 'irc', payload: 'fat' })
  assert.equal(wrong.status, 422)
  assert.deepEqual(wrong.body.errors.map(error => error.pointer), ['/format', '/payload'])
  const topic = await meishi.api(jane.token, 'POST', '/webhooks', { url: 'https://ntfy.sh/', events: ['lead.created'], format: 'ntfy' })
  assert.deepEqual([topic.status, topic.body.errors[0].pointer], [422, '/url'])
})
