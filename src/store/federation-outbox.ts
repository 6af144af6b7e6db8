import type { ServerName } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { intList, type Sql, sql } from '../db/sql.ts'
import { serverOf } from './server-of.ts'

/** How far another server was told, and how it answered. */
export interface DestinationRow {
  readonly server: ServerName
  /** Everything up to here was sent. */
  readonly position: number
  readonly failures: number
  /** Milliseconds since 1970 before which it is left alone; null: it answers. */
  readonly retry_at: number | null
}

export function destinations(db: Database): Promise<DestinationRow[]> {
  return db.read(sql`SELECT server, position, failures, retry_at FROM destinations`)
}

export function keepDestination(row: DestinationRow): Sql {
  return sql`INSERT INTO destinations (server, position, failures, retry_at)
    VALUES (${row.server}, ${row.position}, ${row.failures}, ${row.retry_at})
    ON CONFLICT (server) DO UPDATE SET position = excluded.position, failures = excluded.failures,
      retry_at = excluded.retry_at`
}

/** Until when the server is left alone, in milliseconds since 1970; null: it answers. */
export async function retryAt(db: Database, server: string): Promise<number | null> {
  const rows = await db.read<{ retry_at: number | null }>(
    sql`SELECT retry_at FROM destinations WHERE server = ${server}`,
  )
  return rows[0]?.retry_at ?? null
}

/** Where a server that was never sent anything begins: just before it came into a room with us. */
export async function firstPosition(db: Database, server: string): Promise<number> {
  const rows = await db.read<{ position: number | null }>(
    sql`SELECT MIN(from_position) AS position FROM room_servers WHERE server = ${server}`,
  )
  const position = rows[0]?.position ?? null
  return position === null ? 0 : position - 1
}

/** The log row of an EDU that waits for the server which is its subject. */
export const OUTBOUND_EDU = 'outbound_edu'
/** The log row by which a process tells the sender that a server which is left alone has spoken. */
export const SERVER_ALIVE = 'server_alive'

/** The log row of an event of another server that the others hear of from us: a join that came by our template. */
export const RELAY = 'relay'

export interface OutboundPdu {
  readonly position: number
  readonly event: number
  readonly event_id: string
  readonly room: number
  readonly state_key: string | null
  readonly origin_server_ts: number
  readonly content: string
  readonly envelope: string
}

const PDU = sql`e.event, e.event_id, e.room, e.state_key, e.origin_server_ts, e.content, e.envelope`
const SENDER = serverOf('e.sender')
const TARGET = serverOf('e.state_key')

/** What a server is to be told of: everything that concerns it in (since, to]. */
export interface OutboundSpan {
  readonly server: string
  readonly ourName: string
  readonly since: number
  readonly to: number
}

/**
 * Our events, and those of third servers that we relay, with log rows in the span that concern the server: of
 * rooms that it was in at the event, and of others the end of an invite or of a knock of its user. Invites themselves
 * were agreed on with it.
 */
function outbound({ server, ourName, since, to }: OutboundSpan): Sql {
  return sql`FROM log l JOIN events e ON e.event_id = l.subject
    WHERE l.position > ${since} AND l.position <= ${to}
      AND ((l.kind = ${RELAY} AND ${SENDER} <> ${server})
        OR (l.kind = 'event' AND e.position = l.position AND ${SENDER} = ${ourName}))
      AND e.soft_failed = 0 AND e.rejected = 0
      AND (EXISTS (SELECT 1 FROM room_servers s WHERE s.room = e.room AND s.server = ${server}
          AND s.from_position <= e.position AND (s.to_position IS NULL OR s.to_position >= e.position))
        OR (e.type = 'm.room.member' AND ${TARGET} = ${server} AND EXISTS (SELECT 1 FROM membership_history h
          WHERE h.room = e.room AND h.user_id = e.state_key AND h.position = e.position
          AND h.membership IN ('leave', 'ban'))))`
}

/** The oldest first. */
export function pdusFor(db: Database, span: OutboundSpan, limit: number): Promise<OutboundPdu[]> {
  return db.read(sql`SELECT l.position, ${PDU} ${outbound(span)}
    ORDER BY l.position LIMIT ${limit}`)
}

const OWN_SENDER = serverOf('n.sender')

/**
 * Our newest event of each room of the server, found without the log: it is pruned, and a server may have been away for
 * longer than its rows are kept.
 */
function newestOfRooms({ server, ourName, since, to }: OutboundSpan): Sql {
  return sql`FROM room_servers s JOIN events e ON e.room = s.room
    WHERE s.server = ${server} AND e.position = (SELECT n.position FROM events n
      WHERE n.room = s.room AND n.position > ${since} AND n.position <= ${to} AND n.position >= s.from_position
        AND (s.to_position IS NULL OR n.position <= s.to_position) AND ${OWN_SENDER} = ${ourName}
        AND n.soft_failed = 0 AND n.rejected = 0 ORDER BY n.position DESC LIMIT 1)`
}

/** The newest of each room, those rooms first that have been quiet for longest. */
export function newestPdusFor(db: Database, span: OutboundSpan, limit: number): Promise<OutboundPdu[]> {
  return db.read(sql`SELECT position, event, event_id, room, state_key, origin_server_ts, content, envelope FROM (
      SELECT *,
        ROW_NUMBER() OVER (PARTITION BY room ORDER BY position DESC) AS place FROM (
          SELECT l.position, ${PDU} ${outbound(span)}
          UNION ALL SELECT e.position, ${PDU} ${newestOfRooms(span)}) AS found
      ) AS numbered
    WHERE place = 1 ORDER BY position LIMIT ${limit}`)
}

/** Whether more than so many wait. */
export async function moreThanFor(db: Database, span: OutboundSpan, count: number): Promise<boolean> {
  const rows = await db.read(sql`SELECT l.position ${outbound(span)} ORDER BY l.position LIMIT 1 OFFSET ${count}`)
  return rows.length > 0
}

export function edusFor(db: Database, server: string, limit: number): Promise<{ id: number; edu: string }[]> {
  return db.read(sql`SELECT id, edu FROM outbound_edus WHERE server = ${server} ORDER BY id LIMIT ${limit}`)
}

export function serversWithEdus(db: Database): Promise<{ server: ServerName }[]> {
  return db.read(sql`SELECT DISTINCT server FROM outbound_edus`)
}

/** `edu` is JSON text. */
export function queueEdu(id: number, server: string, edu: string): Sql {
  return sql`INSERT INTO outbound_edus (id, server, edu) VALUES (${id}, ${server}, ${edu})`
}

export function dropEdus(ids: readonly number[]): Sql {
  return sql`DELETE FROM outbound_edus WHERE id IN ${intList(ids)}`
}
