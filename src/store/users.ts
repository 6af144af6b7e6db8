import type { UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'

export type UserKind = 'user' | 'admin' | 'guest' | 'appservice'

export interface UserRow {
  readonly user_id: UserId
  readonly password_hash: string | null
  readonly kind: UserKind
  readonly created_ts: number
  readonly deactivated: number
  readonly locked: number
  readonly suspended: number
}

const COLUMNS = sql`user_id, password_hash, kind, created_ts, deactivated, locked, suspended`

export async function userById(db: Database, userId: string): Promise<UserRow | undefined> {
  const rows = await db.read<UserRow>(sql`SELECT ${COLUMNS} FROM users WHERE user_id = ${userId}`)
  return rows[0]
}

/** The primary key decides who gets the name: two registrations at once leave one account. */
export function insertUser(
  userId: string,
  passwordHash: string | null,
  { kind, appserviceId = null }: { readonly kind: UserKind; readonly appserviceId?: string | null },
  nowMs: number,
): Sql {
  return sql`INSERT INTO users (user_id, password_hash, kind, created_ts, appservice_id)
    VALUES (${userId}, ${passwordHash}, ${kind}, ${nowMs}, ${appserviceId})`
}

/** Which of the users there are. */
export async function usersThatExist(db: Database, userIds: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db.read<{ user_id: string }>(sql`SELECT user_id FROM users WHERE user_id IN ${textList(userIds)}`)
  return new Set(rows.map((row) => row.user_id))
}

export function userIsFree(userId: string) {
  const query = sql`SELECT user_id FROM users WHERE user_id = ${userId}`
  return { about: `user:${userId}`, query, expect: [] }
}

/** The account is open, and its password the one that was checked. */
export function userIsAsSeen({ user_id: userId, password_hash }: Pick<UserRow, 'user_id' | 'password_hash'>) {
  const query = sql`SELECT password_hash, deactivated, locked FROM users WHERE user_id = ${userId}`
  return { about: `user:${userId}`, query, expect: [{ password_hash, deactivated: 0, locked: 0 }] }
}

/** Always holds: what ends sessions is so not written together with what opens one, which would outlive it. */
export function endsSessions(userId: string) {
  return {
    about: `user:${userId}`,
    query: sql`SELECT user_id FROM users WHERE user_id = ${userId}`,
    expect: [{ user_id: userId }],
  }
}

export function updatePassword(userId: string, passwordHash: string): Sql {
  return sql`UPDATE users SET password_hash = ${passwordHash} WHERE user_id = ${userId}`
}

/** `flag`: locked or suspended. */
export function setUserFlag(userId: string, flag: 'locked' | 'suspended', on: boolean): Sql {
  const value = on ? 1 : 0
  return flag === 'locked'
    ? sql`UPDATE users SET locked = ${value} WHERE user_id = ${userId}`
    : sql`UPDATE users SET suspended = ${value} WHERE user_id = ${userId}`
}

/** The kinds that an administrator may make of one another. */
export function setAdministrator(userId: string, admin: boolean): Sql {
  return sql`UPDATE users SET kind = ${admin ? 'admin' : 'user'}
    WHERE user_id = ${userId} AND kind IN ('admin', 'user')`
}

/** What was erased does not come back. */
export function reactivateUser(userId: string, passwordHash: string): Sql {
  return sql`UPDATE users SET deactivated = 0, erased = 0, password_hash = ${passwordHash} WHERE user_id = ${userId}`
}

export function guestIsStill(userId: string) {
  const query = sql`SELECT kind FROM users WHERE user_id = ${userId}`
  return { about: `user:${userId}`, query, expect: [{ kind: 'guest' }] }
}

export function makeFullUser(userId: string, passwordHash: string | null): Sql {
  return sql`UPDATE users SET kind = 'user', password_hash = ${passwordHash} WHERE user_id = ${userId}`
}

/** Which versions of the terms the user has agreed to. */
export function noteConsent(userId: string, version: string): Sql {
  return sql`UPDATE users SET consent_version = ${version} WHERE user_id = ${userId}`
}

export function deactivateUser(userId: string, erase: boolean): Sql {
  return sql`UPDATE users SET deactivated = 1, password_hash = NULL, erased = ${erase ? 1 : 0}
    WHERE user_id = ${userId}`
}

/** What is known of a user beside what they said in rooms: profile, settings, presence, words that lead to them. */
export function erasePersonalData(userId: string): Sql[] {
  return [
    sql`DELETE FROM profiles WHERE user_id = ${userId}`,
    sql`DELETE FROM account_data WHERE user_id = ${userId}`,
    sql`DELETE FROM filters WHERE user_id = ${userId}`,
    sql`DELETE FROM presence WHERE user_id = ${userId}`,
    sql`DELETE FROM user_words WHERE user_id = ${userId}`,
  ]
}

/** Those of the users who left and asked that what they said be hidden. */
export async function erasedUsers(db: Database, userIds: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db.read<{ user_id: string }>(sql`SELECT user_id FROM users
    WHERE erased = 1 AND user_id IN ${textList(userIds)}`)
  return new Set(rows.map((row) => row.user_id))
}
