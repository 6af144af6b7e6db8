import type { App } from '../app.ts'
import { parseEvent } from '../core/event.ts'
import type { ServerName } from '../core/ids.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { roomVersion } from '../core/room-version.ts'
import type { StateMap } from '../core/state/map.ts'
import { Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { RELAY } from '../store/federation-outbox.ts'
import { insertGap } from '../store/gaps.ts'
import { knownInHistory, type StagedPdu, stagedPdus, unstagePdu } from '../store/pdus.ts'
import { roomById } from '../store/rooms.ts'
import { append } from './append.ts'
import { fetchAuthChain, missingBetween, remoteStateAfter, type Source } from './fetch-missing.ts'
import { type Merged, MissingEvents } from './merge-event.ts'
import type { VerifiedEvent } from './verify-pdu.ts'
import { write } from './write.ts'

/** Staged PDUs looked at together. */
const STAGED_AT_ONCE = 100
/** Questions asked until an event can be placed. */
const TRIES_MAX = 4

/** A verified event on its way into a room, and who sent it. */
interface Arrival {
  readonly event: VerifiedEvent
  readonly server: ServerName
  /** The number under which it is staged. */
  readonly staged?: number
  /** Nobody but us tells the other servers of it. */
  readonly relay?: boolean
}

/**
 * Takes what is staged for a room into its history, in order. An event that cannot be placed because its sender does
 * not give what it rests on is dropped: it comes back as the missing predecessor of later ones.
 */
export async function takeInStaged(app: App, roomId: string): Promise<void> {
  for (;;) {
    const rows = await stagedPdus(app.db, roomId, STAGED_AT_ONCE)
    if (rows.length === 0) return
    const room = await roomById(app.db, roomId)
    const version = roomVersion(room?.version ?? '')
    if (room === undefined || version === undefined) return discard(app, rows)
    const arrivals = rows
      .map((row) => ({
        // It was verified before it was staged.
        event: parseEvent(version, parseJson(row.pdu) as JsonObject) as VerifiedEvent,
        server: row.origin as ServerName,
        staged: row.id,
      }))
      .sort((a, b) => a.event.depth - b.event.depth || a.staged - b.staged)
    const source = { room: room.room, roomId: room.room_id, version }
    for (let done = 0; done < arrivals.length; ) {
      const followed = await takeInFollowing(app, roomId, arrivals.slice(done))
      done += followed
      const next = arrivals[done]
      if (followed > 0 || next === undefined) continue
      await placeOrDrop(app, { ...source, server: next.server }, next)
      done++
    }
  }
}

/**
 * Takes one event into the room now, and fetches what it rests on from the source. With `relay` the other servers hear
 * of it from us. Errors: MatrixError when it cannot be placed.
 */
export async function placeArrival(app: App, source: Source, event: VerifiedEvent, relay = false): Promise<Merged> {
  try {
    return await place(app, source, { event, server: source.server, relay }, false)
  } catch (error) {
    if (!(error instanceof MissingEvents || error instanceof Unreachable || error instanceof Refused)) throw error
    throw new MatrixError('M_FORBIDDEN', `The event cannot be placed: ${error.message}`)
  }
}

/** As many as follow the end of the room one after the other, in one batch. Resolves with their number. */
async function takeInFollowing(app: App, roomId: string, arrivals: readonly Arrival[]): Promise<number> {
  let count = 0
  await append(app, roomId, async (writer) => {
    count = 0
    for (const { event, staged } of arrivals) {
      if ((await writer.follow(event)) === undefined) return
      if (staged !== undefined) writer.also({ writes: [unstagePdu(staged)] })
      count++
    }
  })
  return count
}

async function placeOrDrop(app: App, source: Source, arrival: Arrival): Promise<void> {
  try {
    await place(app, source, arrival, false)
  } catch (error) {
    const expected = [MatrixError, MissingEvents, Unreachable, Refused].some((kind) => error instanceof kind)
    if (!expected) throw error
    const { eventId } = arrival.event
    app.log.warn(
      { room: source.roomId, event: eventId, server: source.server, err: error },
      'an event cannot be placed',
    )
    if (arrival.staged !== undefined) await write(app, { guards: [], writes: [unstagePdu(arrival.staged)], log: [] })
  }
}

/** Puts one event where it belongs, and fetches what it rests on. `gapKnown`: what was between is fetched already. */
async function place(app: App, source: Source, arrival: Arrival, gapKnown: boolean): Promise<Merged> {
  const { event } = arrival
  let statesBefore: readonly StateMap[] = []
  let missing: MissingEvents | undefined
  let asked = gapKnown
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    try {
      return await merge(app, source, arrival, statesBefore)
    } catch (error) {
      if (!(error instanceof MissingEvents)) throw error
      missing = error
    }
    if (missing.authEvents.length > 0) await fetchAuthChain(app, source, event.eventId)
    if (missing.prevEvents.length === 0) continue
    if (asked) {
      statesBefore = await Promise.all(missing.prevEvents.map((id) => remoteStateAfter(app, source, id)))
      continue
    }
    asked = true
    for (const earlier of await missingBetween(app, source, event)) {
      await placeOrDropEarlier(app, source, earlier)
    }
  }
  throw missing!
}

async function placeOrDropEarlier(app: App, source: Source, event: VerifiedEvent): Promise<void> {
  try {
    await place(app, source, { event, server: source.server }, true)
  } catch (error) {
    if (!(error instanceof MatrixError || error instanceof MissingEvents)) throw error
    app.log.info({ room: source.roomId, event: event.eventId, err: error }, 'an earlier event cannot be placed')
  }
}

async function merge(
  app: App,
  source: Source,
  { event, staged, relay }: Arrival,
  statesBefore: readonly StateMap[],
): Promise<Merged> {
  let merged: Merged | undefined
  const known = statesBefore.length === 0 ? new Set<string>() : await knownInHistory(app.db, event.prevEvents)
  const gaps = statesBefore.length === 0 ? [] : event.prevEvents.filter((id) => !known.has(id))
  await append(
    app,
    source.roomId,
    async (writer) => {
      merged = await writer.merge(event, statesBefore)
      const writes = gaps.map((id) => insertGap(source.room, event.eventId, id))
      if (staged !== undefined) writes.push(unstagePdu(staged))
      const told = relay === true && merged.outcome === 'accepted'
      writer.also({ writes, log: told ? [{ kind: RELAY, subject: event.eventId }] : [] })
    },
    { settled: true },
  )
  return merged!
}

async function discard(app: App, rows: readonly StagedPdu[]): Promise<void> {
  await write(app, { guards: [], writes: rows.map((row) => unstagePdu(row.id)), log: [] })
}
