import type { App } from '../../app.ts'
import { canonicalJson, isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { Unreachable } from '../../remote/outbound.ts'
import {
  nameThreepidSession,
  putThreepidSession,
  type ThreepidSessionRow,
  threepidSession,
  threepidSessionStays,
} from '../../store/threepid-sessions.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { write } from '../write.ts'
import { hashSecret, sidOf, THREEPID_LIFETIME_MS, type ThreepidPurpose } from './request-email-token.ts'

export interface PhoneTokenWish {
  readonly purpose: ThreepidPurpose
  /** As if the number was dialled there. */
  readonly country: string
  readonly phone: string
  readonly clientSecret: string
  readonly sendAttempt: number
}

const SECRET_BYTES = 32
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 16_384
const RETRY_AFTER_MS = 30_000

/**
 * Has a text message sent by which somebody proves a number, and answers the id of the session. The identity server of
 * the configuration sends it, and reads numbers: until the number is proved, the session has that server's session in
 * the place of the address. The secret there is ours, a new one for each proof, so that none is good twice. Errors:
 * M_THREEPID_MEDIUM_NOT_SUPPORTED, M_LIMIT_EXCEEDED, M_INVALID_PARAM for a number that is none, M_UNKNOWN (503).
 */
export async function requestPhoneToken(app: App, wish: PhoneTokenWish): Promise<string> {
  if (app.config.client_api.msisdn.identity_server === '') throw noPhones()
  const { purpose, country, phone, clientSecret, sendAttempt } = wish
  const number = `${country} ${phone}`
  const sid = sidOf(purpose, number, clientSecret)
  const earlier = await threepidSession(app.db, sid, app.clock.now())
  if (earlier !== undefined && (earlier.validated_ts !== null || earlier.send_attempt >= sendAttempt)) return sid
  app.live.mailLimiter.check(number, 'sms')
  const secret = earlier?.token_hash ?? app.random.bytes(SECRET_BYTES)
  const content = { client_secret: hexOf(secret), country, phone_number: phone, send_attempt: sendAttempt }
  const answer = await ask(app, 'POST', '/validate/msisdn/requestToken', content)
  const theirs = textOf(answer, 'sid')
  if (theirs === undefined)
    throw new MatrixError('M_INVALID_PARAM', 'This is not a number to which messages can be sent.')
  const nowMs = app.clock.now()
  const row = {
    ...{ sid, purpose, sendAttempt, medium: 'msisdn', address: theirs, tokenHash: secret, nextLink: null },
    clientSecret: hashSecret(clientSecret),
    expiresMs: nowMs + THREEPID_LIFETIME_MS,
  }
  const guards = [threepidSessionStays(sid, earlier, nowMs)]
  await write(app, { guards, writes: putThreepidSession(row, nowMs), log: [] })
  return sid
}

/** Hands the code of a message on. Errors: M_INVALID_PARAM for a session that is none, M_LIMIT_EXCEEDED. */
export async function submitPhoneToken(app: App, sid: string, clientSecret: string, token: string): Promise<boolean> {
  const row = await threepidSession(app.db, sid, app.clock.now())
  if (row?.medium !== 'msisdn' || row.client_secret !== hashSecret(clientSecret))
    throw new MatrixError('M_INVALID_PARAM', 'There is no such session.')
  if (row.validated_ts !== null) return true
  // Codes are short: nobody may try many.
  app.live.mailLimiter.check(sid, 'sms code')
  const content = { sid: row.address, client_secret: hexOf(row.token_hash), token }
  const answer = await ask(app, 'POST', '/validate/msisdn/submitToken', content)
  return answer !== undefined && own(answer, 'success') === true
}

/** The session with the number, once it is proved. */
export async function phoneSession(app: App, row: ThreepidSessionRow): Promise<ThreepidSessionRow> {
  if (row.validated_ts !== null) return row
  const query = new URLSearchParams({ sid: row.address, client_secret: hexOf(row.token_hash) })
  const answer = await ask(app, 'GET', `/3pid/getValidated3pid?${query}`)
  const address = textOf(answer, 'address')
  if (
    answer === undefined ||
    own(answer, 'medium') !== 'msisdn' ||
    address === undefined ||
    !/^\d{3,20}$/.test(address)
  )
    return row
  const nowMs = app.clock.now()
  const guards = [threepidSessionStays(row.sid, row, nowMs)]
  const writes = [nameThreepidSession(row.sid, address, nowMs)]
  if ((await write(app, { guards, writes, log: [] })) === undefined) return row
  return { ...row, address, validated_ts: nowMs }
}

export function noPhones(): MatrixError {
  return new MatrixError('M_THREEPID_MEDIUM_NOT_SUPPORTED', 'This server sends no text messages.')
}

/** Undefined: the identity server refuses. Errors: M_UNKNOWN (503) when it is away. */
async function ask(app: App, method: string, path: string, content?: JsonObject): Promise<JsonObject | undefined> {
  const { identity_server: base, identity_token: token } = app.config.client_api.msisdn
  const url = new URL(`${base.replace(/\/+$/, '')}/_matrix/identity/v2${path}`)
  try {
    const { status, body } = await app.remote.services.request({
      method,
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      headers: { authorization: `Bearer ${token}`, ...(content && { 'content-type': 'application/json' }) },
      body: content && canonicalJson(content),
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_BYTES_MAX,
    })
    if (status === 401 || status >= 500) throw new Unreachable(`${url.origin} answered ${status}`)
    const answer = status === 200 ? parseJson(body) : undefined
    return isObject(answer) ? answer : undefined
  } catch (error) {
    app.log.warn({ err: error }, 'the identity server for numbers does not answer')
    const extra = { retry_after_ms: RETRY_AFTER_MS }
    throw new MatrixError('M_UNKNOWN', 'Numbers cannot be confirmed now; try again later.', extra, 503)
  }
}

function hexOf(secret: Uint8Array | null): string {
  return Buffer.from(secret ?? []).toString('hex')
}
