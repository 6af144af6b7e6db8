import type { AuthEvent, Event, EventId, RoomId, UserId } from '../core/event.ts'
import { canonicalJson, type JsonObject, own, parseJson } from '../core/json.ts'
import { relationOf } from '../core/relations.ts'
import type { Database, Guard } from '../db/database.ts'
import { intList, type LogPosition, rowsOf, type Sql, sql, type Table, textList } from '../db/sql.ts'

/** Where a new event stands: its number, its place in history, the state before it. */
export interface EventPlace {
  readonly event: number
  readonly room: number
  readonly position: LogPosition | number | null
  readonly topo: number
  readonly snapshot: number | null
  readonly historyVisibility: string
  /** The event that this one replaced in the room's state. */
  readonly previous: number | null
  /** Why it is no part of what clients see; none: it is. Outliers are known only for what rests on them. */
  readonly aside?: Aside | undefined
}

export type Aside = 'rejected' | 'soft_failed' | 'outlier' | 'rejected_outlier'

/** The event and its edges, as statements of a batch. An outlier under the same number becomes what `place` says. */
export function insertEvent(event: Event, place: EventPlace, authEvents: readonly number[]): Sql[] {
  const relation = relationOf(event.content)
  const { content, ...envelope } = event.pdu as Record<string, JsonObject>
  const statements = [
    rowsOf(
      EVENTS,
      sql`INSERT INTO events (event, event_id, room, position, topo, type, state_key, sender, origin_server_ts, depth,
      content, envelope, redacts, relates_to, rel_type, thread_root, rejected, soft_failed, outlier,
      history_visibility, snapshot, previous)
      VALUES (${place.event}, ${event.eventId}, ${place.room}, ${place.position}, ${place.topo}, ${event.type},
      ${event.stateKey}, ${event.sender}, ${event.originServerTs}, ${event.depth}, ${canonicalJson(content!)},
      ${canonicalJson(envelope)}, ${event.redacts ?? null}, ${relation.eventId ?? null},
      ${relation.relType ?? null}, ${relation.threadRoot ?? null},
      ${flag(place, 'rejected', 'rejected_outlier')}, ${flag(place, 'soft_failed')},
      ${flag(place, 'outlier', 'rejected_outlier')},
      ${place.historyVisibility}, ${place.snapshot}, ${place.previous})
      ON CONFLICT (event) DO UPDATE SET position = excluded.position, topo = excluded.topo,
      rejected = excluded.rejected, soft_failed = excluded.soft_failed, outlier = excluded.outlier,
      history_visibility = excluded.history_visibility, snapshot = excluded.snapshot, previous = excluded.previous`,
    ),
  ]
  for (const prev of event.prevEvents) {
    const edge = sql`INSERT INTO event_prev (event, prev_event_id) VALUES (${place.event}, ${prev})
      ON CONFLICT (event, prev_event_id) DO NOTHING`
    statements.push(rowsOf(EVENT_PREV, edge))
  }
  if (authEvents.length > 0) {
    const edges = sql`INSERT INTO event_auth (event, auth_event)
      SELECT ${place.event}, a.* FROM ${intList(authEvents)} AS a WHERE true
      ON CONFLICT (event, auth_event) DO NOTHING`
    statements.push(rowsOf(EVENT_AUTH, edges))
  }
  return statements
}

const EVENTS: Table = {
  name: 'events',
  columns: {
    event: 'bigint',
    event_id: 'text',
    room: 'bigint',
    position: 'bigint',
    topo: 'bigint',
    type: 'text',
    state_key: 'text',
    sender: 'text',
    origin_server_ts: 'bigint',
    depth: 'bigint',
    content: 'text',
    envelope: 'text',
    redacts: 'text',
    relates_to: 'text',
    rel_type: 'text',
    thread_root: 'text',
    rejected: 'bigint',
    soft_failed: 'bigint',
    outlier: 'bigint',
    history_visibility: 'text',
    snapshot: 'bigint',
    previous: 'bigint',
  },
  onConflict: `ON CONFLICT (event) DO UPDATE SET position = excluded.position, topo = excluded.topo,
    rejected = excluded.rejected, soft_failed = excluded.soft_failed, outlier = excluded.outlier,
    history_visibility = excluded.history_visibility, snapshot = excluded.snapshot, previous = excluded.previous`,
}

const EVENT_PREV: Table = {
  name: 'event_prev',
  columns: { event: 'bigint', prev_event_id: 'text' },
  onConflict: 'ON CONFLICT (event, prev_event_id) DO NOTHING',
}

const EVENT_AUTH: Table = {
  name: 'event_auth',
  columns: { event: 'bigint', auth_event: 'bigint' },
  onConflict: 'ON CONFLICT (event, auth_event) DO NOTHING',
}

function flag({ aside }: EventPlace, ...asides: readonly Aside[]): number {
  return aside !== undefined && asides.includes(aside) ? 1 : 0
}

/** Holds while the event is still what the action saw: unknown, or an outlier under that number. */
export function eventIsStill(eventId: EventId, outlier: number | undefined): Guard {
  return {
    about: `event:${eventId}`,
    query: sql`SELECT event, outlier FROM events WHERE event_id = ${eventId}`,
    expect: outlier === undefined ? [] : [{ event: outlier, outlier: 1 }],
  }
}

/** A row as the views serve it. `content` is the exact JSON text. */
export interface EventRow {
  readonly event: number
  readonly event_id: EventId
  readonly room: number
  readonly position: number | null
  readonly topo: number
  readonly type: string
  readonly state_key: string | null
  readonly sender: UserId
  readonly origin_server_ts: number
  readonly content: string
  readonly redacts: string | null
  readonly redacted_by: number | null
  readonly history_visibility: string | null
  readonly snapshot: number | null
  readonly previous: number | null
  /** The root of the thread that the event names itself part of. */
  readonly thread_root: string | null
}

const COLUMNS = sql`event, event_id, room, position, topo, type, state_key, sender, origin_server_ts, content, redacts,
  redacted_by, history_visibility, snapshot, previous, thread_root`
export const EVENT_COLUMNS = sql`e.event, e.event_id, e.room, e.position, e.topo, e.type, e.state_key, e.sender,
  e.origin_server_ts, e.content, e.redacts, e.redacted_by, e.history_visibility, e.snapshot, e.previous,
  e.thread_root`
const SHOWN = sql`rejected = 0 AND soft_failed = 0 AND outlier = 0`

/** Those of the events that are part of what clients see, up to `to`. */
export function eventsById(db: Database, eventIds: readonly string[], to: number): Promise<EventRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events WHERE event_id IN ${textList(eventIds)}
    AND (position IS NULL OR position <= ${to}) AND ${SHOWN}`)
}

/** Events of the room on one side of a time, the nearest first, `skip` of them passed over. */
export function eventsNearTime(
  db: Database,
  room: number,
  ts: number,
  dir: 'b' | 'f',
  to: number,
  limit: number,
  skip: number,
): Promise<EventRow[]> {
  const side = dir === 'f' ? sql`origin_server_ts >= ${ts}` : sql`origin_server_ts <= ${ts}`
  const order = dir === 'f' ? sql`origin_server_ts, topo, event` : sql`origin_server_ts DESC, topo DESC, event DESC`
  return db.read(sql`SELECT ${COLUMNS} FROM events WHERE room = ${room} AND ${side}
    AND (position IS NULL OR position <= ${to}) AND ${SHOWN} ORDER BY ${order} LIMIT ${limit} OFFSET ${skip}`)
}

export function eventsByNumber(db: Database, events: readonly number[]): Promise<EventRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events WHERE event IN ${intList(events)}`)
}

/** A place in the order of history of a room. */
export interface HistoryPlace {
  readonly topo: number
  readonly event: number
}

/** Up to `limit` events before the place, newest first, of those that `to` covers. */
export function eventsBefore(
  db: Database,
  room: number,
  place: HistoryPlace,
  to: number,
  limit: number,
): Promise<EventRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events WHERE room = ${room} AND (topo, event) < (${place.topo},
    ${place.event})
    AND (position IS NULL OR position <= ${to}) AND ${SHOWN} ORDER BY topo DESC, event DESC LIMIT ${limit}`)
}

/** Up to `limit` events at and after the place, oldest first, of those that `to` covers. */
export function eventsAfter(
  db: Database,
  room: number,
  place: HistoryPlace,
  to: number,
  limit: number,
): Promise<EventRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events WHERE room = ${room} AND (topo, event) >= (${place.topo},
    ${place.event})
    AND (position IS NULL OR position <= ${to}) AND ${SHOWN} ORDER BY topo, event LIMIT ${limit}`)
}

/** Events among which the last one in history is looked for: branches that came late may stand below what was there. */
const LAST_ONES = 200

/** The place just after the last event of the room with a position up to `position`. */
export async function placeAfterPosition(db: Database, room: number, position: number): Promise<HistoryPlace> {
  const rows = await db.read<HistoryPlace>(sql`SELECT topo, event FROM (
      SELECT topo, event FROM events WHERE room = ${room} AND position <= ${position} AND ${SHOWN}
      ORDER BY position DESC LIMIT ${LAST_ONES}) AS last
    ORDER BY topo DESC, event DESC LIMIT 1`)
  const last = rows[0]
  return last === undefined ? { topo: 0, event: 0 } : { topo: last.topo, event: last.event + 1 }
}

/**
 * For each room the newest `limit` events with positions in (since, to], oldest first, in one query; of a room that
 * the user has left, none after that. The leave itself is among them where it was made outside of the room.
 */
export function newestEvents(
  db: Database,
  userId: string,
  rooms: readonly number[],
  since: number,
  to: number,
  limit: number,
): Promise<EventRow[]> {
  return db.read(sql`SELECT ${EVENT_COLUMNS} FROM memberships m JOIN events e ON e.room = m.room
    WHERE m.user_id = ${userId} AND m.room IN ${intList(rooms)} AND e.position > ${since} AND e.position <= ${to}
      AND (m.membership NOT IN ('leave', 'ban') OR e.position <= m.position)
      AND e.position > COALESCE((SELECT x.position FROM events x WHERE x.room = m.room AND x.position > ${since}
        AND x.position <= ${to} AND (m.membership NOT IN ('leave', 'ban') OR x.position <= m.position)
        AND x.rejected = 0 AND x.soft_failed = 0 AND x.outlier = 0
        ORDER BY x.position DESC LIMIT 1 OFFSET ${limit}), 0)
      AND e.rejected = 0 AND e.soft_failed = 0
      AND (e.outlier = 0 OR (m.out_of_band = 1 AND e.event = m.event))
    ORDER BY m.room, e.position`)
}

/** Up to `limit` events of the room with positions between the two, newest first. */
export function eventsByPosition(
  db: Database,
  room: number,
  since: number,
  before: number,
  limit: number,
): Promise<EventRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events WHERE room = ${room} AND position > ${since}
    AND position < ${before} AND ${SHOWN} ORDER BY position DESC LIMIT ${limit}`)
}

/** What of the events stands beside their content, as JSON text: with it, the event is as servers have it. */
export function envelopesOf(db: Database, events: readonly number[]): Promise<{ event: number; envelope: string }[]> {
  return db.read(sql`SELECT event, envelope FROM events WHERE event IN ${intList(events)}`)
}

/** Hops over relations from an event to the thread that it belongs to ("Threaded read receipts"). */
const MAX_HOPS = 3

/** The root of the thread that the event is in, by itself or by what it relates to; undefined: the main timeline. */
export async function threadOf(db: Database, event: number): Promise<string | undefined> {
  const rows = await db.read<{ thread_root: string }>(sql`WITH RECURSIVE parents (thread_root, relates_to, hops) AS (
      SELECT thread_root, relates_to, 0 FROM events WHERE event = ${event}
      UNION ALL SELECT e.thread_root, e.relates_to, p.hops + 1 FROM parents p
        JOIN events e ON e.event_id = p.relates_to WHERE p.thread_root IS NULL AND p.hops < ${MAX_HOPS})
    SELECT thread_root FROM parents WHERE thread_root IS NOT NULL LIMIT 1`)
  return rows[0]?.thread_root
}

interface AuthRow {
  event: number
  event_id: EventId
  type: string
  state_key: string | null
  sender: UserId
  content: string
  envelope: string
  origin_server_ts: number
  depth: number
}

export const AUTH_COLUMNS = sql`e.event, e.event_id, e.type, e.state_key, e.sender, e.content, e.envelope,
  e.origin_server_ts, e.depth`

/** What the rules read of an event, from a row with AUTH_COLUMNS. */
export function authEventOf(row: AuthRow, roomId: RoomId): AuthEvent {
  const envelope = parseJson(row.envelope) as JsonObject
  return {
    eventId: row.event_id,
    roomId,
    type: row.type,
    stateKey: row.state_key,
    sender: row.sender,
    content: parseJson(row.content) as JsonObject,
    originServerTs: row.origin_server_ts,
    depth: row.depth,
    prevEvents: referencesOf(own(envelope, 'prev_events')),
    authEvents: referencesOf(own(envelope, 'auth_events')),
  }
}

function referencesOf(value: unknown): EventId[] {
  return Array.isArray(value) ? value.map((item) => (Array.isArray(item) ? item[0] : item) as EventId) : []
}

export type { AuthRow }
