import { Type } from '@sinclair/typebox'
import { removeMedia } from '../../actions/media/remove-media.ts'
import type { App } from '../../app.ts'
import { countMediaOf, type ListedMedia, mediaOf, unwantedLocal, unwantedRemote } from '../../store/media.ts'
import { adminEndpoint, localUserId } from './administrator.ts'
import { knownMedia } from './known-media.ts'
import { Page, pageOf } from './paging.ts'

const PATH = '/_synapse/admin/v1'
/** Files that one request takes away; Synapse's answer says how many, and a client asks again. */
const REMOVED_MAX = 1_000
const TIME_MAX = 8_640_000_000_000_000
const Time = Type.Integer({ minimum: 0, maximum: TIME_MAX })
const FileParams = Type.Object({ serverName: Type.String(), mediaId: Type.String() })
const UserParams = Type.Object({ userId: Type.String() })
const Before = Type.Object({ before_ts: Time })

/** The files of this server, as the administration API of Synapse has them. */
export const listMediaOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/users/{userId}/media`,
  params: UserParams,
  query: Type.Object(Page),
  async handle(app, { params, query }) {
    const [userId, { from, limit }] = [localUserId(app, params.userId), pageOf(query)]
    const [files, total] = [await mediaOf(app.db, userId, from, limit), await countMediaOf(app.db, userId)]
    const next = from + files.length
    return { media: files.map(wire), total, ...(next < total && { next_token: next }) }
  },
})

export const deleteMediaOf = adminEndpoint({
  method: 'DELETE',
  path: `${PATH}/users/{userId}/media`,
  rateLimit: 'other',
  params: UserParams,
  query: Type.Object(Page),
  async handle(app, { params, query }) {
    const { from, limit } = pageOf(query)
    return remove(app, await mediaOf(app.db, localUserId(app, params.userId), from, limit))
  },
})

export const deleteMediaNamed = adminEndpoint({
  method: 'DELETE',
  path: `${PATH}/media/{serverName}/{mediaId}`,
  rateLimit: 'other',
  params: FileParams,
  handle: async (app, { params }) => remove(app, [await knownMedia(app, params)]),
})

/** Files of this server that nobody has asked for since, of more bytes than `size_gt`. */
export const deleteUnwantedMedia = adminEndpoint({
  method: 'POST',
  path: `${PATH}/media/delete`,
  rateLimit: 'other',
  query: Type.Object({ before_ts: Time, size_gt: Type.Optional(Type.Integer({ minimum: 0, maximum: TIME_MAX })) }),
  async handle(app, { query }) {
    const of = { beforeMs: query.before_ts, largerThan: query.size_gt ?? 0 }
    return remove(app, await unwantedLocal(app.db, app.serverName, of, REMOVED_MAX))
  },
})

/** The same of other servers: who asks for them again has them fetched. */
export const purgeMediaCache = adminEndpoint({
  method: 'POST',
  path: `${PATH}/purge_media_cache`,
  rateLimit: 'other',
  query: Before,
  async handle(app, { query }) {
    const files = await unwantedRemote(app.db, app.serverName, query.before_ts, REMOVED_MAX)
    await removeMedia(app, files)
    return { deleted: files.length }
  },
})

async function remove(app: App, files: readonly ListedMedia[]): Promise<object> {
  await removeMedia(app, files)
  return { deleted_media: files.map((file) => file.media_id), total: files.length }
}

function wire(file: ListedMedia): object {
  return {
    media_id: file.media_id,
    media_type: file.content_type,
    media_length: file.bytes,
    upload_name: file.file_name,
    created_ts: file.created_ts,
    last_access_ts: file.last_access_ts,
    quarantined_by: file.quarantined_by,
    safe_from_quarantine: file.protected === 1,
  }
}
