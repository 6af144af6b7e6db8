import type { App } from '../app.ts'
import { parseEvent } from '../core/event.ts'
import type { EventId, ServerName } from '../core/ids.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { roomVersion } from '../core/room-version.ts'
import type { StateMap } from '../core/state/map.ts'
import { Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { RELAY } from '../store/federation-outbox.ts'
import { insertGap } from '../store/gaps.ts'
import { knownInHistory, pdusById, type StagedPdu, stagedPdus, unstagePdu } from '../store/pdus.ts'
import { roomById } from '../store/rooms.ts'
import { append } from './append.ts'
import { fromAny, missingBetween, sourcesFor } from './fetch-gap.ts'
import { fetchAuthChain, remoteStateAfter, type Source } from './fetch-missing.ts'
import { type Merged, MissingEvents } from './merge-event.ts'
import type { VerifiedEvent } from './verify-pdu.ts'
import { write } from './write.ts'

/** Staged PDUs looked at together. */
const STAGED_AT_ONCE = 100
/** An event waits so long for its sender to come back. */
const WAIT_MAX_MS = 3_600_000

/** A verified event on its way into a room, and who sent it. */
interface Arrival {
  readonly event: VerifiedEvent
  readonly server: ServerName
  /** The number under which it is staged. */
  readonly staged?: number
  /** Nobody but us tells the other servers of it. */
  readonly relay?: boolean
}

interface StagedArrival extends Arrival {
  readonly staged: number
  /** Milliseconds since 1970. */
  readonly receivedTs: number
}

/**
 * Takes what is staged for a room into its history, in order. An event stays staged while its sender cannot be asked
 * what it rests on, and is taken up again later. One that cannot be placed all the same is dropped: it comes back as
 * the missing predecessor of later ones. Resolves with the types of what was looked at.
 */
export async function takeInStaged(app: App, roomId: string): Promise<ReadonlySet<string>> {
  const types = new Set<string>()
  for (let after = 0; ; ) {
    const rows = await stagedPdus(app.db, roomId, after, STAGED_AT_ONCE)
    const last = rows.at(-1)
    if (last === undefined) return types
    after = last.id
    const room = await roomById(app.db, roomId)
    const version = roomVersion(room?.version ?? '')
    if (room === undefined || version === undefined) {
      await discard(app, rows)
      return types
    }
    // What it rests on may be a member who is not known yet: it waits, and `completeRoom` goes on with it.
    if (room.partial_state === 1) return types
    const arrivals = rows
      .map((row) => ({
        // It was verified before it was staged.
        event: parseEvent(version, parseJson(row.pdu) as JsonObject) as VerifiedEvent,
        server: row.origin as ServerName,
        staged: row.id,
        receivedTs: row.received_ts,
      }))
      .sort((a, b) => a.event.depth - b.event.depth || a.staged - b.staged)
    for (const { event } of arrivals) types.add(event.type)
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
  const arrival = { event, server: source.server, relay }
  try {
    return (await followRoom(app, source, arrival)) ?? (await place(app, source, arrival, false))
  } catch (error) {
    if (!(error instanceof MissingEvents || error instanceof Unreachable || error instanceof Refused)) throw error
    throw new MatrixError('M_FORBIDDEN', `The event cannot be placed: ${error.message}`)
  }
}

/** Nearly always it follows the end of the room, which needs little of its state. */
async function followRoom(app: App, source: Source, { event, relay }: Arrival): Promise<Merged | undefined> {
  let merged: Merged | undefined
  await append(app, source.roomId, async (writer) => {
    merged = await writer.follow(event)
    if (relay === true && merged?.outcome === 'accepted')
      writer.also({ log: [{ kind: RELAY, subject: event.eventId }] })
  })
  return merged
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

const expectedFailures = [MatrixError, MissingEvents, Unreachable, Refused]

async function placeOrDrop(app: App, source: Source, arrival: StagedArrival): Promise<void> {
  try {
    await place(app, source, arrival, false)
  } catch (error) {
    if (!expectedFailures.some((kind) => error instanceof kind)) throw error
    const { eventId } = arrival.event
    const waited = app.clock.now() - arrival.receivedTs
    if (error instanceof Unreachable && waited < WAIT_MAX_MS) {
      app.log.info(
        { room: source.roomId, event: eventId, reason: error.message },
        'an event waits for what it rests on',
      )
      return
    }
    app.log.warn(
      { room: source.roomId, event: eventId, server: source.server, err: error },
      'an event cannot be placed',
    )
    await write(app, { guards: [], writes: [unstagePdu(arrival.staged)], log: [] })
  }
}

/**
 * Puts one event where it belongs, and fetches what it rests on. `gapKnown`: it is itself one of those that were
 * fetched in between; the state before the oldest of them is then taken from another server. Servers that show nothing
 * of what stands between the room and an event are not believed the state there.
 */
async function place(app: App, source: Source, arrival: Arrival, gapKnown: boolean): Promise<Merged> {
  const { event } = arrival
  let statesBefore: readonly StateMap[] = []
  const asked = { gap: false, authChain: false }
  for (;;) {
    let missing: MissingEvents
    try {
      return await merge(app, source, arrival, statesBefore)
    } catch (error) {
      if (!(error instanceof MissingEvents)) throw error
      missing = error
    }
    const sources = await sourcesFor(app, source)
    // Predecessors first: with them come most events that authorise this one.
    if (missing.prevEvents.length > 0 && !asked.gap) {
      asked.gap = true
      // Others rest on it already: it stands before what we hold of the room, and comes when somebody reads that far.
      if (await isOutlier(app, event)) throw missing
      if (gapKnown) {
        const after = (id: EventId) => fromAny(sources, (one) => remoteStateAfter(app, one, id))
        statesBefore = await Promise.all(missing.prevEvents.map(after))
      } else await fillGap(app, source, sources, event)
    } else if (missing.authEvents.length > 0 && !asked.authChain) {
      asked.authChain = true
      await fromAny(sources, (one) => fetchAuthChain(app, one, event.eventId))
    } else throw missing
  }
}

async function fillGap(app: App, source: Source, sources: readonly Source[], event: VerifiedEvent): Promise<void> {
  for (const earlier of await missingBetween(app, sources, event)) await placeOrDropEarlier(app, source, earlier)
}

async function isOutlier(app: App, event: VerifiedEvent): Promise<boolean> {
  const [known] = await pdusById(app.db, [event.eventId])
  return known?.outlier === 1
}

async function placeOrDropEarlier(app: App, source: Source, event: VerifiedEvent): Promise<void> {
  try {
    await place(app, source, { event, server: source.server }, true)
  } catch (error) {
    if (!expectedFailures.some((kind) => error instanceof kind)) throw error
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
