import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { copyDatabase } from '../../src/cli/copy-database.ts'
import { configFrom } from '../../src/config/load.ts'
import type { Dialect } from '../../src/db/sql.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { runCli, temporaryDirectory } from '../helpers/cli.ts'
import { freshPostgres } from '../helpers/databases.ts'
import { startTestServer } from '../helpers/server.ts'
import { prepareServer } from '../helpers/server-process.ts'
import { loadFixture, openRaw, readFixture, type Tables, tablesOf } from '../store/fixtures.ts'
import { goOn } from '../store/go-on.ts'

const ENGINES: readonly Dialect[] = ['sqlite', 'postgres']
const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** A place for a database: a file that does not exist, or a database without a table. */
async function place(dialect: Dialect): Promise<string> {
  if (dialect === 'sqlite') return `file:${join(temporaryDirectory(), 'dendrite.db')}`
  return (await freshPostgres(undo, 'empty')).options.connectionString
}

/** A database with rows of every feature, and what its clients know. */
async function filled(dialect: Dialect) {
  const uri = await place(dialect)
  const { known, script } = readFixture(MIGRATIONS.length, dialect)
  return { uri, known, tables: await loadFixture(uri, dialect, script) }
}

async function copy(from: string, to: string, onProgress = (_done: number, _total: number): void => undefined) {
  const config = configFrom({
    version: 2,
    global: { server_name: 'test.example', database: { connection_string: from } },
  })
  return copyDatabase({ config, dir: temporaryDirectory() }, to, onProgress)
}

/** In an order of its own: the fixtures' is by two columns. */
function sorted(tables: Tables) {
  return Object.fromEntries([...tables].map(([name, { rows }]) => [name, rows.map((row) => row.join()).sort()]))
}

describe.each(ENGINES)('from %s', (from) => {
  test.each(ENGINES)('to %s and back every row is the same, and the clients go on', async (to) => {
    const { uri, known, tables } = await filled(from)
    const [there, back] = [await place(to), await place(from)]
    const counts = await copy(uri, there)
    for (const [table, { rows }] of tables)
      if (table !== 'schema_migrations') expect(counts.get(table)).toBeGreaterThanOrEqual(rows.length)
    await copy(there, back)
    const after = sorted(await tablesOf(back, from))
    expect({ ...after, schema_migrations: [] }).toEqual({ ...sorted(tables), schema_migrations: [] })
    const server = await startTestServer({ oauth: { enabled: true } }, there)
    await goOn(server, known).finally(() => server.stop())
  })

  test('the copy is of one moment', async () => {
    const { uri, tables } = await filled(from)
    const to = await place('sqlite')
    const raw = await openRaw(uri)
    if (from === 'sqlite') await raw.run('PRAGMA journal_mode = WAL')
    let written: Promise<void> | undefined
    await copy(uri, to, () => {
      written ??= raw.run(`INSERT INTO users (user_id, kind, created_ts) VALUES ('@late:localhost', 'user', 1)`)
    })
    await written
    const users = await raw.query('SELECT user_id FROM users')
    await raw.close()
    expect(users.length).toBe(tables.get('users')!.rows.length + 1)
    expect((await tablesOf(to, 'sqlite')).get('users')?.rows.length).toBe(tables.get('users')!.rows.length)
  })
})

describe.each(ENGINES)('to %s', (to) => {
  test('a copy that broke off leaves nothing, and can be made again', async () => {
    const { uri, tables } = await filled('sqlite')
    const there = await place(to)
    const breaking = (done: number, total: number) => {
      if (done > total / 2) throw new Error('broken off')
    }
    await expect(copy(uri, there, breaking)).rejects.toThrow('broken off')
    if (to === 'sqlite') expect(readdirSync(join(there.slice('file:'.length), '..'))).toEqual([])
    else expect((await tablesOf(there, to)).get('users')?.rows).toEqual([])
    await copy(uri, there)
    expect((await tablesOf(there, to)).get('users')?.rows.length).toBe(tables.get('users')!.rows.length)
  })

  test('what holds something already is not touched', async () => {
    const { uri } = await filled('sqlite')
    const other = await filled(to)
    await expect(copy(uri, other.uri)).rejects.toMatchObject({ name: 'TargetInUse' })
    expect(sorted(await tablesOf(other.uri, to))).toEqual(sorted(other.tables))
  })
})

test('rows that do not arrive are missed', async () => {
  const { uri } = await filled('sqlite')
  const there = await place('postgres')
  await copy((await filled('sqlite')).uri, there, () => {
    throw new Error('with a schema only')
  }).catch(() => undefined)
  const raw = await openRaw(there)
  await raw.run('CREATE RULE loses AS ON INSERT TO devices DO INSTEAD NOTHING')
  await raw.close()
  await expect(copy(uri, there)).rejects.toMatchObject({ name: 'CopyIncomplete', message: /of devices/ })
  expect((await tablesOf(there, 'postgres')).get('users')?.rows).toEqual([])
})

test('a text that PostgreSQL cannot hold is named, and nothing is kept', async () => {
  const { uri } = await filled('sqlite')
  const raw = await openRaw(uri)
  await raw.run(`UPDATE profiles SET value = 'a' || char(0) || 'b'`)
  await raw.close()
  const there = await place('postgres')
  await expect(copy(uri, there)).rejects.toMatchObject({ name: 'UnstorableText', message: /profiles/ })
  expect((await tablesOf(there, 'postgres')).get('users')?.rows).toEqual([])
})

test('the command copies to a file, once, and says what is wrong in one line', async () => {
  const dir = temporaryDirectory()
  const config = prepareServer(dir, undefined)
  const backup = join(dir, 'backup.db')
  const args = ['copy-database', '--config', config, '--to', `file:${backup}`]
  const none = await runCli(args)
  expect([none.code, none.stderr.includes('NO_DATABASE')]).toEqual([3, true])
  expect((await runCli(['migrate', '--config', config])).code).toBe(0)
  const made = await runCli(['create-account', '--config', config, '--username', 'ann', '--generate-password'])
  expect(made.code).toBe(0)
  const done = await runCli([...args, '--json'])
  expect([done.code, JSON.parse(done.stdout).tables.users]).toEqual([0, 1])
  expect(existsSync(backup)).toBe(true)
  const again = await runCli(args)
  expect(again.code).toBe(4)
  expect(again.stderr).toMatch(/exists already.*TARGET_IN_USE/)
})
