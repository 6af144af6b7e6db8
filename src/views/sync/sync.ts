import type { App } from '../../app.ts'
import type { Filter } from '../../core/filter.ts'
import { canonicalJson } from '../../core/json.ts'
import { pushRulesContent, rulesetFrom } from '../../core/push-rules.ts'
import { globalAccountDataSince } from '../../store/account-data.ts'
import { newsFor } from '../../store/log.ts'
import { type RoomOfUser, roomsOfUser } from '../../store/memberships.ts'
import type { Viewer } from '../client-events.ts'
import { positionOf, syncToken } from '../tokens.ts'
import { joinedAndLeftRooms } from './rooms.ts'

export interface SyncRequest {
  readonly viewer: Viewer
  readonly since: string | undefined
  readonly filter: Filter
  readonly fullState: boolean
  /** Milliseconds to wait for news. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Longest wait, whatever the client asks for. */
const MAX_TIMEOUT_MS = 120_000

/** What changed for the user since the token, as JSON text; waits for news up to the timeout (`GET /sync`). */
export async function sync(app: App, request: SyncRequest): Promise<string> {
  const since = request.since === undefined ? 0 : Math.min(positionOf(request.since), app.db.safePosition())
  const initial = request.since === undefined || request.fullState
  const deadline = app.clock.monotonic() + Math.min(Math.max(request.timeoutMs, 0), MAX_TIMEOUT_MS)
  for (;;) {
    const to = app.db.safePosition()
    const rooms = await roomsOfUser(app.db, request.viewer.userId, since, initial && request.filter.room.includeLeave)
    const reply = await collect(app, request, rooms, since, to)
    if (initial || reply.news) return reply.json
    const joined = new Set(rooms.filter((room) => room.membership === 'join').map((room) => room.room))
    const timeoutMs = deadline - app.clock.monotonic()
    const { userId, deviceId } = request.viewer
    const woken = await app.live.waiters.wait({
      userId,
      deviceId,
      rooms: joined,
      since: to,
      timeoutMs,
      signal: request.signal,
    })
    if (!woken) return reply.json
  }
}

interface Collected {
  readonly news: boolean
  readonly json: string
}

async function collect(
  app: App,
  request: SyncRequest,
  rooms: readonly RoomOfUser[],
  since: number,
  to: number,
): Promise<Collected> {
  const initial = request.since === undefined || request.fullState
  const numbers = rooms.map((room) => room.room)
  const news = initial || to === since ? [] : await newsFor(app.db, request.viewer.userId, numbers, since, to)
  const changed = new Set(news.map((item) => item.room))
  const wanted = rooms.filter((room) => (initial || changed.has(room.room)) && isWanted(request.filter, room.room_id))
  const invited = wanted.filter((room) => room.position <= to && (initial || room.position > since))
  const sections = await joinedAndLeftRooms(app, request, wanted, since, to)
  const data =
    initial || news.some((item) => item.kind === 'account_data')
      ? await globalAccountDataSince(app.db, request.viewer.userId, request.fullState ? 0 : since)
      : []
  const parts = [
    part('join', sections.joined),
    part('invite', strippedRooms(invited, 'invite', 'invite_state')),
    part('knock', strippedRooms(invited, 'knock', 'knock_state')),
    part('leave', sections.left),
  ].filter((text) => text !== undefined)
  const rules = initial && data.every((row) => row.type !== 'm.push_rules') ? [defaultRules(request.viewer.userId)] : []
  const accountData = [...data, ...rules].map((row) => `{"type":${JSON.stringify(row.type)},"content":${row.content}}`)
  let json = `{"next_batch":${JSON.stringify(syncToken(app, to))}`
  if (accountData.length > 0) json += `,"account_data":{"events":[${accountData.join(',')}]}`
  if (parts.length > 0) json += `,"rooms":{${parts.join(',')}}`
  json += ',"device_one_time_keys_count":{},"device_unused_fallback_key_types":[]}'
  return { news: parts.length > 0 || accountData.length > 0, json }
}

/** Who never changed a push rule has the default ones. */
function defaultRules(userId: string) {
  return { type: 'm.push_rules', content: canonicalJson(pushRulesContent(rulesetFrom(userId, undefined))) }
}

function isWanted(filter: Filter, roomId: string): boolean {
  if (filter.room.notRooms.has(roomId)) return false
  return filter.room.rooms === undefined || filter.room.rooms.has(roomId)
}

/** One kind of rooms of the reply: `"join":{"!id":…}`, or undefined when there is none. */
function part(name: string, rooms: ReadonlyMap<string, string>): string | undefined {
  if (rooms.size === 0) return undefined
  return `"${name}":{${[...rooms].map(([roomId, json]) => `${JSON.stringify(roomId)}:${json}`).join(',')}}`
}

function strippedRooms(rooms: readonly RoomOfUser[], membership: string, key: string): Map<string, string> {
  const shown = new Map<string, string>()
  for (const room of rooms) {
    if (room.membership === membership) shown.set(room.room_id, `{"${key}":{"events":${room.stripped_state ?? '[]'}}}`)
  }
  return shown
}
