import { createHash } from 'node:crypto'
import type { App } from '../../app.ts'
import { canonicalJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { beginUia, type UiaRequest } from './begin-uia.ts'
import { passUiaStage, uiaOfPage } from './continue-uia.ts'

/** The request that replaces the keys with which a user signs. */
export const CROSS_SIGNING_RESET = 'POST /keys/device_signing/upload'

/** Both names of the stage: a client may know the one alone that was there before the specification had it. */
export const RESET_STAGES = ['m.oauth', 'org.matrix.cross_signing_reset'] as const

/**
 * The session of a reset, the same for the same keys of the same device: some clients ask again without naming any, as
 * often as they can, until the user has approved. Its id is no secret: who approves logs in.
 */
export async function sessionOfReset(app: App, request: UiaRequest): Promise<string> {
  const { body, user } = request
  const named = { body, user: user?.userId ?? '', device: user?.deviceId ?? '' }
  const id = createHash('sha256').update(canonicalJson(named)).digest('base64url')
  if ((await uiaOfPage(app, id)) === undefined) await beginUia(app, request, {}, id)
  return id
}

/**
 * The user lets the client go on that waits with a session of User-Interactive Authentication, to replace the keys with
 * which the user signs. Errors: M_FORBIDDEN when the session is old, of another request, or of another user.
 */
export async function passReset(app: App, id: string, userId: string): Promise<void> {
  const uia = await uiaOfPage(app, id)
  if (uia === undefined || uia.userId !== userId || uia.endpoint !== CROSS_SIGNING_RESET)
    throw new MatrixError('M_FORBIDDEN', 'Nothing of yours waits for that. Go back to your client and try again.')
  let open = uia
  for (const stage of RESET_STAGES) {
    const proofs = await passUiaStage(app, open, stage, '')
    open = { ...open, proofs, completed: JSON.stringify(proofs) }
  }
}
