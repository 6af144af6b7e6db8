import type { UserId } from '../../core/ids.ts'
import { powerLevelsOf } from '../../core/power-levels.ts'
import type { RoomWriter } from './room-writer.ts'
import { textOf } from './state-consequences.ts'

/** Whether the user, as the room stands, may send a state event of the type. */
export async function maySendState(writer: RoomWriter, userId: UserId, type: string): Promise<boolean> {
  const member = (await writer.state('m.room.member', userId))?.value.content
  if (textOf(member, 'membership') !== 'join') return false
  const create = (await writer.state('m.room.create', ''))?.value
  const levels = powerLevelsOf(writer.tip().version, create, (await writer.state('m.room.power_levels', ''))?.value)
  return levels.ofUser(userId) >= levels.toSend(type, true)
}
