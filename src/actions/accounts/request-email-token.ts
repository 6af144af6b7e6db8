import { createHash, hash } from 'node:crypto'
import type { App } from '../../app.ts'
import { canonicalEmail } from '../../core/email-address.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import {
  deleteThreepidSession,
  putThreepidSession,
  type ThreepidSessionRow,
  threepidSession,
  threepidSessionStays,
} from '../../store/threepid-sessions.ts'
import { threepidOwner } from '../../store/threepids.ts'
import { hashToken } from '../sessions/session-tokens.ts'
import { write } from '../write.ts'
import { noMail, sendMail } from './send-mail.ts'

/** What an address is proved for: a session of one is good for nothing else. */
export type ThreepidPurpose = 'register' | 'password' | 'add'

export interface EmailTokenWish {
  readonly purpose: ThreepidPurpose
  readonly email: string
  readonly clientSecret: string
  readonly sendAttempt: number
  readonly nextLink: string | undefined
}

/** How long a message to an address is good, and then the address that it proved. */
export const THREEPID_LIFETIME_MS = 3_600_000
const TOKEN_BYTES = 32

/**
 * Sends a mail by which somebody proves an address, and answers the id of the session: the same for the same wish, and
 * a mail for each higher attempt alone. Whether the address belongs to an account is told in the mail, never to who
 * asked. Errors: those of `sendMail`, M_INVALID_PARAM, M_LIMIT_EXCEEDED.
 */
export async function requestEmailToken(app: App, wish: EmailTokenWish): Promise<string> {
  if (app.remote.mailer === undefined) throw noMail()
  const address = canonicalEmail(wish.email)
  if (address === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is not an e-mail address.')
  checkNextLink(app, wish.nextLink)
  const sid = sidOf(wish.purpose, address, wish.clientSecret)
  const earlier = await threepidSession(app.db, sid, app.clock.now())
  if (earlier !== undefined && (earlier.validated_ts !== null || earlier.send_attempt >= wish.sendAttempt)) return sid
  app.live.mailLimiter.check(address, 'mail')
  const taken = (await threepidOwner(app.db, { medium: 'email', address })) !== undefined
  const fits = taken === (wish.purpose === 'password')
  const token = fits ? app.random.bytes(TOKEN_BYTES).toString('base64url') : undefined
  // Another request about the same session was faster: its mail is under way.
  if (!(await storeAttempt(app, { ...wish, sid, address, token, earlier }))) return sid
  const link = token === undefined ? undefined : linkOf(app, sid, token)
  try {
    await sendMail(app, address, fits ? wish.purpose : taken ? 'taken' : 'unknown', { address, link })
  } catch (error) {
    await takeBack(app, sid, wish.sendAttempt)
    throw error
  }
  return sid
}

export function hashSecret(clientSecret: string): string {
  return hash('sha256', clientSecret, 'hex')
}

/** Where users reach us: the name that the request bore is anybody's to choose. */
export function publicBase(app: App): string {
  return app.config.global.well_known_client_name.replace(/\/+$/, '') || `https://${app.serverName}`
}

function checkNextLink(app: App, nextLink: string | undefined): void {
  if (nextLink === undefined) return
  const url = URL.canParse(nextLink) ? new URL(nextLink) : undefined
  const { next_link_hosts: hosts } = app.config.client_api.email
  const allowed = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
  if (!allowed || (hosts.length > 0 && !hosts.includes(url.hostname)))
    throw new MatrixError('M_INVALID_PARAM', 'This server leads nobody to the next_link.')
}

/** Who knows purpose, address and secret has the session already: its id need not be remembered to be found. */
export function sidOf(purpose: ThreepidPurpose, address: string, clientSecret: string): string {
  return createHash('sha256')
    .update(JSON.stringify([purpose, address, clientSecret]))
    .digest('base64url')
}

interface Attempt extends EmailTokenWish {
  readonly sid: string
  readonly address: string
  readonly token: string | undefined
  readonly earlier: ThreepidSessionRow | undefined
}

async function storeAttempt(app: App, attempt: Attempt): Promise<boolean> {
  const { sid, address, token, earlier, purpose, sendAttempt, nextLink = null } = attempt
  const nowMs = app.clock.now()
  const row = {
    ...{ sid, address, purpose, sendAttempt, nextLink, medium: 'email' },
    clientSecret: hashSecret(attempt.clientSecret),
    tokenHash: token === undefined ? null : hashToken(token),
    expiresMs: nowMs + THREEPID_LIFETIME_MS,
  }
  const guards = [threepidSessionStays(sid, earlier, nowMs)]
  return (await write(app, { guards, writes: putThreepidSession(row, nowMs), log: [] })) !== undefined
}

/** The attempt counts for nothing, so that the same one may be tried again. */
async function takeBack(app: App, sid: string, sendAttempt: number): Promise<void> {
  const nowMs = app.clock.now()
  const row = await threepidSession(app.db, sid, nowMs)
  if (row?.send_attempt !== sendAttempt) return
  const guards = [threepidSessionStays(sid, row, nowMs)]
  await write(app, { guards, writes: [deleteThreepidSession(sid)], log: [] })
}

function linkOf(app: App, sid: string, token: string): string {
  return `${publicBase(app)}/_matrix/static/client/email/submit_token?${new URLSearchParams({ sid, token })}`
}
