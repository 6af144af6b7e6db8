import type { App } from '../../app.ts'
import { isValidUserId, localpartFault, userId as makeUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Appservice } from '../../live/appservices.ts'
import { setProfileField } from '../../store/profiles.ts'
import { deleteNonce, nonceIsGood } from '../../store/registration-nonces.ts'
import { type ExternalId, externalIdIsFree, insertExternalId } from '../../store/sso.ts'
import { findByName } from '../../store/user-directory.ts'
import { insertUser, type UserKind, userById, userIsFree } from '../../store/users.ts'
import { redeemProofs } from '../memberships/redeem-proofs.ts'
import type { Proofs } from '../sessions/begin-uia.ts'
import { write } from '../write.ts'

export interface NewAccount {
  readonly localpart: string
  /** undefined: the account cannot log in with a password. */
  readonly password: string | undefined
  readonly admin: boolean
  readonly guest?: boolean
  /** The application service whose user it is. */
  readonly appservice?: Appservice
  /** Where it is not the localpart. */
  readonly displayName?: string
  /** What an identity provider calls the user: nobody else is called that. */
  readonly external?: ExternalId
  /** A nonce of registration by shared secret, which the account uses up. */
  readonly nonce?: string
  /** What opened the door to who registers: the account uses it up. */
  readonly proofs?: Proofs
}

export const PASSWORD_MIN_LENGTH = 8
export const PASSWORD_MAX_LENGTH = 512

/**
 * Makes a local account. Errors: M_USER_IN_USE, M_INVALID_USERNAME, M_WEAK_PASSWORD, M_UNKNOWN for the nonce,
 * M_FORBIDDEN for the proofs, M_EXCLUSIVE for the name in which the server speaks, and names that belong to another.
 */
export async function createAccount(app: App, account: NewAccount): Promise<{ userId: UserId; created: boolean }> {
  const fault = localpartFault(account.localpart)
  if (fault !== undefined) throw new MatrixError('M_INVALID_USERNAME', fault)
  const userId = makeUserId(account.localpart, app.serverName)
  const { enabled, local_part: reserved } = app.config.global.server_notices
  if (enabled && account.localpart === reserved && account.password !== undefined)
    throw new MatrixError('M_EXCLUSIVE', `${userId} is the server itself.`)
  if (!isValidUserId(userId)) throw new MatrixError('M_INVALID_USERNAME', 'The user name is too long.')
  checkNamespace(app, userId, account.appservice)
  if (account.password !== undefined) checkPassword(account.password)
  const hash = account.password === undefined ? null : await app.live.passwordHasher.hash(account.password)
  const appserviceId = account.appservice?.id ?? null
  const kind = kindOf(account)
  const { external, nonce, proofs = {} } = account
  const redeemed = await redeemProofs(app, userId, proofs)
  const nowMs = app.clock.now()
  const written = await write(app, {
    guards: [
      userIsFree(userId),
      ...(external === undefined ? [] : [externalIdIsFree(external)]),
      ...(nonce === undefined ? [] : [nonceIsGood(nonce, nowMs)]),
      ...redeemed.guards,
    ],
    writes: [
      insertUser(userId, hash, { kind, appserviceId }, nowMs),
      setProfileField(userId, 'displayname', JSON.stringify(account.displayName ?? account.localpart)),
      findByName(userId, account.displayName ?? account.localpart),
      ...(external === undefined ? [] : [insertExternalId(external, userId)]),
      ...(nonce === undefined ? [] : [deleteNonce(nonce)]),
      ...redeemed.writes,
    ],
    log: [{ kind: 'user', user: userId }],
  })
  if (written === undefined) throw await refusal(app, userId, account)
  return { userId, created: true }
}

/** Errors: M_INVALID_USERNAME, M_EXCLUSIVE, M_USER_IN_USE. */
export async function checkUserNameFree(app: App, localpart: string): Promise<void> {
  const fault = localpartFault(localpart)
  if (fault !== undefined) throw new MatrixError('M_INVALID_USERNAME', fault)
  const userId = makeUserId(localpart, app.serverName)
  checkNamespace(app, userId, undefined)
  const taken = await userById(app.db, userId)
  if (taken !== undefined) throw new MatrixError('M_USER_IN_USE', 'This user name is taken.')
}

function kindOf({ appservice, guest, admin }: NewAccount): UserKind {
  if (appservice !== undefined) return 'appservice'
  return guest === true ? 'guest' : admin ? 'admin' : 'user'
}

/**
 * Application Service API, "Server admin style permissions": who has a namespace for itself has all users in it, and
 * none beside it. Errors: M_EXCLUSIVE.
 */
export function checkNamespace(app: App, userId: UserId, appservice: Appservice | undefined): void {
  const owner = app.appservices.ownerOfUser(userId)
  if (owner !== undefined && owner !== appservice)
    throw new MatrixError('M_EXCLUSIVE', `${userId} belongs to an application service.`)
  if (appservice !== undefined && !appservice.hasUser(userId))
    throw new MatrixError('M_EXCLUSIVE', `${userId} is not in a namespace of the application service.`)
}

/** Which of the guards did not hold. */
async function refusal(app: App, userId: UserId, { nonce, proofs }: NewAccount): Promise<MatrixError> {
  const taken = (await userById(app.db, userId)) !== undefined
  if (!taken && nonce !== undefined) return new MatrixError('M_UNKNOWN', 'The nonce is not known, used or too old.')
  if (!taken && proofs !== undefined) return proofsUsedUp()
  return new MatrixError('M_USER_IN_USE', `${userId} already exists.`)
}

export function proofsUsedUp(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'What you registered with has been used up meanwhile.')
}

export function checkPassword(password: string): void {
  if (password.length < PASSWORD_MIN_LENGTH) {
    throw new MatrixError('M_WEAK_PASSWORD', `A password has at least ${PASSWORD_MIN_LENGTH} characters.`)
  }
  if (password.length > PASSWORD_MAX_LENGTH) {
    throw new MatrixError('M_BAD_JSON', `A password has at most ${PASSWORD_MAX_LENGTH} characters.`)
  }
}
