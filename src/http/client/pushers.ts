import { type Static, Type } from '@sinclair/typebox'
import { removePusher, setPusher } from '../../actions/accounts/set-pusher.ts'
import type { App } from '../../app.ts'
import { canonicalEmail } from '../../core/email-address.ts'
import { isObject, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { MAIL_APP } from '../../store/pushers.ts'
import { pushers } from '../../views/pushers.ts'
import { endpoint } from '../endpoint.ts'
import { text } from '../texts.ts'

const APP_ID_LENGTH_MAX = 64
const PUSHKEY_BYTES_MAX = 512
const NAME_LENGTH_MAX = 255
const DATA_LENGTH_MAX = 8_192
const GATEWAY_PATH = '/_matrix/push/v1/notify'

/** Client-Server API, "Pushers". */
export const getPushers = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/pushers',
  aliases: ['r0'],
  auth: 'access-token',
  handle: async (app, { user }) => ({ pushers: await pushers(app, user.userId) }),
})

const Name = Type.Optional(text(NAME_LENGTH_MAX))
const PusherBody = Type.Object({
  app_id: Type.String({ minLength: 1, maxLength: APP_ID_LENGTH_MAX, pattern: '^[^\\u0000]*$' }),
  pushkey: text(PUSHKEY_BYTES_MAX),
  kind: Type.Union([Type.String(), Type.Null()]),
  app_display_name: Name,
  device_display_name: Name,
  profile_tag: Name,
  lang: Name,
  data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  append: Type.Optional(Type.Boolean()),
})

/** `kind: null` removes the pusher. */
export const postPusher = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/pushers/set',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  body: PusherBody,
  async handle(app, { user, body }) {
    const { app_id, pushkey, kind } = body
    if (Buffer.byteLength(pushkey) > PUSHKEY_BYTES_MAX)
      throw new MatrixError('M_INVALID_PARAM', `pushkey may have ${PUSHKEY_BYTES_MAX} bytes.`)
    const name = { user_id: user.userId, app_id, pushkey: app_id === MAIL_APP ? canonical(pushkey) : pushkey }
    if (kind === null) await removePusher(app, name)
    else {
      const data = dataOf(app, kind, body)
      // Mail goes to an address of the account, whoever is logged in.
      const session = kind === 'email' ? null : user.sessionId
      await setPusher(app, { ...name, kind, data, session, append: body.append ?? false })
    }
    return {}
  },
})

/** Addresses have one spelling, here as in `/account/3pid`. */
function canonical(pushkey: string): string {
  return canonicalEmail(pushkey) ?? pushkey
}

function dataOf(app: App, kind: string, body: Static<typeof PusherBody>): JsonObject {
  const { app_display_name, device_display_name, lang, profile_tag, data } = body
  const required = { app_display_name, device_display_name, lang, data }
  const missing = Object.entries(required).flatMap(([key, value]) => (value === undefined ? [key] : []))
  if (missing.length > 0) throw new MatrixError('M_MISSING_PARAM', `Missing: ${missing.join(', ')}.`)
  const given = data as JsonObject
  if (kind === 'email') checkMail(app, body.app_id)
  else if (kind !== 'http')
    throw new MatrixError('M_INVALID_PARAM', 'This server knows pushers of the kinds http and email.')
  else if (!isObject(given) || !isGateway(given.url))
    throw new MatrixError('M_INVALID_PARAM', `data.url is the URL of a push gateway and ends in ${GATEWAY_PATH}.`)
  if (JSON.stringify(given).length > DATA_LENGTH_MAX) throw new MatrixError('M_TOO_LARGE', 'data is too large.')
  return { ...(required as JsonObject), ...(profile_tag === undefined ? {} : { profile_tag }) }
}

function checkMail(app: App, appId: string): void {
  if (app.remote.mailer === undefined) throw new MatrixError('M_INVALID_PARAM', 'This server sends no mail.')
  if (appId !== MAIL_APP) throw new MatrixError('M_INVALID_PARAM', `The app_id of mail is ${MAIL_APP}.`)
}

function isGateway(url: unknown): boolean {
  if (typeof url !== 'string' || !URL.canParse(url)) return false
  const { protocol, pathname } = new URL(url)
  return (protocol === 'https:' || protocol === 'http:') && pathname === GATEWAY_PATH
}
