import { evacuateUser, roomsOfEvacuation } from '../actions/accounts/evacuate-user.ts'
import type { UserId } from '../core/ids.ts'
import { LEAVE_ROOMS } from '../store/tasks.ts'
import { userById } from '../store/users.ts'
import type { TaskKind } from './run.ts'

/** Of another server that is away, each may take its time. */
const ROOMS_AT_ONCE = 5
const BREATH_MS = 50
/** Rooms that could not be left are tried again after so long, a few times. */
const ROUND_MS = 6 * 3_600_000
const ROUNDS_MAX = 12

interface Payload {
  readonly userId: UserId
  /** Rooms of this round that could not be left. */
  readonly failed?: number
  readonly round?: number
}

/** Goes on leaving the rooms of a closed account where the process that closed it did not come to the end. */
export const leaveRoomsTask: TaskKind = {
  kind: LEAVE_ROOMS,
  async run(app, { payload }) {
    const { userId, failed = 0, round = 1 } = payload as unknown as Payload
    // Opened again meanwhile.
    if ((await userById(app.db, userId))?.deactivated !== 1) return undefined
    const rooms = (await roomsOfEvacuation(app, { userId })).slice(failed, failed + ROOMS_AT_ONCE)
    if (rooms.length === 0) {
      const over = failed === 0 || round >= ROUNDS_MAX
      return over ? undefined : { afterMs: ROUND_MS, payload: { userId, round: round + 1 } }
    }
    const left = await evacuateUser(app, { userId, rooms: rooms.map((room) => room.room_id) }, () => undefined)
    const stuck = left.filter(({ error }) => error !== undefined).length
    return { afterMs: BREATH_MS, payload: { userId, round, failed: failed + stuck } }
  },
}
