import type { WordSought } from '../core/words.ts'
import type { Database } from '../db/database.ts'
import type { Dialect } from '../db/sql.ts'
import { intList, perDialect, type Row, type Sql, sql, textList } from '../db/sql.ts'
import { EVENT_COLUMNS, type EventRow } from './events.ts'

/** How far the index has come in the log. Without it the index is made anew. */
export const SEARCH_CURSOR = 'search'

/** The index is of one engine alone: a copy of the database makes its own. */
export function stayBehind(table: string, row?: Row): boolean {
  if (table === 'schema_migrations' || table.startsWith('search_index')) return true
  return table === 'cursors' && row?.name === SEARCH_CURSOR
}

/** What the index takes of an event. */
export interface IndexableRow {
  readonly event: number
  readonly room: number
  readonly type: string
  readonly content: string
}

const INDEXABLE = sql`e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0 AND e.redacted_by IS NULL
  AND r.encryption IS NULL`

export function indexableById(
  db: Database,
  eventIds: readonly string[],
  types: readonly string[],
): Promise<IndexableRow[]> {
  return db.read(sql`SELECT e.event, e.room, e.type, e.content FROM events e JOIN rooms r ON r.room = e.room
    WHERE e.event_id IN ${textList(eventIds)} AND e.type IN ${textList(types)} AND ${INDEXABLE}`)
}

/** Those with numbers in [from, before). */
export function indexableBetween(
  db: Database,
  from: number,
  before: number,
  types: readonly string[],
): Promise<IndexableRow[]> {
  return db.read(sql`SELECT e.event, e.room, e.type, e.content FROM events e JOIN rooms r ON r.room = e.room
    WHERE e.event >= ${from} AND e.event < ${before} AND e.type IN ${textList(types)} AND ${INDEXABLE}`)
}

export async function lastEvent(db: Database): Promise<number> {
  const rows = await db.read<{ last: number | null }>(sql`SELECT MAX(event) AS last FROM events`)
  return rows[0]?.last ?? 0
}

/** The words of an event. */
export interface IndexEntry {
  readonly event: number
  readonly room: number
  readonly words: readonly string[]
}

/**
 * Enters the words under the numbers of the events; one that was redacted meanwhile stays out. The room stands among
 * them, as a word that no text has, so that a search in few rooms reads of no others. All of them are two statements:
 * each travels as one text, that begins with the number.
 */
export function indexEvents(entries: readonly IndexEntry[]): Sql[] {
  const texts = entries.map(({ event, room, words }) => [event, roomWord(room), ...words].join(' '))
  const entered = perDialect({ sqlite: 'CAST(t.value AS INTEGER)', postgres: `split_part(t.value, ' ', 1)::bigint` })
  const words = perDialect({
    sqlite: `substr(t.value, instr(t.value, ' ') + 1)`,
    postgres: `array_to_tsvector((string_to_array(t.value, ' '))[2:])`,
  })
  return [
    sql`DELETE FROM search_index WHERE rowid IN ${intList(entries.map(({ event }) => event))}`,
    // One by one by their numbers: of a join an engine could make one with all events.
    sql`INSERT INTO search_index (rowid, words) SELECT l.event, l.words FROM (SELECT ${words} AS words,
        (SELECT e.event FROM events e WHERE e.event = ${entered} AND e.redacted_by IS NULL) AS event
      FROM ${textList(texts)} AS t${COLUMN}) AS l WHERE l.event IS NOT NULL`,
  ]
}

/** SQLite names the items of a list itself. */
const COLUMN = perDialect({ sqlite: '', postgres: '(value)' })

export function unindexEvents(events: readonly number[]): Sql {
  return sql`DELETE FROM search_index WHERE rowid IN ${intList(events)}`
}

function roomWord(room: number): string {
  return `\ue000${room}`
}

/** With more rooms than this the index is asked for the words alone. */
const ROOMS_NAMED_MAX = 30

/** Numbers of events below `below` that have the words, and may be of these rooms; the newest first. */
export async function eventsWithWords(
  db: Database,
  sought: readonly WordSought[],
  rooms: readonly number[],
  below: number,
  limit: number,
): Promise<number[]> {
  const query = indexQuery(db.dialect, sought, rooms.length > ROOMS_NAMED_MAX ? [] : rooms)
  const rows = await db.read<{ rowid: number }>(sql`SELECT rowid FROM search_index
    WHERE ${MATCHES}${query}${MATCHES_END} AND rowid < ${below} ORDER BY rowid DESC LIMIT ${limit}`)
  return rows.map((row) => row.rowid)
}

const MATCHES = perDialect({ sqlite: 'search_index MATCH ', postgres: 'words @@ ' })
const MATCHES_END = perDialect({ sqlite: '', postgres: '::tsquery' })

/** In the language of the engine. Words hold letters and digits alone, so that nothing of them is taken for syntax. */
function indexQuery(dialect: Dialect, sought: readonly WordSought[], rooms: readonly number[]): string {
  const [quote, and, or, begun] = dialect === 'sqlite' ? ['"', ' AND ', ' OR ', '*'] : ["'", ' & ', ' | ', ':*']
  const words = sought.map((one) => `${quote}${one.word}${quote}${one.begun ? begun : ''}`)
  const places = rooms.map((room) => `${quote}${roomWord(room)}${quote}`)
  return [...words, ...(places.length === 0 ? [] : [`(${places.join(or)})`])].join(and)
}

/** Those of the events that are of these rooms and still what they were. */
export function foundEvents(db: Database, events: readonly number[], rooms: readonly number[]): Promise<EventRow[]> {
  return db.read(sql`SELECT ${EVENT_COLUMNS} FROM events e WHERE e.event IN ${intList(events)}
    AND e.room IN ${intList(rooms)} AND e.redacted_by IS NULL AND e.rejected = 0 AND e.soft_failed = 0
    AND e.outlier = 0`)
}

export interface SearchedRoom {
  readonly room: number
  readonly room_id: string
  readonly version: string | null
}

/** Rooms that the user is or was in, without those that they forgot and those that are encrypted. */
export function roomsToSearch(db: Database, userId: string): Promise<SearchedRoom[]> {
  return db.read(sql`SELECT m.room, r.room_id, r.version FROM memberships m JOIN rooms r ON r.room = m.room
    WHERE m.user_id = ${userId} AND m.membership IN ('join', 'leave', 'ban') AND m.forgotten = 0
      AND r.version IS NOT NULL AND r.encryption IS NULL`)
}
