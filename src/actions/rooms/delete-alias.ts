import type { App } from '../../app.ts'
import { withoutAlias } from '../../core/canonical-alias.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { aliasRow, deleteAlias as deleteRow, roomByAlias } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { write } from '../write.ts'
import { maySendState } from './may-send.ts'
import type { RoomWriter } from './room-writer.ts'
import { type AliasMaker, checkAliasNamespace } from './set-alias.ts'

const CANONICAL = 'm.room.canonical_alias'

/**
 * Removes an alias, and from the room's list of aliases too if the user may change that. Allowed to who made the alias,
 * to who may change the room's list, to administrators, and to the application service whose namespace it is in: to
 * that alone, where it has the namespace for itself. Errors: M_NOT_FOUND, M_FORBIDDEN, M_EXCLUSIVE.
 */
export async function deleteAlias(app: App, user: AliasMaker & { admin: boolean }, alias: string): Promise<void> {
  const { userId, appservice } = user
  if (!user.admin) checkAliasNamespace(app, alias, appservice)
  const room = await roomByAlias(app.db, alias)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', `The alias ${alias} is not known.`)
  let mayChangeRoom = false
  const unlisted = await append(app, room.room_id, async (writer) => {
    mayChangeRoom = await maySendState(writer, userId, CANONICAL)
    const content = mayChangeRoom ? await listWithout(writer, alias) : undefined
    if (content === undefined) return
    const removal = await removalOf(app, alias)
    await writer.add({ type: CANONICAL, stateKey: '', sender: userId, content })
    writer.also(removal)
  })
  if (unlisted.length > 0) return
  const { creator, ...removal } = await removalOf(app, alias)
  if (!mayChangeRoom && !user.admin && appservice === undefined && creator !== userId)
    throw new MatrixError('M_FORBIDDEN', 'The alias was made by somebody else.')
  const removed = await write(app, removal)
  if (removed === undefined) throw new MatrixError('M_NOT_FOUND', `The alias ${alias} was changed by somebody else.`)
}

/** Errors: M_NOT_FOUND. */
async function removalOf(app: App, alias: string) {
  const { row, guard } = await aliasRow(app.db, alias)
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', `The alias ${alias} is not known.`)
  return { creator: row.creator, guards: [guard], writes: [deleteRow(alias)], log: [{ kind: 'alias', subject: alias }] }
}

async function listWithout(writer: RoomWriter, alias: string) {
  const listed = (await writer.state(CANONICAL, ''))?.value.content
  return listed === undefined ? undefined : withoutAlias(listed, alias)
}
