// A webhook as it leaves the server, verified by the reference library of the specification and by nothing of ours: the
// real binary, a receiver on a free port, every request checked as a stranger's system would.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createPublicKey, verify as verifyBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const meishi = process.env.MEISHI ?? join(root, process.env.BUILD ?? 'build', 'meishi');
const folder = mkdtempSync(join(tmpdir(), 'meishi-webhook-'));
const received = [];
let receiver, server, base, token, env, jane;

const wait = async (what, found) => {
  for (let tries = 0; tries < 300; tries++) {
    const value = await found();
    if (value) return value;
    await new Promise(done => setTimeout(done, 20));
  }
  throw new Error(`waited in vain for ${what}`);
};

async function api(method, path, body) {
  const answer = await fetch(`${base}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

before(async () => {
  assert.ok(existsSync(meishi), `build ${meishi} first: make test does`);
  receiver = createServer((request, response) => {
    const pieces = [];
    request.on('data', piece => pieces.push(piece));
    request.on('end', () => {
      received.push({ path: request.url, headers: request.headers, body: Buffer.concat(pieces).toString('utf8') });
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  env = {
    ...process.env, MEISHI_STORE: `sqlite:${folder}`, MEISHI_LISTEN: '127.0.0.1:0', MEISHI_KEY_FILE: join(folder, 'key'),
    MEISHI_WEBHOOK_ALLOW: `127.0.0.1:${receiver.address().port}`,
  };
  delete env.MEISHI_VCARD_WRITER;
  delete env.MEISHI;
  const run = (...words) => JSON.parse(execFileSync(meishi, [...words, '--json'], { env, encoding: 'utf8' }));
  jane = run('member', 'add', '--handle', 'jane', '--name', 'Jane Doe', '--email', 'jane@example.org');
  token = run('token', 'add', '--member', 'jane').token;
  server = spawn(meishi, ['serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  server.stdout.on('data', text => { said += text; });
  base = await wait('the server', () => /listening on (http:\S+)/.exec(said)?.[1]);
});

after(async () => {
  receiver?.close();
  if (server && server.exitCode === null) {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
  rmSync(folder, { recursive: true });
});

const address = path => `http://127.0.0.1:${receiver.address().port}${path}`;
const verify = (secret, request) => new Webhook(secret).verify(request.body, request.headers);

test('a ping is verified by the reference library', async () => {
  const webhook = await api('POST', 'webhooks', { url: address('/ping'), events: ['lead.created'] });
  assert.match(webhook.secret, /^whsec_/);
  await api('POST', `webhooks/${webhook.id}/ping`);
  const request = await wait('the ping', () => received.find(one => one.path === '/ping'));
  const event = verify(webhook.secret, request);
  assert.equal(event.type, 'webhook.ping');
  assert.match(request.headers['webhook-id'], /^msg_/);
  assert.equal(request.headers['content-type'], 'application/json');

  const other = await api('POST', 'webhooks', { url: address('/other'), events: ['lead.created'] });
  assert.throws(() => verify(other.secret, request), /signature/i, 'another secret must not verify');
  const changed = { ...request, body: request.body.replace('webhook.ping', 'webhook.pong') };
  assert.throws(() => verify(webhook.secret, changed), /signature/i, 'a changed body must not verify');
  const moved = { ...request, headers: { ...request.headers, 'webhook-id': 'msg_other' } };
  assert.throws(() => verify(webhook.secret, moved), /signature/i, 'a changed id must not verify');
});

test('a share with all kinds of letters is told, signed and read back whole', async () => {
  const label = 'Messe “Berlin” 名刺 🎴 <b>&amp;';
  const webhook = await api('POST', 'webhooks', { url: address('/shares'), events: ['share.created'] });
  const card = await api('POST', 'cards', { name: 'Jane Doe' });
  const share = await api('POST', `cards/${card.id}/shares`, { channel: 'qr', label });
  const request = await wait('the event', () => received.find(one => one.path === '/shares' && one.body.includes(share.id)));
  const event = verify(webhook.secret, request);
  assert.equal(event.type, 'share.created');
  assert.equal(event.data.share.label, label);
  assert.equal(event.data.share.token, share.token);
  assert.ok(!Number.isNaN(Date.parse(event.timestamp)));
});

test('a redelivery has the same id and a signature of its own', async () => {
  const webhook = await api('POST', 'webhooks', { url: address('/again'), events: ['lead.created'] });
  await api('POST', `webhooks/${webhook.id}/ping`);
  const first = await wait('the ping', () => received.find(one => one.path === '/again'));
  const delivery = await wait('its record', async () =>
    (await api('GET', `webhooks/${webhook.id}/deliveries`)).data.find(one => one.state === 'delivered'));
  await new Promise(done => setTimeout(done, 1100)); // the signature's clock counts seconds
  await api('POST', `deliveries/${delivery.id}/redeliver`);
  const second = await wait('the second', () => received.filter(one => one.path === '/again')[1]);
  assert.equal(second.headers['webhook-id'], first.headers['webhook-id']);
  assert.equal(second.body, first.body);
  assert.notEqual(second.headers['webhook-signature'], first.headers['webhook-signature']);
  verify(webhook.secret, second);
});

// What members do in pages: a session, then a form with its token.
async function pages() {
  const form = fields => ({
    method: 'POST', redirect: 'manual', body: new URLSearchParams(fields), headers: { origin: base, cookie },
  });
  let cookie = '';
  const signedIn = await fetch(base + new URL(jane.sign_in_url).pathname, form({}));
  cookie = signedIn.headers.get('set-cookie').split(';')[0];
  const get = async path => (await fetch(base + path, { headers: { cookie } })).text();
  const post = async (path, fields) => {
    const form_token = /name="form_token" value="([^"]+)"/.exec(await get('/webhooks/new'))[1];
    const answer = await fetch(base + path, form({ form_token, ...fields }));
    const html = await answer.text();
    assert.equal(answer.status, 200, html);
    return html;
  };
  return { get, post };
}
const secretIn = html => /whsec_[A-Za-z0-9+/=]+/.exec(html)[0];
const signatures = (request, version) =>
  request.headers['webhook-signature'].split(' ').filter(one => one.startsWith(`${version},`)).map(one => one.split(',')[1]);

// RFC 8410 says how a bare ed25519 key is wrapped for node.
const verifiesWithKey = (whpk, request, signature) => {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(whpk.slice('whpk_'.length), 'base64')]);
  const text = `${request.headers['webhook-id']}.${request.headers['webhook-timestamp']}.${request.body}`;
  return verifyBytes(null, Buffer.from(text), createPublicKey({ key: der, format: 'der', type: 'spki' }), Buffer.from(signature, 'base64'));
};

async function ping(webhook, path) {
  const before = received.filter(one => one.path === path).length;
  await api('POST', `webhooks/${webhook}/ping`);
  return wait('a ping', () => received.filter(one => one.path === path)[before]);
}

test('a changed secret and the one before both verify, until the old one is ended; keys sign beside them', async () => {
  const { get, post } = await pages();
  const made = await post('/webhooks/new', { url: address('/keys'), event: 'lead.created', asymmetric: '1' });
  const first = secretIn(made), id = /whk_\w+/.exec(made)[0];
  const keyOf = async () => /whpk_[A-Za-z0-9+/=]+/.exec(await get(`/webhooks/${id}`))[0];
  const firstKey = await keyOf();
  const alone = await ping(id, '/keys');
  verify(first, alone);
  assert.equal(signatures(alone, 'v1').length, 1);
  assert.deepEqual(signatures(alone, 'v1a').map(one => verifiesWithKey(firstKey, alone, one)), [true]);
  assert.ok(!verifiesWithKey(firstKey, { ...alone, body: alone.body + ' ' }, signatures(alone, 'v1a')[0]));

  const second = secretIn(await post(`/webhooks/${id}`, { do: 'rotate', keep: '24h' }));
  const secondKey = await keyOf();
  assert.notEqual(second, first);
  assert.notEqual(secondKey, firstKey);
  const both = await ping(id, '/keys');
  verify(first, both);
  verify(second, both);
  assert.equal(signatures(both, 'v1').length, 2);
  assert.deepEqual(signatures(both, 'v1a').map(one => verifiesWithKey(secondKey, both, one)), [true, false]);
  assert.deepEqual(signatures(both, 'v1a').map(one => verifiesWithKey(firstKey, both, one)), [false, true]);

  const third = secretIn(await post(`/webhooks/${id}`, { do: 'rotate', keep: '0' }));
  const one = await ping(id, '/keys');
  verify(third, one);
  assert.throws(() => verify(second, one), /signature/i);
  assert.throws(() => verify(first, one), /signature/i);
  assert.equal(signatures(one, 'v1').length, 1);
  const thirdKey = await keyOf();
  assert.deepEqual(signatures(one, 'v1a').map(sign => verifiesWithKey(thirdKey, one, sign)), [true]);
});

test('the operator sees how deliveries ended', async () => {
  const figures = async () => {
    const text = await (await fetch(`${base}/metrics`)).text();
    return name => Number(new RegExp(`^meishi_${name} (\\d+)$`, 'm').exec(text)[1]);
  };
  // The receiver knows of a delivery before its record is written, and answered each with 204.
  const counted = () => wait('the count of what was answered', async () =>
    (await figures())('webhook_deliveries_total{outcome="delivered"}') === received.length);
  await counted();
  const before = received.length;
  const webhook = await api('POST', 'webhooks', { url: address('/counted'), events: ['lead.created'] });
  await ping(webhook.id, '/counted');
  await counted();
  assert.equal(received.length, before + 1);
  assert.equal((await figures())('webhook_queue'), 0);
});
