import { endRoom } from '../actions/rooms/evacuate-room.ts'
import { type JsonObject, own } from '../core/json.ts'
import { ROOM_ENDING } from '../store/room-endings.ts'
import type { TaskKind } from './run.ts'

/** So long an administrator may ask what came of it. */
const KEPT_MS = 24 * 3_600_000

/** Ends a room for the users of this server, and then remembers the outcome for a day. */
export const endRoomTask: TaskKind = {
  kind: ROOM_ENDING,
  async run(app, { payload }) {
    if (own(payload, 'outcome') !== undefined) return undefined
    const { roomId, block, message } = payload as unknown as { roomId: string; block: boolean; message?: string }
    const outcome = (await endRoom(app, roomId, { block, message })) as unknown as JsonObject
    return { afterMs: KEPT_MS, payload: { ...payload, outcome } }
  },
}
