import { Readable } from 'node:stream'
import type { App } from '../../app.ts'
import type { TakenBlob } from '../../blobs/blobs.ts'
import type { ThumbnailAnswer } from '../../blobs/thumbnailer.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type ThumbnailSize, thumbnailSize } from '../../core/thumbnail-size.ts'
import {
  countThumbnails,
  storeThumbnail,
  type ThumbnailContent,
  type ThumbnailName,
  thumbnailIsOpen,
  thumbnailNamed,
} from '../../store/thumbnails.ts'
import { write } from '../write.ts'
import { openContent, type StoredMedia } from './find-media.ts'
import { keepBlob } from './upload-media.ts'

export interface WantedThumbnail extends ThumbnailSize {
  readonly animated: boolean
}

const THUMBNAIL_BYTES_MAX = 32 * 1_024 * 1_024
/** Sizes of its own that a file may be asked for; then those that are configured serve. */
const DYNAMIC_MAX = 40
/** A thumbnail that is asked for in a larger size is one of the configured sizes, or the image itself. */
const DYNAMIC_SIDE_MAX = 2_048
/** Client-Server API: the types that a thumbnail may have. */
const TYPES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/apng'])

/**
 * A small picture of the file, made once and kept (Client-Server API, "Thumbnails"); the file itself where that is
 * small enough, or where nothing can be made for want of the library. Errors: M_UNKNOWN when it is no image that we
 * read, M_TOO_LARGE (502 for a file of another server), M_NOT_FOUND.
 */
export async function makeThumbnail(app: App, media: StoredMedia, wanted: WantedThumbnail): Promise<StoredMedia> {
  const { dynamic_thumbnails: isDynamic, thumbnail_sizes: sizes } = app.config.media_api
  const { width, height, animated } = wanted
  const isOwnSize = isDynamic && width <= DYNAMIC_SIDE_MAX && height <= DYNAMIC_SIDE_MAX
  let wish = isOwnSize ? wanted : { ...thumbnailSize(sizes, wanted), animated }
  let content = await thumbnailNamed(app.db, nameOf(media, wish))
  if (content === undefined && isOwnSize && (await countThumbnails(app.db, media.hash)) >= DYNAMIC_MAX) {
    wish = { ...thumbnailSize(sizes, wanted), animated }
    content = await thumbnailNamed(app.db, nameOf(media, wish))
  }
  const { source, variant } = nameOf(media, wish)
  content ??= await app.live.thumbnails.run(`${source} ${variant}`, () => make(app, media, wish))
  return { ...media, ...content, file_name: `thumbnail.${content.content_type.slice('image/'.length)}` }
}

function nameOf({ hash }: StoredMedia, { method, width, height, animated }: WantedThumbnail): ThumbnailName {
  return { source: hash, variant: `${method} ${width}x${height}${animated ? ' animated' : ''}` }
}

async function make(app: App, media: StoredMedia, { animated, ...size }: WantedThumbnail): Promise<ThumbnailContent> {
  const name = nameOf(media, { animated, ...size })
  const job = { bytes: media.bytes, size, animated }
  const answer = await app.thumbnailer.ask(media.hash, job, () => openContent(app, media))
  const original = { content_type: media.content_type, bytes: media.bytes, hash: media.hash }
  if (answer.kind === 'made') return keep(app, name, answer.contentType, answer.image)
  if (answer.kind === 'original') return note(app, name, { ...original, content_type: answer.contentType })
  if (answer.kind === 'unavailable' && TYPES.has(media.content_type)) return original
  throw refusal(app, media, answer)
}

async function keep(app: App, name: ThumbnailName, type: string, image: Uint8Array): Promise<ThumbnailContent> {
  const blob = await app.blobs.take(Readable.from([image]), THUMBNAIL_BYTES_MAX)
  return note(app, name, { content_type: type, bytes: blob.bytes, hash: blob.hash }, blob)
}

async function note(
  app: App,
  name: ThumbnailName,
  content: ThumbnailContent,
  blob?: TakenBlob,
): Promise<ThumbnailContent> {
  const writes = [storeThumbnail(name, content, app.clock.now())]
  const batch = { guards: thumbnailIsOpen(name), writes, log: [] }
  const isNoted = blob === undefined ? (await write(app, batch)) !== undefined : await keepBlob(app, blob, batch)
  // Where it is not, another process was faster, or the file is gone.
  const known = isNoted ? content : await thumbnailNamed(app.db, name)
  if (known === undefined) throw new MatrixError('M_NOT_FOUND', 'The file is not there any more.')
  return known
}

function refusal(app: App, { origin }: StoredMedia, { kind }: ThumbnailAnswer): MatrixError {
  if (kind !== 'too-costly') return new MatrixError('M_UNKNOWN', 'No thumbnail can be made of this file.')
  const status = origin === app.serverName ? 413 : 502
  return new MatrixError('M_TOO_LARGE', 'The image is too large for a thumbnail.', {}, status)
}
