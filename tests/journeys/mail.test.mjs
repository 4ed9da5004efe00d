// Sign-in links by mail, judged by a mail server and a parser that are not ours.
import assert from 'node:assert/strict'
import test from 'node:test'
import PostalMime from 'postal-mime'
import { SMTPServer } from 'smtp-server'
import { Meishi, Receiver, sleep, until } from '../support/meishi.mjs'

// Keeps what it is sent; ANSWER, set by a test, refuses instead.
async function mailServer(host = '127.0.0.1') {
  const mails = [], tries = []
  const post = {
    mails, tries, refusal: null,
    stop: () => new Promise(resolve => server.close(resolve))
  }
  const server = new SMTPServer({
    authOptional: true, disabledCommands: ['STARTTLS'], logger: false,
    onRcptTo(address, session, done) {
      tries.push(address.address)
      if (!post.refusal) return done()
      done(Object.assign(new Error('not now'), { responseCode: post.refusal }))
    },
    onData(stream, session, done) {
      const chunks = []
      stream.on('data', chunk => chunks.push(chunk))
      stream.on('end', async () => {
        mails.push({ envelope: session.envelope, mail: await PostalMime.parse(Buffer.concat(chunks)) })
        done()
      })
    }
  })
  server.on('error', () => {})
  await new Promise(resolve => server.listen(0, host, resolve))
  post.url = `smtp://${host}:${server.server.address().port}`
  return post
}

const FROM = 'Meishi <meishi@cards.example.org>'
const ask = (meishi, who, headers) => meishi.post('/sign-in/mail', { who }, headers)

test('a member who forgot the password comes in by a mailed link, once', async () => {
  const post = await mailServer()
  const meishi = await Meishi.start({ MEISHI_SMTP_URL: post.url, MEISHI_MAIL_FROM: FROM })
  try {
    await meishi.member('jane', 'Jané Doe')
    assert.match(await (await fetch(`${meishi.url}/sign-in`)).text(), /Mail me a sign-in link/)
    const answer = await ask(meishi, 'JANE@example.org')
    assert.equal(answer.status, 200)
    await until(() => post.mails.length)
    const { envelope, mail } = post.mails[0]
    assert.equal(envelope.mailFrom.address, 'meishi@cards.example.org')
    assert.deepEqual(envelope.rcptTo.map(to => to.address), ['jane@example.org'])
    assert.deepEqual(mail.from, { name: 'Meishi', address: 'meishi@cards.example.org' })
    assert.ok(Math.abs(Date.parse(mail.date) - Date.now()) < 60000)
    assert.match(mail.messageId, /^<[\w.]+@cards\.example\.org>$/)
    assert.ok(mail.headers.some(({ key, value }) => key === 'auto-submitted' && value === 'auto-generated'))
    assert.match(mail.subject, /sign-in link/)
    assert.match(mail.text, /Hello Jané Doe,/)
    const link = new URL(mail.text.match(/http\S+\/sign-in\/\w+/)[0])
    assert.equal(link.origin, meishi.url)
    const first = await meishi.post(link.pathname, {})
    assert.equal(first.status, 303)
    assert.match(first.headers.get('set-cookie'), /sid=/)
    assert.equal((await meishi.post(link.pathname, {})).status, 404)
    const metrics = await (await fetch(`${meishi.url}/metrics`)).text()
    assert.match(metrics, /^meishi_mail_sent_total 1$/m)
  } finally {
    await meishi.stop()
    await post.stop()
  }
})

test('who changes their e-mail is written to at the one they leave', async () => {
  const post = await mailServer()
  const meishi = await Meishi.start({ MEISHI_SMTP_URL: post.url, MEISHI_MAIL_FROM: FROM })
  try {
    const { member } = await meishi.member()
    const cookie = (await meishi.post(new URL(member.sign_in_url).pathname, {})).headers.get('set-cookie').split(';')[0]
    const change = async fields => {
      const { form } = await meishi.open('/account', undefined, { Cookie: cookie })
      return meishi.post('/account/profile', { form_token: form.form_token, ...fields }, { Cookie: cookie })
    }
    assert.equal((await change({ name: 'Jane Miller', email: 'jane@example.org' })).status, 303, 'the same e-mail: no letter')
    assert.equal((await change({ name: 'Jane Miller', email: 'jane@miller.example' })).status, 303)
    await until(() => post.mails.length)
    const [{ envelope, mail }] = post.mails
    assert.deepEqual(envelope.rcptTo.map(to => to.address), ['jane@example.org'])
    assert.match(mail.subject, /address was changed/)
    assert.match(mail.text, /Hello Jane Miller,/)
  } finally {
    await meishi.stop()
    await post.stop()
  }
})

test('the answer is the same for strangers, who get no mail, and often is too often', async () => {
  const post = await mailServer()
  const meishi = await Meishi.start({ MEISHI_SMTP_URL: post.url, MEISHI_MAIL_FROM: FROM })
  try {
    await meishi.member('jane')
    const plain = answer => answer.text.replaceAll(/value="[^"]*"/g, '')
    const known = plain(await ask(meishi, 'jane'))
    assert.equal(plain(await ask(meishi, 'nobody')), known)
    assert.equal((await ask(meishi, '')).status, 422)
    await until(() => post.mails.length === 1)
    for (let i = 0; i < 3; i++) assert.equal((await ask(meishi, 'jane')).status, 200)
    const refused = await ask(meishi, 'jane')
    assert.equal(refused.status, 429)
    assert.ok(Number(refused.headers.get('retry-after')) > 0)
    await until(() => post.mails.length >= 3)
    await sleep(300)
    assert.equal(post.mails.length, 3, 'three an hour for one account')
  } finally {
    await meishi.stop()
    await post.stop()
  }
})

test('a member hears by mail that a webhook fails, and that it was switched off', async () => {
  const post = await mailServer(), receiver = await Receiver.start()
  const meishi = await Meishi.start({
    MEISHI_SMTP_URL: post.url, MEISHI_MAIL_FROM: FROM, MEISHI_WEBHOOK_ALLOW: `127.0.0.1:${new URL(receiver.url).port}`
  })
  try {
    const { token } = await meishi.member('jane')
    receiver.answer = () => 500
    const { body: webhook } = await meishi.api(token, 'POST', '/webhooks', { url: receiver.url, events: ['lead.created'] })
    const ping = () => meishi.api(token, 'POST', `/webhooks/${webhook.id}/ping`, {})
    for (let i = 0; i < 4; i++) await ping()
    await until(() => receiver.requests.length >= 4)
    await sleep(300)
    assert.equal(post.mails.length, 0, 'four failures are no news')
    await ping()
    await until(() => post.mails.length === 1)
    const { mail } = post.mails[0]
    assert.equal(mail.to[0].address, 'jane@example.org')
    assert.match(mail.subject, /Your webhook to 127\.0\.0\.1:\d+ fails/)
    assert.match(mail.text, new RegExp(`${meishi.url}/webhooks/${webhook.id}`))
    receiver.answer = () => 410
    await ping()
    await until(() => post.mails.length === 2)
    assert.match(post.mails[1].mail.subject, /is switched off/)
    assert.match(post.mails[1].mail.text, /410/)
  } finally {
    await meishi.stop()
    await receiver.stop()
    await post.stop()
  }
})

test('a mail server that is busy is asked again, one that refuses is not', async () => {
  const post = await mailServer()
  const meishi = await Meishi.start({ MEISHI_SMTP_URL: post.url, MEISHI_MAIL_FROM: FROM })
  try {
    await meishi.member('jane')
    await meishi.member('mika')
    post.refusal = 451
    await ask(meishi, 'jane')
    await until(() => post.tries.length === 1)
    post.refusal = 550
    await ask(meishi, 'mika')
    await until(() => post.tries.length === 2)
    post.refusal = null
    await until(() => post.mails.length === 1, 20000)
    assert.deepEqual(post.tries, ['jane@example.org', 'mika@example.org', 'jane@example.org'])
    const metrics = await (await fetch(`${meishi.url}/metrics`)).text()
    assert.match(metrics, /^meishi_mail_sent_total 1$/m)
    assert.match(metrics, /^meishi_mail_failed_total 1$/m)
    assert.ok(!meishi.log.includes('@example.org'), 'no address in the log')
  } finally {
    await meishi.stop()
    await post.stop()
  }
})

test('a mail server elsewhere that does not encrypt gets nothing', async () => {
  const post = await mailServer('127.0.0.2') // this machine too, which its name does not say
  const meishi = await Meishi.start({ MEISHI_SMTP_URL: post.url, MEISHI_MAIL_FROM: FROM })
  try {
    await meishi.member('jane')
    await ask(meishi, 'jane')
    await until(() => /event=mail/.test(meishi.log))
    assert.equal(post.tries.length, 0)
  } finally {
    await meishi.stop()
    await post.stop()
  }
})

test('without a mail server there is no such thing, and wrong settings are told', async () => {
  const meishi = await Meishi.start()
  try {
    assert.doesNotMatch(await (await fetch(`${meishi.url}/sign-in`)).text(), /Mail me/)
    assert.equal((await ask(meishi, 'jane')).status, 404)
  } finally {
    await meishi.stop()
  }
  for (const [settings, words] of [
    [{ MEISHI_SMTP_URL: 'http://mail.example.org', MEISHI_MAIL_FROM: FROM }, /MEISHI_SMTP_URL.*smtps:/],
    [{ MEISHI_SMTP_URL: 'smtp://', MEISHI_MAIL_FROM: FROM }, /MEISHI_SMTP_URL/],
    [{ MEISHI_SMTP_URL: 'smtp://localhost', MEISHI_MAIL_FROM: 'nobody' }, /MEISHI_MAIL_FROM/]
  ])
    await assert.rejects(Meishi.start(settings), words)
})
