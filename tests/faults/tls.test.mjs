// PostgreSQL by TLS that checks whom it speaks to: all connections are encrypted, also those that are made anew, and a server that
// another authority vouches for, or whose certificate is for another name, is refused in words that say what to see to. The cluster
// listens on an address of 127/8 of its own; names are never looked up.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Cluster } from '../support/cluster.mjs'
import { BINARY, Meishi, until } from '../support/meishi.mjs'

const NAME = 'db.meishi.test'
const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
let cluster, meishi, jane, share

// An authority of its own, and a certificate for NAME by it.
const AUTHORITY = folder => `
  mkdir ${folder} && cd ${folder} && new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch" &&
  $new -x509 -days 2 -subj "/CN=authority of tests" -keyout ca.key -out ca.crt &&
  $new -subj /CN=${NAME} -addext subjectAltName=DNS:${NAME} -keyout server.key -out server.csr &&
  openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -copy_extensions copy -out server.crt &&
  chmod 600 server.key && cd ..`

// Starts anew with the certificate of that authority.
const present = authority => cluster.tell(`cd / && cluster_run cp "$CLUSTER_FOLDER/${authority}"/server.{crt,key} "$CLUSTER_FOLDER/data/" &&
  cluster_stop fast && CLUSTER_OPTIONS="-c listen_addresses=${address} -c ssl=on" && cluster_start`)

const url = (authority, host = NAME, mode = 'verify-full') =>
  `postgres://meishi@${host}/meishi?hostaddr=${address}&sslmode=${mode}&sslrootcert=${cluster.folder}/${authority}/ca.crt`

before(async () => {
  cluster = await Cluster.make()
  await cluster.tell(`cluster_run bash -c 'set -e; cd "$0"; ${AUTHORITY('good')}; ${AUTHORITY('other')};
    printf "%s\\n" "local all all trust" "hostssl all meishi 127.0.0.0/8 trust" >data/pg_hba.conf' "$CLUSTER_FOLDER" 2>&1`)
  await present('good')
  meishi = await Meishi.start({ MEISHI_STORE: url('good'), MEISHI_KEY_FILE: `${cluster.folder}/meishi.key` })
  jane = await meishi.member()
  share = await meishi.share(jane.token, jane.card)
})
after(async () => {
  await meishi?.stop()
  await cluster?.drop()
})

const isRecorded = async () => !(await meishi.open(`/c/${share.token}`)).headers.get('x-hit')

test('every connection is encrypted, also after all were cut', async () => {
  const sessions = () => cluster.psql(`SELECT count(*) || ' of ' || count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'meishi'`)
  assert.ok(await isRecorded())
  const [all, encrypted] = (await sessions()).split(' of ')
  assert.ok(Number(all) > 3)
  assert.equal(encrypted, all)
  assert.ok(await cluster.cut() > 3)
  await until(isRecorded, 5000)
  await until(async () => (await meishi.api(jane.token, 'GET', '/leads')).status === 200, 5000)
  assert.match(await sessions(), /^(\d+) of \1$/)
})

const REFUSED = {
  'another authority': [() => url('other'), /certificate verify failed.*see to sslrootcert/],
  'another name': [() => url('good', 'cards.meishi.test'), /certificate for 'db\.meishi\.test' does not match host name 'cards\.meishi\.test'.*the host's name in MEISHI_STORE/],
  'no authority\'s file': [() => url('none'), /none\/ca\.crt' does not exist.*verification\. It cannot be told .*see to sslrootcert/],
  'no encryption': [() => url('good', NAME, 'disable'), /no encryption.*sslmode=verify-full/]
}

for (const [what, [store, words]] of Object.entries(REFUSED)) {
  test(`refused in plain words: ${what}`, async () => {
    const doctor = await meishi.command('doctor', '--store', store())
    assert.notEqual(doctor.code, 0)
    assert.match(doctor.out, new RegExp(`WRONG store .*${words.source}`))
    const env = { ...meishi.env, MEISHI_STORE: store(), MEISHI_LISTEN: '127.0.0.1:0' }
    const served = await promisify(execFile)(BINARY, ['serve'], { env, timeout: 30000 }).catch(error => error)
    assert.notEqual(served.code, 0)
    assert.match(served.stderr, words)
    assert.doesNotMatch(served.stdout, /listening/)
  })
}

test('a server whose certificate is another\'s from now on is not spoken to; card pages go on, and all is well once it is the right one', async () => {
  await present('other')
  await until(async () => !(await isRecorded()))
  await until(() => /event=postgres-away .*certificate verify failed/.test(meishi.log))
  assert.equal((await fetch(`${meishi.url}/readyz`)).status, 503)
  assert.match((await meishi.open(`/c/${share.token}`)).html, /Jane Doe/)
  await present('good')
  await until(isRecorded)
  await until(async () => (await fetch(`${meishi.url}/readyz`)).status === 200)
})
