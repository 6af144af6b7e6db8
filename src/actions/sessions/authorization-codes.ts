import { createHash, timingSafeEqual } from 'node:crypto'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { OAuthClient } from '../../core/oauth/client.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import { type CodeRow, codeRow, insertCode } from '../../store/oauth.ts'
import { userIsAsSeen } from '../../store/users.ts'
import { write } from '../write.ts'
import { type Login, openSession } from './log-in.ts'
import { clientWithId } from './oauth-clients.ts'
import { endFamily } from './refresh-session.ts'
import { hashToken } from './session-tokens.ts'
import type { AuthorizationRequest, ToAddress } from './sso-session.ts'

const CODE_BYTES = 32
/** How long a code is good (RFC 6749, section 4.1.2: at most ten minutes). */
const CODE_LIFETIME_MS = 60_000
/** It is remembered so much longer: who comes with it then has stolen it, or was stolen from. */
export const SPENT_CODE_KEPT_MS = 3_600_000
const DEVICE_NAME_LENGTH_MAX = 100

/** Who agreed, as it was when the user logged in. */
export interface Consenting {
  readonly userId: string
  readonly passwordHash: string | null
}

/** A code for what the user agreed to. Errors: M_FORBIDDEN when the account has changed since. */
export async function issueCode(
  app: App,
  { clientId, scope, deviceId }: AuthorizationRequest,
  { redirectUri, challenge }: ToAddress,
  user: Consenting,
): Promise<string> {
  const code = app.random.bytes(CODE_BYTES).toString('base64url')
  const row = {
    client_id: clientId,
    user_id: user.userId,
    device_id: deviceId,
    scope,
    redirect_uri: redirectUri,
    challenge,
    expires_ts: app.clock.now() + CODE_LIFETIME_MS + SPENT_CODE_KEPT_MS,
  }
  const seen = userIsAsSeen({ user_id: user.userId as UserId, password_hash: user.passwordHash })
  const written = await write(app, { guards: [seen], writes: [insertCode(hashToken(code), row)], log: [] })
  if (written === undefined) throw new MatrixError('M_FORBIDDEN', 'The account has changed meanwhile: log in again.')
  return code
}

export interface Redemption {
  readonly code: string
  readonly clientId: string
  readonly redirectUri: string
  readonly verifier: string
}

/**
 * Opens the session that a code stands for (RFC 6749, section 4.1.3; RFC 7636, section 4.6). A code is good once: when
 * its client comes with it again, the session that it gave ends. Errors: invalid_client, invalid_grant, and those of
 * `openSession`.
 */
export async function redeemCode(app: App, wish: Redemption): Promise<Login & { readonly scope: string }> {
  const client = await clientWithId(app, wish.clientId)
  const hash = hashToken(wish.code)
  const row = await codeRow(app.db, hash)
  if (row === undefined || row.client_id !== wish.clientId) throw notGood()
  await refuseSpent(app, row)
  const good = row.expires_ts - SPENT_CODE_KEPT_MS > app.clock.now()
  if (!good || row.redirect_uri !== wish.redirectUri || !fits(row.challenge, wish.verifier)) throw notGood()
  return openGranted(app, client, hash, row)
}

/** Opens the session, once: who is too late ends it. Errors: invalid_grant, and those of `openSession`. */
export async function openGranted(
  app: App,
  client: OAuthClient,
  hash: Uint8Array,
  { scope, device_id: deviceId, client_id: clientId, user_id: userId }: CodeRow,
): Promise<Login & { readonly scope: string }> {
  const device = {
    deviceId,
    displayName: (client.client_name ?? new URL(client.client_uri).host).slice(0, DEVICE_NAME_LENGTH_MAX),
    refreshable: true,
    grant: { clientId, scope, code: hash },
  }
  try {
    return { ...(await openSession(app, userId as UserId, device)), scope }
  } catch (error) {
    // Of two who come at the same time one was faster, and both may be thieves.
    const now = await codeRow(app.db, hash)
    if (now !== undefined) await refuseSpent(app, now)
    throw error
  }
}

/** Errors: invalid_grant for a code that has given something, which ends. */
export async function refuseSpent(app: App, { family, ...code }: CodeRow): Promise<void> {
  if (family === null) return
  await endFamily(app, { ...code, family })
  throw notGood()
}

function fits(challenge: string, verifier: string): boolean {
  const [wanted, given] = [
    Buffer.from(challenge),
    Buffer.from(createHash('sha256').update(verifier).digest('base64url')),
  ]
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

export function notGood(): OAuthError {
  return new OAuthError('invalid_grant', 'The code is not known, used up, too old, or was given for another request.')
}
