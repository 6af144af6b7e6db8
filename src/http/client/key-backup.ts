import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { createBackup, deleteBackup, updateBackup } from '../../actions/keys/change-backup.ts'
import {
  deleteBackupKeys,
  type GivenKey,
  type KeyBackupData,
  storeBackupKeys,
} from '../../actions/keys/change-backup-keys.ts'
import type { App } from '../../app.ts'
import type { JsonValue } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { backupInfo, backupSize, keysOfBackup } from '../../views/key-backup.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'
import { text } from '../texts.ts'

const VERSION = '/_matrix/client/v3/room_keys/version'
const KEYS = '/_matrix/client/v3/room_keys/keys'
/** Keys of many rooms come in one body. */
const KEYS_BODY_BYTES = 12.5 * 1_024 * 1_024
const MAX_ALGORITHM_LENGTH = 255

const common = { aliases: ['r0', 'unstable'], auth: 'access-token', rateLimit: 'other' } as const

// What is encrypted is the client’s affair: the specification has objects there, and others have stored text.
const Sealed = Type.Unknown()
const Index = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Key = Type.Object({
  first_message_index: Index,
  forwarded_count: Index,
  is_verified: Type.Boolean(),
  session_data: Sealed,
})
const RoomOfKeys = Type.Object({ sessions: mapOf(Key) })
const Backup = Type.Object({
  algorithm: text(MAX_ALGORITHM_LENGTH),
  auth_data: Sealed,
  version: Type.Optional(Type.String()),
})
const versionParams = Type.Object({ version: Type.String() })
const versionQuery = Type.Object({ version: Type.String() })
const roomParams = Type.Object({ roomId: Type.String() })
const sessionParams = Type.Object({ roomId: Type.String(), sessionId: Type.String() })

/** Client-Server API, "Server-side key backups". */
export const postRoomKeysVersion = endpoint({
  ...common,
  method: 'POST',
  path: VERSION,
  body: Backup,
  anyNumber: true,
  async handle(app, { user, body }) {
    const { version } = await createBackup(app, user.userId, body.algorithm, body.auth_data as JsonValue)
    return { version: `${version}` }
  },
})

export const getRoomKeysVersionCurrent = endpoint({
  ...common,
  method: 'GET',
  path: VERSION,
  handle: (app, { user }) => backupInfo(app, user.userId, undefined),
})

export const getRoomKeysVersion = endpoint({
  ...common,
  method: 'GET',
  path: `${VERSION}/{version}`,
  params: versionParams,
  handle: async (app, { user, params }) => backupInfo(app, user.userId, numberOf(params.version)),
})

export const putRoomKeysVersion = endpoint({
  ...common,
  method: 'PUT',
  path: `${VERSION}/{version}`,
  params: versionParams,
  body: Backup,
  anyNumber: true,
  async handle(app, { user, params, body }) {
    if (body.version !== undefined && body.version !== params.version)
      throw new MatrixError('M_INVALID_PARAM', 'The version in the body is not that of the path.')
    const change = { algorithm: body.algorithm, authData: body.auth_data as JsonValue }
    await updateBackup(app, user.userId, numberOf(params.version), change)
    return {}
  },
})

export const deleteRoomKeysVersion = endpoint({
  ...common,
  method: 'DELETE',
  path: `${VERSION}/{version}`,
  params: versionParams,
  async handle(app, { user, params }) {
    await deleteBackup(app, user.userId, numberOf(params.version))
    return {}
  },
})

export const putRoomKeyBySessionId = putKeys(`${KEYS}/{roomId}/{sessionId}`, sessionParams, Key, (data, params) => [
  { ...params, data: data as KeyBackupData },
])

export const putRoomKeysByRoomId = putKeys(`${KEYS}/{roomId}`, roomParams, RoomOfKeys, (room, { roomId }) =>
  keysOfRoom(roomId, room),
)

export const putRoomKeys = putKeys(KEYS, Type.Object({}), Type.Object({ rooms: mapOf(RoomOfKeys) }), ({ rooms }) =>
  Object.entries(rooms).flatMap(([roomId, room]) => keysOfRoom(roomId, room)),
)

export const getRoomKeyBySessionId = getKeys(`${KEYS}/{roomId}/{sessionId}`, sessionParams)
export const getRoomKeysByRoomId = getKeys(`${KEYS}/{roomId}`, roomParams)
export const getRoomKeys = getKeys(KEYS, Type.Object({}))

export const deleteRoomKeyBySessionId = deleteKeys(`${KEYS}/{roomId}/{sessionId}`, sessionParams)
export const deleteRoomKeysByRoomId = deleteKeys(`${KEYS}/{roomId}`, roomParams)
export const deleteRoomKeys = deleteKeys(KEYS, Type.Object({}))

function putKeys<P extends TSchema, B extends TSchema>(
  path: string,
  params: P,
  body: B,
  read: (body: Static<B>, params: Static<P>) => GivenKey[],
) {
  return endpoint({
    ...common,
    method: 'PUT',
    path,
    params,
    query: versionQuery,
    body,
    anyNumber: true,
    bodyLimitBytes: KEYS_BODY_BYTES,
    async handle(app: App, request) {
      const version = numberOf(request.query.version)
      await storeBackupKeys(
        app,
        request.user.userId,
        version,
        read(request.body as Static<B>, request.params as Static<P>),
      )
      return backupSize(app, request.user.userId, version)
    },
  })
}

function getKeys<P extends TSchema>(path: string, params: P) {
  return endpoint({
    ...common,
    method: 'GET',
    path,
    params,
    query: versionQuery,
    handle: async (app, request) => keysOfBackup(app, rangeOf(request.user, request.query.version, request.params)),
  })
}

function deleteKeys<P extends TSchema>(path: string, params: P) {
  return endpoint({
    ...common,
    method: 'DELETE',
    path,
    params,
    query: versionQuery,
    async handle(app, request) {
      const range = rangeOf(request.user, request.query.version, request.params)
      await deleteBackupKeys(app, range)
      return backupSize(app, range.userId, range.version)
    },
  })
}

function rangeOf(user: Requester, version: string, params: unknown) {
  return { userId: user.userId, version: numberOf(version), ...(params as { roomId?: string; sessionId?: string }) }
}

function keysOfRoom(roomId: string, { sessions }: Static<typeof RoomOfKeys>): GivenKey[] {
  return Object.entries(sessions).map(([sessionId, data]) => ({ roomId, sessionId, data: data as KeyBackupData }))
}

/** Versions are numbers here, and text that is none names no backup. */
function numberOf(version: string): number {
  if (!/^\d{1,9}$/.test(version)) throw new MatrixError('M_NOT_FOUND', 'There is no such backup.')
  return Number(version)
}
