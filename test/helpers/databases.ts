import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, describe } from 'vitest'
import type { Database, DatabaseOptions } from '../../src/db/database.ts'
import { type Migration, migrate } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open.ts'
import type { Dialect } from '../../src/db/sql.ts'
import type { SqliteHooks, Time } from '../../src/db/sqlite.ts'
import { systemClock, systemTimers } from '../../src/live/time.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'

export const time: Time = { timers: systemTimers, clock: systemClock }

/** A database that nobody has touched, and everything opened on it by a test; gone after the test. */
export interface TestDatabase {
  readonly options: DatabaseOptions
  readonly dir: string
  /** Migrates first. Each call is one more process, as far as the database can tell. */
  open(migrations?: readonly Migration[], options?: Partial<DatabaseOptions>, hooks?: SqliteHooks): Promise<Database>
}

/** Makes a database for one test: with the newest schema, as a server takes it, or with none at all. */
export type Fresh = (schema?: 'migrated' | 'empty') => Promise<TestDatabase>

/** Runs the tests once per engine. */
export function eachEngine(tests: (name: Dialect, fresh: Fresh) => void): void {
  const engines: Dialect[] = process.env.DENDRITE_TEST_POSTGRES === undefined ? ['sqlite'] : ['sqlite', 'postgres']
  describe.each(engines)('on %s', (name) => {
    const undo: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const step of undo.splice(0).reverse()) await step()
    })
    tests(name, (schema) => (name === 'sqlite' ? freshSqlite(undo) : freshPostgres(undo, schema)))
  })
}

export async function freshSqlite(undo: (() => Promise<void>)[]): Promise<TestDatabase> {
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-db-'))
  undo.push(async () => rmSync(dir, { recursive: true, force: true }))
  return testDatabase({ connectionString: 'file:dendrite.db' }, dir, undo)
}

/** On the server of all tests. The schema is copied: migrating takes ten times as long. */
export function freshPostgres(undo: (() => Promise<void>)[], schema?: 'migrated' | 'empty'): Promise<TestDatabase> {
  const template = schema === 'empty' ? undefined : process.env.DENDRITE_TEST_TEMPLATE
  return emptyPostgres(undo, serverUri(), template)
}

/** With no schema but what the template has. */
export async function emptyPostgres(
  undo: (() => Promise<void>)[],
  server: string,
  template = 'template0',
): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  await onServer(server, `CREATE DATABASE ${name} TEMPLATE ${template} ENCODING 'UTF8'`)
  undo.push(() => onServer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
  return testDatabase({ connectionString: uriOf(server, name) }, tmpdir(), undo)
}

/** Makes the database that is copied for every test. */
export async function makeTemplate(server: string, name: string): Promise<void> {
  await onServer(server, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
  await migrate({ connectionString: uriOf(server, name) }, MIGRATIONS, tmpdir(), time)
}

function uriOf(server: string, database: string): string {
  const uri = new URL(server)
  uri.pathname = `/${database}`
  return uri.href
}

function serverUri(): string {
  const uri = process.env.DENDRITE_TEST_POSTGRES
  if (uri === undefined) throw new Error('No PostgreSQL runs for the tests')
  return uri
}

export async function onServer(uri: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: uri })
  await client.connect()
  await client.query(statement)
  await client.end()
}

function testDatabase(options: DatabaseOptions, dir: string, undo: (() => Promise<void>)[]): TestDatabase {
  return {
    options,
    dir,
    async open(migrations = MIGRATIONS, more = {}, hooks) {
      await migrate(options, migrations, dir, time)
      const db = await openDatabase({ ...options, ...more }, dir, time, hooks)
      undo.push(() => db.close())
      return db
    },
  }
}

/** Resolves once the database has heard of the position. */
export function grownTo(db: Database, position: number): Promise<void> {
  return new Promise((resolve) => {
    if (db.safePosition() >= position) return resolve()
    const stop = db.onGrown((now) => {
      if (now < position) return
      stop()
      resolve()
    })
  })
}
