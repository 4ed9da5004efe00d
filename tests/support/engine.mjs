// The engine that the stores of this run lie in: SQLite, or PostgreSQL when MEISHI_TEST_STORE names a database of it
// (tests/run.sh), in which each store gets a schema of its own. engine.h is the same for C.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const DATABASE = process.env.MEISHI_TEST_STORE
export const onPostgres = Boolean(DATABASE)
// Why a test has nothing to say about a database: test(name, { skip: ofSqlite('the lock is a file') }, …).
export const ofSqlite = why => onPostgres && `SQLite's own: ${why}`

// What psql prints for what stands in SQL, at the database of URL.
export async function psql(url, sql) {
  const asked = promisify(execFile)('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', url], { maxBuffer: 2 ** 28 })
  asked.child.stdin.end(sql)
  return (await asked).stdout
}

// Every row of every table as text, the table's name before it.
const EVERYTHING = `SELECT format('SELECT %L, CAST(t AS TEXT) FROM %I AS t', tablename, tablename)
  FROM pg_tables WHERE schemaname = current_schema() \\gexec\n`

export class Store {
  // A store that is not there yet, in FOLDER or with its key there. Its settings are what a server of it needs.
  static async make(folder, name = 'store') {
    const store = new Store()
    store.folder = join(folder, name) // on SQLite
    store.settings = { MEISHI_STORE: `sqlite:${store.folder}` }
    if (!onPostgres) return store
    store.schema = `j${randomBytes(8).toString('hex')}`
    store.url = `${DATABASE}${DATABASE.includes('?') ? '&' : '?'}options=-csearch_path%3D${store.schema}`
    store.settings = { MEISHI_STORE: store.url, MEISHI_KEY_FILE: join(folder, `${name}.key`) }
    await psql(DATABASE, `CREATE SCHEMA ${store.schema}`)
    return store
  }

  // What it has written, { name: bytes }: its files, or its tables with all bytes as they are.
  async written() {
    if (!onPostgres)
      return Object.fromEntries(readdirSync(this.folder, { withFileTypes: true }).filter(entry => entry.isFile())
        .map(({ name }) => [name, readFileSync(join(this.folder, name))]))
    const tables = {}
    for (const line of (await psql(this.url, EVERYTHING)).split('\n')) {
      const [, table, row] = line.match(/^(\w+)\|(.*)$/s) ?? ['', 'more', line]
      const bytes = row.replace(/\\\\x([0-9a-f]+)/g, (_, hex) => Buffer.from(hex, 'hex').toString('latin1'))
      tables[table] = Buffer.concat([tables[table] ?? Buffer.alloc(0), Buffer.from(`${row}\n`), Buffer.from(bytes, 'latin1')])
    }
    return tables
  }

  // Takes away what its folder did not hold.
  async drop() {
    if (this.schema) await psql(DATABASE, `DROP SCHEMA ${this.schema} CASCADE`)
  }
}
