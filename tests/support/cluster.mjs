// A PostgreSQL cluster of a test's own, for what must not be done to the one of the run: cluster.sh makes it.
import { execFile } from 'node:child_process'
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

  // Ends every session but this one, as a link that breaks would. Resolves to how many.
  async cut() {
    return Number(await psql(this.url.replace('/meishi?', '/postgres?').replace('user=meishi', 'user=admin'),
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'meishi'"))
  }
}
