import { Type } from '@sinclair/typebox'
import { peek, unpeek } from '../../actions/memberships/peek.ts'
import { resolveRoom } from '../../views/directory.ts'
import { endpoint } from '../endpoint.ts'

/** MSC2753, never part of the specification: Go Dendrite has it, and clients that use it look for these paths. */
export const peekRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/peek/{roomIdOrAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'join',
  params: Type.Object({ roomIdOrAlias: Type.String() }),
  async handle(app, { user, params }) {
    const { roomId } = await resolveRoom(app, params.roomIdOrAlias)
    await peek(app, user, roomId)
    return { room_id: roomId }
  },
})

export const unpeekRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/unpeek',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String() }),
  async handle(app, { user, params }) {
    await unpeek(app, user, params.roomId)
    return {}
  },
})
