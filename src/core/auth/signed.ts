import type { AuthEvent } from '../event.ts'
import { serverNameOf } from '../ids.ts'
import { own } from '../json.ts'
import type { RoomVersion } from '../room-version.ts'
import { ALLOW, deny, type Verdict } from './verdict.ts'

/**
 * The rule `member.signed` (v8+): who is named as vouching for a join has their server sign the event. `signers` are
 * the servers whose signatures were verified, or are about to be made.
 */
export function authoriseSigned(version: RoomVersion, event: AuthEvent, signers: ReadonlySet<string>): Verdict {
  const { type, content } = event
  const voucher = own(content, 'join_authorised_via_users_server')
  if (type !== 'm.room.member' || !version.restricted || voucher === undefined) return ALLOW
  if (typeof voucher === 'string' && signers.has(serverNameOf(voucher))) return ALLOW
  return deny(version, 'member.signed.voucher', 'the server of the vouching user has not signed')
}
