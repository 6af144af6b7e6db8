import { Type } from '@sinclair/typebox'
import { changeMembership } from '../../actions/memberships/change-membership.ts'
import { join } from '../../actions/memberships/join.ts'
import { beginRoomEnding } from '../../actions/rooms/begin-room-ending.ts'
import { endRoom, type RoomEnding, setBlocked } from '../../actions/rooms/evacuate-room.ts'
import { makeRoomAdmin } from '../../actions/rooms/make-room-admin.ts'
import type { App } from '../../app.ts'
import type { ServerName, UserId } from '../../core/ids.ts'
import { isObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { countRooms, type ListedRoom, listedRoom, listRooms } from '../../store/admin-rooms.ts'
import { membershipOf, membersOf } from '../../store/memberships.ts'
import { endingsById, endingsOfRoom, type RoomEndingRow } from '../../store/room-endings.ts'
import { roomById } from '../../store/rooms.ts'
import { resolveRoom } from '../../views/directory.ts'
import { wholeState } from '../../views/whole-state.ts'
import { text } from '../texts.ts'
import { adminEndpoint, localUser } from './administrator.ts'
import { Direction, Page, pageOf } from './paging.ts'

const PATH = '/_synapse/admin/v1/rooms'
const SEARCH_LENGTH_MAX = 255
const REASON_LENGTH_MAX = 2_000
/** Members named in one answer. */
const MEMBERS_MAX = 100_000
const Params = Type.Object({ roomId: Type.String() })
const Ending = Type.Object({
  new_room_user_id: Type.Optional(Type.String()),
  message: Type.Optional(Type.String({ maxLength: REASON_LENGTH_MAX })),
  block: Type.Optional(Type.Boolean()),
})

/** The rooms of this server, as the administration API of Synapse has them. */
export const listAllRooms = adminEndpoint({
  method: 'GET',
  path: PATH,
  query: Type.Object({
    ...Page,
    search_term: Type.Optional(text(SEARCH_LENGTH_MAX)),
    order_by: Type.Optional(text(SEARCH_LENGTH_MAX)),
    dir: Direction,
  }),
  async handle(app, { query }) {
    const page = pageOf(query)
    const search = {
      ...page,
      text: query.search_term ?? '',
      order: query.order_by ?? 'name',
      backwards: query.dir === 'b',
      serverName: app.serverName,
    }
    const [rooms, total] = [await listRooms(app.db, search), await countRooms(app.db, search.text)]
    const next = page.from + rooms.length
    return {
      rooms: rooms.map(summary),
      offset: page.from,
      total_rooms: total,
      ...(next < total && { next_batch: next }),
      ...(page.from > 0 && { prev_batch: Math.max(page.from - page.limit, 0) }),
    }
  },
})

export const getRoom = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{roomId}`,
  params: Params,
  async handle(app, { params }) {
    const row = await knownRoom(app, params.roomId)
    return { ...summary(row), topic: row.topic, avatar: row.avatar_url, forgotten: false }
  },
})

export const getMembersOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{roomId}/members`,
  params: Params,
  async handle(app, { params }) {
    const { room } = await knownRoom(app, params.roomId)
    const members = await membersOf(app.db, room, 'join', MEMBERS_MAX)
    return { members: members.map((row) => row.user_id), total: members.length }
  },
})

export const getStateOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{roomId}/state`,
  confidential: true,
  params: Params,
  handle: async (app, { user, params }) => `{"state":[${(await wholeState(app, user, params.roomId)).join(',')}]}`,
})

export const getBlock = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{roomId}/block`,
  params: Params,
  handle: async (app, { params }) => ({ block: (await roomById(app.db, params.roomId))?.blocked === 1 }),
})

export const putBlock = adminEndpoint({
  method: 'PUT',
  path: `${PATH}/{roomId}/block`,
  rateLimit: 'other',
  params: Params,
  body: Type.Object({ block: Type.Boolean() }),
  async handle(app, { params, body }) {
    await setBlocked(app, params.roomId, body.block)
    return { block: body.block }
  },
})

/** Ends a room for the users of this server, while the request waits. What it said stays in the database. */
export const deleteRoom = adminEndpoint({
  method: 'DELETE',
  path: `${PATH}/{roomId}`,
  rateLimit: 'other',
  params: Params,
  body: Ending,
  handle: (app, { params, body }) => endRoom(app, params.roomId, endingOf(body)),
})

/** The same in the background. */
export const beginDeletingRoom = adminEndpoint({
  method: 'DELETE',
  path: '/_synapse/admin/v2/rooms/{roomId}',
  rateLimit: 'other',
  params: Params,
  body: Ending,
  handle: async (app, { params, body }) => ({ delete_id: await beginRoomEnding(app, params.roomId, endingOf(body)) }),
})

export const getDeleteStatus = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v2/rooms/delete_status/{deleteId}',
  params: Type.Object({ deleteId: Type.String() }),
  async handle(app, { params }) {
    const [ending] = await endingsById(app.db, params.deleteId)
    if (ending === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such deletion.')
    return statusOf(ending)
  },
})

export const getDeleteStatusOf = adminEndpoint({
  method: 'GET',
  path: '/_synapse/admin/v2/rooms/{roomId}/delete_status',
  params: Params,
  async handle(app, { params }) {
    const endings = await endingsOfRoom(app.db, params.roomId)
    if (endings.length === 0) throw new MatrixError('M_NOT_FOUND', 'The room is not being deleted, and was not.')
    return { results: endings.map((ending) => ({ delete_id: ending.delete_id, ...statusOf(ending) })) }
  },
})

export const makeAdminOf = adminEndpoint({
  method: 'POST',
  path: `${PATH}/{roomIdOrAlias}/make_room_admin`,
  rateLimit: 'other',
  params: Type.Object({ roomIdOrAlias: Type.String() }),
  body: Type.Object({ user_id: Type.Optional(Type.String()) }),
  async handle(app, { user, params, body }) {
    const { roomId } = await resolveRoom(app, params.roomIdOrAlias)
    const target = body.user_id === undefined ? user.userId : (await localUser(app, body.user_id)).user_id
    await makeRoomAdmin(app, roomId, target)
    return {}
  },
})

/** Brings a user into a room. Where that takes an invite, the administrator has to be in it. */
export const joinUser = adminEndpoint({
  method: 'POST',
  path: '/_synapse/admin/v1/join/{roomIdOrAlias}',
  rateLimit: 'other',
  params: Type.Object({ roomIdOrAlias: Type.String() }),
  body: Type.Object({ user_id: Type.String() }),
  async handle(app, { user, params, body }) {
    const target = (await localUser(app, body.user_id)).user_id
    const { roomId, servers } = await resolveRoom(app, params.roomIdOrAlias)
    if (await isIn(app, roomId, user.userId)) await invite(app, roomId, user.userId, target)
    await join(app, { roomId, sender: target, target }, servers as ServerName[])
    return { room_id: roomId }
  },
})

function endingOf({ new_room_user_id: creator, message, block = false }: typeof Ending.static): RoomEnding {
  if (creator === undefined) return { message, block }
  throw new MatrixError('M_INVALID_PARAM', 'No room is made in place of another: leave new_room_user_id out.')
}

function statusOf({ room_id, outcome }: RoomEndingRow) {
  return outcome === undefined
    ? { status: 'active', room_id, shutdown_room: {} }
    : { status: 'complete', room_id, shutdown_room: outcome }
}

async function invite(app: App, roomId: string, sender: UserId, target: UserId): Promise<void> {
  if (await isIn(app, roomId, target)) return
  await changeMembership(app, { roomId, sender, target, membership: 'invite' })
}

async function isIn(app: App, roomId: string, userId: string): Promise<boolean> {
  const room = await roomById(app.db, roomId)
  return room !== undefined && (await membershipOf(app.db, room.room, userId))?.membership === 'join'
}

async function knownRoom(app: App, roomId: string): Promise<ListedRoom> {
  const row = await listedRoom(app.db, roomId, app.serverName)
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  return row
}

function summary(row: ListedRoom) {
  const creation = row.creation === null ? {} : parseJson(row.creation)
  return {
    room_id: row.room_id,
    name: row.name,
    canonical_alias: row.canonical_alias,
    joined_members: row.joined_members,
    joined_local_members: row.joined_local_members,
    version: row.version,
    creator: row.creator,
    encryption: row.encryption,
    federatable: !(isObject(creation) && own(creation, 'm.federate') === false),
    public: row.published === 1,
    join_rules: row.join_rule,
    guest_access: row.guest_access,
    history_visibility: row.history_visibility,
    state_events: row.state_events,
    room_type: row.room_type,
  }
}
