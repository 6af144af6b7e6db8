import type { App } from '../app.ts'
import { type EventFilter, eventFilterMatches } from '../core/filter.ts'
import { parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { isUnderKeys, searchableText } from '../core/searchable.ts'
import { type WordSought, wordsOf, wordsSought } from '../core/words.ts'
import type { EventRow } from '../store/events.ts'
import { eventsWithWords, foundEvents, roomsToSearch, type SearchedRoom } from '../store/search-index.ts'
import type { Viewer } from './client-events.ts'
import { ignoredBy } from './settings.ts'
import { visibleEvents } from './visible-events.ts'

export interface SearchRequest {
  readonly viewer: Viewer
  readonly term: string
  readonly keys: readonly string[]
  readonly filter: EventFilter
  readonly order: 'rank' | 'recent'
  readonly limit: number
  readonly nextBatch: string | undefined
  readonly groupBy: readonly GroupKey[]
}

export type GroupKey = 'room_id' | 'sender'

export interface Hit {
  readonly row: EventRow
  readonly room: SearchedRoom
  /** The higher, the better the event fits. */
  readonly rank: number
}

export interface SearchPage {
  readonly hits: readonly Hit[]
  /** Of all that was looked at for this page. */
  readonly count: number
  readonly highlights: readonly string[]
  readonly next: string | undefined
  readonly groups: ReadonlyMap<GroupKey, ReadonlyMap<string, Group>>
}

interface Group {
  readonly hits: readonly Hit[]
  readonly next: string | undefined
}

/** Words of a search that count. */
const WORDS_MAX = 16
/** Hits put in order together; what is older than those comes after them in any order. */
const WINDOW = 200
/** Entries of the index read at once, and for one window at the most. */
const ENTRIES = 250
const MAX_SCANNED = 5_000
/** How long a search waits for what was said just now. */
const FRESH_MS = 1_000

/**
 * A page of what the user may see and the search fits, in all rooms that they are or were in (Client-Server API,
 * "Server Side Search"). Errors: M_INVALID_PARAM for the token.
 */
export async function search(app: App, request: SearchRequest): Promise<SearchPage> {
  const { viewer, groupBy, limit } = request
  const place = placeIn(request.nextBatch)
  const sought = wordsSought(request.term, WORDS_MAX)
  if (sought.length === 0) return { hits: [], count: 0, highlights: [], next: undefined, groups: new Map() }
  await app.live.searchIndex.upTo(app.db.safePosition(), FRESH_MS)
  const rooms = new Map((await roomsToSearch(app.db, viewer.userId)).map((room) => [room.room, room]))
  const window = await windowOf(app, request, place, sought, rooms)
  const hits = window.hits.slice(place.skip, place.skip + limit)
  const next = nextPlace(window, place, place.skip + hits.length)
  return {
    hits,
    count: window.hits.length,
    highlights: sought.map(({ word }) => word),
    next: next && tokenOf(next),
    groups: new Map(groupBy.map((key) => [key, groupsOf(request, key, window, place, hits)])),
  }
}

/** Where a page begins: `skip` hits of the window below an event, of one group alone where there is one. */
interface Place {
  readonly below: number
  readonly skip: number
  readonly group: { readonly key: GroupKey; readonly value: string } | undefined
}

interface Window {
  readonly hits: readonly Hit[]
  /** Where the next window begins; undefined: there is none. */
  readonly below: number | undefined
}

async function windowOf(
  app: App,
  request: SearchRequest,
  place: Place,
  sought: readonly WordSought[],
  rooms: ReadonlyMap<number, SearchedRoom>,
): Promise<Window> {
  const wanted = [...rooms.values()].filter((room) => isWanted(request.filter, place, room.room_id))
  const numbers = wanted.map((room) => room.room)
  const ignored = await ignoredBy(app, request.viewer.userId)
  const hits: Hit[] = []
  let below: number | undefined = place.below
  for (let scanned = 0; below !== undefined && scanned < MAX_SCANNED && hits.length < WINDOW; scanned += ENTRIES) {
    const entries: readonly number[] =
      numbers.length === 0 ? [] : await eventsWithWords(app.db, sought, numbers, below, ENTRIES)
    const found: readonly EventRow[] = await foundEvents(app.db, entries, numbers)
    for (const row of await visibleEvents(app, request.viewer.userId, found)) {
      const room = rooms.get(row.room)!
      if (!fits(request, place, row, room, ignored)) continue
      hits.push({ row, room, rank: rankOf(row, sought) })
    }
    below = entries.length < ENTRIES ? undefined : entries.at(-1)
    await app.timers.sleep(0)
  }
  return { hits: hits.sort(request.order === 'recent' ? byTime : byRank), below }
}

function isWanted({ rooms, notRooms }: EventFilter, { group }: Place, roomId: string): boolean {
  if (group?.key === 'room_id' && group.value !== roomId) return false
  return !notRooms.has(roomId) && (rooms?.has(roomId) ?? true)
}

function fits(
  { filter, keys }: SearchRequest,
  { group }: Place,
  row: EventRow,
  room: SearchedRoom,
  ignored: ReadonlySet<string>,
): boolean {
  if (group?.key === 'sender' && group.value !== row.sender) return false
  if (row.state_key === null && ignored.has(row.sender)) return false
  const { type, sender, content } = row
  return isUnderKeys(type, keys) && eventFilterMatches(filter, { type, sender, roomId: room.room_id, content })
}

/** How much of the text the words are: often in a short text counts most (BM25 for one text). */
function rankOf(row: EventRow, sought: readonly WordSought[]): number {
  const words = wordsOf(searchableText(row.type, parseJson(row.content)))
  const length = 0.3 + (0.9 * words.length) / USUAL_WORDS
  return sought.reduce((rank, { word, begun }) => {
    const times = words.filter((one) => one === word || (begun && one.startsWith(word))).length
    return rank + times / (times + length)
  }, 0)
}

const USUAL_WORDS = 20

function byTime(a: Hit, b: Hit): number {
  return b.row.origin_server_ts - a.row.origin_server_ts || b.row.event - a.row.event
}

function byRank(a: Hit, b: Hit): number {
  return b.rank - a.rank || byTime(a, b)
}

function nextPlace({ hits, below }: Window, place: Place, skip: number): Place | undefined {
  if (skip < hits.length) return { ...place, skip }
  return below === undefined ? undefined : { ...place, below, skip: 0 }
}

/** The hits of the page by room or sender. A group goes on by itself, where its hits alone stand in the same order. */
function groupsOf(
  { order }: SearchRequest,
  key: GroupKey,
  window: Window,
  place: Place,
  page: readonly Hit[],
): ReadonlyMap<string, Group> {
  const valueIn = ({ row, room }: Hit) => (key === 'sender' ? row.sender : room.room_id)
  const groups = new Map<string, Hit[]>()
  for (const hit of page) groups.set(valueIn(hit), [...(groups.get(valueIn(hit)) ?? []), hit])
  const alone = place.group === undefined && (order === 'recent' || window.below === undefined)
  return new Map(
    [...groups].map(([value, hits]) => {
      const all = window.hits.filter((hit) => valueIn(hit) === value)
      const shown = all.indexOf(hits.at(-1)!) + 1
      const next = nextPlace({ ...window, hits: all }, { ...place, group: { key, value } }, shown)
      return [value, { hits, next: alone && next !== undefined ? tokenOf(next) : undefined }]
    }),
  )
}

function tokenOf({ below, skip, group }: Place): string {
  const fields = [below, skip, ...(group === undefined ? [] : [group.key, group.value])]
  return Buffer.from(JSON.stringify(fields)).toString('base64url')
}

const TOKEN_MAX_LENGTH = 1_024
const FIRST: Place = { below: Number.MAX_SAFE_INTEGER, skip: 0, group: undefined }

/** Errors: M_INVALID_PARAM. */
function placeIn(token: string | undefined): Place {
  if (token === undefined) return FIRST
  const place = token.length > TOKEN_MAX_LENGTH ? undefined : readToken(Buffer.from(token, 'base64url'))
  if (place === undefined) throw new MatrixError('M_INVALID_PARAM', 'The token is not one of a search.')
  return place
}

function readToken(bytes: Uint8Array): Place | undefined {
  const fields = parsed(bytes)
  if (!Array.isArray(fields)) return undefined
  const [below, skip, key, value] = fields as readonly unknown[]
  if (!isCount(below) || !isCount(skip)) return undefined
  if (key === undefined) return { below, skip, group: undefined }
  if ((key !== 'room_id' && key !== 'sender') || typeof value !== 'string') return undefined
  return { below, skip, group: { key, value } }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes)
  } catch {
    return undefined
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
