import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { deleteUiaSession, uiaSessionMatches } from '../store/uia.ts'
import { type UiaRequest, uiaRow } from './begin-uia.ts'
import { write } from './write.ts'

/** Uses up the session. Errors: M_FORBIDDEN when it is unknown, old, used, or of another user, device or request. */
export async function finishUia(app: App, id: string, request: UiaRequest): Promise<void> {
  const row = uiaRow(id, request)
  const guards = [uiaSessionMatches(row, app.clock.now())]
  const written = await write(app, { guards, writes: [deleteUiaSession(row.session)], log: [] })
  if (written === undefined) {
    throw new MatrixError('M_FORBIDDEN', 'This authentication session does not belong to this request.')
  }
}
