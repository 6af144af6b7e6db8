import { localpartOf, type UserId } from '../core/ids.ts'
import { wordsOf } from '../core/words.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'

/** Words of one name that lead to the user. */
const WORDS_MAX = 16
/** Sorts behind whatever may follow the beginning of a word. */
const LAST = '\u{10ffff}'

/** The user is found by these names and by the localpart. Older names still lead to them, and fit no more. */
export function findByName(userId: string, name: string | null): Sql {
  const words = [...wordsOf(localpartOf(userId)).slice(0, WORDS_MAX), ...wordsOf(name ?? '').slice(0, WORDS_MAX)]
  return sql`INSERT INTO user_words (word, user_id) SELECT w.*, ${userId} FROM ${textList([...new Set(words)])} AS w
    WHERE true ON CONFLICT (word, user_id) DO NOTHING`
}

/** A name that the user goes by no more: its words lead to them no longer, unless the localpart has them too. */
export function findNoMoreByName(userId: string, name: string): Sql {
  const kept = new Set(wordsOf(localpartOf(userId)))
  const words = wordsOf(name).filter((word) => !kept.has(word))
  return sql`DELETE FROM user_words WHERE user_id = ${userId} AND word IN ${textList(words)}`
}

/** A place among the words; users stand under theirs. */
export interface WordPlace {
  readonly word: string
  readonly user_id: string
}

/** Users behind the place with a word that begins so: those first of whom it is the whole word. */
export function usersByWord(db: Database, beginning: string, after: WordPlace, limit: number): Promise<WordPlace[]> {
  return db.read(sql`SELECT word, user_id FROM user_words
    WHERE word >= ${beginning} AND word < ${beginning + LAST} AND (word, user_id) > (${after.word}, ${after.user_id})
    ORDER BY word, user_id LIMIT ${limit}`)
}

/** How many entries begin so, counted up to `limit`. */
export async function countByWord(db: Database, beginning: string, limit: number): Promise<number> {
  const rows = await db.read<{ entries: number }>(sql`SELECT count(*) AS entries FROM (SELECT 1 FROM user_words
    WHERE word >= ${beginning} AND word < ${beginning + LAST} LIMIT ${limit}) AS begun`)
  return rows[0]?.entries ?? 0
}

/** A user as another one may know them: by the member event of a room that both are in, or that is open to all. */
export interface SeenUser {
  readonly user_id: UserId
  readonly displayname: string | null
  readonly avatar_url: string | null
}

/**
 * Those of the users whom the viewer may find: they share a room, or are in one that everybody may join or read
 * (Client-Server API, "User directory"), as long as this server is in it. Each with the names of their newest member
 * event there. Of themselves they find what everybody does.
 */
export function usersSeenBy(
  db: Database,
  ourName: string,
  viewer: string,
  userIds: readonly string[],
): Promise<SeenUser[]> {
  return db.read(sql`SELECT user_id, displayname, avatar_url FROM (
      SELECT m.user_id, m.displayname, m.avatar_url,
        ROW_NUMBER() OVER (PARTITION BY m.user_id ORDER BY m.position DESC) AS place
      FROM memberships m JOIN rooms r ON r.room = m.room
      WHERE m.user_id IN ${textList(userIds)} AND m.membership = 'join'
        AND EXISTS (SELECT 1 FROM room_servers s
          WHERE s.room = m.room AND s.server = ${ourName} AND s.to_position IS NULL)
        AND (r.join_rule = 'public' OR r.history_visibility = 'world_readable'
          OR EXISTS (SELECT 1 FROM memberships v
            WHERE v.room = m.room AND v.user_id = ${viewer} AND v.membership = 'join'
              AND m.user_id <> ${viewer}))) AS seen
    WHERE place = 1 AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = seen.user_id AND u.deactivated = 1)`)
}

/** Names and avatars of profiles, as JSON texts. */
export function namesInProfiles(
  db: Database,
  userIds: readonly string[],
): Promise<{ user_id: string; key: 'displayname' | 'avatar_url'; value: string }[]> {
  return db.read(sql`SELECT user_id, key, value FROM profiles
    WHERE user_id IN ${textList(userIds)} AND key IN ('displayname', 'avatar_url')`)
}

/** Joined members behind `after` in the order of their ids, each with the names of all rooms. */
export function memberNames(
  db: Database,
  after: string,
  limit: number,
): Promise<{ user_id: string; displayname: string | null }[]> {
  return db.read(sql`SELECT DISTINCT user_id, displayname FROM memberships WHERE membership = 'join'
    AND user_id IN (SELECT DISTINCT user_id FROM memberships
      WHERE user_id > ${after} AND membership = 'join' ORDER BY user_id LIMIT ${limit})
    ORDER BY user_id`)
}
