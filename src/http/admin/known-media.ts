import type { App } from '../../app.ts'
import { isServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type ListedMedia, type MediaName, mediaNamed } from '../../store/media.ts'

/** Errors: M_NOT_FOUND. */
export async function knownMedia(
  app: App,
  { serverName, mediaId }: { readonly serverName: string; readonly mediaId: string },
): Promise<ListedMedia> {
  const name = isServerName(serverName) ? ({ origin: serverName, media_id: mediaId } satisfies MediaName) : undefined
  const file = name && (await mediaNamed(app.db, name))
  if (file === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such file.')
  return file
}
