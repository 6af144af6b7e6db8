import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import type { UserKind } from './users.ts'

/** A user of this server as administrators see them. Names are JSON texts. */
export interface ListedUser {
  readonly user_id: string
  readonly kind: UserKind
  readonly created_ts: number
  readonly deactivated: number
  readonly erased: number
  readonly locked: number
  readonly suspended: number
  readonly appservice_id: string | null
  readonly consent_version: string | null
  readonly displayname: string | null
  readonly avatar_url: string | null
  readonly last_seen_ts: number | null
}

export interface UserSearch {
  /** Part of the user id. */
  readonly userId: string
  /** Part of the user id or the display name. */
  readonly name: string
  readonly guests: boolean
  /** Those that are it, or those that are not; undefined: both. */
  readonly admins: boolean | undefined
  readonly deactivated: boolean | undefined
  readonly locked: boolean | undefined
  readonly order: string
  readonly backwards: boolean
  readonly from: number
  readonly limit: number
}

const COLUMNS = sql`u.user_id, u.kind, u.created_ts, u.deactivated, u.erased, u.locked, u.suspended, u.appservice_id,
  u.consent_version, d.value AS displayname, a.value AS avatar_url,
  (SELECT MAX(last_seen_ts) FROM devices WHERE devices.user_id = u.user_id) AS last_seen_ts`
const TABLES = sql`users u LEFT JOIN profiles d ON d.user_id = u.user_id AND d.key = 'displayname'
  LEFT JOIN profiles a ON a.user_id = u.user_id AND a.key = 'avatar_url'`

/** What users are sorted by; all others by their ids. */
const ORDERS: ReadonlyMap<string, Sql> = new Map([
  ['is_guest', sql`CASE WHEN u.kind = 'guest' THEN 1 ELSE 0 END`],
  ['admin', sql`CASE WHEN u.kind = 'admin' THEN 1 ELSE 0 END`],
  ['deactivated', sql`u.deactivated`],
  ['locked', sql`u.locked`],
  ['displayname', sql`COALESCE(d.value, '')`],
  ['avatar_url', sql`COALESCE(a.value, '')`],
  ['creation_ts', sql`u.created_ts`],
  ['last_seen_ts', sql`COALESCE((SELECT MAX(last_seen_ts) FROM devices WHERE devices.user_id = u.user_id), 0)`],
])

export function listUsers(db: Database, search: UserSearch): Promise<ListedUser[]> {
  const order = ORDERS.get(search.order) ?? sql`u.user_id`
  const direction = search.backwards ? sql`DESC` : sql`ASC`
  return db.read(sql`SELECT ${COLUMNS} FROM ${TABLES} WHERE ${fits(search)}
    ORDER BY ${order} ${direction}, u.user_id ${direction} LIMIT ${search.limit} OFFSET ${search.from}`)
}

export async function countUsers(db: Database, search: UserSearch): Promise<number> {
  const rows = await db.read<{ users: number }>(sql`SELECT count(*) AS users FROM ${TABLES} WHERE ${fits(search)}`)
  return rows[0]?.users ?? 0
}

export async function listedUser(db: Database, userId: string): Promise<ListedUser | undefined> {
  const rows = await db.read<ListedUser>(sql`SELECT ${COLUMNS} FROM ${TABLES} WHERE u.user_id = ${userId}`)
  return rows[0]
}

function fits({ userId, name, guests, admins, deactivated, locked }: UserSearch): Sql {
  return sql`(${guests ? 1 : 0} = 1 OR u.kind <> 'guest')
    AND ${is(sql`CASE WHEN u.kind = 'admin' THEN 1 ELSE 0 END`, admins)}
    AND ${is(sql`u.deactivated`, deactivated)} AND ${is(sql`u.locked`, locked)}
    AND lower(u.user_id) LIKE ${holding(userId)} ESCAPE '!'
    AND (lower(u.user_id) LIKE ${holding(name)} ESCAPE '!' OR lower(d.value) LIKE ${holding(name)} ESCAPE '!')`
}

function is(fact: Sql, wanted: boolean | undefined): Sql {
  return wanted === undefined ? sql`1 = 1` : sql`${fact} = ${wanted ? 1 : 0}`
}

/** A pattern that fits what has the text somewhere in it. Both engines make letters of ASCII alone small. */
export function holding(text: string): string {
  const lower = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  return `%${lower.replace(/[!%_]/g, '!$&')}%`
}
