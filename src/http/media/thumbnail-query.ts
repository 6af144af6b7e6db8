import { type Static, Type } from '@sinclair/typebox'
import type { WantedThumbnail } from '../../actions/media/make-thumbnail.ts'

/** Larger than any image is; more says the same. */
const SIDE_MAX = 100_000_000

/** Client-Server API, "Thumbnails", and the same of the Server-Server API. */
export const THUMBNAIL_QUERY = {
  width: Type.Integer({ minimum: 1, maximum: SIDE_MAX }),
  height: Type.Integer({ minimum: 1, maximum: SIDE_MAX }),
  method: Type.Optional(Type.Union([Type.Literal('crop'), Type.Literal('scale')])),
  animated: Type.Optional(Type.Boolean()),
  timeout_ms: Type.Optional(Type.Integer()),
}
const ThumbnailQuery = Type.Object(THUMBNAIL_QUERY)

export type ThumbnailWishes = Static<typeof ThumbnailQuery>

export function wishedThumbnail({ width, height, method, animated }: ThumbnailWishes): WantedThumbnail {
  return { width, height, method: method ?? 'scale', animated: animated ?? false }
}
