import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import Sqlite from 'better-sqlite3'
import { compileDisk } from '../helpers/disk.ts'

const WRITER = resolve(import.meta.dirname, 'power-cut-writer.ts')
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512
const NOTHING = Buffer.alloc(0)

/** One call on a file, as recorded: `begun` and `ended` count all calls. */
interface Call {
  readonly call: string
  readonly begun: number
  readonly ended: number
  readonly offset: number
  readonly path: string
  readonly data: Buffer
}

export interface Losses {
  /** Cuts after which an event was gone that somebody had been promised. */
  readonly lossy: number
  readonly mostLost: number
  /** Cuts after which SQLite found damage, or the log and its head differed. */
  readonly corrupt: readonly string[]
  readonly acknowledged: number
  /** Writes into the database file itself: without any, no checkpoint was under way. */
  readonly checkpointed: number
}

/**
 * Lets a server write, and cuts the power at so many random moments: the disk then holds what was synced, and any part
 * of what was not. A sync covers what was written before it began, and counts from its end.
 */
export function cutPower(dir: string, mode: 'synced' | 'unsynced', cuts: number): Losses {
  const data = join(dir, 'data')
  const record = join(dir, 'record')
  mkdirSync(data)
  execFileSync(process.execPath, ['--import', 'tsx', WRITER, data, mode], {
    env: { ...process.env, LD_PRELOAD: compileDisk(dir), DISK_DIRECTORY: data, DISK_RECORD: record },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const calls = readRecord(record)
  const dice = createDice(1)
  const firstAck = calls.findIndex(isAck)
  const moments = Array.from({ length: cuts }, () => firstAck + 1 + Math.floor(dice() * (calls.length - firstAck - 1)))
  moments.sort((a, b) => a - b)
  const disk = new Disk()
  const losses = { lossy: 0, mostLost: 0, corrupt: [] as string[], acknowledged: 0, checkpointed: 0 }
  losses.checkpointed = calls.filter(({ call, path }) => call === 'pwrite' && path.endsWith('.db')).length
  let at = 0
  for (const moment of moments) {
    for (; at < moment; at++) disk.take(calls[at]!)
    const image = join(dir, 'image')
    disk.cut(image, dice)
    const { lost, damage } = inspect(image, disk.acknowledged)
    if (lost > 0) losses.lossy += 1
    losses.mostLost = Math.max(losses.mostLost, lost)
    if (damage !== undefined) losses.corrupt.push(damage)
  }
  losses.acknowledged = disk.acknowledged.length
  return losses
}

/** Files as they are for certain, what was written since, and what was promised meanwhile. */
class Disk {
  readonly acknowledged: string[] = []
  private readonly synced = new Map<string, Buffer>()
  private readonly pending = new Map<string, Call[]>()

  take(call: Call): void {
    const { path } = call
    if (isAck(call)) this.acknowledged.push(...call.data.toString().trim().split('\n'))
    else if (call.call === 'pwrite' || call.call === 'truncate') {
      const waiting = this.pending.get(path)
      if (waiting === undefined) this.pending.set(path, [call])
      else waiting.push(call)
    } else if (call.call === 'sync') {
      const waiting = this.pending.get(path) ?? []
      const covered = waiting.filter((one) => one.ended < call.begun)
      this.synced.set(path, applyAll(this.synced.get(path) ?? NOTHING, covered))
      this.pending.set(
        path,
        waiting.filter((one) => one.ended >= call.begun),
      )
    } else if (call.call === 'unlink') {
      this.synced.delete(path)
      this.pending.delete(path)
    } else throw new Error(`${call.call} on ${path}`)
  }

  /** Writes what is left into a directory: nothing of what waited, some of it, or some of it torn. */
  cut(image: string, dice: () => number): void {
    rmSync(image, { recursive: true, force: true })
    mkdirSync(image)
    const how = ['none', 'some', 'torn'][Math.floor(dice() * 3)]
    for (const path of new Set([...this.synced.keys(), ...this.pending.keys()])) {
      const luck = how === 'none' ? [] : (this.pending.get(path) ?? []).filter(() => dice() < 0.5)
      const written = luck.map((call) => (how === 'torn' ? tear(call, dice) : call))
      writeFileSync(join(image, basename(path)), applyAll(this.synced.get(path) ?? NOTHING, written))
    }
  }
}

/** A new file: the old one with the calls applied in their order. */
function applyAll(file: Buffer, calls: readonly Call[]): Buffer {
  const room = calls.reduce((most, { offset, data }) => Math.max(most, offset + data.length), file.length)
  const result = Buffer.alloc(room)
  file.copy(result)
  let { length } = file
  for (const { call, offset, data } of calls) {
    if (call === 'pwrite') data.copy(result, offset)
    else result.fill(0, offset)
    length = call === 'truncate' ? offset : Math.max(length, offset + data.length)
  }
  return result.subarray(0, length)
}

function tear(call: Call, dice: () => number): Call {
  const sectors = Math.floor(dice() * (call.data.length / SECTOR_BYTES + 1))
  return call.call === 'pwrite' ? { ...call, data: call.data.subarray(0, sectors * SECTOR_BYTES) } : call
}

/** Starts the database as after a power cut, and counts what is missing. */
function inspect(image: string, acknowledged: readonly string[]): { lost: number; damage: string | undefined } {
  const db = new Sqlite(join(image, 'dendrite.db'))
  try {
    const verdict = db.pragma('integrity_check', { simple: true })
    const events = new Set(db.prepare('SELECT event_id FROM events').pluck().all())
    const log = db.prepare('SELECT COUNT(*), MAX(position), (SELECT position FROM log_head) FROM log').raw().get()
    const whole = new Set(log as number[]).size === 1
    const lost = acknowledged.filter((eventId) => !events.has(eventId)).length
    return { lost, damage: verdict === 'ok' && whole ? undefined : `${verdict}, log ${log}` }
  } catch (error) {
    return { lost: 0, damage: String(error) }
  } finally {
    db.close()
  }
}

/** Only what counts as content: SQLite makes its index anew, and locks hold nothing. */
function readRecord(path: string): Call[] {
  const bytes = readFileSync(path)
  const calls: Call[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\n', at)
    const [call = '', begun, ended, offset, length, ...name] = bytes.toString('utf8', at, end).split(' ')
    const hasData = call === 'pwrite' || call === 'write'
    const next = end + 1 + (hasData ? Number(length) : 0)
    const data = bytes.subarray(end + 1, next)
    const file = name.join(' ')
    const known = { call, begun: Number(begun), ended: Number(ended), offset: Number(offset), path: file, data }
    if (/(\/acks|\.db|\.db-wal|\.db-journal)$/.test(file)) calls.push(known)
    at = next
  }
  return calls
}

function isAck({ call, path }: Call): boolean {
  return call === 'write' && path.endsWith('/acks')
}

/** Numbers from 0 to 1, the same with every run (mulberry32). */
function createDice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
