import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Migration, migrate } from '../../src/db/migrate.ts'
import type { Dialect } from '../../src/db/sql.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { eachEngine, type TestDatabase, time } from '../helpers/databases.ts'
import { startTestServer, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'
import { openRaw, readFixture, readTables, schemaOf, type Tables } from './fixtures.ts'
import { askAs, type Known, must, sendPath } from './populate.ts'

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
      const before = await load(uri, dialect, script)
      expect([...before.values()].filter(({ rows }) => rows.length > 0).length).toBeGreaterThan(20)
      const done = await migrate({ connectionString: uri }, MIGRATIONS, database.dir, time)
      expect(done.map((one) => one.number)).toEqual(MIGRATIONS.slice(number).map((one) => one.number))
      expect(lost(before, await tablesOf(uri, dialect))).toEqual([])
      const server = await startTestServer({}, uri)
      await goOn(server, known).finally(() => server.stop())
    },
  )

  test('the comparison sees a row lost, a value changed and a table gone', async () => {
    const { database, uri } = await place()
    const { script } = readFixture(1, dialect)
    const before = await load(uri, dialect, script)
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

/** Fills an empty database with the fixture and answers with its rows. */
async function load(uri: string, dialect: Dialect, script: string): Promise<Tables> {
  const raw = await openRaw(uri)
  await raw.run(script)
  const tables = await readTables(raw, dialect)
  await raw.close()
  return tables
}

async function tablesOf(uri: string, dialect: Dialect): Promise<Tables> {
  const raw = await openRaw(uri)
  const tables = await readTables(raw, dialect)
  await raw.close()
  return tables
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

/** The clients of the fixture find everything as it was, and can go on. */
async function goOn(server: TestServer, known: Known): Promise<void> {
  const [alice, bob] = known.accounts
  for (const { account, path, body, answer } of known.asked) {
    expect(await askAs(server, known.accounts[account]!, path, body), path).toMatchObject(answer as object)
  }
  for (const { roomId, messages } of known.rooms) {
    const page = await must(server, alice!, 'GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=500`)
    expect(messageIds(page.chunk).reverse()).toEqual(messages)
  }
  const news = await must(server, alice!, 'GET', `/sync?since=${known.since.token}`)
  const { join } = news.rooms as { join: Record<string, { timeline: { events: unknown } }> }
  expect(Object.values(join).flatMap((room) => messageIds(room.timeline.events))).toEqual(known.since.messages)
  expect((await must(server, alice!, 'PUT', known.sent.path, known.sent.body)).event_id).toBe(known.sent.eventId)
  for (const user of [alice!, bob!]) {
    const login = await logIn(server, user.userId)
    expect(login.status).toBe(200)
    const session = { ...user, token: String(login.body.access_token) }
    for (const { roomId } of known.rooms) {
      const body = { msgtype: 'm.text', body: 'after the migration' }
      await must(server, session, 'PUT', sendPath(roomId, 'after'), body)
    }
  }
  expect((await logIn(server, known.gone.localpart)).status).toBe(403)
}

function messageIds(events: unknown): string[] {
  const messages = (events as { type: string; event_id: string }[]).filter(({ type }) => type === 'm.room.message')
  return messages.map((event) => event.event_id)
}

function logIn(server: TestServer, user: string) {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: TEST_PASSWORD }
  return server.call('POST', '/_matrix/client/v3/login', { body })
}
