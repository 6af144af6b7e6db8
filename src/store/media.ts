import type { ServerName, UserId } from '../core/ids.ts'
import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

export interface MediaName {
  readonly origin: ServerName
  readonly media_id: string
}

export interface MediaRow extends MediaName {
  /** Null for media of other servers. */
  readonly uploader: UserId | null
  readonly created_ts: number
  /** Until when it may be uploaded; null: it was uploaded as it was made. */
  readonly expires_ts: number | null
  /** Null while nothing is uploaded. */
  readonly uploaded_ts: number | null
  readonly content_type: string | null
  readonly file_name: string | null
  readonly bytes: number | null
  /** SHA-256 of the content in hexadecimal: where the bytes lie. */
  readonly hash: string | null
  readonly last_access_ts: number
  readonly quarantined_by: string | null
  /** 1: no quarantine takes it in. */
  readonly protected: number
}

const COLUMNS = sql`origin, media_id, uploader, created_ts, expires_ts, uploaded_ts, content_type, file_name, bytes,
  hash, last_access_ts, quarantined_by, protected`

export async function mediaNamed(db: Database, { origin, media_id }: MediaName): Promise<MediaRow | undefined> {
  const rows = await db.read<MediaRow>(
    sql`SELECT ${COLUMNS} FROM media WHERE origin = ${origin} AND media_id = ${media_id}`,
  )
  return rows[0]
}

/** A name without content yet. */
export function reserveMedia(name: MediaName, uploader: UserId, nowMs: number, expiresMs: number): Sql {
  return sql`INSERT INTO media (origin, media_id, uploader, created_ts, expires_ts, last_access_ts)
    VALUES (${name.origin}, ${name.media_id}, ${uploader}, ${nowMs}, ${expiresMs}, ${nowMs})`
}

/** Holds while fewer names of the user than that are reserved and not used, of those that may still be. */
export function reservationFits(uploader: UserId, nowMs: number, max: number): Guard {
  return {
    about: `reserved:${uploader}`,
    query: sql`SELECT COUNT(*) AS reserved FROM media
      WHERE uploader = ${uploader} AND uploaded_ts IS NULL AND expires_ts > ${nowMs} HAVING COUNT(*) >= ${max}`,
    expect: [],
  }
}

/** How long a name may wait for its content. */
export const RESERVED_MS = 24 * 3_600_000

/** Of the files that the user has uploaded since then. */
export async function uploadedBytes(db: Database, uploader: UserId, sinceMs: number): Promise<number> {
  const rows = await db.read<{ bytes: number }>(
    sql`SELECT COALESCE(SUM(bytes), 0) AS bytes ${uploadsSince(uploader, sinceMs)}`,
  )
  return rows[0]?.bytes ?? 0
}

/** Holds while the user has uploaded so many bytes since then, or less. */
export function uploadsFit(uploader: UserId, sinceMs: number, maxBytes: number): Guard {
  return {
    about: `uploads:${uploader}`,
    query: sql`SELECT SUM(bytes) AS bytes ${uploadsSince(uploader, sinceMs)} HAVING SUM(bytes) > ${maxBytes}`,
    expect: [],
  }
}

/** The index goes by the time of creation. */
function uploadsSince(uploader: UserId, sinceMs: number): Sql {
  return sql`FROM media WHERE uploader = ${uploader} AND created_ts >= ${sinceMs - RESERVED_MS}
    AND uploaded_ts >= ${sinceMs}`
}

/** Holds while the name is still without content, or not there at all. */
export function mediaIsOpen(name: MediaName, reserved: boolean): Guard {
  return {
    about: `media:${name.origin}/${name.media_id}`,
    query: sql`SELECT uploaded_ts FROM media WHERE origin = ${name.origin} AND media_id = ${name.media_id}`,
    expect: reserved ? [{ uploaded_ts: null }] : [],
  }
}

export interface MediaContent extends MediaName {
  readonly uploader: UserId | null
  readonly content_type: string
  readonly file_name: string | null
  readonly bytes: number
  readonly hash: string
}

export function storeMedia(media: MediaContent, nowMs: number): Sql {
  return sql`INSERT INTO media (origin, media_id, uploader, created_ts, uploaded_ts, content_type, file_name, bytes,
      hash, last_access_ts)
    VALUES (${media.origin}, ${media.media_id}, ${media.uploader}, ${nowMs}, ${nowMs}, ${media.content_type},
      ${media.file_name}, ${media.bytes}, ${media.hash}, ${nowMs})
    ON CONFLICT (origin, media_id) DO UPDATE SET uploaded_ts = excluded.uploaded_ts,
      content_type = excluded.content_type, file_name = excluded.file_name, bytes = excluded.bytes,
      hash = excluded.hash, last_access_ts = excluded.last_access_ts`
}

/** Whether a file or a thumbnail has this content. */
export async function hashIsKnown(db: Database, hash: string): Promise<boolean> {
  const rows = await db.read(sql`SELECT 1 AS known WHERE EXISTS (SELECT 1 FROM media WHERE hash = ${hash})
    OR EXISTS (SELECT 1 FROM thumbnails WHERE hash = ${hash})`)
  return rows.length > 0
}

/** A file as those see it who clear away. */
export type ListedMedia = Pick<
  MediaRow,
  | 'origin'
  | 'media_id'
  | 'created_ts'
  | 'content_type'
  | 'file_name'
  | 'bytes'
  | 'hash'
  | 'last_access_ts'
  | 'quarantined_by'
  | 'protected'
>

const LISTED = sql`origin, media_id, created_ts, content_type, file_name, bytes, hash, last_access_ts, quarantined_by,
  protected`

export interface Unwanted {
  /** Not asked for since. */
  readonly beforeMs: number
  /** Larger than so many bytes. */
  readonly largerThan: number
}

/** Files of this server that nobody wants, those first that nobody has wanted for longest. */
export function unwantedLocal(db: Database, own: ServerName, of: Unwanted, limit: number): Promise<ListedMedia[]> {
  return db.read(sql`SELECT ${LISTED} FROM media WHERE origin = ${own} AND uploaded_ts IS NOT NULL
    AND last_access_ts < ${of.beforeMs} AND bytes > ${of.largerThan} ORDER BY last_access_ts LIMIT ${limit}`)
}

/** The same of other servers. What is quarantined stays: it would be fetched anew. */
export function unwantedRemote(db: Database, own: ServerName, beforeMs: number, limit: number): Promise<ListedMedia[]> {
  return db.read(sql`SELECT ${LISTED} FROM media WHERE origin <> ${own} AND quarantined_by IS NULL
    AND last_access_ts < ${beforeMs} ORDER BY last_access_ts LIMIT ${limit}`)
}

/** Images of previews of pages, which nobody has uploaded. */
export function unwantedPreviews(
  db: Database,
  own: ServerName,
  beforeMs: number,
  limit: number,
): Promise<ListedMedia[]> {
  return db.read(sql`SELECT ${LISTED} FROM media WHERE origin = ${own} AND uploader IS NULL
    AND quarantined_by IS NULL AND last_access_ts < ${beforeMs} ORDER BY last_access_ts LIMIT ${limit}`)
}

/** Names whose time to be used is over. */
export function unusedNames(db: Database, nowMs: number, limit: number): Promise<ListedMedia[]> {
  return db.read(sql`SELECT ${LISTED} FROM media WHERE uploaded_ts IS NULL AND expires_ts <= ${nowMs}
    ORDER BY expires_ts LIMIT ${limit}`)
}

/** What a user has uploaded, newest first. */
export function mediaOf(db: Database, uploader: UserId, from: number, limit: number): Promise<ListedMedia[]> {
  return db.read(sql`SELECT ${LISTED} FROM media WHERE uploader = ${uploader} AND uploaded_ts IS NOT NULL
    ORDER BY created_ts DESC, media_id LIMIT ${limit} OFFSET ${from}`)
}

export async function countMediaOf(db: Database, uploader: UserId): Promise<number> {
  const rows = await db.read<{ files: number }>(
    sql`SELECT COUNT(*) AS files FROM media WHERE uploader = ${uploader} AND uploaded_ts IS NOT NULL`,
  )
  return rows[0]?.files ?? 0
}

export function noteAccess({ origin, media_id }: MediaName, nowMs: number): Sql {
  return sql`UPDATE media SET last_access_ts = ${nowMs} WHERE origin = ${origin} AND media_id = ${media_id}
    AND last_access_ts < ${nowMs}`
}

/** Deletes the file if it still has the content that was seen, or still none: a name may be filled meanwhile. */
export function deleteMedia({ origin, media_id, hash }: Pick<ListedMedia, 'origin' | 'media_id' | 'hash'>): Sql {
  return sql`DELETE FROM media WHERE origin = ${origin} AND media_id = ${media_id}
    AND hash IS NOT DISTINCT FROM ${hash}`
}

/** Keeps a file from everybody, with all others of its content that are not protected; null: gives it back. */
export function quarantine({ origin, media_id }: MediaName, by: UserId | null): Sql {
  return sql`UPDATE media SET quarantined_by = ${by} WHERE ((origin = ${origin} AND media_id = ${media_id})
    OR hash = (SELECT hash FROM media WHERE origin = ${origin} AND media_id = ${media_id}))
    AND (protected = 0 OR ${by === null ? 1 : 0} = 1)`
}

export function protectMedia({ origin, media_id }: MediaName, on: boolean): Sql {
  return sql`UPDATE media SET protected = ${on ? 1 : 0} WHERE origin = ${origin} AND media_id = ${media_id}`
}
