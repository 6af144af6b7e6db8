import type { App } from '../app.ts'
import type { UserId } from '../core/ids.ts'
import { MatrixError, userLocked } from '../core/matrix-error.ts'
import { deviceIdsOf, deviceOf, forgetAllDevices, forgetDevices } from '../store/devices.ts'
import { insertLogin, insertSession } from '../store/sessions.ts'
import { userById } from '../store/users.ts'
import { deviceListChanges, devicesChanged } from './device-list-changes.ts'
import { makeTokens, type Tokens, tokenColumns } from './session-tokens.ts'
import { write } from './write.ts'

export interface Login extends Tokens {
  readonly userId: UserId
  readonly deviceId: string
}

const DEVICE_ID_BYTES = 8
const FAMILY_BYTES = 16

/**
 * Checks a password. Errors: M_FORBIDDEN for a wrong one or an unknown user (which takes as long), M_USER_DEACTIVATED.
 */
export async function checkCredentials(app: App, userId: string, password: string): Promise<void> {
  const user = await userById(app.db, userId)
  const right = await app.live.passwordHasher.verify(password, user?.password_hash ?? null)
  if (user?.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', 'This account is deactivated.')
  if (!right) throw new MatrixError('M_FORBIDDEN', 'Wrong user name or password.')
}

export interface LoggingInDevice {
  readonly deviceId?: string | undefined
  readonly displayName?: string | undefined
  /** The client can refresh its tokens, so that they may expire. */
  readonly refreshable?: boolean | undefined
}

/**
 * Opens a session for a device, new or known. The tokens are in the answer alone. Errors: M_USER_DEACTIVATED,
 * M_USER_LOCKED.
 */
export async function openSession(app: App, userId: UserId, device: LoggingInDevice): Promise<Login> {
  await checkMayLogIn(app, userId)
  const deviceId = device.deviceId ?? app.random.bytes(DEVICE_ID_BYTES).toString('hex').toUpperCase()
  const tokens = makeTokens(app, device.refreshable === true)
  const session = await app.db.nextId('session')
  const family = device.refreshable === true ? app.random.bytes(FAMILY_BYTES).toString('hex') : null
  const row = { session, userId, deviceId, family, ...tokenColumns(tokens, app.clock.now()) }
  const isNew = (await deviceOf(app.db, userId, deviceId)) === undefined
  const list = deviceListChanges(devicesChanged(userId, isNew ? [deviceId] : []), 1)
  await write(app, {
    guards: [],
    writes: [...insertLogin(row, device.displayName ?? null), ...list.writes],
    log: [{ kind: 'session', user: userId, device: deviceId }, ...list.log],
  })
  return { userId, deviceId, ...tokens }
}

async function checkMayLogIn(app: App, userId: UserId): Promise<void> {
  const user = await userById(app.db, userId)
  if (user?.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', 'This account is deactivated.')
  if (user?.locked === 1) throw userLocked()
}

/**
 * Opens a session without a device, which the user does not see, for an administrator; resolves with its token.
 * `expiresMs` null: it is good until it is logged out, or the user logs out everywhere. Errors: M_USER_DEACTIVATED,
 * M_USER_LOCKED.
 */
export async function openUnseenSession(app: App, userId: UserId, expiresMs: number | null): Promise<string> {
  await checkMayLogIn(app, userId)
  const tokens = makeTokens(app, false)
  const session = await app.db.nextId('session')
  const row = { session, userId, deviceId: '', family: null, ...tokenColumns(tokens, app.clock.now()), expiresMs }
  await write(app, { guards: [], writes: [insertSession(row)], log: [] })
  return tokens.accessToken
}

/** Ends the session of a device, or of all devices of the user. */
export async function logOut(app: App, userId: UserId, deviceId: string | null): Promise<void> {
  const gone = deviceId === null ? await deviceIdsOf(app.db, userId) : [deviceId]
  const list = deviceListChanges(devicesChanged(userId, gone), 1)
  const forget = deviceId === null ? forgetAllDevices(userId) : forgetDevices(userId, gone)
  await write(app, {
    guards: [],
    writes: [...forget, ...list.writes],
    log: [{ kind: 'session', user: userId, device: deviceId }, ...list.log],
  })
}
