import type { Event } from '../core/event.ts'
import type { EventId, RoomId, ServerName } from '../core/ids.ts'
import { canonicalJson, type JsonObject, parseJson } from '../core/json.ts'
import type { StateEvent } from '../core/state/resolve.ts'
import type { Database } from '../db/database.ts'
import { intList, type Sql, sql, textList } from '../db/sql.ts'
import { AUTH_COLUMNS, type AuthRow, authEventOf } from './events.ts'

/** An event as other servers and the rules of rooms need it. */
export interface PduRow extends AuthRow {
  readonly room: number
  readonly room_id: RoomId
  readonly topo: number
  readonly position: number | null
  readonly rejected: number
  readonly soft_failed: number
  readonly outlier: number
  readonly redacted_by: number | null
  /** The state before it. */
  readonly snapshot: number | null
}

const COLUMNS = sql`e.event, e.event_id, e.room, e.type, e.state_key, e.sender, e.content, e.envelope,
  e.origin_server_ts, e.depth, e.topo, e.position, e.rejected, e.soft_failed, e.outlier, e.redacted_by, e.snapshot,
  r.room_id`

export function pdusById(db: Database, eventIds: readonly string[]): Promise<PduRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events e JOIN rooms r ON r.room = e.room
    WHERE e.event_id IN ${textList(eventIds)}`)
}

/** The numbers of those of the events that are known. */
export async function eventNumbers(db: Database, eventIds: readonly EventId[]): Promise<Map<number, EventId>> {
  const rows = await db.read<{ event: number; event_id: EventId }>(
    sql`SELECT event, event_id FROM events WHERE event_id IN ${textList(eventIds)}`,
  )
  return new Map(rows.map((row) => [row.event, row.event_id]))
}

/** What the events name as their authority. */
export async function authEventsOf(db: Database, events: readonly number[]): Promise<number[]> {
  const rows = await db.read<{ auth_event: number }>(
    sql`SELECT DISTINCT auth_event FROM event_auth WHERE event IN ${intList(events)}`,
  )
  return rows.map((row) => row.auth_event)
}

/** The PDU as JSON text, content and envelope joined as they were stored. */
export function pduText(row: Pick<PduRow, 'content' | 'envelope'>): string {
  return `{"content":${row.content},${row.envelope.slice(1)}`
}

export function pduOf(row: Pick<PduRow, 'content' | 'envelope'>): JsonObject {
  return parseJson(pduText(row)) as JsonObject
}

/** What state resolution reads of an event, as text. */
export type StateRow = AuthRow & Pick<PduRow, 'room_id' | 'rejected'>

export function stateRowsById(db: Database, eventIds: readonly string[]): Promise<StateRow[]> {
  return db.read(sql`SELECT ${AUTH_COLUMNS}, e.rejected, r.room_id FROM events e JOIN rooms r ON r.room = e.room
    WHERE e.event_id IN ${textList(eventIds)}`)
}

/** As state resolution reads it. */
export function stateEventOf(row: StateRow): StateEvent {
  return { ...authEventOf(row, row.room_id), rejected: row.rejected === 1 }
}

/** The same row of an event that is not stored yet. */
export function stateRowOf(event: Event): StateRow {
  const { content, ...envelope } = event.pdu as Record<string, JsonObject>
  return {
    event: 0,
    event_id: event.eventId,
    room_id: event.roomId,
    type: event.type,
    state_key: event.stateKey,
    sender: event.sender,
    content: canonicalJson(content!),
    envelope: canonicalJson(envelope),
    origin_server_ts: event.originServerTs,
    depth: event.depth,
    rejected: 0,
  }
}

/** Which of the events we hold as part of the room's history, outliers left out. */
export async function knownInHistory(db: Database, eventIds: readonly string[]): Promise<Set<EventId>> {
  const rows = await db.read<{ event_id: EventId }>(
    sql`SELECT event_id FROM events WHERE outlier = 0 AND event_id IN ${textList(eventIds)}`,
  )
  return new Set(rows.map((row) => row.event_id))
}

/** Accepted events that name one of these as a predecessor. */
export function childrenOf(
  db: Database,
  eventIds: readonly string[],
): Promise<{ event_id: EventId; parent: EventId }[]> {
  return db.read(sql`SELECT e.event_id, p.prev_event_id AS parent FROM event_prev p JOIN events e ON e.event = p.event
    WHERE p.prev_event_id IN ${textList(eventIds)} AND e.rejected = 0 AND e.soft_failed <> 1 AND e.outlier = 0`)
}

/** What a server sent for a room and is not in it yet; `origin` undefined: what any server did. Oldest first. */
export interface StagedPdu {
  readonly id: number
  readonly event_id: EventId
  readonly origin: string
  readonly pdu: string
  readonly received_ts: number
}

export function stagedPdus(
  db: Database,
  roomId: string,
  page: { readonly after: number; readonly limit: number; readonly origin?: ServerName },
): Promise<StagedPdu[]> {
  const sentBy = page.origin === undefined ? sql`1 = 1` : sql`origin = ${page.origin}`
  return db.read(sql`SELECT id, event_id, origin, pdu, received_ts FROM staged_pdus
    WHERE room_id = ${roomId} AND id > ${page.after} AND ${sentBy} ORDER BY id LIMIT ${page.limit}`)
}

export async function sendersOfStaged(db: Database, roomId: string): Promise<ServerName[]> {
  const rows = await db.read<{ origin: ServerName }>(
    sql`SELECT origin FROM staged_pdus WHERE room_id = ${roomId} GROUP BY origin ORDER BY MIN(id)`,
  )
  return rows.map((row) => row.origin)
}

/** Whether some of the events are staged still. */
export async function areStaged(db: Database, eventIds: readonly EventId[]): Promise<boolean> {
  const rows = await db.read(sql`SELECT id FROM staged_pdus WHERE event_id IN ${textList(eventIds)} LIMIT 1`)
  return rows.length > 0
}

/** The rooms for which something waits that was received before a time, or just then; milliseconds since 1970. */
export function roomsWithStagedPdus(db: Database, receivedBefore: number): Promise<{ room_id: RoomId }[]> {
  return db.read(sql`SELECT DISTINCT room_id FROM staged_pdus WHERE received_ts <= ${receivedBefore} LIMIT 10000`)
}

export function stagePdu(id: number, roomId: string, eventId: string, origin: string, pdu: string, nowMs: number): Sql {
  return sql`INSERT INTO staged_pdus (id, room_id, event_id, origin, pdu, received_ts)
    VALUES (${id}, ${roomId}, ${eventId}, ${origin}, ${pdu}, ${nowMs}) ON CONFLICT (event_id) DO NOTHING`
}

export function unstagePdu(id: number): Sql {
  return sql`DELETE FROM staged_pdus WHERE id = ${id}`
}

/** Events of an auth chain that are read at the most. */
const AUTH_CHAIN_MAX = 100_000

/** Everything that these events name as their authority, directly or not, without the events themselves. */
export function authChainOf(db: Database, events: readonly number[]): Promise<PduRow[]> {
  return db.read(sql`WITH RECURSIVE chain (event) AS (
      SELECT auth_event FROM event_auth WHERE event IN ${intList(events)}
      UNION SELECT a.auth_event FROM event_auth a JOIN chain c ON a.event = c.event)
    SELECT ${COLUMNS} FROM chain c JOIN events e ON e.event = c.event JOIN rooms r ON r.room = e.room
    LIMIT ${AUTH_CHAIN_MAX}`)
}

export function pdusByNumber(db: Database, events: readonly number[]): Promise<PduRow[]> {
  return db.read(
    sql`SELECT ${COLUMNS} FROM events e JOIN rooms r ON r.room = e.room WHERE e.event IN ${intList(events)}`,
  )
}

/** The predecessors of these events; `refusedToo`: also those that were rejected or soft-failed. */
export function parentsOf(db: Database, events: readonly number[], refusedToo: boolean): Promise<PduRow[]> {
  return db.read(sql`SELECT DISTINCT ${COLUMNS} FROM event_prev p JOIN events e ON e.event_id = p.prev_event_id
    JOIN rooms r ON r.room = e.room
    WHERE p.event IN ${intList(events)} AND e.outlier = 0
      AND ((e.rejected = 0 AND e.soft_failed = 0) OR ${refusedToo ? 1 : 0} = 1)`)
}
