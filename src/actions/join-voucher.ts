import type { App } from '../app.ts'
import { serverNameOf, type UserId } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { powerLevelsOf } from '../core/power-levels.ts'
import type { RoomVersion } from '../core/room-version.ts'
import { authEventOf } from '../store/events.ts'
import { membershipOf, membersOf } from '../store/memberships.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'
import { currentAuthRows } from '../store/state.ts'

interface KnownRoom {
  readonly row: RoomRow
  readonly version: RoomVersion
}

/** Rooms named in a join rule, and members of ours, that are looked at. */
const ALLOWED_ROOMS_MAX = 50
const MEMBERS_MAX = 10_000

/**
 * For a join to a restricted room (room version 8 and later): the local user who vouches for it; undefined where nobody
 * has to. Errors: M_FORBIDDEN when the user is in none of the rooms that the rule names,
 * M_UNABLE_TO_AUTHORISE_JOIN when this server is in none of them, M_UNABLE_TO_GRANT_JOIN when no local user may invite.
 */
export async function joinVoucher(app: App, room: KnownRoom, userId: string): Promise<UserId | undefined> {
  const { row, version } = room
  const rows = await currentAuthRows(app.db, row.room, [['m.room.join_rules', '']])
  const rules = rows[0] === undefined ? undefined : (parseJson(rows[0].content) as JsonObject)
  const rule = rules === undefined ? undefined : own(rules, 'join_rule')
  const restricted =
    (rule === 'restricted' && version.restricted) || (rule === 'knock_restricted' && version.knockRestricted)
  if (!restricted) return undefined
  const before = (await membershipOf(app.db, row.room, userId))?.membership
  if (before === 'join' || before === 'invite') return undefined
  await checkAllowed(app, own(rules!, 'allow'), userId)
  const voucher = await localInviter(app, room)
  if (voucher === undefined) throw new MatrixError('M_UNABLE_TO_GRANT_JOIN', 'No user of this server may invite here.')
  return voucher
}

async function checkAllowed(app: App, allow: JsonValue | undefined, userId: string): Promise<void> {
  let known = 0
  for (const condition of Array.isArray(allow) ? (allow as readonly JsonValue[]).slice(0, ALLOWED_ROOMS_MAX) : []) {
    if (!isObject(condition) || own(condition, 'type') !== 'm.room_membership') continue
    const roomId = own(condition, 'room_id')
    const room = typeof roomId === 'string' ? await roomById(app.db, roomId) : undefined
    if (room === undefined || !(await hasLocalMember(app, room.room))) continue
    known++
    if ((await membershipOf(app.db, room.room, userId))?.membership === 'join') return
  }
  if (known === 0)
    throw new MatrixError('M_UNABLE_TO_AUTHORISE_JOIN', 'This server is in none of the rooms that count.')
  throw new MatrixError('M_FORBIDDEN', 'The user is in none of the rooms whose members may join.')
}

async function hasLocalMember(app: App, room: number): Promise<boolean> {
  const members = await membersOf(app.db, room, 'join', MEMBERS_MAX)
  return members.some((member) => serverNameOf(member.user_id) === app.serverName)
}

async function localInviter(app: App, { row, version }: KnownRoom): Promise<UserId | undefined> {
  const keys = [['m.room.create', ''] as const, ['m.room.power_levels', ''] as const]
  const events = (await currentAuthRows(app.db, row.room, keys)).map((found) => authEventOf(found, row.room_id))
  const create = events.find((event) => event.type === 'm.room.create')
  if (create === undefined) return undefined
  const levels = powerLevelsOf(
    version,
    create,
    events.find((event) => event.type === 'm.room.power_levels'),
  )
  const members = await membersOf(app.db, row.room, 'join', MEMBERS_MAX)
  const local = members.filter((member) => serverNameOf(member.user_id) === app.serverName)
  return local.find((member) => levels.ofUser(member.user_id) >= levels.invite)?.user_id
}
