import { REMOVE_CONTENTS } from '../actions/media/remove-media.ts'
import type { TaskKind } from './run.ts'

/** Takes the bytes of forgotten files away, those that no other file has. */
export const removeContentsTask: TaskKind = {
  kind: REMOVE_CONTENTS,
  async run(app, { payload }) {
    for (const hash of payload.hashes as readonly string[]) await app.blobs.remove(hash)
    return undefined
  },
}
