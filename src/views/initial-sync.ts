import type { App } from '../app.ts'
import { parseEventFilter } from '../core/filter.ts'
import { canonicalJson, type JsonObject, parseJson } from '../core/json.ts'
import { globalAccountDataSince, roomAccountDataSince } from '../store/account-data.ts'
import { membershipOf, roomsOfUser } from '../store/memberships.ts'
import { presenceAround } from '../store/presence.ts'
import type { Viewer } from './client-events.ts'
import { visibility } from './directory.ts'
import { messages } from './messages.ts'
import { shownPresence } from './presence.ts'
import { readableRoom } from './readable-room.ts'
import { roomState } from './room.ts'
import { settingsFrom, showsInvite } from './settings.ts'
import { syncToken } from './tokens.ts'

export interface InitialSyncRequest {
  readonly viewer: Viewer
  /** Messages of each room. */
  readonly limit: number
  /** Rooms that the user has left, too. */
  readonly archived: boolean
}

/** Everything at once, as JSON text (`GET /initialSync`): what clients had before `/sync`. */
export async function initialSync(app: App, { viewer, limit, archived }: InitialSyncRequest): Promise<string> {
  const { userId } = viewer
  const end = syncToken(app, app.db.safePosition())
  const accountData = await globalAccountDataSince(app.db, userId, 0)
  const rooms = await roomsOfUser(app.db, userId, archived ? -1 : Number.MAX_SAFE_INTEGER)
  const accountDataOf = await accountDataByRoom(app, userId)
  const texts: string[] = []
  const settings = settingsFrom(app, userId, accountData)
  for (const { room_id: roomId, membership, sender } of rooms) {
    if (membership === 'invite' && !showsInvite(settings, sender)) continue
    const isOutside = membership === 'invite' || membership === 'knock'
    const outside = JSON.stringify({ room_id: roomId, membership })
    texts.push(isOutside ? outside : await roomText(app, viewer, roomId, limit, accountDataOf(roomId)))
    // One room after the other, and others' requests in between.
    await new Promise(setImmediate)
  }
  const presence = app.config.global.presence.enable_outbound ? await presenceAround(app.db, userId) : []
  const presenceTexts = presence.map((row) =>
    JSON.stringify({ type: 'm.presence', sender: row.user_id, content: shownPresence(app, row) }),
  )
  const parts = [
    `"end":${JSON.stringify(end)}`,
    `"presence":[${presenceTexts.join(',')}]`,
    `"rooms":[${texts.join(',')}]`,
    `"account_data":[${accountData.map(accountDataText).join(',')}]`,
  ]
  return `{${parts.join(',')}}`
}

/** The same of one room, which the user may also only be reading. Errors: M_FORBIDDEN. */
export async function roomInitialSync(app: App, viewer: Viewer, roomId: string, limit: number): Promise<string> {
  await readableRoom(app, viewer.userId, roomId)
  const accountDataOf = await accountDataByRoom(app, viewer.userId)
  return roomText(app, viewer, roomId, limit, accountDataOf(roomId))
}

/** The user's data of each room, as JSON texts. */
async function accountDataByRoom(app: App, userId: string): Promise<(roomId: string) => readonly string[]> {
  const byRoom = new Map<string, string[]>()
  for (const row of await roomAccountDataSince(app.db, userId, 0)) {
    const texts = byRoom.get(row.room_id)
    if (texts === undefined) byRoom.set(row.room_id, [accountDataText(row)])
    else texts.push(accountDataText(row))
  }
  return (roomId) => byRoom.get(roomId) ?? []
}

async function roomText(
  app: App,
  viewer: Viewer,
  roomId: string,
  limit: number,
  accountData: readonly string[],
): Promise<string> {
  const room = await readableRoom(app, viewer.userId, roomId)
  const membership = await membershipOf(app.db, room.room, viewer.userId)
  const { json: page } = await messages(app, { viewer, roomId, dir: 'b', limit, filter: parseEventFilter(undefined) })
  const parts = [
    `"room_id":${JSON.stringify(roomId)}`,
    `"messages":${chronological(page)}`,
    `"state":${await roomState(app, viewer, roomId)}`,
    `"visibility":${JSON.stringify((await visibility(app, roomId)).visibility)}`,
    `"account_data":[${accountData.join(',')}]`,
  ]
  if (membership !== undefined) parts.push(`"membership":${JSON.stringify(membership.membership)}`)
  return `{${parts.join(',')}}`
}

/** A page read backwards, turned round. */
function chronological(page: string): string {
  const { start, end, chunk } = parseJson(page) as JsonObject
  const turned: Record<string, unknown> = { chunk: [...(chunk as JsonObject[])].reverse(), end: start }
  if (end !== undefined) turned.start = end
  return canonicalJson(turned as JsonObject)
}

function accountDataText(row: { readonly type: string; readonly content: string }): string {
  return `{"type":${JSON.stringify(row.type)},"content":${row.content}}`
}
