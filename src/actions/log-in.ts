import { hash } from 'node:crypto'
import type { App } from '../app.ts'
import type { UserId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { deleteDevices, insertSession } from '../store/sessions.ts'
import { userById } from '../store/users.ts'
import { write } from './write.ts'

export interface Login {
  readonly userId: UserId
  readonly deviceId: string
  readonly accessToken: string
}

const TOKEN_BYTES = 32
const DEVICE_ID_BYTES = 8

/**
 * Checks a password. Errors: M_FORBIDDEN for a wrong one or an unknown user (which takes as long), M_USER_DEACTIVATED.
 */
export async function checkCredentials(app: App, userId: string, password: string): Promise<void> {
  const user = await userById(app.db, userId)
  const right = await app.live.passwordHasher.verify(password, user?.password_hash ?? null)
  if (user?.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', 'This account is deactivated.')
  if (!right) throw new MatrixError('M_FORBIDDEN', 'Wrong user name or password.')
}

/** Opens a session for a device, new or known. The token is in the answer alone: the database has its hash. */
export async function openSession(
  app: App,
  userId: UserId,
  device: { deviceId?: string | undefined; displayName?: string | undefined },
): Promise<Login> {
  const deviceId = device.deviceId ?? app.random.bytes(DEVICE_ID_BYTES).toString('hex').toUpperCase()
  const accessToken = app.random.bytes(TOKEN_BYTES).toString('base64url')
  const session = await app.db.nextId('session')
  const nowMs = app.clock.now()
  const displayName = device.displayName ?? null
  await write(app, {
    guards: [],
    writes: insertSession({ session, userId, deviceId, tokenHash: hashToken(accessToken), displayName, nowMs }),
    log: [
      { kind: 'session', user: userId, device: deviceId },
      { kind: 'device_list', user: userId },
    ],
  })
  return { userId, deviceId, accessToken }
}

/** Ends the session of a device, or of all devices of the user. */
export async function logOut(app: App, userId: UserId, deviceId: string | null): Promise<void> {
  const log = [
    { kind: 'session', user: userId, device: deviceId },
    { kind: 'device_list', user: userId },
  ]
  await write(app, { guards: [], writes: deleteDevices(userId, deviceId), log })
}

/** Tokens are random, so one round of SHA-256 keeps them safe. */
export function hashToken(token: string): Uint8Array {
  return hash('sha256', token, 'buffer')
}
