import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import type { Batch, Database } from '../../src/db/database.ts'
import { sql } from '../../src/db/sql.ts'
import { freshSqlite, grownTo } from '../helpers/databases.ts'
import { logTables } from './log-tables.ts'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

test('a commit answers only once a sync that began after it has ended, which others share', async () => {
  const disk = slowDisk()
  const db = await (await freshSqlite(undo)).open([logTables], {}, disk.hooks)
  disk.hold()
  const done: string[] = []
  const first = db.commit(insert('a')).then(() => done.push('a'))
  await disk.begun()
  const others = ['b', 'c'].map((name) => db.commit(insert(name)).then(() => done.push(name)))
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  expect(await count(db)).toBe(1)
  expect(done).toEqual([])
  expect(db.safePosition()).toBe(0)
  disk.finish()
  await first
  expect(done).toEqual(['a'])
  expect(db.safePosition()).toBe(1)
  await disk.begun()
  expect(await count(db)).toBe(3)
  expect(done).toEqual(['a'])
  expect(db.safePosition()).toBe(1)
  disk.release()
  await Promise.all(others)
  expect(db.safePosition()).toBe(3)
})

test('a failed sync is reported, and nothing is acknowledged', async () => {
  const disk = slowDisk()
  const db = await (await freshSqlite(undo)).open([logTables], {}, disk.hooks)
  disk.hold()
  let acknowledged = false
  void db.commit(insert('a')).then(() => {
    acknowledged = true
  })
  await disk.begun()
  disk.fail(new Error('EIO'))
  expect(disk.failures).toEqual([new Error('EIO')])
  await visible(db, 1)
  expect(acknowledged).toBe(false)
  expect(db.safePosition()).toBe(0)
  // The real process is gone by now: there is nothing to close in order.
  undo.splice(1)
})

test('a full disk refuses commits, and takes them again once there is room', async () => {
  const db = await (await freshSqlite(undo)).open([logTables])
  const [pages] = await db.read<{ page_count: number }>(sql`PRAGMA page_count`)
  await db.read({ strings: [`PRAGMA max_page_count = ${pages!.page_count + 4}`], holes: [] })
  let stored = 0
  const fill = async () => {
    for (; stored < 100; stored++) await db.commit(insert(`n${stored}`, 'x'.repeat(2000)))
  }
  await expect(fill()).rejects.toMatchObject({ name: 'DatabaseUnavailable' })
  expect(stored).toBeGreaterThan(0)
  expect(await count(db)).toBe(stored)
  await db.read(sql`PRAGMA max_page_count = 1000000`)
  await fill()
  expect(await count(db)).toBe(100)
  expect(db.safePosition()).toBe(100)
})

test('a second server is refused within five seconds, a command beside it is not', async () => {
  const database = await freshSqlite(undo)
  const server = await database.open([logTables], { exclusive: true })
  const started = performance.now()
  await expect(database.open([logTables], { exclusive: true })).rejects.toMatchObject({ name: 'DatabaseLocked' })
  expect(performance.now() - started).toBeLessThan(5000)
  const command = await database.open([logTables])
  await command.commit(insert('a'))
  expect(await count(server)).toBe(1)
  await server.close()
  await expect(database.open([logTables], { exclusive: true })).resolves.toBeDefined()
})

test('what was acknowledged before a kill is there after it, without gaps', async () => {
  const database = await freshSqlite(undo)
  await (await database.open([logTables])).close()
  let acknowledged = 0
  for (let cycle = 0; cycle < 3; cycle++) {
    const child = writer(database.dir)
    const lines = createInterface({ input: child.stdout! })
    let here = 0
    for await (const line of lines) {
      acknowledged = Number(line)
      here += 1
      if (here === 40) break
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
    const db = await database.open([logTables], { exclusive: true })
    expect(db.safePosition()).toBeGreaterThanOrEqual(acknowledged)
    const rows = await db.read<{ position: number }>(sql`SELECT position FROM log ORDER BY position`)
    expect(rows.map(({ position }) => position)).toEqual(rows.map((_row, index) => index + 1))
    expect(await count(db)).toBe(rows.length)
    await db.close()
  }
  expect(acknowledged).toBeGreaterThanOrEqual(120)
}, 60_000)

test('two processes write at once: one order, no gaps, and each hears of the other', async () => {
  const database = await freshSqlite(undo)
  const db = await database.open([logTables])
  const child = writer(database.dir)
  await grownTo(db, 1)
  for (let i = 0; i < 100; i++) await db.commit(insert(`n${i}`))
  await grownTo(db, db.safePosition() + 20)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await db.commit(insert('last'))
  const rows = await db.read<{ position: number }>(sql`SELECT position FROM log ORDER BY position`)
  expect(rows.map(({ position }) => position)).toEqual(rows.map((_row, index) => index + 1))
  expect(rows).toHaveLength(await count(db))
  expect(db.safePosition()).toBe(rows.length)
}, 30_000)

function writer(dir: string): ChildProcess {
  const script = fileURLToPath(new URL('./writer-process.ts', import.meta.url))
  return spawn(process.execPath, ['--import', 'tsx', script, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
}

function insert(name: string, subject: string | null = null): Batch {
  return { guards: [], writes: [sql`INSERT INTO things (name) VALUES (${name})`], log: [{ kind: 'thing', subject }] }
}

async function count(db: Database): Promise<number> {
  const rows = await db.read<{ n: number }>(sql`SELECT COUNT(*) AS n FROM things`)
  return rows[0]!.n
}

/** Turns of the loop until the rows are written, synced or not. */
async function visible(db: Database, rows: number): Promise<void> {
  while ((await count(db)) < rows) await new Promise(setImmediate)
}

/** A disk whose syncs end when the test says so. */
function slowDisk() {
  let held = false
  let pending: ((error: Error | null) => void) | undefined
  let heard: (() => void) | undefined
  const failures: Error[] = []
  const end = (error: Error | null) => {
    const done = pending
    pending = undefined
    done?.(error)
  }
  return {
    failures,
    hooks: {
      onSyncFailure: (error: Error) => void failures.push(error),
      fdatasync(_fd: number, done: (error: Error | null) => void) {
        if (!held) return setImmediate(done, null)
        pending = done
        heard?.()
      },
    },
    hold: () => {
      held = true
    },
    begun: () =>
      new Promise<void>((resolve) => {
        heard = resolve
        if (pending !== undefined) resolve()
      }),
    finish: () => end(null),
    fail: (error: Error) => end(error),
    release: () => {
      held = false
      end(null)
    },
  }
}
