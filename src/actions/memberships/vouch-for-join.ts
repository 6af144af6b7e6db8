import type { App } from '../../app.ts'
import { serverNameOf, type UserId } from '../../core/ids.ts'
import { allowedRoomIds, isRestricted } from '../../core/join-rules.ts'
import { isObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { creatorsOf, powerLevelsOf } from '../../core/power-levels.ts'
import { joinedAmong, localMembersOf } from '../../store/memberships.ts'
import { serverIsInAny } from '../../store/room-servers.ts'
import type { RoomWriter } from '../rooms/room-writer.ts'
import { textOf } from '../rooms/state-consequences.ts'

/** Members looked at for one who may invite. */
const MAX_CANDIDATES = 100

/**
 * Who of this server vouches for somebody who joins a restricted room (room versions 8+): a member who may invite, when
 * the user is in one of the rooms that the join rule names. Undefined where the rule asks for no voucher.
 * Errors: M_FORBIDDEN when the user is in none of them, M_UNABLE_TO_AUTHORISE_JOIN when we are not either,
 * M_UNABLE_TO_GRANT_JOIN when no member here may invite.
 */
export async function vouchForJoin(app: App, writer: RoomWriter, userId: UserId): Promise<UserId | undefined> {
  const rules = (await writer.state('m.room.join_rules', ''))?.value.content
  if (!isRestricted(textOf(rules, 'join_rule'))) return undefined
  const allowed = allowedRoomIds(rules)
  // Of the users of other servers we know only what goes on in rooms that we are in.
  if (serverNameOf(userId) !== app.serverName && !(await serverIsInAny(app.db, allowed, app.serverName)))
    throw new MatrixError('M_UNABLE_TO_AUTHORISE_JOIN', 'This server is in none of the rooms whose members may join.')
  if ((await joinedAmong(app.db, userId, allowed)).size === 0)
    throw new MatrixError('M_FORBIDDEN', 'Only members of certain rooms may join, or who is invited.')
  const voucher = await inviter(app, writer)
  if (voucher === undefined)
    throw new MatrixError('M_UNABLE_TO_GRANT_JOIN', 'Nobody of this server may invite into the room.')
  return voucher
}

/** As `vouchForJoin`, and nobody where the user is in the room or invited: they need no voucher. */
export async function vouchUnlessWelcome(app: App, writer: RoomWriter, userId: UserId): Promise<UserId | undefined> {
  const before = textOf((await writer.state('m.room.member', userId))?.value.content, 'membership')
  return before === 'join' || before === 'invite' ? undefined : vouchForJoin(app, writer, userId)
}

async function inviter(app: App, writer: RoomWriter): Promise<UserId | undefined> {
  const { version, room } = writer.tip()
  const create = (await writer.state('m.room.create', ''))?.value
  const event = (await writer.state('m.room.power_levels', ''))?.value
  if (create === undefined) return undefined
  const levels = powerLevelsOf(version, create, event)
  const users = event === undefined ? undefined : own(event.content, 'users')
  const named = [...creatorsOf(version, create), ...(isObject(users) ? Object.keys(users) : [])] as UserId[]
  const anybody = levels.usersDefault >= levels.invite
  const others = anybody ? await localMembersOf(app.db, room, app.serverName, MAX_CANDIDATES) : []
  const mayInvite = (user: UserId) => serverNameOf(user) === app.serverName && levels.ofUser(user) >= levels.invite
  const candidates = new Set([...named, ...others.map((member) => member.user_id)].filter(mayInvite))
  for (const candidate of [...candidates].slice(0, MAX_CANDIDATES)) {
    const member = (await writer.state('m.room.member', candidate))?.value.content
    if (textOf(member, 'membership') === 'join') return candidate
  }
  return undefined
}
