import { Type } from '@sinclair/typebox'
import type { App } from '../app.ts'
import { canonicalEmail } from '../core/email-address.ts'
import { isValidUserId, userId as makeUserId, type UserId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { threepidOwner } from '../store/threepids.ts'
import { text, UserName } from './texts.ts'

const ADDRESS_LENGTH_MAX = 254

/** Client-Server API, "Identifier types"; and as clients wrote them before there were types. */
export const Identification = {
  identifier: Type.Optional(
    Type.Object({
      type: Type.String(),
      user: Type.Optional(UserName),
      medium: Type.Optional(text(ADDRESS_LENGTH_MAX)),
      address: Type.Optional(text(ADDRESS_LENGTH_MAX)),
    }),
  ),
  user: Type.Optional(UserName),
  medium: Type.Optional(text(ADDRESS_LENGTH_MAX)),
  address: Type.Optional(text(ADDRESS_LENGTH_MAX)),
}
const Identified = Type.Object(Identification)

/**
 * The account that a body names, whether there is one or not: an address that nobody has stands for itself. Errors:
 * M_UNKNOWN for a type that is not known, M_MISSING_PARAM, M_INVALID_PARAM.
 */
export async function accountIn(app: App, body: typeof Identified.static): Promise<string> {
  const { type = body.medium === undefined ? 'm.id.user' : 'm.id.thirdparty' } = body.identifier ?? {}
  const { user, medium, address } = body.identifier ?? body
  if (type === 'm.id.user' && user !== undefined) return accountNamed(app, user)
  if (type === 'm.id.thirdparty' && medium !== undefined && address !== undefined)
    return accountAt(app, medium, address)
  if (type !== 'm.id.user' && type !== 'm.id.thirdparty')
    throw new MatrixError('M_UNKNOWN', `Identifier type ${type} is not supported.`)
  throw new MatrixError('M_MISSING_PARAM', 'A user name, or medium and address, are needed.')
}

async function accountAt(app: App, medium: string, address: string): Promise<string> {
  const canonical = (medium === 'email' ? canonicalEmail(address) : undefined) ?? address
  return (await threepidOwner(app.db, { medium, address: canonical })) ?? `${medium}:${canonical}`
}

/** A localpart or a whole user id. Upper case is folded in ASCII alone, so that no other letter turns into one. */
function accountNamed(app: App, name: string): UserId {
  if (name.startsWith('@')) {
    if (!isValidUserId(name)) throw new MatrixError('M_INVALID_PARAM', 'This is not a user id.')
    return name
  }
  return makeUserId(foldAscii(name), app.serverName)
}

export function foldAscii(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
