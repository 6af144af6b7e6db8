import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { verifySignature } from '../../core/keys.ts'
import { MAIL_APP } from '../../store/pushers.ts'
import { publicBase } from './request-email-token.ts'
import { removePusher } from './set-pusher.ts'

/** What the link at the end of a mail says: who gets no more of them where. */
export interface Unsubscription {
  readonly user: string
  readonly address: string
  /** Our signature over both. It has no end: people look for the link in old mails. */
  readonly token: string
}

export const UNSUBSCRIBE_PATH = '/_matrix/static/client/email/unsubscribe'

export function unsubscribeLink(app: App, user: string, address: string): string {
  const token = app.key.sign(signed(user, address))
  return `${publicBase(app)}${UNSUBSCRIBE_PATH}?${new URLSearchParams({ user, address, token })}`
}

/** Whether the link is one of ours, made with the key of today or an earlier one. */
export function isUnsubscription(app: App, { user, address, token }: Unsubscription): boolean {
  const text = signed(user, address)
  return [app.key, ...app.oldKeys].some(({ publicKey }) => verifySignature(publicKey, text, token))
}

/** Ends mail of what is unread to the address. False for a link that is none of ours. */
export async function unsubscribe(app: App, wish: Unsubscription): Promise<boolean> {
  if (!isUnsubscription(app, wish)) return false
  await removePusher(app, { user_id: wish.user as UserId, app_id: MAIL_APP, pushkey: wish.address })
  return true
}

/** No JSON object, as everything else is that this key signs: neither passes for the other. */
function signed(user: string, address: string): string {
  return `unsubscribe ${JSON.stringify([user, address])}`
}
