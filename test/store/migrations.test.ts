import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Migration, migrate } from '../../src/db/migrate.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { eachEngine, type TestDatabase, time } from '../helpers/databases.ts'
import { startTestServer } from '../helpers/server.ts'
import { loadFixture, readFixture, schemaOf, type Tables, tablesOf } from './fixtures.ts'
import { goOn } from './go-on.ts'

/** Migrations that are meant to change or drop what was there name it here, as `table` or `table.column`. */
const MEANT: ReadonlySet<string> = new Set([])

test('migrations are numbered from one without a gap', () => {
  expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_one, index) => index + 1))
})

eachEngine((dialect, fresh) => {
  const place = async () => {
    const database = await fresh('empty')
    return { database, uri: uriOf(database) }
  }

  test.each(MIGRATIONS.map(({ number }) => number))('schema %d is still what was released', (number) => {
    expect(readFixture(number, dialect).schema).toEqual(schemaOf(MIGRATIONS.slice(0, number), dialect))
  })

  test.each(MIGRATIONS.map(({ number }) => number))(
    'every row of schema %d survives, and its clients go on',
    async (number) => {
      const { database, uri } = await place()
      const { known, script } = readFixture(number, dialect)
      const before = await loadFixture(uri, dialect, script)
      expect([...before.values()].filter(({ rows }) => rows.length > 0).length).toBeGreaterThan(20)
      const done = await migrate({ connectionString: uri }, MIGRATIONS, database.dir, time)
      expect(done.map((one) => one.number)).toEqual(MIGRATIONS.slice(number).map((one) => one.number))
      expect(lost(before, await tablesOf(uri, dialect))).toEqual([])
      const server = await startTestServer({ oauth: { enabled: true } }, uri)
      await goOn(server, known).finally(() => server.stop())
    },
  )

  test('the comparison sees a row lost, a value changed and a table gone', async () => {
    const { database, uri } = await place()
    const { script } = readFixture(1, dialect)
    const before = await loadFixture(uri, dialect, script)
    const harmful: Migration = {
      number: MIGRATIONS.length + 1,
      name: 'harmful',
      up: () => [
        `DELETE FROM memberships WHERE membership = 'ban'`,
        `UPDATE profiles SET value = 'x'`,
        'DROP TABLE filters',
        'ALTER TABLE devices ADD COLUMN harmless BIGINT',
      ],
    }
    await migrate({ connectionString: uri }, [...MIGRATIONS, harmful], database.dir, time)
    const faults = lost(before, await tablesOf(uri, dialect))
    expect(new Set(faults.map((fault) => fault.split(':')[0]))).toEqual(new Set(['memberships', 'profiles', 'filters']))
  })
})

test('a schema without its fixture is told', () => {
  expect(() => readFixture(MIGRATIONS.length + 1, 'sqlite')).toThrow(/npm run fixture/)
})

function uriOf({ options, dir }: TestDatabase): string {
  return options.connectionString.startsWith('file:') ? `file:${join(dir, 'dendrite.db')}` : options.connectionString
}

/** The rows that are gone or differ in the columns that both schemas have, as `table: row`. */
function lost(before: Tables, after: Tables): string[] {
  const faults: string[] = []
  for (const [table, old] of before) {
    if (MEANT.has(table) || old.rows.length === 0) continue
    const now = after.get(table)
    if (now === undefined) {
      faults.push(`${table}: gone`)
      continue
    }
    const kept = old.columns.filter((column) => !MEANT.has(`${table}.${column}`))
    const pick = (columns: readonly string[], row: readonly string[]) =>
      kept.map((column) => row[columns.indexOf(column)]).join(', ')
    const there = new Set(now.rows.map((row) => pick(now.columns, row)))
    for (const row of old.rows.map((one) => pick(old.columns, one)))
      if (!there.has(row)) faults.push(`${table}: ${row}`)
  }
  return faults
}
