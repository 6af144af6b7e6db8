import { Type } from '@sinclair/typebox'
import { beginDevice, requestOfDevice } from '../../actions/sessions/device-codes.ts'
import { rememberStep } from '../../actions/sessions/sso-session.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { markBrowser, publicUrl } from '../sso.ts'
import { clientOf, showLogin } from './pages.ts'
import { answerClient, hasOAuth, OAUTH_PATH, readClientForm } from './reply.ts'
import { ClientId } from './token.ts'

const FORM_BYTES = 8_192
const SCOPE_LENGTH_MAX = 2_048
const LINK_PATH = `${OAUTH_PATH}/link`
const UserCode = Type.String({ maxLength: 255 })
const DeviceForm = Type.Object({ client_id: ClientId, scope: Type.String({ maxLength: SCOPE_LENGTH_MAX }) })

const shared = { auth: 'none', when: hasOAuth, rateLimit: 'login' } as const

/** Client-Server API, "Device authorisation flow"; RFC 8628, section 3.1. */
export const authorizeDevice = endpoint({
  ...shared,
  method: 'POST',
  path: `${OAUTH_PATH}/device`,
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply }) =>
    answerClient(reply, async () => {
      const { client_id: clientId, scope } = readClientForm(DeviceForm, raw.body)
      const { deviceCode, userCode, lifetimeMs, pollMs } = await beginDevice(app, clientId, scope)
      const link = `${publicUrl(app, raw)}${LINK_PATH}`
      return {
        device_code: deviceCode,
        user_code: userCode,
        verification_uri: link,
        verification_uri_complete: `${link}?${new URLSearchParams({ user_code: userCode })}`,
        expires_in: lifetimeMs / 1_000,
        interval: pollMs / 1_000,
      }
    }),
})

/** The page on which the user says which device it is. Looking at it tells nothing of the code. */
export const getLinkPage = endpoint({
  ...shared,
  method: 'GET',
  path: LINK_PATH,
  query: Type.Object({ user_code: Type.Optional(UserCode) }),
  handle: (app, { query, reply }) =>
    withPages(app, reply, () =>
      sendPage(app, reply, 'oauth-link', { title: 'Link a device', action: LINK_PATH, code: query.user_code ?? '' }),
    ),
})

export const submitLinkPage = endpoint({
  ...shared,
  method: 'POST',
  path: LINK_PATH,
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply }) =>
    withPages(app, reply, async () => {
      const { user_code: code } = readForm(Type.Object({ user_code: UserCode }), raw.body)
      try {
        const data = await requestOfDevice(app, code)
        const client = await clientOf(app, data.clientId)
        const browser = markBrowser(app, raw, reply)
        const session = await rememberStep(app, 'authorize', { provider: '', browser, data })
        await showLogin(app, reply, { client, session })
      } catch (error) {
        if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
        const page = { title: 'Link a device', action: LINK_PATH, code, fault: error.message }
        await sendPage(app, reply, 'oauth-link', page, { status: 403 })
      }
    }),
})
