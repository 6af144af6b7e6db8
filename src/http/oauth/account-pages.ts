import { rememberStep, type SsoStep, stepOf } from '../../actions/sessions/sso-session.ts'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type DeviceRow, deviceOf, devicesOf } from '../../store/devices.ts'
import { type UserRow, userById } from '../../store/users.ts'
import { sendPage } from '../pages.ts'
import { browserOf, markBrowser, type Visitor } from '../sso.ts'
import { ACCOUNT_PATH } from './account-url.ts'

/** Somebody in the account management. */
export interface Account {
  readonly userId: UserId
  /** Of the browser, for the forms. */
  readonly session: string
}

/** The user has logged in: shows what they came for. Errors: M_FORBIDDEN. */
export async function openAccount(
  app: App,
  { raw, reply }: Visitor,
  session: string,
  user: UserId | UserRow,
): Promise<void> {
  const step = await stepOf(app, 'enter', { id: session, browser: browserOf(raw) })
  const account = typeof user === 'string' ? await userById(app.db, user) : user
  if (account === undefined || account.deactivated === 1 || account.locked === 1) throw closed()
  await step.take()
  const data = { ...step.data, userId: account.user_id, passwordHash: account.password_hash }
  const next = await rememberStep(app, 'account', { provider: '', browser: markBrowser(app, raw, reply), data })
  await showAction(app, { raw, reply }, { userId: account.user_id, session: next }, step.data)
}

/** Who is in the account management, as long as the account is as it was at the login. Errors: M_FORBIDDEN. */
export async function accountOf(app: App, raw: Visitor['raw'], session: string): Promise<Account & SsoStep<'account'>> {
  const step = await stepOf(app, 'account', { id: session, browser: browserOf(raw) })
  const user = await userById(app.db, step.data.userId)
  const same = user !== undefined && user.deactivated === 0 && user.locked === 0
  if (!same || user.password_hash !== step.data.passwordHash) throw closed()
  return { ...step, userId: user.user_id, session }
}

/** Names of the same from before the specification had them (MSC4191). */
const OLDER: Readonly<Record<string, string>> = {
  'org.matrix.session_view': 'org.matrix.device_view',
  'org.matrix.session_end': 'org.matrix.device_delete',
}

/** The pages have it; no client asks for it by name. */
const CHANGE_PASSWORD = 'password'

interface Shown {
  readonly action: string
  readonly deviceId: string
  readonly uia: string
}

export async function showAction(app: App, visitor: Visitor, account: Account, wish: Shown): Promise<void> {
  const action = OLDER[wish.action] ?? wish.action
  if (action === 'org.matrix.cross_signing_reset') return showReset(app, visitor, account, wish.uia)
  if (action === CHANGE_PASSWORD) return showPart(app, visitor, account, 'password', {})
  if (action === 'org.matrix.account_deactivate') return showPart(app, visitor, account, 'deactivate', {})
  const named = action === 'org.matrix.device_view' || action === 'org.matrix.device_delete'
  const device = named ? await deviceOf(app.db, account.userId, wish.deviceId) : undefined
  if (device !== undefined) return showPart(app, visitor, account, 'device', { device: told(device) })
  const devices = (await devicesOf(app.db, account.userId)).map(told)
  await showPart(app, visitor, account, 'devices', { devices })
}

async function showReset(app: App, visitor: Visitor, account: Account, uia: string): Promise<void> {
  if (uia === '') throw new MatrixError('M_FORBIDDEN', 'Begin this in your client: it leads you to this page then.')
  await showPart(app, visitor, account, 'reset', {})
}

const TITLES = {
  devices: 'Your devices',
  device: 'Your device',
  password: 'A new password',
  deactivate: 'Close your account',
  reset: 'Reset your digital identity?',
}

async function showPart(
  app: App,
  { reply }: Visitor,
  { userId, session }: Account,
  part: keyof typeof TITLES,
  data: object,
): Promise<void> {
  const urlOf = (action: string, more: Record<string, string> = {}) =>
    `${ACCOUNT_PATH}/view?${new URLSearchParams({ session, action, ...more })}`
  const page = { title: TITLES[part], action: `${ACCOUNT_PATH}/do`, part, userId, session, urlOf }
  await sendPage(app, reply, 'oauth-account', { ...page, ...data })
}

function told({ device_id: id, display_name: name, last_seen_ts: seenMs, last_seen_ip: ip }: DeviceRow) {
  const seen = seenMs === null ? undefined : `${new Date(seenMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return { id, name: name ?? '', seen, ip }
}

function closed(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'This account is closed or locked, or has changed meanwhile: log in again.')
}
