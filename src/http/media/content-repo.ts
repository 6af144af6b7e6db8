import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findMedia, type StoredMedia } from '../../actions/media/find-media.ts'
import { makeThumbnail } from '../../actions/media/make-thumbnail.ts'
import { createMedia, fillMedia, type Upload, uploadLimit, uploadMedia } from '../../actions/media/upload-media.ts'
import type { App } from '../../app.ts'
import { ANY_TYPE, contentTypeOf } from '../../core/content-headers.ts'
import type { ServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { MediaName } from '../../store/media.ts'
import { budgetOf } from '../budget.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { text } from '../texts.ts'
import { sendMedia } from './send-media.ts'
import { THUMBNAIL_QUERY, type ThumbnailWishes, wishedThumbnail } from './thumbnail-query.ts'

const FILE_NAME_LENGTH_MAX = 255
const OLD = '/_matrix/media/v3'
const NEW = '/_matrix/client/v1/media'
const Name = Type.Object({ serverName: Type.String(), mediaId: Type.String() })
const NameAndFile = Type.Object({ serverName: Type.String(), mediaId: Type.String(), fileName: Type.String() })
const UploadQuery = Type.Object({ filename: Type.Optional(text(FILE_NAME_LENGTH_MAX)) })
const DownloadQuery = Type.Object({ timeout_ms: Type.Optional(Type.Integer()) })
const OLD_DOWNLOAD_QUERY = {
  timeout_ms: Type.Optional(Type.Integer()),
  allow_remote: Type.Optional(Type.Boolean()),
  allow_redirect: Type.Optional(Type.Boolean()),
}
const OldDownloadQuery = Type.Object(OLD_DOWNLOAD_QUERY)
const ThumbnailQuery = Type.Object(THUMBNAIL_QUERY)
const OldThumbnailQuery = Type.Object({ ...OLD_DOWNLOAD_QUERY, ...THUMBNAIL_QUERY })

/** Client-Server API, "Content Repository". */
export const uploadContent = endpoint({
  method: 'POST',
  path: `${OLD}/upload`,
  aliases: ['r0', 'v1'],
  auth: 'access-token',
  rateLimit: 'other',
  suspended: 'refused',
  streamed: true,
  query: UploadQuery,
  async handle(app, { user, query, raw }) {
    return { content_uri: uriOf(await uploadMedia(app, uploadOf(app, user, raw, query.filename))) }
  },
})

export const createContent = endpoint({
  method: 'POST',
  path: '/_matrix/media/v1/create',
  auth: 'access-token',
  rateLimit: 'other',
  suspended: 'refused',
  async handle(app, { user }) {
    const { expiresMs, ...name } = await createMedia(app, user.userId)
    return { content_uri: uriOf(name), unused_expires_at: expiresMs }
  },
})

export const uploadContentToMXC = endpoint({
  method: 'PUT',
  path: `${OLD}/upload/{serverName}/{mediaId}`,
  auth: 'access-token',
  rateLimit: 'other',
  suspended: 'refused',
  streamed: true,
  params: Name,
  query: UploadQuery,
  async handle(app, { user, params, query, raw }) {
    const name = { origin: params.serverName as ServerName, media_id: params.mediaId }
    await fillMedia(app, name, uploadOf(app, user, raw, query.filename))
    return {}
  },
})

function uriOf({ origin, media_id }: MediaName): string {
  return `mxc://${origin}/${media_id}`
}

function uploadOf(app: App, user: Requester, raw: FastifyRequest, fileName: string | undefined): Upload {
  const { 'content-type': type, 'content-length': length, 'content-encoding': encoding } = raw.headers
  if (encoding !== undefined && encoding !== 'identity')
    throw new MatrixError('M_UNKNOWN', 'Files are uploaded as they are, without Content-Encoding.', {}, 415)
  const exempt = app.config.client_api.rate_limiting.exempt_user_ids
  return {
    uploader: user.userId,
    unlimited: budgetOf({ user }, '') === undefined || exempt.includes(user.userId),
    contentType: contentTypeOf(type ?? ANY_TYPE),
    fileName: fileName ?? null,
    bytes: length === undefined ? undefined : Number(length),
    source: (raw.body ?? []) as AsyncIterable<Uint8Array>,
  }
}

export const getConfigAuthed = endpoint({
  method: 'GET',
  path: `${NEW}/config`,
  auth: 'access-token',
  rateLimit: 'other',
  handle: async (app) => configOf(app),
})

export const getConfig = endpoint({
  method: 'GET',
  path: `${OLD}/config`,
  aliases: ['r0', 'v1'],
  auth: 'access-token',
  rateLimit: 'other',
  handle: async (app) => configOf(app),
})

function configOf(app: App): object {
  const limit = uploadLimit(app)
  return limit === Number.MAX_SAFE_INTEGER ? {} : { 'm.upload.size': limit }
}

export const getContentAuthed = endpoint({
  method: 'GET',
  path: `${NEW}/download/{serverName}/{mediaId}`,
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  params: Name,
  query: DownloadQuery,
  handle: download,
})

export const getContentOverrideNameAuthed = endpoint({
  method: 'GET',
  path: `${NEW}/download/{serverName}/{mediaId}/{fileName}`,
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  params: NameAndFile,
  query: DownloadQuery,
  handle: download,
})

/** The paths of before Matrix 1.11, open to anybody: they are closed unless the configuration opens them. */
export const getContent = endpoint({
  method: 'GET',
  path: `${OLD}/download/{serverName}/{mediaId}`,
  aliases: ['r0', 'v1'],
  auth: 'none',
  rateLimit: 'other',
  params: Name,
  query: OldDownloadQuery,
  handle: downloadTheOldWay,
})

export const getContentOverrideName = endpoint({
  method: 'GET',
  path: `${OLD}/download/{serverName}/{mediaId}/{fileName}`,
  aliases: ['r0', 'v1'],
  auth: 'none',
  rateLimit: 'other',
  params: NameAndFile,
  query: OldDownloadQuery,
  handle: downloadTheOldWay,
})

export const getContentThumbnailAuthed = endpoint({
  method: 'GET',
  path: `${NEW}/thumbnail/{serverName}/{mediaId}`,
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  params: Name,
  query: ThumbnailQuery,
  handle: thumbnail,
})

export const getContentThumbnail = endpoint({
  method: 'GET',
  path: `${OLD}/thumbnail/{serverName}/{mediaId}`,
  aliases: ['r0', 'v1'],
  auth: 'none',
  rateLimit: 'other',
  params: Name,
  query: OldThumbnailQuery,
  async handle(app, request) {
    refuseWhereClosed(app)
    await thumbnail(app, request)
  },
})

interface Download {
  readonly params: Static<typeof Name> & { readonly fileName?: string }
  readonly query: Static<typeof OldDownloadQuery>
  readonly signal: AbortSignal
  readonly raw: FastifyRequest
  readonly reply: FastifyReply
}

async function downloadTheOldWay(app: App, request: Download): Promise<void> {
  refuseWhereClosed(app)
  await download(app, request)
}

function refuseWhereClosed(app: App): void {
  if (!app.config.media_api.unauthenticated_downloads)
    throw new MatrixError('M_NOT_FOUND', 'Files are served at the authenticated paths of Matrix 1.11 alone.')
}

async function download(app: App, request: Download): Promise<void> {
  await sendMedia(app, request, await find(app, request), request.params.fileName || undefined)
}

async function thumbnail(app: App, request: Download & { readonly query: ThumbnailWishes }): Promise<void> {
  await sendMedia(app, request, await makeThumbnail(app, await find(app, request), wishedThumbnail(request.query)))
}

function find(app: App, { params, query, signal }: Download): Promise<StoredMedia> {
  const wanted = { origin: params.serverName, mediaId: params.mediaId, timeoutMs: query.timeout_ms, signal }
  return findMedia(app, { ...wanted, allowRemote: query.allow_remote ?? true })
}
