import type { App } from '../../app.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { LogRow } from '../../db/database.ts'
import { logPosition } from '../../db/sql.ts'
import { accountData, setAccountData as upsert } from '../../store/account-data.ts'
import { roomById } from '../../store/rooms.ts'
import { write } from '../write.ts'

/** Tries when other requests change the same piece first. */
const MAX_TRIES = 10

/** Stores a piece of account data; an empty room id stands for global data. */
export async function setAccountData(
  app: App,
  userId: string,
  roomId: string,
  type: string,
  content: JsonObject,
): Promise<void> {
  await write(app, {
    guards: [],
    writes: [upsert(userId, roomId, type, canonicalJson(content), logPosition(0))],
    log: [await logRowOf(app, userId, roomId, type)],
  })
}

/**
 * Changes a piece of account data by what it was, one change at a time also between processes. An edit that answers
 * undefined leaves it as it is.
 */
export async function editAccountData(
  app: App,
  userId: string,
  place: { readonly roomId: string; readonly type: string },
  edit: (before: string | undefined) => JsonObject | undefined | Promise<JsonObject | undefined>,
): Promise<void> {
  const { roomId, type } = place
  const row = await logRowOf(app, userId, roomId, type)
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const before = await accountData(app.db, userId, roomId, type)
    const content = await edit(before.content)
    if (content === undefined) return
    const written = await write(app, {
      guards: [before.guard],
      writes: [upsert(userId, roomId, type, canonicalJson(content), logPosition(0))],
      log: [row],
    })
    if (written !== undefined) return
  }
  throw new MatrixError('M_UNKNOWN', 'The data is being changed too quickly; try again.', {}, 503)
}

async function logRowOf(app: App, userId: string, roomId: string, type: string): Promise<LogRow> {
  const room = roomId === '' ? null : ((await roomById(app.db, roomId))?.room ?? null)
  return { kind: 'account_data', user: userId, room, subject: type }
}
