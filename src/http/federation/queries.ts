import { Type } from '@sinclair/typebox'
import { serverNameOf } from '../../core/ids.ts'
import { isObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { profileOf } from '../../store/profiles.ts'
import { userById } from '../../store/users.ts'
import { resolveAlias } from '../../views/directory.ts'
import { endpoint } from '../endpoint.ts'

/** Server-Server API, "Querying for information". */
export const queryRoomDirectory = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/query/directory',
  auth: 'federation-signature',
  query: Type.Object({ room_alias: Type.String() }),
  async handle(app, { query }) {
    if (serverNameOf(query.room_alias) !== app.serverName)
      throw new MatrixError('M_NOT_FOUND', 'The alias is not of this server.')
    return resolveAlias(app, query.room_alias)
  },
})

export const queryProfile = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/query/profile',
  auth: 'federation-signature',
  query: Type.Object({ user_id: Type.String(), field: Type.Optional(Type.String()) }),
  async handle(app, { query }) {
    const local = serverNameOf(query.user_id) === app.serverName
    const user = local ? await userById(app.db, query.user_id) : undefined
    if (user === undefined || user.deactivated === 1) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
    const profile = await profileOf(app.db, query.user_id)
    if (query.field === undefined) return profile
    const value = isObject(profile) ? own(profile, query.field) : undefined
    return value === undefined ? {} : { [query.field]: value }
  },
})
