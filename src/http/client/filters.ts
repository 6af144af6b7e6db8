import { Type } from '@sinclair/typebox'
import { storeFilter } from '../../actions/accounts/store-filter.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { storedFilter } from '../../store/filters.ts'
import { endpoint } from '../endpoint.ts'
import { checkOwner } from './account-data.ts'

/** Client-Server API, "Filtering". */
export const defineFilter = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user/{userId}/filter',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ userId: Type.String() }),
  body: Type.Record(Type.String(), Type.Unknown()),
  async handle(app, { user, params, body }) {
    checkOwner(user, params.userId)
    return { filter_id: String(await storeFilter(app, user.userId, body as JsonObject)) }
  },
})

export const getFilter = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/filter/{filterId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ userId: Type.String(), filterId: Type.String() }),
  async handle(app, { user, params }) {
    checkOwner(user, params.userId)
    const id = /^\d{1,15}$/.test(params.filterId) ? Number(params.filterId) : undefined
    const filter = id === undefined ? undefined : await storedFilter(app.db, user.userId, id)
    if (filter === undefined) throw new MatrixError('M_NOT_FOUND', 'No filter is stored under this id.')
    return filter
  },
})
