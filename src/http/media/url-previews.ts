import { type Static, Type } from '@sinclair/typebox'
import { previewUrl } from '../../actions/media/preview-url.ts'
import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { endpoint } from '../endpoint.ts'

const URL_LENGTH_MAX = 2_048
const PreviewQuery = Type.Object({
  url: Type.String({ minLength: 1, maxLength: URL_LENGTH_MAX }),
  ts: Type.Optional(Type.Integer()),
})

/** Client-Server API, "Content Repository": what a page says of itself. */
export const getUrlPreviewAuthed = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/media/preview_url',
  auth: 'access-token',
  rateLimit: 'other',
  query: PreviewQuery,
  handle: preview,
})

export const getUrlPreview = endpoint({
  method: 'GET',
  path: '/_matrix/media/v3/preview_url',
  aliases: ['r0', 'v1'],
  auth: 'access-token',
  rateLimit: 'other',
  query: PreviewQuery,
  handle: preview,
})

function preview(app: App, { query }: { readonly query: Static<typeof PreviewQuery> }): Promise<JsonObject> {
  return previewUrl(app, query.url, query.ts)
}
