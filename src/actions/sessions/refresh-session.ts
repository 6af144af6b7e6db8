import type { App } from '../../app.ts'
import { MatrixError, userLocked } from '../../core/matrix-error.ts'
import {
  expireFamily,
  type Family,
  markSessionUsed,
  type RefreshableRow,
  replaceSession,
  type SessionRow,
  sessionByRefreshToken,
  sessionIsAsSeen,
} from '../../store/sessions.ts'
import { write } from '../write.ts'
import { hashToken, makeTokens, type Tokens, tokenColumns } from './session-tokens.ts'

/** Tries when the same token is refreshed several times at once. */
const MAX_TRIES = 10
/** Spent tokens are remembered so long: who comes with one later has stolen it, or was stolen from. */
const SPENT_TOKENS_KEPT_MS = 7 * 24 * 3_600_000

/**
 * New tokens for a refresh token (Client-Server API, "Refreshing access tokens"). The old one counts until one of the
 * new ones is used: an answer that was lost can be asked for again. After that, coming with it ends the whole family.
 * `clientId` is the client of OAuth 2.0 that comes, null for the legacy API: a token is good with that alone which gave
 * it. Errors: M_UNKNOWN_TOKEN, M_USER_LOCKED.
 */
export async function refreshSession(
  app: App,
  refreshToken: string,
  clientId: string | null = null,
): Promise<Tokens & { readonly scope: string | null }> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const old = await sessionByRefreshToken(app.db, hashToken(refreshToken))
    if (old === undefined || old.deactivated === 1 || old.client_id !== clientId) throw unknown({})
    if (old.locked === 1) throw userLocked()
    if (old.successor_used === 1) {
      await endFamily(app, old)
      throw unknown({ soft_logout: true })
    }
    const tokens = await replace(app, old)
    if (tokens !== undefined) return { ...tokens, scope: old.scope }
  }
  throw new MatrixError('M_UNKNOWN', 'The token is being refreshed too often; try again.', {}, 503)
}

/** Notes the first use of tokens that replaced others, which ends those. */
export async function noteFirstUse(app: App, session: SessionRow): Promise<void> {
  await write(app, { guards: [], writes: markSessionUsed(session, app.clock.now()), log: [] })
}

async function replace(app: App, old: RefreshableRow): Promise<Tokens | undefined> {
  const tokens = makeTokens(app, true)
  const nowMs = app.clock.now()
  const next = {
    session: await app.db.nextId('session'),
    userId: old.user_id,
    deviceId: old.device_id,
    family: old.family,
    grant: old.client_id === null ? null : { clientId: old.client_id, scope: old.scope ?? '' },
    ...tokenColumns(tokens, nowMs),
  }
  const writes = replaceSession(old, next, nowMs - SPENT_TOKENS_KEPT_MS)
  const written = await write(app, { guards: [sessionIsAsSeen(old)], writes, log: [] })
  return written === undefined ? undefined : tokens
}

/** Ends a session of which something came back that was spent: somebody has stolen it. */
export async function endFamily(app: App, old: Family): Promise<void> {
  app.log.warn({ user: old.user_id, device: old.device_id }, 'a spent token or code came back; its session is ended')
  await write(app, {
    guards: [],
    writes: [expireFamily(old, app.clock.now())],
    log: [{ kind: 'session', user: old.user_id, device: old.device_id }],
  })
}

function unknown(extra: Readonly<Record<string, unknown>>): MatrixError {
  return new MatrixError('M_UNKNOWN_TOKEN', 'The refresh token is not known, or was used already.', extra)
}
