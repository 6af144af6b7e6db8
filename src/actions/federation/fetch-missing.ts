import type { App } from '../../app.ts'
import { authorise } from '../../core/auth/authorise.ts'
import type { EventId, RoomId, ServerName } from '../../core/ids.ts'
import { type JsonObject, type JsonValue, own, parseJson } from '../../core/json.ts'
import { itemsOf } from '../../core/json-items.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { type StateMap, stateMapKey } from '../../core/state/map.ts'
import { askForText, askServer, federationPath, Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { type PduRow, pdusById, stateEventOf } from '../../store/pdus.ts'
import { storeOutliers } from './store-outliers.ts'
import { type VerifiedEvent, verifyPdus } from './verify-pdu.ts'

/** The room for which something is fetched, and the server that has it. */
export interface Source {
  readonly room: number
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly server: ServerName
}

/** Of a state, so many events are asked for one by one; if more are missing, the whole state is. */
const SINGLE_EVENTS_MAX = 50
const EVENTS_AT_ONCE = 10
const STATE_BYTES_MAX = 104_857_600
/** Of what is read at once: an auth chain, or the ids of a state. */
const WHOLE_BYTES_MAX = 16 * 1_024 * 1_024
const STATE_TIMEOUT_MS = 120_000
const STATE_EVENTS_MAX = 200_000
/** Events of a state that are looked at together. */
const STATE_SLICE = 100

/** Keeps the auth chain of an event as outliers. */
export async function fetchAuthChain(app: App, source: Source, eventId: EventId): Promise<void> {
  const uri = federationPath`/v1/event_auth/${source.roomId}/${eventId}`
  const limits = { timeoutMs: STATE_TIMEOUT_MS, maxBytes: WHOLE_BYTES_MAX }
  const answer = await askServer(app, source.server, { method: 'GET', uri, ...limits })
  const chain = await verifiedIn(app, source, own(answer, 'auth_chain') ?? [])
  await storeOutliers(app, source.room, source.version, chain)
}

/**
 * The state after an event that we do not have, as the server tells it (Server-Server API, "Retrieving state"); its
 * events are kept as outliers. A server that cannot give the event itself, or tells a state that does not allow it, is
 * not believed. Errors: Unreachable, Refused, MatrixError.
 */
export async function remoteStateAfter(app: App, source: Source, eventId: EventId): Promise<StateMap> {
  const { state, self } = await toldState(app, source, eventId)
  if (self.state_key !== null && self.rejected === 0) state.set(stateMapKey(self.type, self.state_key), eventId)
  return state
}

/** The state before it, in the same way. */
export async function remoteStateBefore(app: App, source: Source, eventId: EventId): Promise<StateMap> {
  return (await toldState(app, source, eventId)).state
}

async function toldState(
  app: App,
  source: Source,
  eventId: EventId,
): Promise<{ readonly state: Map<string, EventId>; readonly self: PduRow }> {
  const uri = `${federationPath`/v1/state_ids/${source.roomId}`}?event_id=${encodeURIComponent(eventId)}`
  const answer = await askServer(app, source.server, { method: 'GET', uri, maxBytes: WHOLE_BYTES_MAX })
  const stateIds = idsIn(own(answer, 'pdu_ids'))
  const wanted = [...new Set([...stateIds, ...idsIn(own(answer, 'auth_chain_ids')), eventId])]
  await fetchEvents(app, source, eventId, wanted)
  const rows = (await pdusById(app.db, wanted)).filter((row) => row.room === source.room)
  const inState = new Set(stateIds)
  const told = new Map<string, PduRow>()
  for (const row of rows)
    if (row.state_key !== null && inState.has(row.event_id)) told.set(stateMapKey(row.type, row.state_key), row)
  const self = rows.find((row) => row.event_id === eventId)
  if (self === undefined) throw new MatrixError('M_NOT_FOUND', `${source.server} has no event ${eventId}.`)
  const verdict = authorise(source.version, stateEventOf(self), (type, stateKey) => {
    const row = told.get(stateMapKey(type, stateKey))
    return row && stateEventOf(row)
  })
  if (!verdict.allowed && self.rejected === 0)
    throw new MatrixError('M_FORBIDDEN', `The state that ${source.server} tells does not allow ${eventId}.`)
  // What we reject is in no state of ours, whoever has it in theirs.
  const state = new Map([...told].flatMap(([key, row]) => (row.rejected === 1 ? [] : [[key, row.event_id] as const])))
  return { state, self }
}

/** The PDUs that verify and are of this room; the others are left out. */
export async function verifiedIn(app: App, source: Source, pdus: JsonValue): Promise<VerifiedEvent[]> {
  const given = Array.isArray(pdus) ? (pdus as readonly JsonValue[]).slice(0, STATE_EVENTS_MAX) : []
  const verified = await verifyPdus(app, source.version, given, ({ message }) =>
    app.log.info({ server: source.server, room: source.roomId, reason: message }, 'a PDU was left out'),
  )
  return verified.filter((event) => event.roomId === source.roomId)
}

async function fetchEvents(app: App, source: Source, at: EventId, wanted: readonly EventId[]): Promise<void> {
  const known = new Set((await pdusById(app.db, wanted)).map((row) => row.event_id))
  const missing = wanted.filter((id) => !known.has(id))
  const told = missing.length > SINGLE_EVENTS_MAX ? await storeWholeState(app, source, at) : undefined
  const fetched = [...(told?.waiting ?? [])]
  const have = new Set([...(told?.stored.keys() ?? []), ...fetched.map((event) => event.eventId)])
  const left = missing.filter((id) => !have.has(id)).slice(0, SINGLE_EVENTS_MAX)
  for (let start = 0; start < left.length; start += EVENTS_AT_ONCE) {
    const some = left.slice(start, start + EVENTS_AT_ONCE).map((id) => singleEvent(app, source, id))
    fetched.push(...(await Promise.all(some)).flat())
  }
  await storeOutliers(app, source.room, source.version, fetched)
}

/** What came of a state that a server told. */
export interface ToldState {
  /** The numbers of the events that are kept now: of the state, and of what it rests on. */
  readonly stored: ReadonlyMap<EventId, number>
  /** Those of the state alone. */
  readonly state: readonly EventId[]
  /** Events that verify, and rest on others that were not told. */
  readonly waiting: readonly VerifiedEvent[]
}

/**
 * Keeps the state before an event and what it rests on, as the server tells it (Server-Server API, "Retrieving state"),
 * as outliers. It may be the state of a large room: a few events are read, verified and kept at a time, and the loop
 * goes on with other work between. Errors: Unreachable, Refused.
 */
export async function storeWholeState(app: App, source: Source, at: EventId): Promise<ToldState> {
  const uri = `${federationPath`/v1/state/${source.roomId}`}?event_id=${encodeURIComponent(at)}`
  const limits = { timeoutMs: STATE_TIMEOUT_MS, maxBytes: STATE_BYTES_MAX }
  const answer = await askForText(app, source.server, { method: 'GET', uri, ...limits })
  const stored = new Map<EventId, number>()
  const state: EventId[] = []
  let waiting: VerifiedEvent[] = []
  const keep = async (events: readonly VerifiedEvent[]): Promise<void> => {
    const numbers = await storeOutliers(app, source.room, source.version, events)
    for (const [id, number] of numbers) stored.set(id, number)
    waiting.push(...events.filter(({ eventId }) => !numbers.has(eventId)))
  }
  for (const key of ['auth_chain', 'pdus']) {
    for (const pdus of inSlices(itemsOf(answer, key), STATE_SLICE, STATE_EVENTS_MAX)) {
      const events = await verifiedIn(app, source, pdus.map(pduIn))
      if (key === 'pdus') state.push(...events.map(({ eventId }) => eventId))
      await keep(events)
    }
    // What stands before its authority had to wait for it.
    const early = waiting
    waiting = []
    await keep(early)
  }
  return { stored, state: state.filter((id) => stored.has(id)), waiting }
}

function* inSlices<T>(items: Iterable<T>, size: number, max: number): Generator<readonly T[]> {
  let slice: T[] = []
  let count = 0
  for (const item of items) {
    if (++count > max) break
    slice.push(item)
    if (slice.length < size) continue
    yield slice
    slice = []
  }
  if (slice.length > 0) yield slice
}

/** null, which is no PDU, where the text is none. */
function pduIn(text: Uint8Array): JsonValue {
  try {
    return parseJson(text)
  } catch {
    return null
  }
}

async function singleEvent(app: App, source: Source, id: EventId): Promise<VerifiedEvent[]> {
  const uri = federationPath`/v1/event/${id}`
  const answer = await orUndefined(askServer(app, source.server, { method: 'GET', uri }))
  const events = await verifiedIn(app, source, (answer && own(answer, 'pdus')) ?? [])
  return events.filter((event) => event.eventId === id)
}

function idsIn(value: JsonValue | undefined): EventId[] {
  const ids = Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, STATE_EVENTS_MAX) : []
  return ids.filter((id): id is EventId => typeof id === 'string')
}

async function orUndefined(asked: Promise<JsonObject>): Promise<JsonObject | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Unreachable || error instanceof Refused) return undefined
    throw error
  }
}
