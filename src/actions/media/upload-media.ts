import type { App } from '../../app.ts'
import { type TakenBlob, TooLarge } from '../../blobs/blobs.ts'
import { S3_FILE_BYTES_MAX } from '../../config/complete.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Batch, Guard } from '../../db/database.ts'
import {
  type MediaContent,
  type MediaName,
  mediaIsOpen,
  mediaNamed,
  RESERVED_MS,
  reservationFits,
  reserveMedia,
  storeMedia,
} from '../../store/media.ts'
import { write } from '../write.ts'
import { checkQuota, quotaGuards, type Uploader, withinQuota } from './upload-quota.ts'

const ID_BYTES = 18
/** Names that a user may reserve and leave unused. */
const RESERVED_MAX = 100

export interface Upload extends Uploader {
  readonly contentType: string
  readonly fileName: string | null
  /** As the request announces it. */
  readonly bytes: number | undefined
  readonly source: AsyncIterable<Uint8Array>
}

/** The largest upload, in bytes. */
export function uploadLimit({ config }: App): number {
  const { max_file_size_bytes: maxBytes, s3 } = config.media_api
  return maxBytes || (s3.endpoint === '' ? Number.MAX_SAFE_INTEGER : S3_FILE_BYTES_MAX)
}

/**
 * Stores a file under a new name (Client-Server API, "Content Repository"). Errors: M_TOO_LARGE, and those of
 * `withinQuota`.
 */
export async function uploadMedia(app: App, upload: Upload): Promise<MediaName> {
  const name = newName(app)
  await storeUnder(app, name, upload, false)
  return name
}

/** Reserves a name, to be filled later. Errors: M_LIMIT_EXCEEDED when too many are open. */
export async function createMedia(app: App, uploader: UserId): Promise<MediaName & { readonly expiresMs: number }> {
  const nowMs = app.clock.now()
  const name = newName(app)
  const expiresMs = nowMs + RESERVED_MS
  const guards = [reservationFits(uploader, nowMs, RESERVED_MAX)]
  const writes = [reserveMedia(name, uploader, nowMs, expiresMs)]
  if ((await write(app, { guards, writes, log: [] })) === undefined)
    throw new MatrixError('M_LIMIT_EXCEEDED', `At most ${RESERVED_MAX} names may wait for their content.`)
  return { ...name, expiresMs }
}

/**
 * Fills a name that was reserved. Errors: M_NOT_FOUND, M_FORBIDDEN for somebody else's, M_CANNOT_OVERWRITE_MEDIA,
 * M_TOO_LARGE, and those of `withinQuota`.
 */
export async function fillMedia(app: App, name: MediaName, upload: Upload): Promise<void> {
  const known = await mediaNamed(app.db, name)
  if (known === undefined || name.origin !== app.serverName)
    throw new MatrixError('M_NOT_FOUND', 'Nobody has reserved this name.')
  if (known.uploader !== upload.uploader) throw new MatrixError('M_FORBIDDEN', 'Somebody else has reserved this name.')
  if (known.uploaded_ts !== null) throw overwritten()
  if (known.expires_ts !== null && known.expires_ts <= app.clock.now())
    throw new MatrixError('M_NOT_FOUND', 'The time to upload under this name is over.')
  await storeUnder(app, name, upload, true)
}

async function storeUnder(app: App, name: MediaName, upload: Upload, reserved: boolean): Promise<void> {
  const { uploader, contentType, fileName } = upload
  const maxBytes = uploadLimit(app)
  if (upload.bytes !== undefined && upload.bytes > maxBytes) throw tooLarge(maxBytes)
  await withinQuota(app, upload, async (source) => {
    const blob = await app.blobs.take(source, maxBytes).catch((error: unknown) => {
      throw error instanceof TooLarge ? tooLarge(maxBytes) : error
    })
    const content = { ...name, uploader, content_type: contentType, file_name: fileName, ...sizeOf(blob) }
    const guards = [mediaIsOpen(name, reserved), ...quotaGuards(app, upload, blob.bytes)]
    if (await keepMedia(app, content, blob, guards)) return
    await checkQuota(app, upload, blob.bytes)
    throw overwritten()
  })
}

function sizeOf({ hash, bytes }: TakenBlob): Pick<MediaContent, 'hash' | 'bytes'> {
  return { hash, bytes }
}

/** Writes what is known of a blob, or drops it. Resolves with whether the guards held, which see to the name. */
export function keepMedia(
  app: App,
  content: MediaContent,
  blob: TakenBlob,
  guards: readonly Guard[] = [mediaIsOpen(content, false)],
): Promise<boolean> {
  return keepBlob(app, blob, { guards, writes: [storeMedia(content, app.clock.now())], log: [] })
}

/** Writes the batch by which a blob is known, or drops the blob. Resolves with whether the guards held. */
export async function keepBlob(app: App, blob: TakenBlob, batch: Batch): Promise<boolean> {
  try {
    if ((await write(app, batch)) !== undefined) {
      await blob.keep().catch((error: unknown) => app.log.warn({ err: error }, 'the next sweep ends an upload'))
      return true
    }
    await blob.drop()
    return false
  } catch (error) {
    // What is left is found by the next sweep, should the database be away now.
    await blob.drop().catch(() => undefined)
    throw error
  }
}

/** A name that nobody can guess. */
export function newName(app: App): MediaName {
  return { origin: app.serverName, media_id: app.random.bytes(ID_BYTES).toString('base64url') }
}

function tooLarge(maxBytes: number): MatrixError {
  return new MatrixError('M_TOO_LARGE', `A file may have ${maxBytes} bytes.`)
}

function overwritten(): MatrixError {
  return new MatrixError('M_CANNOT_OVERWRITE_MEDIA', 'There is a file under this name already.')
}
