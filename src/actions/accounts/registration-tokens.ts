import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import {
  deleteRegistrationToken,
  insertRegistrationToken,
  limitRegistrationToken,
  type RegistrationTokenRow,
  registrationToken,
  registrationTokenIsFree,
} from '../../store/registration-tokens.ts'
import { write } from '../write.ts'

interface Limits {
  /** null: any number. */
  readonly usesAllowed: number | null
  /** null: never. */
  readonly expiresMs: number | null
}

/** Makes a token to register with, a random one of that length unless it is given. Errors: M_INVALID_PARAM. */
export async function issueRegistrationToken(
  app: App,
  wish: Limits & { readonly token: string | undefined; readonly length: number },
): Promise<RegistrationTokenRow> {
  checkExpiry(app, wish.expiresMs)
  const token = wish.token ?? app.random.bytes(wish.length).toString('base64url').slice(0, wish.length)
  const row = { token, uses_allowed: wish.usesAllowed, pending: 0, completed: 0, expires_ts: wish.expiresMs }
  const guards = [registrationTokenIsFree(token)]
  const written = await write(app, { guards, writes: [insertRegistrationToken(row)], log: [] })
  if (written === undefined) throw new MatrixError('M_INVALID_PARAM', 'There is such a token already.')
  return row
}

/** Changes the limits that are given. Errors: M_NOT_FOUND, M_INVALID_PARAM. */
export async function changeRegistrationToken(
  app: App,
  token: string,
  { usesAllowed, expiresMs }: { [K in keyof Limits]: Limits[K] | undefined },
): Promise<RegistrationTokenRow> {
  checkExpiry(app, expiresMs ?? null)
  const row = await known(app, token)
  const changed = {
    ...row,
    uses_allowed: usesAllowed === undefined ? row.uses_allowed : usesAllowed,
    expires_ts: expiresMs === undefined ? row.expires_ts : expiresMs,
  }
  await write(app, { guards: [], writes: [limitRegistrationToken(changed)], log: [] })
  return changed
}

/** Errors: M_NOT_FOUND. */
export async function revokeRegistrationToken(app: App, token: string): Promise<void> {
  await known(app, token)
  await write(app, { guards: [], writes: [deleteRegistrationToken(token)], log: [] })
}

async function known(app: App, token: string): Promise<RegistrationTokenRow> {
  const row = await registrationToken(app.db, token)
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such token.')
  return row
}

function checkExpiry(app: App, expiresMs: number | null): void {
  if (expiresMs !== null && expiresMs <= app.clock.now())
    throw new MatrixError('M_INVALID_PARAM', 'The token would have expired already.')
}
