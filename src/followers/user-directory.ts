import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import { note, noted, notedIsStill } from '../store/meta.ts'
import { findByName, memberNames } from '../store/user-directory.ts'
import type { Follower } from './follower.ts'

const FILLED = 'user_directory_filled'
/** Users taken in together. */
const USERS = 50

/**
 * Takes in the users who were there before the directory had words: once for a database, in small steps. Whoever comes
 * later is entered with what makes them known.
 */
export function fillUserDirectory(app: App): Follower {
  let stopped = false
  const filled = fill(app, () => stopped).catch((error: unknown) =>
    app.log.error({ err: error }, 'the user directory lacks those who were there before it'),
  )
  return {
    idle: () => filled,
    stop() {
      stopped = true
      return filled
    },
  }
}

async function fill(app: App, stopped: () => boolean): Promise<void> {
  if ((await noted(app.db, FILLED)) !== undefined) return
  for (let last = ''; !stopped(); ) {
    const names = await memberNames(app.db, last, USERS)
    const end = names.at(-1)
    if (end === undefined) {
      await write(app, { guards: [notedIsStill(FILLED, undefined)], writes: [note(FILLED, 'yes')], log: [] })
      return
    }
    last = end.user_id
    const writes = names.map(({ user_id: userId, displayname }) => findByName(userId, displayname))
    await write(app, { guards: [], writes, log: [] })
  }
}
