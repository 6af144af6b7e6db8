import type { App } from '../../app.ts'
import { deleteMedia, type ListedMedia } from '../../store/media.ts'
import { newTask } from '../../store/tasks.ts'
import { forgetThumbnails, thumbnailHashes } from '../../store/thumbnails.ts'
import { write } from '../write.ts'

/** The kind of task that takes contents away. */
export const REMOVE_CONTENTS = 'remove_contents'
const ID_BYTES = 12

/**
 * Forgets files, with the thumbnails that nothing else needs. Their bytes go afterwards, by a task: also when this
 * process dies, or the place where they lie is away. Asked for again, a file of another server is fetched anew.
 */
export async function removeMedia(app: App, files: readonly ListedMedia[]): Promise<void> {
  if (files.length === 0) return
  const sources = [...new Set(files.flatMap((file) => file.hash ?? []))]
  const writes = [...files.map(deleteMedia), forgetThumbnails(sources)]
  // Another thumbnail may be made meanwhile: then its bytes are to go, too.
  for (let done = false; !done; ) {
    const thumbnails = await Promise.all(sources.map((source) => thumbnailHashes(app.db, source)))
    const hashes = new Set([...sources, ...thumbnails.flatMap((found) => found.hashes)])
    const task = hashes.size === 0 ? undefined : removalOf(app, [...hashes])
    const guards = thumbnails.map(({ guard }) => guard)
    done =
      (await write(app, { guards, writes: [...writes, ...(task?.writes ?? [])], log: task?.log ?? [] })) !== undefined
  }
}

function removalOf(app: App, hashes: readonly string[]) {
  const id = `${REMOVE_CONTENTS} ${app.random.bytes(ID_BYTES).toString('base64url')}`
  return newTask({ id, kind: REMOVE_CONTENTS, runAt: app.clock.now(), payload: JSON.stringify({ hashes }) })
}
