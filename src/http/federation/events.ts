import { Type } from '@sinclair/typebox'
import { MatrixError } from '../../core/matrix-error.ts'
import { pdusById } from '../../store/pdus.ts'
import { eventNearTime, shownTo } from '../../views/federation/history.ts'
import { roomOfServer, wholeRoomOfServer } from '../../views/federation/room-access.ts'
import { authChain, stateBefore } from '../../views/federation/room-state.ts'
import { endpoint } from '../endpoint.ts'
import { pduArray, textArray } from './json-text.ts'

const AtEvent = {
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({ event_id: Type.String() }),
} as const

const Time = Type.Object({
  ts: Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  dir: Type.Union([Type.Literal('f'), Type.Literal('b')]),
})

/** Server-Server API, "Retrieving events". */
export const getEvent = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/event/{eventId}',
  auth: 'federation-signature',
  params: Type.Object({ eventId: Type.String() }),
  async handle(app, { origin, params }) {
    const [row] = await pdusById(app.db, [params.eventId])
    if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such event.')
    const room = await roomOfServer(app, row.room_id, origin)
    const pdus = textArray(await shownTo(app, room, origin, [row]))
    return `{"origin":${JSON.stringify(app.serverName)},"origin_server_ts":${app.clock.now()},"pdus":${pdus}}`
  },
})

export const getRoomState = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/state/{roomId}',
  auth: 'federation-signature',
  ...AtEvent,
  async handle(app, { origin, params, query }) {
    const room = await wholeRoomOfServer(app, params.roomId, origin)
    const { state, authChain } = await stateBefore(app, room, query.event_id)
    return `{"auth_chain":${pduArray(authChain)},"pdus":${pduArray(state)}}`
  },
})

export const getRoomStateIds = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/state_ids/{roomId}',
  auth: 'federation-signature',
  ...AtEvent,
  async handle(app, { origin, params, query }) {
    const room = await wholeRoomOfServer(app, params.roomId, origin)
    const { state, authChain } = await stateBefore(app, room, query.event_id)
    const ids = (rows: readonly { event_id: string }[]) => rows.map((row) => row.event_id)
    return { auth_chain_ids: ids(authChain), pdu_ids: ids(state) }
  },
})

/** Server-Server API, "Getting the closest event to a timestamp". */
export const getEventByTimestamp = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/timestamp_to_event/{roomId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String() }),
  query: Time,
  async handle(app, { origin, params, query }) {
    const room = await roomOfServer(app, params.roomId, origin)
    return eventNearTime(app, room, origin, query)
  },
})

export const getEventAuth = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/event_auth/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  async handle(app, { origin, params }) {
    const room = await roomOfServer(app, params.roomId, origin)
    return `{"auth_chain":${pduArray(await authChain(app, room, params.eventId))}}`
  },
})
