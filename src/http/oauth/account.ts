import { type Static, Type } from '@sinclair/typebox'
import { closeAccount } from '../../actions/accounts/close-account.ts'
import { checkPassword } from '../../actions/accounts/create-account.ts'
import { setPassword } from '../../actions/accounts/set-password.ts'
import { passReset } from '../../actions/sessions/approve-reset.ts'
import { deleteDevices } from '../../actions/sessions/delete-devices.ts'
import { rememberStep, type SsoStep, stepOf } from '../../actions/sessions/sso-session.ts'
import { departTo } from '../../actions/sessions/visit-provider.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { browserOf, callbackOf, goTo, markBrowser, providerNamed } from '../sso.ts'
import { DeviceId } from '../texts.ts'
import { type Account, accountOf, openAccount, showAction } from './account-pages.ts'
import { ACCOUNT_PATH } from './account-url.ts'
import { LoginForm, Session, showAccountLogin, userByPassword } from './pages.ts'
import { hasOAuth } from './reply.ts'

const FORM_BYTES = 8_192
const SessionText = Type.String({ maxLength: 255 })
const Wish = {
  action: Type.Optional(Type.String({ maxLength: 255 })),
  device_id: Type.Optional(Type.String({ maxLength: 255 })),
  uia: Type.Optional(SessionText),
}
const Choice = Type.Optional(Type.String({ maxLength: 255 }))
const Password = Type.Optional(Type.String({ maxLength: 1_024 }))
const Deed = Type.Object({
  session: SessionText,
  deed: Type.String({ maxLength: 255 }),
  device_id: Type.Optional(DeviceId),
  password: Password,
  repeated: Password,
  everywhere: Choice,
  sure: Choice,
  erase: Choice,
})

const shared = { auth: 'none', when: hasOAuth, rateLimit: 'login' } as const

/** Client-Server API, "OAuth 2.0 account management": whoever comes logs in first. */
export const getAccountManagement = endpoint({
  ...shared,
  method: 'GET',
  path: ACCOUNT_PATH,
  query: Type.Object(Wish),
  handle: (app, { query, raw, reply }) =>
    withPages(app, reply, async () => {
      const data = { action: query.action ?? '', deviceId: query.device_id ?? '', uia: query.uia ?? '' }
      const browser = markBrowser(app, raw, reply)
      const session = await rememberStep(app, 'enter', { provider: '', browser, data })
      await showAccountLogin(app, reply, { session })
    }),
})

export const enterAccountManagement = endpoint({
  ...shared,
  method: 'POST',
  path: `${ACCOUNT_PATH}/login`,
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply }) =>
    withPages(app, reply, async () => {
      const { session, user, password } = readForm(LoginForm, raw.body)
      await stepOf(app, 'enter', { id: session, browser: browserOf(raw) })
      const account = await userByPassword(app, user.trim(), password)
      if (!(account instanceof MatrixError)) return openAccount(app, { raw, reply }, session, account)
      await showAccountLogin(app, reply, { session, fault: account.message, user })
    }),
})

export const enterByProvider = endpoint({
  ...shared,
  method: 'GET',
  path: `${ACCOUNT_PATH}/sso/{idpId}`,
  params: Type.Object({ idpId: Type.String() }),
  query: Session,
  handle: (app, { params, query: { session }, raw, reply }) =>
    withPages(app, reply, async () => {
      const provider = providerNamed(app, params.idpId)
      await stepOf(app, 'enter', { id: session, browser: browserOf(raw) })
      const departure = {
        purpose: { account: session },
        browser: markBrowser(app, raw, reply),
        callback: callbackOf(app, raw, provider),
        registers: false,
      }
      goTo(reply, await departTo(app, provider, departure))
    }),
})

export const viewAccount = endpoint({
  ...shared,
  method: 'GET',
  path: `${ACCOUNT_PATH}/view`,
  query: Type.Object({ session: SessionText, ...Wish }),
  handle: (app, { query, raw, reply }) =>
    withPages(app, reply, async () => {
      const account = await accountOf(app, raw, query.session)
      const { action = '', device_id: deviceId = '' } = query
      await showAction(app, { raw, reply }, account, { action, deviceId, uia: account.data.uia })
    }),
})

/** The forms of those pages. */
export const changeAccount = endpoint({
  ...shared,
  method: 'POST',
  path: `${ACCOUNT_PATH}/do`,
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply }) =>
    withPages(app, reply, async () => {
      const form = readForm(Deed, raw.body)
      const account = await accountOf(app, raw, form.session)
      if (form.deed === 'delete' && form.device_id !== undefined) {
        await deleteDevices(app, account.userId, [form.device_id])
        const list = { action: 'org.matrix.devices_list', deviceId: '', uia: '' }
        return showAction(app, { raw, reply }, account, list)
      }
      const text = await done(app, account, form)
      await sendPage(app, reply, 'message', { title: 'Done', text })
    }),
})

/** What the user is told of it. The page is good once: whoever wants more logs in again. */
async function done(app: App, account: Account & SsoStep<'account'>, form: Static<typeof Deed>): Promise<string> {
  const { userId, data } = account
  if (form.deed === 'reset') {
    await account.take()
    await passReset(app, data.uia, userId)
    return 'Go back to your client, which makes new keys now.'
  }
  if (form.deed === 'password' && form.password !== undefined && data.passwordHash !== null) {
    if (form.password !== form.repeated) throw new MatrixError('M_INVALID_PARAM', 'The two passwords are not the same.')
    checkPassword(form.password)
    await account.take()
    await setPassword(app, userId, form.password, form.everywhere === undefined ? undefined : null)
    return 'From now on you log in with the new password.'
  }
  if (form.deed !== 'deactivate' || form.sure === undefined)
    throw new MatrixError('M_INVALID_PARAM', 'There is no such thing to do, or it is not agreed to.')
  await account.take()
  await closeAccount(app, userId, form.erase !== undefined)
  return `${userId} is closed.`
}
