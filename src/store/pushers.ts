import type { UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { intList, type LogPosition, type Sql, sql } from '../db/sql.ts'

/** The kind of log row that tells of a changed pusher of its user. */
export const PUSHER = 'pusher'

/** The only `app_id` of pushers of the kind `email` (Client-Server API, `/pushers/set`). */
export const MAIL_APP = 'm.email'

export interface PusherName {
  readonly user_id: UserId
  readonly app_id: string
  readonly pushkey: string
}

export interface PusherRow extends PusherName {
  readonly kind: string
  /** What the client gave beside its name, as JSON text. */
  readonly data: string
  /** Milliseconds since 1970; of the last change. */
  readonly created_ts: number
  /** The log is told up to here. */
  readonly position: number
  /** What a pusher of the kind `email` remembers, as JSON text. */
  readonly digest: string | null
}

const COLUMNS = sql`user_id, app_id, pushkey, kind, data, created_ts, position, digest`

export function pushersOf(db: Database, userId: string): Promise<PusherRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM pushers WHERE user_id = ${userId} ORDER BY created_ts, app_id, pushkey`)
}

const OF_OPEN_ACCOUNTS = sql`FROM pushers p
  WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = p.user_id AND u.locked = 1)`

/** Those that may tell something: not of users who are locked out (Client-Server API, "Account locking"). */
export function pushersAtWork(db: Database): Promise<PusherRow[]> {
  return db.read(sql`SELECT ${COLUMNS} ${OF_OPEN_ACCOUNTS} ORDER BY user_id`)
}

/** The same of one user. */
export function pushersAtWorkOf(db: Database, userId: string): Promise<PusherRow[]> {
  return db.read(sql`SELECT ${COLUMNS} ${OF_OPEN_ACCOUNTS} AND user_id = ${userId}
    ORDER BY created_ts, app_id, pushkey`)
}

/** Those with pushers among the joined and invited of the rooms. */
export async function pushedIn(db: Database, rooms: readonly number[]): Promise<readonly UserId[]> {
  if (rooms.length === 0) return []
  const rows = await db.read<{ user_id: UserId }>(sql`SELECT DISTINCT p.user_id FROM pushers p
    JOIN memberships m ON m.user_id = p.user_id
    WHERE m.room IN ${intList(rooms)} AND m.membership IN ('join', 'invite')`)
  return rows.map((row) => row.user_id)
}

export interface NewPusher extends PusherName {
  readonly kind: string
  readonly data: string
  readonly created_ts: number
  /** It goes with its session; null: with its user alone. */
  readonly session: number | null
}

/** A pusher that is there already keeps its place in the log. */
export function storePusher(pusher: NewPusher, position: LogPosition): Sql {
  return sql`INSERT INTO pushers (user_id, app_id, pushkey, session, kind, data, created_ts, position)
    VALUES (${pusher.user_id}, ${pusher.app_id}, ${pusher.pushkey}, ${pusher.session}, ${pusher.kind}, ${pusher.data},
      ${pusher.created_ts}, ${position})
    ON CONFLICT (user_id, app_id, pushkey) DO UPDATE SET session = excluded.session, kind = excluded.kind,
      data = excluded.data, created_ts = excluded.created_ts`
}

export function deletePusher({ user_id, app_id, pushkey }: PusherName): Sql {
  return sql`DELETE FROM pushers WHERE user_id = ${user_id} AND app_id = ${app_id} AND pushkey = ${pushkey}`
}

export function deletePushersOf(userId: string): Sql {
  return sql`DELETE FROM pushers WHERE user_id = ${userId}`
}

/** Those of the user that came by these of the user's sessions. */
export function deletePushersOfSessions(userId: string, sessions: Sql): Sql {
  return sql`DELETE FROM pushers WHERE user_id = ${userId}
    AND session IN (SELECT session FROM sessions WHERE ${sessions})`
}

/** Whose pushers lead to the same place. */
export async function othersWith(db: Database, { user_id, app_id, pushkey }: PusherName): Promise<readonly UserId[]> {
  const rows = await db.read<{ user_id: UserId }>(sql`SELECT user_id FROM pushers
    WHERE app_id = ${app_id} AND pushkey = ${pushkey} AND user_id <> ${user_id}`)
  return rows.map((row) => row.user_id)
}

export function movePusher(
  { user_id, app_id, pushkey }: PusherName,
  position: number,
  failingSince: number | null,
): Sql {
  return sql`UPDATE pushers SET position = ${position}, failing_since = ${failingSince} WHERE user_id = ${user_id}
    AND app_id = ${app_id} AND pushkey = ${pushkey} AND position <= ${position}`
}

/** A pusher that sends mail has told the log up to here, and remembers this. */
export function keepDigest({ user_id, app_id, pushkey }: PusherName, position: number, digest: string): Sql {
  return sql`UPDATE pushers SET position = ${position}, digest = ${digest}
    WHERE user_id = ${user_id} AND app_id = ${app_id} AND pushkey = ${pushkey} AND kind = 'email'`
}

export interface PushStep {
  readonly position: number
  readonly kind: string
  readonly room: number
  /** The event's id; of a receipt, its user. */
  readonly subject: string
}

/** What in the log may notify the user, or change what is unread: positions in (since, to], oldest first. */
export function pushSteps(
  db: Database,
  user: { readonly userId: string; readonly rooms: readonly number[] },
  since: number,
  to: number,
  limit: number,
): Promise<PushStep[]> {
  return db.read(sql`SELECT position, kind, room, subject FROM log WHERE position > ${since} AND position <= ${to}
    AND ((kind = 'event' AND room IN ${intList(user.rooms)}) OR (kind = 'membership' AND user_id = ${user.userId})
      OR (kind = 'receipt' AND subject = ${user.userId}))
    ORDER BY position LIMIT ${limit}`)
}
