import { type TObject, type TProperties, Type } from '@sinclair/typebox'
import type { App } from '../../app.ts'
import { limitOf, relations } from '../../views/relations.ts'
import { endpoint, type Requester } from '../endpoint.ts'

const PATH = '/_matrix/client/v1/rooms/{roomId}/relations/{eventId}'
const DEFAULT_LIMIT = 50
const MAX_LIMIT = 100

const Query = Type.Object({
  dir: Type.Optional(Type.Union([Type.Literal('b'), Type.Literal('f')])),
  from: Type.Optional(Type.String()),
  to: Type.Optional(Type.String()),
  limit: Type.Optional(Type.Integer()),
  recurse: Type.Optional(Type.Boolean()),
})

/** Client-Server API, "Relationships API". */
export const getRelatingEvents = relating(PATH, {})
export const getRelatingEventsWithRelType = relating(`${PATH}/{relType}`, { relType: Type.String() })
export const getRelatingEventsWithRelTypeAndEventType = relating(`${PATH}/{relType}/{eventType}`, {
  relType: Type.String(),
  eventType: Type.String(),
})

function relating(path: string, more: TProperties) {
  const params: TObject = Type.Object({ roomId: Type.String(), eventId: Type.String(), ...more })
  return endpoint({
    method: 'GET',
    path,
    aliases: ['unstable'],
    auth: 'access-token',
    params,
    query: Query,
    handle: (app, { user, params: named, query }) => answer(app, user, named as unknown as Named, query),
  })
}

interface Named {
  readonly roomId: string
  readonly eventId: string
  readonly relType?: string
  readonly eventType?: string
}

function answer(app: App, viewer: Requester, named: Named, query: (typeof Query)['static']): Promise<string> {
  const { dir = 'b', from, to, recurse } = query
  const limit = limitOf(query.limit, DEFAULT_LIMIT, MAX_LIMIT)
  return relations(app, { viewer, ...named, dir, from, to, limit, recurse })
}
