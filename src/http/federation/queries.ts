import { Type } from '@sinclair/typebox'
import { serverNameOf } from '../../core/ids.ts'
import { own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { resolveAlias } from '../../views/directory.ts'
import { localProfile } from '../../views/profile.ts'
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
    if (serverNameOf(query.user_id) !== app.serverName)
      throw new MatrixError('M_NOT_FOUND', 'The user is not of this server.')
    const profile = await localProfile(app, query.user_id)
    if (query.field === undefined) return profile
    const value = own(profile, query.field)
    return value === undefined ? {} : { [query.field]: value }
  },
})

/** The other types: none is known. */
export const queryInfo = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/query/{queryType}',
  auth: 'federation-signature',
  params: Type.Object({ queryType: Type.String() }),
  async handle(_app, { params }) {
    throw new MatrixError('M_UNRECOGNIZED', `Queries of the type ${params.queryType} are not known.`)
  },
})
