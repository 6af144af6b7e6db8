import type { App } from '../../app.ts'
import { threepidSession, threepidTokenIsGood, validateThreepidSession } from '../../store/threepid-sessions.ts'
import { hashToken } from '../sessions/session-tokens.ts'
import { write } from '../write.ts'
import { THREEPID_LIFETIME_MS } from './request-email-token.ts'

export interface EmailQuestion {
  readonly address: string
  readonly purpose: string
  readonly nextLink: string | null
}

/** What the link of a mail is about; undefined when it is used or too old. It is not used by looking at it. */
export async function emailQuestion(app: App, sid: string, token: string): Promise<EmailQuestion | undefined> {
  const nowMs = app.clock.now()
  const good = await app.db.read(threepidTokenIsGood(sid, hashToken(token), nowMs).query)
  const row = good.length === 0 ? undefined : await threepidSession(app.db, sid, nowMs)
  return row && { address: row.address, purpose: row.purpose, nextLink: row.next_link }
}

/** Uses the token of a mail: the address is proved. False when it was used, or is too old. */
export async function confirmEmail(app: App, sid: string, token: string): Promise<boolean> {
  const nowMs = app.clock.now()
  const guards = [threepidTokenIsGood(sid, hashToken(token), nowMs)]
  const writes = [validateThreepidSession(sid, nowMs, nowMs + THREEPID_LIFETIME_MS)]
  return (await write(app, { guards, writes, log: [] })) !== undefined
}
