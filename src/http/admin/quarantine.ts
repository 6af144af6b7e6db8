import { Type } from '@sinclair/typebox'
import { write } from '../../actions/write.ts'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type ListedMedia, mediaNamed, mediaOf, protectMedia, quarantine } from '../../store/media.ts'
import { roomById } from '../../store/rooms.ts'
import { roomMedia } from '../../views/room-media.ts'
import { adminEndpoint, localUserId } from './administrator.ts'
import { knownMedia } from './known-media.ts'

const PATH = '/_synapse/admin/v1'
const AT_ONCE = 1_000
/** Files of a room that are listed. */
const LISTED_MAX = 100_000
const FileParams = Type.Object({ serverName: Type.String(), mediaId: Type.String() })
const OwnFileParams = Type.Object({ mediaId: Type.String() })
const UserParams = Type.Object({ userId: Type.String() })
const RoomParams = Type.Object({ roomId: Type.String() })

/** What is kept from everybody, as the administration API of Synapse has it, and what no quarantine takes in. */
export const quarantineMedia = adminEndpoint({
  method: 'POST',
  path: `${PATH}/media/quarantine/{serverName}/{mediaId}`,
  rateLimit: 'other',
  params: FileParams,
  handle: (app, { user, params }) => setQuarantine(app, params, user.userId),
})

export const unquarantineMedia = adminEndpoint({
  method: 'POST',
  path: `${PATH}/media/unquarantine/{serverName}/{mediaId}`,
  rateLimit: 'other',
  params: FileParams,
  handle: (app, { params }) => setQuarantine(app, params, null),
})

export const protectMediaNamed = adminEndpoint({
  method: 'POST',
  path: `${PATH}/media/protect/{mediaId}`,
  rateLimit: 'other',
  params: OwnFileParams,
  handle: (app, { params }) => setProtected(app, params.mediaId, true),
})

export const unprotectMediaNamed = adminEndpoint({
  method: 'POST',
  path: `${PATH}/media/unprotect/{mediaId}`,
  rateLimit: 'other',
  params: OwnFileParams,
  handle: (app, { params }) => setProtected(app, params.mediaId, false),
})

export const quarantineMediaOf = adminEndpoint({
  method: 'POST',
  path: `${PATH}/user/{userId}/media/quarantine`,
  rateLimit: 'other',
  params: UserParams,
  async handle(app, { user, params }) {
    const userId = localUserId(app, params.userId)
    let count = 0
    for (let from = 0; ; from += AT_ONCE) {
      const files = await mediaOf(app.db, userId, from, AT_ONCE)
      count += await quarantineAll(app, files, user.userId)
      if (files.length < AT_ONCE) return { num_quarantined: count }
    }
  },
})

/** The files that the events of a room show, as far as they can be read here. */
export const listMediaInRoom = adminEndpoint({
  method: 'GET',
  path: `${PATH}/room/{roomId}/media`,
  params: RoomParams,
  async handle(app, { params }) {
    const [local, remote]: [string[], string[]] = [[], []]
    for await (const names of roomMedia(app, await knownRoom(app, params.roomId)))
      for (const { origin, media_id: mediaId } of names)
        if (local.length + remote.length < LISTED_MAX)
          (origin === app.serverName ? local : remote).push(`mxc://${origin}/${mediaId}`)
    return { local, remote }
  },
})

export const quarantineMediaInRoom = adminEndpoint({
  method: 'POST',
  path: `${PATH}/room/{roomId}/media/quarantine`,
  rateLimit: 'other',
  params: RoomParams,
  handle: (app, { user, params }) => quarantineRoom(app, params.roomId, user.userId),
})

async function quarantineRoom(app: App, roomId: string, by: UserId): Promise<object> {
  let count = 0
  for await (const names of roomMedia(app, await knownRoom(app, roomId))) {
    const files: ListedMedia[] = []
    for (const name of names) {
      const file = await mediaNamed(app.db, name)
      if (file !== undefined) files.push(file)
    }
    count += await quarantineAll(app, files, by)
  }
  return { num_quarantined: count }
}

/** Resolves with how many were not there yet, and may be. */
async function quarantineAll(app: App, files: readonly ListedMedia[], by: UserId): Promise<number> {
  const taken = files.filter((file) => file.quarantined_by === null && file.protected === 0)
  if (taken.length > 0) await write(app, { guards: [], writes: taken.map((file) => quarantine(file, by)), log: [] })
  return taken.length
}

async function setQuarantine(app: App, params: typeof FileParams.static, by: UserId | null): Promise<object> {
  const file = await knownMedia(app, params)
  await write(app, { guards: [], writes: [quarantine(file, by)], log: [] })
  return {}
}

async function setProtected(app: App, mediaId: string, on: boolean): Promise<object> {
  const file = await knownMedia(app, { serverName: app.serverName, mediaId })
  await write(app, { guards: [], writes: [protectMedia(file, on)], log: [] })
  return {}
}

async function knownRoom(app: App, roomId: string): Promise<number> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such room.')
  return room.room
}
