import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { EventId } from '../../src/core/ids.ts'
import type { Database } from '../../src/db/database.ts'
import { render } from '../../src/db/render.ts'
import type { Sql } from '../../src/db/sql.ts'
import { redactionsOf } from '../../src/store/redactions.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures')
const newest = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('-sqlite.sql'))
  .sort()
  .at(-1)!

/** How SQLite would find the rows of the first query that `ask` makes. */
async function planOf(ask: (db: Database) => Promise<unknown>): Promise<string> {
  let asked: Sql | undefined
  const recorder = {
    read: async (query: Sql) => {
      asked ??= query
      return []
    },
  }
  await ask(recorder as unknown as Database)
  const { statement, values } = render(asked!, 'sqlite')
  const db = new Sqlite(':memory:')
  db.exec(readFileSync(join(FIXTURES, newest), 'utf8'))
  const rows = db.prepare(`EXPLAIN QUERY PLAN ${statement.text}`).all(...values) as { detail: string }[]
  db.close()
  return rows.map(({ detail }) => detail).join('\n')
}

test('an event of another server is not compared with all of its room', async () => {
  const plan = await planOf((db) => redactionsOf(db, 1, '$event' as EventId))
  expect(plan).toContain('USING INDEX events_redacts')
})
