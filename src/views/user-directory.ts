import type { App } from '../app.ts'
import { localpartOf, serverNameOf, type UserId } from '../core/ids.ts'
import { parseJson } from '../core/json.ts'
import { hasWords, type WordSought, wordsOf, wordsSought } from '../core/words.ts'
import { countByWord, namesInProfiles, usersByWord, usersSeenBy, type WordPlace } from '../store/user-directory.ts'

/** Words of a search that count. */
const WORDS_MAX = 8
/** Users looked at together, and for one answer at the most: those of very common beginnings. */
const PAGE = 200
const MAX_SCANNED = 4_000

export interface FoundUser {
  readonly user_id: UserId
  readonly display_name?: string
  readonly avatar_url?: string
}

/**
 * Users whom the viewer may know and whose id or name has all the words of the term (`POST /user_directory/search`).
 * The index says who may fit; who is seen, and under which name, is read from the rooms of today.
 */
export async function searchUsers(
  app: App,
  viewer: UserId,
  term: string,
  limit: number,
): Promise<{ results: FoundUser[]; limited: boolean }> {
  const sought = wordsSought(withoutServer(term), WORDS_MAX).map(({ word }): WordSought => ({ word, begun: true }))
  const rarest = await rarestOf(app, sought)
  if (rarest === undefined) return { results: [], limited: false }
  const found = new Map<string, FoundUser>()
  let place: WordPlace = { word: '', user_id: '' }
  for (let scanned = 0; ; scanned += PAGE) {
    if (scanned >= MAX_SCANNED || found.size > limit) break
    const page = await usersByWord(app.db, rarest, place, PAGE)
    const candidates = page.map((row) => row.user_id).filter((userId) => !found.has(userId))
    for (const user of await fitting(app, viewer, candidates, term, sought)) found.set(user.user_id, user)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return answer([...found.values()], term, limit, false)
    place = last
  }
  return answer([...found.values()], term, limit, true)
}

/** The word that leads to the fewest users: all of them may be looked at, where those of a common one are too many. */
async function rarestOf(app: App, sought: readonly WordSought[]): Promise<string | undefined> {
  if (sought.length <= 1) return sought[0]?.word
  const counts = await Promise.all(sought.map(({ word }) => countByWord(app.db, word, MAX_SCANNED)))
  return sought[counts.indexOf(Math.min(...counts))]!.word
}

/** `@name:server` is looked for by its name. */
function withoutServer(term: string): string {
  return term.startsWith('@') ? localpartOf(term) : term
}

async function fitting(
  app: App,
  viewer: UserId,
  userIds: readonly string[],
  term: string,
  sought: readonly WordSought[],
): Promise<FoundUser[]> {
  const seen = userIds.length === 0 ? [] : await usersSeenBy(app.db, app.serverName, viewer, userIds)
  const own = seen.filter(({ user_id: userId }) => serverNameOf(userId) === app.serverName)
  const profiles =
    own.length === 0
      ? []
      : await namesInProfiles(
          app.db,
          own.map((user) => user.user_id),
        )
  const named = new Map<string, string>()
  for (const { user_id: userId, key, value } of profiles) {
    const text = parseJson(value)
    if (typeof text === 'string') named.set(`${key} ${userId}`, text)
  }
  const id = idIn(term)
  return seen.flatMap((user) => {
    const local = serverNameOf(user.user_id) === app.serverName
    const name = local ? named.get(`displayname ${user.user_id}`) : user.displayname
    const avatar = local ? named.get(`avatar_url ${user.user_id}`) : user.avatar_url
    const words = [...wordsOf(localpartOf(user.user_id)), ...wordsOf(name ?? '')]
    if (!hasWords(words, sought) || (id !== undefined && !user.user_id.toLowerCase().startsWith(id))) return []
    return { user_id: user.user_id, ...(name && { display_name: name }), ...isPicture(avatar) }
  })
}

/** A term that names a server too means users of that one alone. */
function idIn(term: string): string | undefined {
  return term.startsWith('@') && term.includes(':') ? term.toLowerCase() : undefined
}

function isPicture(avatar: string | null | undefined): { avatar_url?: string } {
  return avatar?.startsWith('mxc://') === true ? { avatar_url: avatar } : {}
}

/** Those whose name or id is the term itself first, then those who have a name. */
function answer(found: readonly FoundUser[], term: string, limit: number, more: boolean) {
  const wanted = term.toLowerCase()
  const rank = ({ user_id: userId, display_name: name }: FoundUser) => {
    const same = [userId, localpartOf(userId), name].some((text) => text?.toLowerCase() === wanted)
    return (same ? 2 : 0) + (name === undefined ? 0 : 1)
  }
  const results = [...found].sort((a, b) => rank(b) - rank(a)).slice(0, limit)
  return { results, limited: more || found.length > limit }
}
