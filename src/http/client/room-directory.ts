import { Type } from '@sinclair/typebox'
import { deleteAlias } from '../../actions/rooms/delete-alias.ts'
import { publish, publishInNetwork } from '../../actions/rooms/publish-room.ts'
import { setAlias } from '../../actions/rooms/set-alias.ts'
import { localAliases, resolveAlias, visibility } from '../../views/directory.ts'
import { endpoint } from '../endpoint.ts'
import { text } from '../texts.ts'

const ID_LENGTH_MAX = 255
const AliasParams = Type.Object({ roomAlias: Type.String() })
const RoomParams = Type.Object({ roomId: Type.String() })

/** Client-Server API, "Room aliases". */
export const getRoomIdByAlias = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/directory/room/{roomAlias}',
  aliases: ['r0'],
  auth: 'none',
  params: AliasParams,
  handle: (app, { params }) => resolveAlias(app, params.roomAlias),
})

export const setRoomAlias = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/directory/room/{roomAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  rateLimit: 'other',
  params: AliasParams,
  body: Type.Object({ room_id: Type.String() }),
  async handle(app, { user, params, body }) {
    await setAlias(app, user, params.roomAlias, body.room_id)
    return {}
  },
})

export const deleteRoomAlias = endpoint({
  method: 'DELETE',
  path: '/_matrix/client/v3/directory/room/{roomAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  params: AliasParams,
  async handle(app, { user, params }) {
    await deleteAlias(app, user, params.roomAlias)
    return {}
  },
})

export const getLocalAliases = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/aliases',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  params: RoomParams,
  handle: (app, { user, params }) => localAliases(app, user.userId, params.roomId),
})

/** Client-Server API, "Published room directory". */
export const getRoomVisibilityOnDirectory = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/directory/list/room/{roomId}',
  aliases: ['r0'],
  auth: 'none',
  params: RoomParams,
  handle: (app, { params }) => visibility(app, params.roomId),
})

export const setRoomVisibilityOnDirectory = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/directory/list/room/{roomId}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  rateLimit: 'other',
  params: RoomParams,
  body: Type.Object({ visibility: Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('private')])) }),
  async handle(app, { user, params, body }) {
    await publish(app, user, params.roomId, body.visibility !== 'private')
    return {}
  },
})

const NetworkRoom = Type.Object({ networkId: text(ID_LENGTH_MAX), roomId: Type.String() })
const NETWORK_ROOM = '/_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}'

/** Application Service API, "Published room directories". */
export const updateAppserviceRoomDirectoryVisibility = endpoint({
  method: 'PUT',
  path: NETWORK_ROOM,
  aliases: ['r0'],
  auth: 'appservice-token',
  params: NetworkRoom,
  body: Type.Object({ visibility: Type.Union([Type.Literal('public'), Type.Literal('private')]) }),
  async handle(app, { appservice, params, body }) {
    await publishInNetwork(app, appservice, { ...params, published: body.visibility === 'public' })
    return {}
  },
})

/** What bridges use, and the specification does not know. */
export const removeFromAppserviceRoomDirectory = endpoint({
  method: 'DELETE',
  path: NETWORK_ROOM,
  aliases: ['r0'],
  auth: 'appservice-token',
  params: NetworkRoom,
  async handle(app, { appservice, params }) {
    await publishInNetwork(app, appservice, { ...params, published: false })
    return {}
  },
})
