import { ACCESS_NOTED_EVERY_MS } from '../actions/media/find-media.ts'
import { removeMedia } from '../actions/media/remove-media.ts'
import type { App } from '../app.ts'
import { PREVIEW_AGE_MAX_MS } from '../live/previews.ts'
import { type ListedMedia, unusedNames, unwantedLocal, unwantedPreviews, unwantedRemote } from '../store/media.ts'
import type { TaskKind } from './run.ts'

const EVERY_MS = 3_600_000
const FIRST_AFTER_MS = 20 * 60_000
/** Between two pieces, so that others come to their turn. */
const BREATH_MS = 100
const FILES_AT_ONCE = 100
/** As long as a preview may still be shown, and when it was last asked for is known. */
const PREVIEW_KEPT_MS = PREVIEW_AGE_MAX_MS + ACCESS_NOTED_EVERY_MS

/** Forgets files that nobody has asked for as long as `media_api.retention` says, and names that were never used. */
export const expireMediaTask: TaskKind = {
  kind: 'expire_media',
  firstAfterMs: FIRST_AFTER_MS,
  async run(app) {
    const files = await expired(app)
    await removeMedia(app, files)
    return { afterMs: files.length < FILES_AT_ONCE ? EVERY_MS : BREATH_MS }
  },
}

async function expired(app: App): Promise<ListedMedia[]> {
  const { db, serverName, config } = app
  const { local, remote, previews } = config.media_api.retention
  const nowMs = app.clock.now()
  const lists = [
    await unusedNames(db, nowMs, FILES_AT_ONCE),
    previews > 0
      ? await unwantedPreviews(db, serverName, nowMs - Math.max(previews, PREVIEW_KEPT_MS), FILES_AT_ONCE)
      : [],
    remote > 0 ? await unwantedRemote(db, serverName, nowMs - remote, FILES_AT_ONCE) : [],
    local > 0 ? await unwantedLocal(db, serverName, { beforeMs: nowMs - local, largerThan: -1 }, FILES_AT_ONCE) : [],
  ]
  return lists.flat().slice(0, FILES_AT_ONCE)
}
