import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { isObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type Level, powerLevelsOf } from '../../core/power-levels.ts'
import { localMembersOf, membershipOf } from '../../store/memberships.ts'
import { roomById } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { changeMembership } from '../memberships/change-membership.ts'
import type { RoomWriter } from './room-writer.ts'

const MEMBERS_MAX = 10_000
/** What the creators of rooms of version 12 have cannot be written down. */
const ADMIN_LEVEL = 100

/**
 * Gives a user of this server the power of the local member who has most of it, in whose name that happens, and invites
 * the user who is not in the room. Errors: M_NOT_FOUND; M_FORBIDDEN where no local member may give power.
 */
export async function makeRoomAdmin(app: App, roomId: string, target: UserId): Promise<void> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const members = (await localMembersOf(app.db, room.room, app.serverName, MEMBERS_MAX)).map((row) => row.user_id)
  let giver: UserId | undefined
  await append(app, roomId, async (writer) => {
    giver = await give(writer, members, target)
  })
  const membership = (await membershipOf(app.db, room.room, target))?.membership
  if (giver === undefined || membership === 'join' || membership === 'invite') return
  await changeMembership(app, { roomId, sender: giver, target, membership: 'invite' })
}

async function give(writer: RoomWriter, members: readonly UserId[], target: UserId): Promise<UserId> {
  const create = await writer.state('m.room.create', '')
  const current = (await writer.state('m.room.power_levels', ''))?.value
  const levels = powerLevelsOf(writer.tip().version, create?.value, current)
  const needed = levels.toSend('m.room.power_levels', true)
  const strongest = members.reduce<UserId | undefined>(
    (best, user) => (best === undefined || levels.ofUser(user) > levels.ofUser(best) ? user : best),
    undefined,
  )
  if (strongest === undefined || !(levels.ofUser(strongest) >= needed)) {
    throw new MatrixError('M_FORBIDDEN', 'No user of this server may give power in this room.')
  }
  if (levels.ofUser(target) >= levels.ofUser(strongest)) return strongest
  const content = current?.content ?? {}
  const named = own(content, 'users')
  const users = isObject(named) ? named : { [strongest]: writtenLevel(levels.ofUser(strongest), needed) }
  const level = writtenLevel(levels.ofUser(strongest), needed)
  await writer.add({
    type: 'm.room.power_levels',
    stateKey: '',
    sender: strongest,
    content: { ...content, users: { ...users, [target]: level } },
  })
  return strongest
}

function writtenLevel(level: Level, needed: Level): number {
  return level === Number.POSITIVE_INFINITY ? Math.max(ADMIN_LEVEL, Number(needed)) : Number(level)
}
