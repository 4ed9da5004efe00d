// A PostgreSQL cluster of a test's own, for what must not be done to the one of the run: cluster.sh makes it. And a line to it that
// can go silent.
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import { psql } from './engine.mjs'

const SCRIPT = new URL('cluster.sh', import.meta.url).pathname
const bash = promisify(execFile)

export class Cluster {
  static async make() {
    const cluster = new Cluster()
    const { stdout } = await bash('bash', ['-c', `. "${SCRIPT}" && cluster_make >&2 && echo "$CLUSTER_FOLDER" && echo "$CLUSTER_URL"`])
    ;[cluster.folder, cluster.url] = stdout.trim().split('\n')
    return cluster
  }

  tell(words) { return bash('bash', ['-c', `. "${SCRIPT}" && CLUSTER_FOLDER=$0 && ${words}`, this.folder]) }
  start() { return this.tell('cluster_start') }
  stop(mode) { return this.tell(`cluster_stop ${mode}`) }
  drop() { return this.tell('cluster_drop') }

  // As its administrator, in the database of the URL.
  psql(sql) { return psql(this.url.replace('user=meishi', 'user=admin'), sql).then(said => said.trim()) }

  // Ends every session but this one, as a link that breaks would. Resolves to how many.
  async cut() {
    return Number(await psql(this.url.replace('/meishi?', '/postgres?').replace('user=meishi', 'user=admin'),
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'meishi'"))
  }

  // The postmaster and all it has started.
  processes() {
    const first = Number(readFileSync(`${this.folder}/data/postmaster.pid`, 'utf8').split('\n')[0])
    const children = readdirSync('/proc').filter(name => /^\d+$/.test(name)).filter(name => {
      try {
        return Number(readFileSync(`/proc/${name}/stat`, 'utf8').replace(/.*\) /s, '').split(' ')[1]) === first
      } catch {
        return false // gone meanwhile
      }
    })
    return [first, ...children.map(Number)]
  }

  freeze() {
    for (const pid of this.processes()) process.kill(pid, 'SIGSTOP')
  }

  thaw() {
    for (const pid of this.processes()) process.kill(pid, 'SIGCONT')
  }
}

// A TCP port that leads to the cluster's socket. Silent, it takes in everything and passes on nothing, as a link does whose other end
// is gone; the commit of the transaction in which a named statement ran it passes on, and then neither the answer nor anything more.
export class Line {
  static async to(cluster) {
    const line = new Line()
    line.pairs = new Set()
    line.server = createServer(near => line.join(near, connect(`${cluster.folder}/.s.PGSQL.5432`)))
    await new Promise(resolve => line.server.listen(0, '127.0.0.1', resolve))
    line.server.unref()
    line.url = `postgres://meishi@127.0.0.1:${line.server.address().port}/meishi?sslmode=disable`
    return line
  }

  silent = false
  commitOf = null

  join(near, far) {
    const pair = [near, far], heard = { rest: null, names: new Map(), meant: false }
    this.pairs.add(pair)
    let deaf = false
    near.on('data', data => {
      if (this.silent) return
      deaf ||= this.asks(data, heard)
      far.write(data)
    })
    far.on('data', data => this.silent || deaf || near.write(data))
    for (const side of pair) side.on('error', () => {}).on('close', () => this.silent || deaf || pair.forEach(one => one.destroy()))
  }

  // Whether the frontend's messages ask for the commit of the transaction that this.commitOf was run in; statements go by the names
  // they were prepared under (Parse, Bind). The first message is the startup's.
  asks(data, heard) {
    let found = false
    if (!heard.rest) {
      heard.rest = Buffer.alloc(0)
      return false
    }
    heard.rest = Buffer.concat([heard.rest, data])
    for (let size; heard.rest.length >= 5 && heard.rest.length >= (size = 1 + heard.rest.readInt32BE(1)); heard.rest = heard.rest.subarray(size)) {
      const kind = String.fromCharCode(heard.rest[0]), texts = heard.rest.subarray(5, size).toString('latin1').split('\0')
      if (kind === 'P') heard.names.set(texts[0], texts[1])
      if (kind !== 'B') continue
      const statement = heard.names.get(texts[1]) ?? ''
      found ||= heard.meant && statement === 'COMMIT'
      heard.meant = (heard.meant && !/^BEGIN/.test(statement)) || Boolean(this.commitOf?.test(statement))
    }
    if (found) this.commitOf = null
    return found
  }

  // As if the other end came back: what was open is closed now, new ones pass.
  speak() {
    this.silent = false
    for (const pair of this.pairs) for (const side of pair) side.destroy()
    this.pairs.clear()
  }

  stop() {
    this.speak()
    this.server.close()
  }
}
