import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import type { Batch, Database } from '../../src/db/database.ts'
import { sql } from '../../src/db/sql.ts'
import { emptyPostgres, freshPostgres, grownTo } from '../helpers/databases.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { logTables } from './log-tables.ts'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

test('a server that is gone is told within five seconds, and one that is back is used within ten', async () => {
  const server = await startPostgres()
  undo.push(() => server.stop())
  const database = await emptyPostgres(undo, server.uri)
  const [db, other] = [await database.open([logTables]), await database.open([logTables])]
  await db.commit(insert('before'))
  const third = await database.open([logTables])
  await server.kill()
  await third.close()
  const gone = performance.now()
  await expect(db.commit(insert('lost'))).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  await expect(db.read(sql`SELECT 1 AS one`)).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  expect(performance.now() - gone).toBeLessThan(5000)
  await server.start()
  const back = performance.now()
  await db.commit(insert('after'))
  expect(await names(db)).toEqual(['after', 'before'])
  // The other process only listens: it comes back by itself.
  await grownTo(other, db.safePosition())
  expect(performance.now() - back).toBeLessThan(10_000)
}, 40_000)

test('a connection that another session ends is replaced', async () => {
  const database = await freshPostgres(undo, 'empty')
  const db = await database.open([logTables])
  await db.commit(insert('a'))
  const admin = new pg.Client({ connectionString: database.options.connectionString })
  await admin.connect()
  await admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  await admin.end()
  await eventually(() => db.commit(insert('b')))
  expect(await eventually(() => names(db))).toEqual(['a', 'b'])
})

test('columns of text compare by code point, as on SQLite', async () => {
  const db = await (await freshPostgres(undo)).open()
  const columns = await db.read(sql`SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`)
  expect(columns).toEqual([])
})

function insert(name: string): Batch {
  return { guards: [], writes: [sql`INSERT INTO things (name) VALUES (${name})`], log: [{ kind: 'thing' }] }
}

async function names(db: Database): Promise<string[]> {
  const rows = await db.read<{ name: string }>(sql`SELECT name FROM things ORDER BY name`)
  return rows.map(({ name }) => name)
}

/** A session that was ended is noticed by its next use: that one fails, a later one succeeds. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      expect(error).toMatchObject({ name: 'DatabaseUnavailable' })
      if (attempt === 10) throw error
    }
  }
}
