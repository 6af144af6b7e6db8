import { Type } from '@sinclair/typebox'
import { spaceForServer } from '../../views/federation/space.ts'
import { endpoint } from '../endpoint.ts'

/** Server-Server API, "Spaces". */
export const getSpaceHierarchy = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/hierarchy/{roomId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({ suggested_only: Type.Optional(Type.Boolean()) }),
  handle: (app, { origin, params, query }) => spaceForServer(app, origin, params.roomId, query.suggested_only ?? false),
})
