import { Type } from '@sinclair/typebox'
import { setProfile } from '../../actions/accounts/set-profile.ts'
import { type JsonObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { profile } from '../../views/profile.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { checkOwner } from './account-data.ts'

const FieldParams = Type.Object({ userId: Type.String(), keyName: Type.String() })

/** Client-Server API, "Profiles". */
export const getUserProfile = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/profile/{userId}',
  aliases: ['r0'],
  auth: 'none',
  params: Type.Object({ userId: Type.String() }),
  handle: (app, { params }) => profile(app, params.userId),
})

export const getProfileField = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  aliases: ['r0'],
  auth: 'none',
  params: FieldParams,
  async handle(app, { params }) {
    const value = own(await profile(app, params.userId, params.keyName), params.keyName)
    if (value === undefined) throw new MatrixError('M_NOT_FOUND', 'The profile has no such field.')
    return { [params.keyName]: value }
  },
})

export const setProfileField = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  guest: true,
  rateLimit: 'other',
  params: FieldParams,
  body: Type.Record(Type.String(), Type.Unknown()),
  anyNumber: true,
  async handle(app, { user, params, body }) {
    checkMayChange(user, params)
    const value = own(body as JsonObject, params.keyName)
    if (value === undefined) throw new MatrixError('M_MISSING_PARAM', `The body has no ${params.keyName}.`)
    await setProfile(app, user.userId, params.keyName, value)
    return {}
  },
})

export const deleteProfileField = endpoint({
  method: 'DELETE',
  path: '/_matrix/client/v3/profile/{userId}/{keyName}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  guest: true,
  rateLimit: 'other',
  params: FieldParams,
  async handle(app, { user, params }) {
    checkMayChange(user, params)
    await setProfile(app, user.userId, params.keyName, undefined)
    return {}
  },
})

/** Guests have a display name and no other field. */
function checkMayChange(user: Requester, { userId, keyName }: { userId: string; keyName: string }): void {
  checkOwner(user, userId)
  if (user.guest && keyName !== 'displayname') {
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may change their display name only.')
  }
}
