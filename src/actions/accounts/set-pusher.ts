import type { App } from '../../app.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { logPosition } from '../../db/sql.ts'
import { deletePusher, othersWith, PUSHER, type PusherName, pushersOf, storePusher } from '../../store/pushers.ts'
import { threepidIsOf } from '../../store/threepids.ts'
import { write } from '../write.ts'

const PUSHERS_MAX = 100

export interface PusherWish extends PusherName {
  readonly kind: string
  /** What the client says of the pusher beside its name and kind. */
  readonly data: JsonObject
  /** It ends with this session; null: with its user alone. */
  readonly session: number | null
  /** Pushers of other users may lead to the same place. */
  readonly append: boolean
}

/**
 * Makes or changes a pusher (Client-Server API, `/pushers/set`). Errors: M_INVALID_PARAM when there are too many, and
 * for mail to an address that is not the user's own.
 */
export async function setPusher(app: App, wish: PusherWish): Promise<void> {
  const guards = wish.kind === 'email' ? [threepidIsOf({ medium: 'email', address: wish.pushkey }, wish.user_id)] : []
  const own = await pushersOf(app.db, wish.user_id)
  const known = own.some((row) => row.app_id === wish.app_id && row.pushkey === wish.pushkey)
  if (!known && own.length >= PUSHERS_MAX)
    throw new MatrixError('M_INVALID_PARAM', `A user has at most ${PUSHERS_MAX} pushers.`)
  const others = wish.append ? [] : await othersWith(app.db, wish)
  const row = { ...wish, data: canonicalJson(wish.data), created_ts: app.clock.now() }
  const written = await write(app, {
    guards,
    writes: [storePusher(row, logPosition(0)), ...others.map((userId) => deletePusher({ ...wish, user_id: userId }))],
    log: [wish.user_id, ...others].map((user) => ({ kind: PUSHER, user })),
  })
  if (written === undefined)
    throw new MatrixError('M_INVALID_PARAM', 'pushkey is none of the e-mail addresses of the account.')
}

export async function removePusher(app: App, pusher: PusherName): Promise<void> {
  await write(app, { guards: [], writes: [deletePusher(pusher)], log: [{ kind: PUSHER, user: pusher.user_id }] })
}
