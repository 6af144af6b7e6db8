import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { countSharedRooms, sharedRooms } from '../store/memberships.ts'

const PAGE = 50
const TOKEN = /^r(\d{1,16})$/

/** A page of the rooms that both users are in, the longest known first. Errors: M_INVALID_PARAM for the token. */
export async function mutualRooms(
  app: App,
  userId: string,
  otherId: string,
  from: string | undefined,
): Promise<{ joined: string[]; count: number; next_batch?: string }> {
  const match = TOKEN.exec(from ?? 'r0')
  if (match === null) throw new MatrixError('M_INVALID_PARAM', 'The token is not one of this list.')
  const rooms = await sharedRooms(app.db, userId, otherId, Number(match[1]), PAGE + 1)
  const page = rooms.slice(0, PAGE)
  return {
    joined: page.map((row) => row.room_id),
    count: await countSharedRooms(app.db, userId, otherId),
    ...(rooms.length > PAGE && { next_batch: `r${page.at(-1)!.room}` }),
  }
}
