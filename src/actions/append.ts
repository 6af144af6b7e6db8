import type { App } from '../app.ts'
import type { Event } from '../core/event.ts'
import { MatrixError, roomBlocked } from '../core/matrix-error.ts'
import { roomVersion } from '../core/room-version.ts'
import type { Batch, CommitOutcome } from '../db/database.ts'
import { membersOfRoom, RoomIncomplete } from '../live/room-members.ts'
import { ROOM_WANTED, type RoomTip } from '../live/room-tip.ts'
import { type RoomRow, roomById, roomIsNew } from '../store/rooms.ts'
import { loadTip, type RoomWriter, roomWriter } from './rooms/room-writer.ts'
import { enqueue } from './write.ts'

/** Tries at the most when other processes keep changing the room first. */
const MAX_TRIES = 100
/** After so many failures the other processes are asked to leave the room to this one for a moment. */
const PATIENCE = 2

export interface AppendOptions {
  /** Everything queued for the room is in the database, and the room is read afresh from there. */
  readonly settled?: boolean
  /** What was just read of the room. */
  readonly room?: RoomRow | undefined
}

/**
 * The only way into a room. `compose` adds events to the writer, alone in the room; it runs again, on a fresh writer,
 * when another process changed the room first. Resolves with the events once they are durable.
 * Errors: what `compose` throws, M_NOT_FOUND for an unknown room, M_UNKNOWN when the room cannot be written to.
 */
export async function append(
  app: App,
  roomId: string,
  compose: (writer: RoomWriter) => Promise<void>,
  options: AppendOptions = {},
): Promise<readonly Event[]> {
  const row = options.room ?? (await roomById(app.db, roomId))
  if (row === undefined || row.version === null)
    throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  if (row.blocked === 1) throw roomBlocked()
  const version = roomVersion(row.version)
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Room version ${row.version} is not known.`)
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    await app.live.loopShare.turn()
    const queued = await app.live.roomTips.exclusively(row.room, async (known) => {
      if (options.settled === true && known?.batch !== undefined) await decided(app, known.batch)
      const tip = options.settled === true ? undefined : known
      return queueBatch(app, tip ?? (await loadTip(app, row, version)), compose)
    })
    if (queued.refusal?.error instanceof RoomIncomplete) {
      await membersOfRoom(app, row.room)
      continue
    }
    const outcome = await settle(app, queued)
    if (outcome.committed) return queued.events
    if (attempt >= PATIENCE) await askForRoom(app, row.room)
  }
  throw new MatrixError('M_UNKNOWN', 'The room is being changed too quickly; try again.', {}, 503)
}

/**
 * Makes a room that does not exist yet: `compose` begins with the create event. It runs again when the room's id is
 * taken: from version 12 on that is a hash, which equal rooms share that one user makes within a millisecond.
 */
export async function appendNewRoom(
  app: App,
  start: () => RoomTip,
  compose: (writer: RoomWriter) => Promise<void>,
): Promise<readonly Event[]> {
  for (let attempt = 0; ; attempt++) {
    const tip = start()
    const queued = await app.live.roomTips.exclusively(tip.room, () => queueBatch(app, tip, compose))
    const outcome = await settle(app, queued)
    if (outcome.committed) return queued.events
    const again = outcome.failed === roomIsNew(queued.events[0]!.roomId).about && attempt < MAX_TRIES
    if (!again) throw new MatrixError('M_ROOM_IN_USE', `The room could not be made: ${outcome.failed}`)
  }
}

interface Queued {
  readonly outcome: Promise<CommitOutcome>
  readonly events: readonly Event[]
  /** What it was built on. */
  readonly tip: RoomTip
  readonly refusal?: { readonly error: unknown }
}

/** Queues the batch and lets go of the room before it is durable: the next writer builds on the tip it leaves. */
async function queueBatch(
  app: App,
  tip: RoomTip,
  compose: (writer: RoomWriter) => Promise<void>,
): Promise<{ tip: RoomTip; result: Queued }> {
  const writer = roomWriter(app, tip)
  try {
    await compose(writer)
  } catch (error) {
    // Refused before anything was built: what is known of the room is still true.
    if (writer.tip().heads === tip.heads)
      return { tip, result: { outcome: nothing, events: [], tip, refusal: { error } } }
    throw error
  }
  const built = writer.finish()
  if (built.batch.writes.length === 0) return { tip, result: { outcome: nothing, events: [], tip } }
  const outcome = enqueue(app, built.batch)
  outcome.catch(() => app.live.roomTips.drop(tip.room, tip.lineage))
  return { tip: built.tip, result: { outcome, events: built.events, tip } }
}

const nothing: Promise<CommitOutcome> = Promise.resolve({ committed: true, positions: [] })

/** An empty batch built on this one has its answer when this one is in the database, or fell. */
async function decided(app: App, batch: Batch): Promise<void> {
  await enqueue(app, { guards: [], writes: [], log: [], basedOn: batch })
}

/** Without this a process that writes without a pause could keep the room from all others. */
async function askForRoom(app: App, room: number): Promise<void> {
  await enqueue(app, { guards: [], writes: [], log: [{ kind: ROOM_WANTED, room, subject: app.live.boot }] })
}

/** Errors: what the room's rules refused, or what the database said. */
async function settle(app: App, queued: Queued): Promise<CommitOutcome> {
  if (queued.refusal !== undefined) throw queued.refusal.error
  const outcome = await queued.outcome
  if (!outcome.committed) app.live.roomTips.drop(queued.tip.room, queued.tip.lineage)
  return outcome
}
