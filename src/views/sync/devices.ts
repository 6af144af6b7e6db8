import type { App } from '../../app.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import type { DeviceName } from '../../store/device-keys.ts'
import { keyCounts } from '../../store/one-time-keys.ts'
import { deviceListsSince } from '../device-lists.ts'
import { shownCounts } from '../key-counts.ts'
import { hasNews, type Scope } from './scope.ts'

/** Kinds of news by which somebody comes to be in a room, or is there no more. */
const MOVES = ['member', 'membership', MEMBERS_KNOWN]

/** Changes of device lists as JSON text; undefined when there are none, or the client knows nothing yet. */
export async function readDeviceLists(scope: Scope): Promise<string | undefined> {
  const { app, request, since, to, initial, news } = scope
  if (initial) return undefined
  const changes = hasNews(scope, null, 'device_list')
  const moved = news === undefined || [...news.values()].some((kinds) => MOVES.some((kind) => kinds.has(kind)))
  if (!changes && !moved) return undefined
  const movedIn = (room: number) => MOVES.some((kind) => hasNews(scope, room, kind))
  const completed = (room: number) => hasNews(scope, room, MEMBERS_KNOWN)
  const hints = { changes, moved: moved ? movedIn : undefined, completed }
  const lists = await deviceListsSince(app, request.viewer.userId, { since, to }, hints)
  const told = Object.entries(lists).filter(([, users]) => users.length > 0)
  return told.length === 0 ? undefined : JSON.stringify(Object.fromEntries(told))
}

/** How many keys the device has left here (Client-Server API, "Extensions to /sync" of end-to-end encryption). */
export async function readKeyCounts(app: App, device: DeviceName): Promise<string> {
  const counts = await keyCounts(app.db, device)
  const [oneTime, unused] = [JSON.stringify(shownCounts(counts)), JSON.stringify(counts.unusedFallback)]
  return `"device_one_time_keys_count":${oneTime},"device_unused_fallback_key_types":${unused}`
}
