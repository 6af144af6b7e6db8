import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { sql } from '../../src/db/sql.ts'
import { freshSqlite, time } from '../helpers/databases.ts'
import { logTables } from './log-tables.ts'

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

/** What a power cut at some moment leaves, and what had been promised by then. */
interface Cut {
  readonly disk: string
  readonly acknowledged: number
  readonly safePosition: number
}

test('a power cut takes nothing that was acknowledged or shown', async () => {
  const cuts = await writeAndCut(false)
  // Of the cuts that leave the same disk the last is the hardest: the most was promised.
  const hardest = new Map(cuts.map((cut) => [cut.disk, cut]))
  expect(hardest.size).toBeGreaterThan(10)
  for (const cut of hardest.values()) {
    const after = await positionAfter(cut)
    expect(after).toBeGreaterThanOrEqual(cut.acknowledged)
    expect(after).toBeGreaterThanOrEqual(cut.safePosition)
  }
}, 60_000)

test('without the awaited sync it takes what was acknowledged', async () => {
  const cuts = await writeAndCut(true)
  const last = cuts.at(-1)!
  expect(await positionAfter(last)).toBeLessThan(last.acknowledged)
}, 60_000)

/**
 * Several writers at once; after every commit the power is cut. The disk of a cut holds what stood in the files
 * when the last sync that ended had begun: nothing that was written later counts, although a real disk may have it.
 */
async function writeAndCut(unsafeNoSync: boolean): Promise<Cut[]> {
  const { dir, open } = await freshSqlite(undo)
  let syncs = 0
  const copy = (): string => {
    const disk = join(dir, `disk-${++syncs}`)
    mkdirSync(disk)
    execFileSync('cp', [join(dir, 'dendrite.db'), join(dir, 'dendrite.db-wal'), disk])
    return disk
  }
  let synced: string | undefined
  const fdatasync = (_fd: number, done: (error: Error | null) => void): void => {
    const disk = copy()
    setImmediate(() => {
      synced = disk
      done(null)
    })
  }
  const fail = (error: Error): never => {
    throw error
  }
  const db = await open([logTables], { unsafeNoSync }, { onSyncFailure: fail, fdatasync })
  // Without syncs the disk has what was there at the start.
  synced ??= copy()
  const cuts: Cut[] = []
  let acknowledged = 0
  const writer = async (name: string): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      const outcome = await db.commit({
        guards: [],
        writes: [sql`INSERT INTO things (name) VALUES (${`${name}${i}`})`],
        log: [{ kind: 'thing' }],
      })
      if (outcome.committed) acknowledged = Math.max(acknowledged, ...outcome.positions)
      cuts.push({ disk: synced!, acknowledged, safePosition: db.safePosition() })
    }
  }
  await Promise.all([writer('a'), writer('b'), writer('c')])
  return cuts
}

async function positionAfter({ disk }: Cut): Promise<number> {
  const db: Database = await openDatabase({ connectionString: 'file:dendrite.db' }, disk, time)
  const [row] = await db.read<{ n: number }>(sql`SELECT COUNT(*) AS n FROM things`)
  expect(row!.n).toBe(db.safePosition())
  await db.close()
  return row!.n
}
