import { Type } from '@sinclair/typebox'
import type { InviteByAddress } from '../../actions/memberships/invite-by-address.ts'
import { canonicalEmail } from '../../core/email-address.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { IdAccessToken, IdServer } from '../texts.ts'

const ADDRESS_LENGTH_MAX = 254

/** Client-Server API, "Third-party invites": how somebody is named by an address. */
export const AddressInvite = {
  id_server: Type.Optional(IdServer),
  id_access_token: Type.Optional(IdAccessToken),
  medium: Type.Optional(Type.String({ maxLength: 32 })),
  address: Type.Optional(Type.String({ maxLength: ADDRESS_LENGTH_MAX })),
}
const Invite = Type.Object(AddressInvite)

/** Errors: M_MISSING_PARAM, M_INVALID_PARAM. */
export function addressIn(
  body: typeof Invite.static,
): Pick<InviteByAddress, 'medium' | 'address' | 'idServer' | 'token'> {
  const { id_server: idServer, id_access_token: token, medium, address } = body
  if (idServer === undefined || token === undefined || medium === undefined || address === undefined)
    throw new MatrixError('M_MISSING_PARAM', 'An invite has id_server, id_access_token, medium and address.')
  const canonical = medium === 'email' ? canonicalEmail(address) : address
  if (canonical === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is not an e-mail address.')
  return { medium, address: canonical, idServer, token }
}
