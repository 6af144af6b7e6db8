import type { App } from '../app.ts'
import { isValidUserId, localpartFault, userId as makeUserId, type UserId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { setProfileField } from '../store/profiles.ts'
import { deleteNonce, nonceIsGood } from '../store/registration-nonces.ts'
import { registrationTokenStaysGood, useRegistrationToken } from '../store/registration-tokens.ts'
import { insertUser, type UserKind, userById, userIsFree } from '../store/users.ts'
import { write } from './write.ts'

export interface NewAccount {
  readonly localpart: string
  /** undefined: the account cannot log in with a password. */
  readonly password: string | undefined
  readonly admin: boolean
  readonly guest?: boolean
  /** A nonce of registration by shared secret, which the account uses up. */
  readonly nonce?: string
  /** A token of token-authenticated registration, one use of which the account takes. */
  readonly registrationToken?: string | undefined
}

export const PASSWORD_MIN_LENGTH = 8
export const PASSWORD_MAX_LENGTH = 512

/**
 * Makes a local account. Errors: M_USER_IN_USE, M_INVALID_USERNAME, M_WEAK_PASSWORD, M_UNKNOWN for the nonce,
 * M_FORBIDDEN for the token.
 */
export async function createAccount(app: App, account: NewAccount): Promise<{ userId: UserId; created: boolean }> {
  const fault = localpartFault(account.localpart)
  if (fault !== undefined) throw new MatrixError('M_INVALID_USERNAME', fault)
  const userId = makeUserId(account.localpart, app.serverName)
  if (!isValidUserId(userId)) throw new MatrixError('M_INVALID_USERNAME', 'The user name is too long.')
  if (account.password !== undefined) checkPassword(account.password)
  const hash = account.password === undefined ? null : await app.live.passwordHasher.hash(account.password)
  const kind: UserKind = account.guest === true ? 'guest' : account.admin ? 'admin' : 'user'
  const { nonce, registrationToken: token } = account
  const nowMs = app.clock.now()
  const written = await write(app, {
    guards: [
      userIsFree(userId),
      ...(nonce === undefined ? [] : [nonceIsGood(nonce, nowMs)]),
      ...(token === undefined ? [] : [registrationTokenStaysGood(token, nowMs)]),
    ],
    writes: [
      insertUser(userId, hash, kind, nowMs),
      setProfileField(userId, 'displayname', JSON.stringify(account.localpart)),
      ...(nonce === undefined ? [] : [deleteNonce(nonce)]),
      ...(token === undefined ? [] : [useRegistrationToken(token)]),
    ],
    log: [{ kind: 'user', user: userId }],
  })
  if (written === undefined) throw await refusal(app, userId, account)
  return { userId, created: true }
}

/** Which of the guards did not hold. */
async function refusal(app: App, userId: UserId, { nonce, registrationToken }: NewAccount): Promise<MatrixError> {
  const taken = (await userById(app.db, userId)) !== undefined
  if (!taken && nonce !== undefined) return new MatrixError('M_UNKNOWN', 'The nonce is not known, used or too old.')
  if (!taken && registrationToken !== undefined)
    return new MatrixError('M_FORBIDDEN', 'The registration token is used up.')
  return new MatrixError('M_USER_IN_USE', `${userId} already exists.`)
}

export function checkPassword(password: string): void {
  if (password.length < PASSWORD_MIN_LENGTH) {
    throw new MatrixError('M_WEAK_PASSWORD', `A password has at least ${PASSWORD_MIN_LENGTH} characters.`)
  }
  if (password.length > PASSWORD_MAX_LENGTH) {
    throw new MatrixError('M_BAD_JSON', `A password has at most ${PASSWORD_MAX_LENGTH} characters.`)
  }
}
