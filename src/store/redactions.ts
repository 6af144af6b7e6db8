import type { EventId, UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { intList, type Sql, sql } from '../db/sql.ts'
import { unindexEvents } from './search-index.ts'

/** Redactions of one event that are looked at. */
const REDACTIONS_MAX = 20

/** What a redaction needs to know of the event it redacts. Both texts together are the PDU. */
export interface RedactableRow {
  readonly event: number
  readonly room: number
  readonly type: string
  readonly state_key: string | null
  readonly sender: UserId
  readonly content: string
  readonly envelope: string
}

export async function redactableEvent(db: Database, eventId: EventId): Promise<RedactableRow | undefined> {
  const rows = await db.read<RedactableRow>(sql`SELECT event, room, type, state_key, sender, content, envelope
    FROM events WHERE event_id = ${eventId}`)
  return rows[0]
}

/** What each of these redactions names, as far as it is known. */
export interface RedactionTarget {
  readonly redaction: number
  /** Of the redaction's room. */
  readonly version: string | null
  readonly room: number | null
  readonly sender: UserId | null
  readonly redacted_by: number | null
}

export function targetsOf(db: Database, redactions: readonly number[]): Promise<RedactionTarget[]> {
  return db.read(sql`SELECT e.event AS redaction, r.version, t.room, t.sender, t.redacted_by
    FROM events e JOIN rooms r ON r.room = e.room LEFT JOIN events t ON t.event_id = e.redacts AND t.outlier = 0
    WHERE e.event IN ${intList(redactions)}`)
}

/**
 * Accepted redactions of the room that name the event, oldest first. It is asked with each event of another server: the
 * plus keeps SQLite from reading the whole room instead of the few events that redact something.
 */
export function redactionsOf(
  db: Database,
  room: number,
  eventId: EventId,
): Promise<{ event: number; sender: UserId }[]> {
  return db.read(sql`SELECT event, sender FROM events WHERE redacts = ${eventId} AND +room = ${room}
    AND rejected = 0 AND soft_failed <> 1 AND outlier = 0 ORDER BY event LIMIT ${REDACTIONS_MAX}`)
}

/** What redaction leaves of an event. */
export interface Left {
  readonly content: string
  readonly envelope: string
}

/** `redacted_by` of an event that nobody redacted, and of which no more is left: its time has come. */
export const BY_TIME = 0

/**
 * Puts what is left of the event in its place and keeps the original apart. Its relation is gone with its content, and
 * so are its words from the index.
 * An event redacted before stays as the first redaction left it; of one that time has taken no original is there.
 */
export function redactEvent(event: number, by: number, left: Left, nowMs: number): Sql[] {
  return [
    sql`INSERT INTO redacted_originals (event, content, envelope, redacted_ts)
      SELECT event, content, envelope, CAST(${nowMs} AS BIGINT) FROM events
      WHERE event = ${event} AND redacted_by IS NULL`,
    leave(event, by, left),
    unindexEvents([event]),
  ]
}

/** What is left of an event, under its number. */
export interface Remains {
  readonly event: number
  readonly left: Left
}

/** Puts what is left of the events in their place, and keeps the originals nowhere. */
export function expireContents(remains: readonly Remains[]): Sql[] {
  const events = intList(remains.map(({ event }) => event))
  return [
    sql`DELETE FROM redacted_originals WHERE event IN ${events}`,
    sql`DELETE FROM event_expiry WHERE event IN ${events}`,
    ...remains.map(({ event, left }) => leave(event, BY_TIME, left)),
    unindexEvents(remains.map(({ event }) => event)),
  ]
}

function leave(event: number, by: number, left: Left): Sql {
  return sql`UPDATE events SET content = ${left.content}, envelope = ${left.envelope}, redacted_by = ${by},
    relates_to = NULL, rel_type = NULL, thread_root = NULL
    WHERE event = ${event} AND COALESCE(redacted_by, ${BY_TIME}) = ${BY_TIME}`
}

/** The member's row repeats names of the member event, which is redacted. */
export function forgetProfileIn(room: number, event: number): Sql {
  return sql`UPDATE memberships SET displayname = NULL, avatar_url = NULL WHERE room = ${room} AND event = ${event}`
}
