import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { bansOf } from '../../store/memberships.ts'
import type { RoomSummary } from '../../store/rooms.ts'
import { spaceChildren } from '../../store/state.ts'
import type { RoomWriter } from '../rooms/room-writer.ts'

/** A piece of state of which a room may have thousands, to be repeated in its replacement. */
export interface Transfer {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/** Transfers written at once: a commit stays short. */
export const PER_BATCH = 100
const MAX_CHILDREN = 10_000
const MAX_BANS = 100_000

/** The bans of a room, and of a space also its rooms. */
export async function transfersOf(app: App, old: RoomSummary): Promise<Transfer[]> {
  const bans = await bansOf(app.db, old.room, MAX_BANS)
  const children = old.room_type === 'm.space' ? await spaceChildren(app.db, old.room, MAX_CHILDREN) : []
  return [
    ...bans.map((ban) => ({ type: 'm.room.member', stateKey: ban.user_id, content: banContent(ban.content) })),
    ...children
      .map((child) => ({ type: 'm.space.child', stateKey: child.state_key, content: objectOf(child.content) }))
      .filter(({ content }) => own(content, 'via') !== undefined),
  ]
}

function banContent(text: string): JsonObject {
  const reason = own(objectOf(text), 'reason')
  return { membership: 'ban', ...(typeof reason === 'string' ? { reason } : {}) }
}

function objectOf(text: string): JsonObject {
  const value = parseJson(text)
  return isObject(value) ? value : {}
}

/** Adds those that the new room's rules allow: who upgrades may stand lower than one of the banned. */
export async function addTransfers(
  app: App,
  writer: RoomWriter,
  sender: UserId,
  transfers: readonly Transfer[],
): Promise<void> {
  for (const transfer of transfers) {
    try {
      await writer.add({ ...transfer, sender })
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
      app.log.warn({ room: writer.tip().roomId, ...transfer, err: error }, 'the new room refuses state of the old one')
    }
  }
}
