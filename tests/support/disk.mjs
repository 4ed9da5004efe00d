// What a store lies on, failing on demand: under SQLite the disk (tests/faults/shim.c is preloaded into the server); PostgreSQL
// says of every row that it would write what it says when its own disk is full, or lets every writer wait for another.
//
//   const disk = new Disk()
//   const meishi = await Meishi.start(disk.settings)
//   disk.isUnder(meishi.store)
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onPostgres, psql } from './engine.mjs'

const SHIM = new URL(`../../${process.env.BUILD ?? 'build'}/tests/faults/shim.so`, import.meta.url).pathname
const EVERY_TABLE = 'SELECT tablename FROM pg_tables WHERE schemaname = current_schema()'
// A sequence counts what fails, since it alone keeps what a transaction that is taken back has done.
const FILL = `CREATE SEQUENCE IF NOT EXISTS disk_failures;
  CREATE OR REPLACE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM nextval('disk_failures');
    RAISE 'could not extend file: no space left on device' USING ERRCODE = 'disk_full';
  END $$;
  SELECT format('CREATE TRIGGER disk_is_full BEFORE INSERT OR UPDATE ON %I EXECUTE FUNCTION disk_is_full()', tablename)
    FROM (${EVERY_TABLE}) AS every \\gexec\n`
const EMPTY = `SELECT format('DROP TRIGGER IF EXISTS disk_is_full ON %I', tablename) FROM (${EVERY_TABLE}) AS every \\gexec\n`
// The lock for which whoever writes takes turns (server/store/db_postgres.c).
const TURN = '1299540840, hashtext(current_schema())'
const WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = 1299540840 AND objid::bigint = hashtext(current_schema())::bigint & 4294967295"

export class Disk {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'meishi-fault-'))
    this.file = join(this.folder, 'fault')
    writeFileSync(this.file, '')
    this.settings = onPostgres ? {} : { LD_PRELOAD: SHIM, FAULT_FILE: this.file }
  }

  isUnder(store) { this.url = store.url }

  async fill() {
    if (onPostgres) return psql(this.url, FILL)
    writeFileSync(this.file, 'full')
  }

  // One sync fails. SQLite's alone.
  failSync() { writeFileSync(this.file, 'sync') }

  async hang() {
    if (!onPostgres) return writeFileSync(this.file, 'hang')
    this.holder = spawn('psql', ['-XqAt', this.url], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.holder.stdin.write(`SELECT 'held' FROM pg_advisory_lock(${TURN});\n`)
    await new Promise(resolve => this.holder.stdout.once('data', resolve))
  }

  // What was failing works again.
  async mend() {
    writeFileSync(this.file, '')
    this.holder?.stdin.end()
    if (this.url) await psql(this.url, EMPTY)
  }

  // How often it has failed somebody, or held them up.
  async failures() {
    if (!onPostgres) return existsSync(`${this.file}.count`) ? readFileSync(`${this.file}.count`).length : 0
    return Number(await psql(this.url, this.holder ? WAITING : 'SELECT last_value FROM disk_failures WHERE is_called'))
  }

  remove() { rmSync(this.folder, { recursive: true, force: true }) }
}
