import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError, userLocked } from '../../core/matrix-error.ts'
import { deviceIdsOf, deviceOf, forgetAllDevices, forgetDevices } from '../../store/devices.ts'
import { codeIsUnspent, spendCode } from '../../store/oauth.ts'
import { type Grant, insertLogin, insertSession } from '../../store/sessions.ts'
import { endsSessions, type UserRow, userById, userIsAsSeen } from '../../store/users.ts'
import { deviceListChanges, devicesChanged } from '../keys/device-list-changes.ts'
import { write } from '../write.ts'
import { makeTokens, type Tokens, tokenColumns } from './session-tokens.ts'

export interface Login extends Tokens {
  readonly userId: UserId
  readonly deviceId: string
}

const DEVICE_ID_BYTES = 8
const FAMILY_BYTES = 16

/**
 * Checks a password, and resolves with the account as it was then. Errors: M_FORBIDDEN for a wrong one or an unknown
 * user (which takes as long), M_USER_DEACTIVATED.
 */
export async function checkCredentials(app: App, userId: string, password: string): Promise<UserRow> {
  const user = await userById(app.db, userId)
  const right = await app.live.passwordHasher.verify(password, user?.password_hash ?? null)
  if (user?.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', 'This account is deactivated.')
  if (!right || user === undefined) throw new MatrixError('M_FORBIDDEN', 'Wrong user name or password.')
  return user
}

export interface LoggingInDevice {
  readonly deviceId?: string | undefined
  readonly displayName?: string | undefined
  /** The client can refresh its tokens, so that they may expire. */
  readonly refreshable?: boolean | undefined
  /** Of a client of OAuth 2.0, which can refresh. `code` is the hash of what the session is given for, once. */
  readonly grant?: (Grant & { readonly code: Uint8Array }) | undefined
}

/**
 * Opens a session for a device, new or known, of an account, or of one as it was when its password was checked. The
 * tokens are in the answer alone. Errors: M_USER_DEACTIVATED, M_USER_LOCKED, M_FORBIDDEN where that is past, or the
 * code is spent.
 */
export async function openSession(app: App, account: UserId | UserRow, device: LoggingInDevice): Promise<Login> {
  const { refreshable = false, grant } = device
  const user = await openAccount(app, account)
  const { user_id: userId } = user
  const deviceId = device.deviceId ?? app.random.bytes(DEVICE_ID_BYTES).toString('hex').toUpperCase()
  const tokens = makeTokens(app, refreshable)
  const session = await app.db.nextId('session')
  const family = refreshable ? app.random.bytes(FAMILY_BYTES).toString('hex') : null
  const row = { session, userId, deviceId, family, grant: grant ?? null, ...tokenColumns(tokens, app.clock.now()) }
  const isNew = (await deviceOf(app.db, userId, deviceId)) === undefined
  const list = deviceListChanges(devicesChanged(userId, isNew ? [deviceId] : []), 1)
  const written = await write(app, {
    guards: [userIsAsSeen(user), ...(grant === undefined ? [] : [codeIsUnspent(grant.code)])],
    writes: [
      ...insertLogin(row, device.displayName ?? null),
      ...(grant === undefined ? [] : [spendCode(grant.code, family ?? '')]),
      ...list.writes,
    ],
    log: [{ kind: 'session', user: userId, device: deviceId }, ...list.log],
  })
  if (written === undefined) throw changedMeanwhile()
  return { userId, deviceId, ...tokens }
}

async function openAccount(app: App, account: UserId | UserRow): Promise<UserRow> {
  const user = typeof account === 'string' ? await userById(app.db, account) : account
  if (user === undefined) throw new MatrixError('M_FORBIDDEN', 'There is no such account.')
  if (user.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', 'This account is deactivated.')
  if (user.locked === 1) throw userLocked()
  return user
}

function changedMeanwhile(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'The account has changed meanwhile: log in again.')
}

/**
 * Opens a session without a device, which the user does not see, for an administrator; resolves with its token.
 * `expiresMs` null: it is good until it is logged out, or the user logs out everywhere. Errors: M_USER_DEACTIVATED,
 * M_USER_LOCKED.
 */
export async function openUnseenSession(app: App, userId: UserId, expiresMs: number | null): Promise<string> {
  const user = await openAccount(app, userId)
  const tokens = makeTokens(app, false)
  const session = await app.db.nextId('session')
  const columns = { ...tokenColumns(tokens, app.clock.now()), expiresMs }
  const row = { session, userId, deviceId: '', family: null, grant: null, ...columns }
  const written = await write(app, { guards: [userIsAsSeen(user)], writes: [insertSession(row)], log: [] })
  if (written === undefined) throw changedMeanwhile()
  return tokens.accessToken
}

/** Ends the session of a device, or of all devices of the user. */
export async function logOut(app: App, userId: UserId, deviceId: string | null): Promise<void> {
  const gone = deviceId === null ? await deviceIdsOf(app.db, userId) : [deviceId]
  const list = deviceListChanges(devicesChanged(userId, gone), 1)
  const forget = deviceId === null ? forgetAllDevices(userId) : forgetDevices(userId, gone)
  await write(app, {
    guards: deviceId === null ? [endsSessions(userId)] : [],
    writes: [...forget, ...list.writes],
    log: [{ kind: 'session', user: userId, device: deviceId }, ...list.log],
  })
}
