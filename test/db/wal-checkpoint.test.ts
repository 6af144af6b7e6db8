import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { openFile } from '../../src/db/sqlite.ts'
import { startCheckpointer } from '../../src/db/wal-checkpoint.ts'
import type { Timers } from '../../src/live/time.ts'

test('what is written is copied, and the log starts over; the thread ends when idle, and comes back', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-checkpoint-'))
  const path = join(dir, 'a.db')
  const db = openFile(path)
  db.exec('CREATE TABLE things (name TEXT)')
  const time = handTurned()
  const checkpointer = startCheckpointer(path, time.timers, (error) => {
    throw error
  })
  for (let round = 1; round <= 2; round++) {
    db.prepare('INSERT INTO things VALUES (?)').run(`n${round}`)
    const log = nameOfLog(path)
    checkpointer.written()
    time.turn()
    // Whoever writes next would have to sync the log before it starts over: the thread has done it.
    await until(() => rowsInFile(path) === round && nameOfLog(path) !== log)
    await until(() => checkpointer.restarting() === undefined)
    // Without writes the timer stops by itself, and the thread with it.
    await until(() => !time.turn())
  }
  expect(rowsInFile(path)).toBe(2)
  await checkpointer.close()
  db.close()
  rmSync(dir, { recursive: true })
})

/** A timer that rings when the test says so; `turn` tells whether there was one. */
function handTurned() {
  let pending: (() => void) | undefined
  const timers: Timers = {
    after(_delayMs, callback) {
      pending = callback
      return () => {
        if (pending === callback) pending = undefined
      }
    },
    sleep: () => Promise.resolve(),
  }
  const turn = () => {
    const callback = pending
    pending = undefined
    callback?.()
    return callback !== undefined
  }
  return { timers, turn }
}

/** The salts in its header, which change when it starts over ("WAL File Format", offset 16). */
function nameOfLog(path: string): string {
  return readFileSync(`${path}-wal`).subarray(16, 24).toString('hex')
}

/** What the database file holds without its log. */
function rowsInFile(path: string): number {
  copyFileSync(path, `${path}.copy`)
  const copy = new Sqlite(`${path}.copy`, { readonly: true })
  try {
    return copy.prepare('SELECT COUNT(*) FROM things').pluck().get() as number
  } catch {
    return 0
  } finally {
    copy.close()
  }
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 2))
}
