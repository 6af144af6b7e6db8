import { expect, test } from 'vitest'
import type { Batch, Database } from '../../src/db/database.ts'
import type { Migration } from '../../src/db/migrate.ts'
import { intList, logPosition, perDialect, type Sql, sql, textList } from '../../src/db/sql.ts'
import { eachEngine, grownTo } from '../helpers/databases.ts'
import { logTables } from './log-tables.ts'

const MIGRATIONS: readonly Migration[] = [logTables]

eachEngine((name, fresh) => {
  const open = async () => (await fresh('empty')).open(MIGRATIONS)

  test('a batch becomes visible with its log rows and their positions', async () => {
    const db = await open()
    const grown: number[] = []
    db.onGrown((position) => grown.push(position))
    const outcome = await db.commit({
      guards: [],
      writes: [sql`INSERT INTO things (name, value, position) VALUES (${'a'}, ${1}, ${logPosition(1)})`],
      log: [{ kind: 'thing' }, { kind: 'thing', room: 7, user: '@u:h', device: 'D', subject: 's' }],
    })
    expect(outcome).toEqual({ committed: true, positions: [1, 2] })
    expect(db.safePosition()).toBe(2)
    expect(grown).toEqual([2])
    expect(await db.read(sql`SELECT * FROM things`)).toEqual([{ name: 'a', value: 1, position: 2, bytes: null }])
    expect(await db.read(sql`SELECT * FROM log ORDER BY position`)).toEqual([
      { position: 1, kind: 'thing', room: null, user_id: null, device_id: null, subject: null },
      { position: 2, kind: 'thing', room: 7, user_id: '@u:h', device_id: 'D', subject: 's' },
    ])
  })

  test('values, lists, nested queries and text per engine come out the same', async () => {
    const db = await open()
    const bytes = Uint8Array.of(0, 255, 1)
    await commit(db, [
      insert('a', 2 ** 53 - 1),
      sql`INSERT INTO things (name, value, bytes) VALUES (${'b'}, ${null}, ${bytes})`,
    ])
    const nested = sql`name IN ${textList(['a', 'b', 'c'])}`
    const same = perDialect({ sqlite: 'name IS NOT NULL', postgres: 'name IS NOT NULL' })
    const rows = await db.read<{ name: string; value: number; bytes: Uint8Array }>(
      sql`SELECT name, value, bytes FROM things WHERE ${nested} AND ${same} ORDER BY name LIMIT ${5}`,
    )
    expect(rows.map(({ name, value }) => [name, value])).toEqual([
      ['a', 2 ** 53 - 1],
      ['b', null],
    ])
    expect(Uint8Array.from(rows[1]!.bytes)).toEqual(bytes)
    const counted = sql`SELECT COUNT(*) AS n, SUM(value) AS total FROM things WHERE value IN ${intList([2 ** 53 - 1])}`
    expect(await db.read(counted)).toEqual([{ n: 1, total: 2 ** 53 - 1 }])
    expect(await db.read(sql`SELECT ${'text'} AS t, ${3} AS n`)).toEqual([{ t: 'text', n: 3 }])
    await expect(db.read(sql`SELECT ${1.5} AS x`)).rejects.toThrow(TypeError)
  })

  test('a batch whose guard no longer holds writes nothing', async () => {
    const db = await open()
    await commit(db, [insert('a', 1)])
    const stale = await db.commit({ guards: [valueIs('a', 2)], writes: [insert('b', 1)], log: [{ kind: 'thing' }] })
    expect(stale).toEqual({ committed: false, failed: 'thing:a' })
    const good = await db.commit({ guards: [valueIs('a', 1)], writes: [insert('c', 1)], log: [{ kind: 'thing' }] })
    expect(good).toEqual({ committed: true, positions: [2] })
    expect(await names(db)).toEqual(['a', 'c'])
  })

  test('of many batches about one thing exactly one wins', async () => {
    const db = await open()
    await commit(db, [insert('a', 0)])
    const tries = Array.from({ length: 20 }, () =>
      db.commit({ guards: [valueIs('a', 0)], writes: [set('a', 1)], log: [{ kind: 'thing' }] }),
    )
    const outcomes = await Promise.all(tries)
    expect(outcomes.filter(({ committed }) => committed)).toEqual([{ committed: true, positions: [2] }])
  })

  test('a chain about one thing commits as a whole, and falls as a whole', async () => {
    const db = await open()
    await commit(db, [insert('a', 0)])
    const chain = (from: number): Batch[] => {
      const batches: Batch[] = []
      for (let step = 0; step < 5; step++) {
        const guards = [valueIs('a', from + step)]
        batches.push({ guards, writes: [set('a', from + step + 1)], log: [{ kind: 'thing' }], basedOn: batches.at(-1) })
      }
      return batches
    }
    const held = await Promise.all(chain(0).map((batch) => db.commit(batch)))
    expect(held).toEqual([2, 3, 4, 5, 6].map((position) => ({ committed: true, positions: [position] })))
    const fallen = await Promise.all(chain(0).map((batch) => db.commit(batch)))
    expect(fallen).toEqual(Array(5).fill({ committed: false, failed: 'thing:a' }))
    expect(await db.read(sql`SELECT value FROM things`)).toEqual([{ value: 5 }])
  })

  test('a batch may be based on one that was committed or fell long ago', async () => {
    const db = await open()
    const first: Batch = { guards: [], writes: [insert('a', 0)], log: [] }
    await db.commit(first)
    expect(
      await db.commit({ guards: [valueIs('a', 0)], writes: [set('a', 1)], log: [], basedOn: first }),
    ).toMatchObject({ committed: true })
    const fallen: Batch = { guards: [valueIs('a', 9)], writes: [], log: [] }
    await db.commit(fallen)
    expect(await db.commit({ guards: [], writes: [set('a', 2)], log: [], basedOn: fallen })).toMatchObject({
      committed: false,
    })
    expect(await db.read(sql`SELECT value FROM things`)).toEqual([{ value: 1 }])
  })

  test('a batch that no engine would take fails alone, with those built on it', async () => {
    const db = await open()
    await commit(db, [insert('taken', 0)])
    const poison: Batch = { guards: [], writes: [insert('x', 1), insert('taken', 1)], log: [{ kind: 'thing' }] }
    const settled = await Promise.allSettled([
      db.commit({ guards: [], writes: [insert('a', 1)], log: [{ kind: 'thing' }] }),
      db.commit(poison),
      db.commit({ guards: [], writes: [insert('y', 1)], log: [], basedOn: poison }),
      db.commit({
        guards: [],
        writes: [sql`INSERT INTO things (name, value) VALUES (${'z'}, ${0.5})`],
        log: [{ kind: 'thing' }],
      }),
      db.commit({ guards: [], writes: [insert('b', 1)], log: [{ kind: 'thing' }] }),
    ])
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(settled[0]).toMatchObject({ value: { positions: [2] } })
    expect(settled[2]).toMatchObject({ value: { committed: false } })
    expect(settled[4]).toMatchObject({ value: { positions: [3] } })
    expect(await names(db)).toEqual(['a', 'b', 'taken'])
  })

  test('positions are gapless and in the order of the commits, also with two processes', async () => {
    const database = await fresh('empty')
    const [one, two] = [await database.open(MIGRATIONS), await database.open(MIGRATIONS)]
    const order: number[] = []
    const writer = async (db: Database, prefix: string) => {
      for (let i = 0; i < 40; i++) {
        const rows = i % 3 === 0 ? [{ kind: 'thing' }, { kind: 'thing' }] : [{ kind: 'thing' }]
        const outcome = await db.commit({ guards: [], writes: [insert(`${prefix}${i}`, i)], log: rows })
        if (outcome.committed && db === one) order.push(...outcome.positions)
      }
    }
    await Promise.all([writer(one, 'a'), writer(one, 'b'), writer(two, 'c'), writer(two, 'd')])
    const rows = await one.read<{ position: number }>(sql`SELECT position FROM log ORDER BY position`)
    expect(rows.map(({ position }) => position)).toEqual(Array.from({ length: 216 }, (_value, index) => index + 1))
    expect(order).toEqual([...order].sort((a, b) => a - b))
    for (const db of [one, two]) await grownTo(db, 216)
  })

  test('another process hears of growth', async () => {
    const database = await fresh('empty')
    const [one, two] = [await database.open(MIGRATIONS), await database.open(MIGRATIONS)]
    const heard = grownTo(two, 1)
    await commit(one, [insert('a', 1)])
    await heard
    expect(await names(two)).toEqual(['a'])
  })

  test('an id is never given twice, not even by another process', async () => {
    const database = await fresh('empty')
    const [one, two] = [await database.open(MIGRATIONS), await database.open(MIGRATIONS)]
    const ids = await Promise.all(
      Array.from({ length: 1200 }, (_value, index) => (index % 2 ? one : two).nextId('event')),
    )
    expect(new Set(ids).size).toBe(1200)
    expect(Math.min(...ids)).toBe(1)
    expect(await one.nextId('room')).toBe(1)
  })

  test(`a closed ${name} database takes nothing more, and finishes what it took`, async () => {
    const db = await open()
    const last = db.commit({ guards: [], writes: [insert('a', 1)], log: [{ kind: 'thing' }] })
    await db.close()
    expect(await last).toEqual({ committed: true, positions: [1] })
    await expect(db.commit({ guards: [], writes: [], log: [] })).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
    await expect(db.read(sql`SELECT 1 AS one`)).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  })
})

function insert(name: string, value: number): Sql {
  return sql`INSERT INTO things (name, value) VALUES (${name}, ${value})`
}

function set(name: string, value: number): Sql {
  return sql`UPDATE things SET value = ${value} WHERE name = ${name}`
}

function valueIs(name: string, value: number) {
  return { about: `thing:${name}`, query: sql`SELECT value FROM things WHERE name = ${name}`, expect: [{ value }] }
}

async function commit(db: Database, writes: Sql[]): Promise<void> {
  expect(await db.commit({ guards: [], writes, log: [{ kind: 'thing' }] })).toMatchObject({ committed: true })
}

async function names(db: Database): Promise<string[]> {
  const rows = await db.read<{ name: string }>(sql`SELECT name FROM things ORDER BY name`)
  return rows.map(({ name }) => name)
}
