import { Type } from '@sinclair/typebox'
import { backfillRoom } from '../../actions/federation/backfill-room.ts'
import { messages } from '../../views/messages.ts'
import { endpoint } from '../endpoint.ts'
import { MessageQuery, pageOfMessages } from '../message-query.ts'

/** Client-Server API, "Getting events for a room". */
export const getRoomEvents = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/messages',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({ ...MessageQuery, dir: Type.Union([Type.Literal('b'), Type.Literal('f')]) }),
  async handle(app, { user, params, query }) {
    const request = { viewer: user, roomId: params.roomId, dir: query.dir, ...pageOfMessages(query) }
    const page = await messages(app, request)
    // Where our history ends, that of the room may go on at other servers.
    const more = query.dir === 'b' && page.exhausted && (await backfillRoom(app, params.roomId))
    return more ? (await messages(app, request)).json : page.json
  },
})
