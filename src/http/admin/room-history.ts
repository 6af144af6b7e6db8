import { Type } from '@sinclair/typebox'
import { listHeads } from '../../store/admin-rooms.ts'
import { anyEvent, anyEventNearTime } from '../../views/any-event.ts'
import { messages } from '../../views/messages.ts'
import { anyRoom } from '../../views/readable-room.ts'
import { MessageQuery, pageOfMessages } from '../message-query.ts'
import { adminEndpoint } from './administrator.ts'
import { Direction } from './paging.ts'

const PATH = '/_synapse/admin/v1'
const Params = Type.Object({ roomId: Type.String() })

/** What was said in a room, whoever may see it, as the administration API of Synapse has it. */
export const getMessagesOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/rooms/{roomId}/messages`,
  confidential: true,
  params: Params,
  query: Type.Object({ ...MessageQuery, dir: Direction }),
  async handle(app, { user, params, query }) {
    const { json } = await messages(app, {
      viewer: user,
      roomId: params.roomId,
      dir: query.dir ?? 'f',
      ...pageOfMessages(query),
      everything: true,
    })
    return json
  },
})

export const getEventByTimestampOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/rooms/{roomId}/timestamp_to_event`,
  confidential: true,
  params: Params,
  query: Type.Object({
    ts: Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
    dir: Direction,
  }),
  handle: (app, { params, query }) => anyEventNearTime(app, params.roomId, query.ts, query.dir ?? 'f'),
})

/** The ends of the room that nothing follows yet. */
export const getForwardExtremitiesOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/rooms/{roomId}/forward_extremities`,
  params: Params,
  async handle(app, { params }) {
    const heads = await listHeads(app.db, (await anyRoom(app, params.roomId)).room)
    return { count: heads.length, results: heads }
  },
})

export const fetchEvent = adminEndpoint({
  method: 'GET',
  path: `${PATH}/fetch_event/{eventId}`,
  confidential: true,
  params: Type.Object({ eventId: Type.String() }),
  handle: async (app, { user, params }) => `{"event":${await anyEvent(app, user, params.eventId)}}`,
})
