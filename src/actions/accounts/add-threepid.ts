import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deletePusher, MAIL_APP, PUSHER } from '../../store/pushers.ts'
import {
  deleteThreepid,
  insertThreepid,
  type Threepid,
  threepidIsOf,
  threepidOwner,
  threepidsOf,
} from '../../store/threepids.ts'
import { write } from '../write.ts'
import { type ProvedThreepid, useUp } from './proved-threepid.ts'

const MAX_THREEPIDS = 20

/** An address that was proved becomes the user's. Errors: M_THREEPID_IN_USE, M_THREEPID_AUTH_FAILED, M_FORBIDDEN. */
export async function addThreepid(app: App, userId: UserId, proved: ProvedThreepid): Promise<void> {
  const owner = await threepidOwner(app.db, proved)
  if (owner !== undefined && owner !== userId) throw threepidInUse()
  const own = await threepidsOf(app.db, userId)
  if (own.length >= MAX_THREEPIDS)
    throw new MatrixError('M_FORBIDDEN', `Nobody has more than ${MAX_THREEPIDS} addresses.`)
  const used = useUp(app, proved)
  const adding = owner === undefined ? [insertThreepid(proved, userId, proved.validatedMs, app.clock.now())] : []
  const guards = [...used.guards, threepidIsOf(proved, owner ?? null)]
  const written = await write(app, {
    guards,
    writes: [...used.writes, ...adding],
    log: [{ kind: 'user', user: userId }],
  })
  if (written === undefined) throw threepidInUse()
}

/** The user's address is forgotten, as far as it is the user's, and gets no more mail. */
export async function removeThreepid(app: App, userId: UserId, threepid: Threepid): Promise<void> {
  const pusher = { user_id: userId, app_id: MAIL_APP, pushkey: threepid.address }
  await write(app, {
    guards: [],
    writes: [deleteThreepid(threepid, userId), deletePusher(pusher)],
    log: [
      { kind: 'user', user: userId },
      { kind: PUSHER, user: userId },
    ],
  })
}

export function threepidInUse(): MatrixError {
  return new MatrixError('M_THREEPID_IN_USE', 'The address belongs to an account already.')
}
