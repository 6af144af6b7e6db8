import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type Migration, migrate, migrationStatus } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open.ts'
import { sql } from '../../src/db/sql.ts'
import { eachEngine, type TestDatabase, time } from '../helpers/databases.ts'
import { logTables } from './log-tables.ts'

const second: Migration = {
  number: 2,
  name: 'second',
  up: () => ['CREATE TABLE more (x BIGINT)', 'INSERT INTO more VALUES (1)'],
}
const broken: Migration = {
  number: 3,
  name: 'broken',
  up: () => ['CREATE TABLE half (x BIGINT)', 'INSERT INTO nowhere VALUES (1)'],
}

eachEngine((name, fresh) => {
  const run = ({ options, dir }: TestDatabase, migrations: readonly Migration[]) =>
    migrate(options, migrations, dir, time)
  const status = ({ options, dir }: TestDatabase, migrations: readonly Migration[]) =>
    migrationStatus(options, migrations, dir, time)

  test('the status says what would happen, and nothing happens', async () => {
    const database = await fresh('empty')
    expect(await status(database, [second, logTables])).toEqual({ current: 0, pending: [logTables, second] })
    if (name === 'sqlite') expect(readdirSync(database.dir)).toEqual([])
    await run(database, [logTables])
    expect(await status(database, [logTables, second])).toEqual({ current: 1, pending: [second] })
  })

  test('a lock that cannot be taken is told of at once, with the reason', async () => {
    if (name !== 'sqlite') return
    const database = await fresh('empty')
    await run(database, [logTables])
    for (const [lock, work] of [
      ['migrate-lock', () => run(database, [logTables, second])],
      ['lock', () => database.open([logTables], { exclusive: true })],
    ] as const) {
      const path = join(database.dir, `dendrite.db.${lock}`)
      writeFileSync(path, 'no database '.repeat(100))
      await expect(work()).rejects.toMatchObject({
        name: 'DatabaseUnavailable',
        message: expect.stringContaining('not a database'),
      })
      rmSync(path)
    }
  })

  test('migrations run once, in order, each with its row', async () => {
    const database = await fresh('empty')
    expect(await run(database, [second, logTables])).toEqual([logTables, second])
    expect(await run(database, [second, logTables])).toEqual([])
    const db = await database.open([logTables, second])
    expect(await db.read(sql`SELECT number, name FROM schema_migrations ORDER BY number`)).toEqual([
      { number: 1, name: 'log-tables' },
      { number: 2, name: 'second' },
    ])
    expect(await db.read(sql`SELECT x FROM more`)).toEqual([{ x: 1 }])
  })

  test.runIf(name === 'sqlite')('nobody else may read the file', async () => {
    const database = await fresh('empty')
    await run(database, [logTables])
    expect(statSync(join(database.dir, 'dendrite.db')).mode & 0o777).toBe(0o600)
  })

  test('two processes that migrate at once take turns', async () => {
    const database = await fresh('empty')
    const done = await Promise.all([run(database, [logTables, second]), run(database, [logTables, second])])
    expect(done.map((migrations) => migrations.length).sort()).toEqual([0, 2])
  })

  test('beside a running server nothing is migrated', async () => {
    const database = await fresh('empty')
    const server = await database.open([logTables], { exclusive: true })
    const locked = { name: 'DatabaseLocked' }
    const alone = (migrations: readonly Migration[]) =>
      migrate(database.options, migrations, database.dir, time, { alone: true })
    await expect(run(database, [logTables, second])).rejects.toMatchObject(locked)
    await expect(alone([logTables])).rejects.toMatchObject(locked)
    // A second server on PostgreSQL starts: it has nothing to do.
    expect(await run(database, [logTables])).toEqual([])
    await server.close()
    expect(await alone([logTables, second])).toEqual([second])
  }, 30_000)

  test('what the inspection refuses is left alone', async () => {
    const database = await fresh('empty')
    await run(database, [logTables])
    const inspect = async (read: (query: string) => Promise<readonly Record<string, unknown>[]>) => {
      expect(await read('SELECT position FROM log_head')).toEqual([{ position: 0 }])
      throw new Error('not this one')
    }
    const tried = migrate(database.options, [logTables, second], database.dir, time, { inspect })
    await expect(tried).rejects.toThrow('not this one')
    expect(await status(database, [logTables, second])).toEqual({ current: 1, pending: [second] })
  })

  test('a migration that fails leaves nothing of itself', async () => {
    const database = await fresh('empty')
    await expect(run(database, [logTables, second, broken])).rejects.toThrow(/nowhere/)
    expect(await status(database, [logTables, second, broken])).toEqual({ current: 2, pending: [broken] })
    const db = await database.open([logTables, second])
    await expect(db.read(sql`SELECT x FROM half`)).rejects.toThrow(/half/)
  })

  test('a database of a newer program is refused untouched', async () => {
    const database = await fresh('empty')
    await run(database, [logTables, second])
    const before = name === 'sqlite' ? readFileSync(join(database.dir, 'dendrite.db')) : undefined
    await expect(run(database, [logTables])).rejects.toMatchObject({ name: 'DatabaseTooNew' })
    await expect(status(database, [logTables])).rejects.toMatchObject({ name: 'DatabaseTooNew' })
    if (before !== undefined) expect(readFileSync(join(database.dir, 'dendrite.db')).equals(before)).toBe(true)
    expect(await status(database, [logTables, second])).toEqual({ current: 2, pending: [] })
  })

  test('a database that was never migrated is not opened', async () => {
    const database = await fresh('empty')
    await expect(openDatabase(database.options, database.dir, time)).rejects.toMatchObject({
      name: 'DatabaseNotMigrated',
    })
  })

  test.each(['db_migrations', 'roomserver_events'])(
    'the Dendrite written in Go is told by its table %s',
    async (table) => {
      const database = await fresh('empty')
      await createTable(database, `CREATE TABLE ${table} (x INTEGER)`)
      await expect(run(database, [logTables])).rejects.toMatchObject({ name: 'ForeignDatabase' })
      await expect(status(database, [logTables])).rejects.toMatchObject({ name: 'ForeignDatabase' })
    },
  )

  test.runIf(name === 'sqlite').each(['roomserver.db', 'dendrite_syncapi.db', 'userapi_accounts.db'])(
    'the Dendrite written in Go is told by its file %s',
    async (file) => {
      const database = await fresh('empty')
      mkdirSync(database.dir, { recursive: true })
      writeFileSync(join(database.dir, file), '')
      await expect(run(database, [logTables])).rejects.toMatchObject({ name: 'ForeignDatabase' })
      expect(existsSync(join(database.dir, 'dendrite.db'))).toBe(false)
    },
  )
})

async function createTable({ options, dir }: TestDatabase, statement: string): Promise<void> {
  if (options.connectionString.startsWith('file:')) {
    new Sqlite(join(dir, 'dendrite.db')).exec(statement).close()
    return
  }
  const client = new pg.Client({ connectionString: options.connectionString })
  await client.connect()
  await client.query(statement)
  await client.end()
}
