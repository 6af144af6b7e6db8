import { Type } from '@sinclair/typebox'
import { editAccountData, setAccountData } from '../../actions/accounts/set-account-data.ts'
import type { App } from '../../app.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { accountData } from '../../store/account-data.ts'
import { endpoint, LARGE_BODY_BYTES, type Requester } from '../endpoint.ts'

const Content = Type.Record(Type.String(), Type.Unknown())
/** Types that have endpoints of their own. */
const SERVER_MANAGED: ReadonlySet<string> = new Set(['m.fully_read', 'm.push_rules'])
const MAX_TAG_BYTES = 255

const global = { params: Type.Object({ userId: Type.String(), type: Type.String() }) }
const inRoom = { params: Type.Object({ userId: Type.String(), roomId: Type.String(), type: Type.String() }) }

/** Client-Server API, "Client config". */
export const getAccountData = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/account_data/{type}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  ...global,
  handle: (app, { user, params }) => stored(app, user, { ...params, roomId: '' }),
})

export const setGlobalAccountData = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/user/{userId}/account_data/{type}',
  aliases: ['r0'],
  bodyLimitBytes: LARGE_BODY_BYTES,
  auth: 'access-token',
  guest: true,
  ...global,
  body: Content,
  anyNumber: true,
  handle: (app, { user, params, body }) => store(app, user, { ...params, roomId: '' }, body as JsonObject),
})

export const getAccountDataPerRoom = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  ...inRoom,
  handle: (app, { user, params }) => stored(app, user, params),
})

export const setAccountDataPerRoom = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}',
  aliases: ['r0'],
  bodyLimitBytes: LARGE_BODY_BYTES,
  auth: 'access-token',
  guest: true,
  ...inRoom,
  body: Content,
  anyNumber: true,
  handle: (app, { user, params, body }) => store(app, user, params, body as JsonObject),
})

/** Client-Server API, "Room tagging": tags are the room's account data `m.tag`. */
export const getRoomTags = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags',
  aliases: ['r0'],
  auth: 'access-token',
  params: Type.Object({ userId: Type.String(), roomId: Type.String() }),
  async handle(app, { user, params }) {
    checkOwner(user, params.userId)
    const { content } = await accountData(app.db, user.userId, params.roomId, 'm.tag')
    return content ?? '{"tags":{}}'
  },
})

const TagParams = Type.Object({ userId: Type.String(), roomId: Type.String(), tag: Type.String() })

export const setRoomTag = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}',
  aliases: ['r0'],
  auth: 'access-token',
  params: TagParams,
  body: Content,
  anyNumber: true,
  async handle(app, { user, params, body }) {
    checkOwner(user, params.userId)
    if (Buffer.byteLength(params.tag) > MAX_TAG_BYTES) throw new MatrixError('M_INVALID_PARAM', 'The tag is too long.')
    await editTags(app, user, params.roomId, (tags) => tags.set(params.tag, body as JsonObject))
    return {}
  },
})

export const deleteRoomTag = endpoint({
  method: 'DELETE',
  path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}',
  aliases: ['r0'],
  auth: 'access-token',
  params: TagParams,
  async handle(app, { user, params }) {
    checkOwner(user, params.userId)
    await editTags(app, user, params.roomId, (tags) => tags.delete(params.tag))
    return {}
  },
})

interface Place {
  readonly userId: string
  readonly roomId: string
  readonly type: string
}

async function stored(app: App, user: Requester, place: Place): Promise<string> {
  checkOwner(user, place.userId)
  const { content } = await accountData(app.db, user.userId, place.roomId, place.type)
  if (content === undefined) throw new MatrixError('M_NOT_FOUND', 'No such account data is stored.')
  return content
}

async function store(app: App, user: Requester, place: Place, content: JsonObject): Promise<object> {
  checkOwner(user, place.userId)
  if (SERVER_MANAGED.has(place.type)) {
    throw new MatrixError('M_BAD_JSON', `${place.type} is set through its own endpoint.`, {}, 405)
  }
  await setAccountData(app, user.userId, place.roomId, place.type, content)
  return {}
}

async function editTags(app: App, user: Requester, roomId: string, edit: (tags: Map<string, JsonObject>) => unknown) {
  await editAccountData(app, user.userId, { roomId, type: 'm.tag' }, (before) => {
    const content = before === undefined ? {} : parseJson(before)
    const tags = isObject(content) ? own(content, 'tags') : undefined
    const map = new Map(Object.entries(tags !== undefined && isObject(tags) ? tags : {}) as [string, JsonObject][])
    edit(map)
    return { tags: Object.fromEntries(map) }
  })
}

export function checkOwner(user: Requester, userId: string): void {
  if (user.userId !== userId) throw new MatrixError('M_FORBIDDEN', 'This belongs to another user.')
}
