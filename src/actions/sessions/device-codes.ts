import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { DEVICE_GRANT } from '../../core/oauth/client.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import { readScope } from '../../core/oauth/scope.ts'
import { makeUserCode, readUserCode } from '../../core/oauth/user-code.ts'
import { codeRow, insertCode } from '../../store/oauth.ts'
import {
  answerDeviceCode,
  type DeviceCodeRow,
  deviceCode,
  deviceCodeShown,
  deviceWaits,
  insertDeviceCode,
  notePoll,
} from '../../store/oauth-devices.ts'
import { userIsAsSeen } from '../../store/users.ts'
import { write } from '../write.ts'
import { type Consenting, notGood, openGranted, refuseSpent, SPENT_CODE_KEPT_MS } from './authorization-codes.ts'
import type { Login } from './log-in.ts'
import { clientWithId } from './oauth-clients.ts'
import { hashToken } from './session-tokens.ts'
import type { AuthorizationRequest } from './sso-session.ts'

const CODE_BYTES = 32
const LIFETIME_MS = 15 * 60_000
/** Between two questions of a device. */
const POLL_MS = 5_000
const WAITING_MAX = 10_000

export interface WaitingDevice {
  readonly deviceCode: string
  readonly userCode: string
  readonly lifetimeMs: number
  readonly pollMs: number
}

/** A device begins to wait (RFC 8628, section 3.1). Errors: invalid_client, unauthorized_client, invalid_scope. */
export async function beginDevice(app: App, clientId: string, scope: string): Promise<WaitingDevice> {
  const client = await clientWithId(app, clientId)
  if (!client.grant_types.includes(DEVICE_GRANT))
    throw new OAuthError('unauthorized_client', `The client has not registered with ${DEVICE_GRANT}.`)
  const { granted, deviceId } = readScope(scope)
  const code = app.random.bytes(CODE_BYTES).toString('base64url')
  const userCode = makeUserCode(app.random.bytes(CODE_BYTES))
  const nowMs = app.clock.now()
  const row = {
    code_hash: hashToken(code),
    user_code: userCode,
    client_id: clientId,
    device_id: deviceId,
    scope: granted,
    // The first question may come at once.
    polled_ts: nowMs - POLL_MS,
    expires_ts: nowMs + LIFETIME_MS,
  }
  await write(app, { guards: [], writes: insertDeviceCode(row, WAITING_MAX), log: [] })
  return { deviceCode: code, userCode, lifetimeMs: LIFETIME_MS, pollMs: POLL_MS }
}

/** What the device asks for that shows the code, however it was typed. Errors: M_FORBIDDEN. */
export async function requestOfDevice(app: App, typed: string): Promise<AuthorizationRequest> {
  const { user_code: userCode, client_id: clientId, scope, device_id: deviceId } = await waiting(app, typed)
  return { clientId, scope, deviceId, to: { userCode } }
}

/** The user lets the device in, or, undefined, does not. Errors: M_FORBIDDEN when the account has changed since. */
export async function answerDevice(app: App, userCode: string, user: Consenting | undefined): Promise<void> {
  const { code_hash: hash, client_id, device_id, scope, expires_ts } = await waiting(app, userCode)
  const answered = answerDeviceCode(userCode, user === undefined ? 'deny' : 'allow')
  const [guards, writes] = [[deviceWaits(userCode)], [answered]]
  if (user !== undefined) {
    guards.push(userIsAsSeen({ user_id: user.userId as UserId, password_hash: user.passwordHash }))
    const forgotten = expires_ts + SPENT_CODE_KEPT_MS
    const code = { client_id, device_id, scope, user_id: user.userId, redirect_uri: '', challenge: '' }
    writes.push(insertCode(hash, { ...code, expires_ts: forgotten }))
  }
  const written = await write(app, { guards, writes, log: [] })
  if (written === undefined) throw new MatrixError('M_FORBIDDEN', 'The account has changed meanwhile: begin again.')
}

/**
 * Opens the session of a device, once the user has let it in (RFC 8628, section 3.4). Errors: authorization_pending,
 * slow_down, access_denied, expired_token, and those of `redeemCode`.
 */
export async function redeemDeviceCode(
  app: App,
  { code, clientId }: { readonly code: string; readonly clientId: string },
): Promise<Login & { readonly scope: string }> {
  const client = await clientWithId(app, clientId)
  const hash = hashToken(code)
  const device = await deviceCode(app.db, hash)
  if (device === undefined || device.client_id !== clientId) throw notGood()
  const granted = await codeRow(app.db, hash)
  if (granted !== undefined) await refuseSpent(app, granted)
  const nowMs = app.clock.now()
  if (device.expires_ts <= nowMs) throw new OAuthError('expired_token', 'The user has not answered in time.')
  if (device.answer === 'deny') throw new OAuthError('access_denied', 'The user does not let the device in.')
  if (device.answer === null) throw await notYet(app, device, nowMs)
  // A new password, or the end of the account, took back what the user had agreed to.
  if (granted === undefined) throw notGood()
  return openGranted(app, client, hash, granted)
}

async function notYet(app: App, { code_hash: hash, polled_ts: polledMs }: DeviceCodeRow, nowMs: number) {
  await write(app, { guards: [], writes: [notePoll(hash, nowMs)], log: [] })
  if (nowMs - polledMs < POLL_MS) return new OAuthError('slow_down', 'The device asks too often.')
  return new OAuthError('authorization_pending', 'The user has not answered yet.')
}

async function waiting(app: App, typed: string): Promise<DeviceCodeRow> {
  const device = await deviceCodeShown(app.db, readUserCode(typed))
  if (device !== undefined && device.answer === null && device.expires_ts > app.clock.now()) return device
  throw new MatrixError('M_FORBIDDEN', 'No device waits with this code. Is it typed as it is shown, and not too old?')
}
