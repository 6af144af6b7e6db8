import type { App } from '../../app.ts'
import { parseEvent } from '../../core/event.ts'
import type { EventId, ServerName } from '../../core/ids.ts'
import { type JsonObject, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomVersion } from '../../core/room-version.ts'
import type { StateMap } from '../../core/state/map.ts'
import { DatabaseUnavailable } from '../../db/database.ts'
import type { Sql } from '../../db/sql.ts'
import { Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { RELAY } from '../../store/federation-outbox.ts'
import { insertGap } from '../../store/gaps.ts'
import { knownInHistory, pdusById, type StagedPdu, sendersOfStaged, stagedPdus, unstagePdu } from '../../store/pdus.ts'
import { roomById } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { write } from '../write.ts'
import { fromAny, missingBetween, sourcesFor } from './fetch-gap.ts'
import { fetchAuthChain, remoteStateAfter, type Source } from './fetch-missing.ts'
import { type Merged, MissingEvents } from './merge-event.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

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

/** Types of what was looked at, and whether some of it rests on what is not here. */
export interface TakenIn {
  readonly types: ReadonlySet<string>
  readonly lacking: boolean
}

/**
 * Takes what is staged for a room into its history, in order, as far as that needs nothing of other servers: the rest
 * stays staged for `takeInByAsking`.
 */
export async function takeInStaged(app: App, roomId: string): Promise<TakenIn> {
  const types = new Set<string>()
  let lacking = false
  for (let after = 0; ; ) {
    const page = await stagedPage(app, roomId, { after, limit: STAGED_AT_ONCE })
    if (page === undefined) return { types, lacking }
    const { source, arrivals } = page
    after = page.last
    for (const { event } of arrivals) types.add(event.type)
    const before = arrivals.flatMap(({ event }) => event.prevEvents)
    const known = await knownInHistory(app.db, before)
    for (let done = 0; done < arrivals.length; ) {
      // Of many, one may be at fault: then each is looked at by itself.
      const followed = await takeInFollowing(app, roomId, arrivals.slice(done)).catch(unlessUnavailable)
      for (const { event } of arrivals.slice(done, done + followed)) known.add(event.eventId)
      done += followed
      const next = arrivals[done]
      if (followed > 0 || next === undefined) continue
      const here = next.event.prevEvents.every((id) => known.has(id))
      const outcome = here ? await takeIn(app, { ...source, server: next.server }, next) : 'lacks'
      if (outcome === 'placed') known.add(next.event.eventId)
      lacking ||= outcome === 'lacks'
      done++
    }
  }
}

/**
 * Takes in what is staged for a room and rests on more than is here: that is fetched. While nobody gives it and the
 * sender cannot be asked, its events stay staged, and are taken up again later. One that cannot be placed all the same
 * is dropped: it comes back as the missing predecessor of later ones; and then it is the turn of the next sender.
 * `moved` hears the types of what is staged no more, one sender after the other.
 */
export async function takeInByAsking(
  app: App,
  roomId: string,
  moved: (types: ReadonlySet<string>) => Promise<void>,
): Promise<void> {
  let senders = await sendersOfStaged(app.db, roomId)
  while (senders.length > 0 && !app.live.inbox.closed) {
    const left: ServerName[] = []
    for (const server of senders) {
      const types = new Set<string>()
      if (await takeInOf(app, roomId, server, types)) left.push(server)
      if (types.size > 0) await moved(types)
    }
    senders = left
  }
}

/** Of one sender, until one is dropped. Resolves with whether there may be more to do. */
async function takeInOf(app: App, roomId: string, server: ServerName, types: Set<string>): Promise<boolean> {
  const page = await stagedPage(app, roomId, { after: 0, limit: STAGED_AT_ONCE, origin: server })
  if (page === undefined || page.arrivals.length === 0) return false
  for (const arrival of page.arrivals) {
    const outcome = app.live.inbox.closed ? 'waits' : await placeOrDrop(app, { ...page.source, server }, arrival)
    if (outcome === 'waits') return false
    types.add(arrival.event.type)
    if (outcome === 'dropped') break
  }
  return true
}

interface StagedPage {
  readonly source: Omit<Source, 'server'>
  readonly arrivals: readonly StagedArrival[]
  /** The last number of the page. */
  readonly last: number
}

/** What is staged for a room; undefined: nothing more, or not all of the room's members are known. */
async function stagedPage(
  app: App,
  roomId: string,
  page: Parameters<typeof stagedPdus>[2],
): Promise<StagedPage | undefined> {
  const rows = await stagedPdus(app.db, roomId, page)
  const last = rows.at(-1)
  if (last === undefined) return undefined
  const room = await roomById(app.db, roomId)
  const version = roomVersion(room?.version ?? '')
  if (room === undefined || version === undefined) {
    await discard(app, rows)
    return undefined
  }
  // What it rests on may be a member who is not known yet: it waits, and `completeRoom` goes on with it.
  if (room.partial_state === 1) return undefined
  const arrivals = rows
    .map((row) => ({
      // It was verified before it was staged.
      event: parseEvent(version, parseJson(row.pdu) as JsonObject) as VerifiedEvent,
      server: row.origin as ServerName,
      staged: row.id,
      receivedTs: row.received_ts,
    }))
    .sort((a, b) => a.event.depth - b.event.depth || a.staged - b.staged)
  return { source: { room: room.room, roomId: room.room_id, version }, arrivals, last: last.id }
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

function unlessUnavailable(error: unknown): number {
  if (error instanceof DatabaseUnavailable) throw error
  return 0
}

type Placing = 'placed' | 'dropped' | 'waits'

/** `lacks`: it rests on what is not here. */
async function takeIn(app: App, source: Source, arrival: StagedArrival): Promise<Placing | 'lacks'> {
  try {
    await merge(app, source, arrival, [])
    return 'placed'
  } catch (error) {
    if (error instanceof MissingEvents) return 'lacks'
    if (!(error instanceof MatrixError)) return failed(app, source, arrival, error)
    await drop(app, source, arrival, error)
    return 'dropped'
  }
}

/** A fault of ours: the others come to their turn, and it is tried again later, or dropped when it lasts. */
async function failed(app: App, source: Source, arrival: StagedArrival, error: unknown): Promise<Placing> {
  if (error instanceof DatabaseUnavailable) throw error
  app.log.error({ room: source.roomId, event: arrival.event.eventId, err: error }, 'an event was not taken in')
  if (app.clock.now() - arrival.receivedTs < WAIT_MAX_MS) return 'waits'
  await drop(app, source, arrival, error as Error)
  return 'dropped'
}

/** `waits`: for its sender, and the others of the same one would, too. */
async function placeOrDrop(app: App, source: Source, arrival: StagedArrival): Promise<Placing> {
  try {
    await place(app, source, arrival, false)
    return 'placed'
  } catch (error) {
    if (!expectedFailures.some((kind) => error instanceof kind)) return failed(app, source, arrival, error)
    const waited = app.clock.now() - arrival.receivedTs
    if (error instanceof Unreachable && waited < WAIT_MAX_MS) {
      const { eventId: event } = arrival.event
      app.log.info({ room: source.roomId, event, reason: error.message }, 'an event waits for what it rests on')
      return 'waits'
    }
    await drop(app, source, arrival, error as Error)
    return 'dropped'
  }
}

async function drop(app: App, { roomId, server }: Source, { event, staged }: StagedArrival, err: Error): Promise<void> {
  app.log.warn({ room: roomId, event: event.eventId, server, err }, 'an event cannot be placed')
  await write(app, { guards: [], writes: [unstagePdu(staged)], log: [] })
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
  await append(
    app,
    source.roomId,
    async (writer) => {
      merged = await writer.merge(event, statesBefore)
      const writes = statesBefore.length === 0 ? [] : await gapsBefore(app, source, event)
      if (staged !== undefined) writes.push(unstagePdu(staged))
      const told = relay === true && merged.outcome === 'accepted'
      writer.also({ writes, log: told ? [{ kind: RELAY, subject: event.eventId }] : [] })
    },
    { settled: true },
  )
  return merged!
}

async function gapsBefore(app: App, { room }: Source, { eventId, prevEvents }: VerifiedEvent): Promise<Sql[]> {
  const known = await knownInHistory(app.db, prevEvents)
  return prevEvents.filter((id) => !known.has(id)).map((id) => insertGap(room, eventId, id))
}

async function discard(app: App, rows: readonly StagedPdu[]): Promise<void> {
  await write(app, { guards: [], writes: rows.map((row) => unstagePdu(row.id)), log: [] })
}
