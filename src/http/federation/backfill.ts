import { Type } from '@sinclair/typebox'
import type { EventId } from '../../core/ids.ts'
import { backfill, missingEvents } from '../../views/federation/history.ts'
import { roomOfServer } from '../../views/federation/room-access.ts'
import { endpoint } from '../endpoint.ts'
import { textArray } from './json-text.ts'

const RoomParams = Type.Object({ roomId: Type.String() })
const EventIds = Type.Array(Type.String(), { maxItems: 100 })

/** Server-Server API, "Backfilling and retrieving missing events". */
export const backfillRoom = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/backfill/{roomId}',
  auth: 'federation-signature',
  params: RoomParams,
  query: Type.Object({ v: Type.Union([EventIds, Type.String()]), limit: Type.Integer({ minimum: 1 }) }),
  async handle(app, { origin, params, query }) {
    const room = await roomOfServer(app, params.roomId, origin)
    const from = typeof query.v === 'string' ? [query.v] : query.v
    const pdus = textArray(await backfill(app, room, origin, from, query.limit))
    return `{"origin":${JSON.stringify(app.serverName)},"origin_server_ts":${app.clock.now()},"pdus":${pdus}}`
  },
})

export const getMissingEvents = endpoint({
  method: 'POST',
  path: '/_matrix/federation/v1/get_missing_events/{roomId}',
  auth: 'federation-signature',
  params: RoomParams,
  body: Type.Object({
    earliest_events: Type.Optional(EventIds),
    latest_events: Type.Optional(EventIds),
    limit: Type.Optional(Type.Integer({ minimum: 0 })),
    min_depth: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  async handle(app, { origin, params, body }) {
    const room = await roomOfServer(app, params.roomId, origin)
    const gap = {
      earliest: (body.earliest_events ?? []) as EventId[],
      latest: (body.latest_events ?? []) as EventId[],
      limit: body.limit ?? 10,
      minDepth: body.min_depth ?? 0,
    }
    return `{"events":${textArray(await missingEvents(app, room, origin, gap))}}`
  },
})
