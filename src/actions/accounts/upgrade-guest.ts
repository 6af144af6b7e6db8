import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { sessionByToken } from '../../store/sessions.ts'
import { guestIsStill, makeFullUser, userById } from '../../store/users.ts'
import { redeemProofs } from '../memberships/redeem-proofs.ts'
import type { Proofs } from '../sessions/begin-uia.ts'
import { hashToken } from '../sessions/session-tokens.ts'
import { write } from '../write.ts'
import { checkPassword, proofsUsedUp } from './create-account.ts'

/** The guest that an access token is of, if it bears the name. Errors: M_FORBIDDEN. */
export async function checkGuest(app: App, userId: UserId, accessToken: string): Promise<void> {
  const session = await sessionByToken(app.db, hashToken(accessToken))
  if (session?.user_id !== userId || session.kind !== 'guest' || session.deactivated === 1)
    throw new MatrixError('M_FORBIDDEN', `The token is not that of a guest named ${userId}.`)
}

/**
 * Makes a full account of a guest's, who keeps rooms and devices (Client-Server API, "Guest Access").
 * Errors: M_WEAK_PASSWORD, M_FORBIDDEN when the account is no guest's any more, or the proofs are used up.
 */
export async function upgradeGuest(
  app: App,
  userId: UserId,
  password: string | undefined,
  proofs: Proofs,
): Promise<void> {
  if (password !== undefined) checkPassword(password)
  const hash = password === undefined ? null : await app.live.passwordHasher.hash(password)
  const redeemed = await redeemProofs(app, userId, proofs)
  const written = await write(app, {
    guards: [guestIsStill(userId), ...redeemed.guards],
    writes: [makeFullUser(userId, hash), ...redeemed.writes],
    log: [{ kind: 'user', user: userId }],
  })
  if (written !== undefined) return
  if ((await userById(app.db, userId))?.kind === 'guest') throw proofsUsedUp()
  throw new MatrixError('M_FORBIDDEN', `${userId} is no guest any more.`)
}
