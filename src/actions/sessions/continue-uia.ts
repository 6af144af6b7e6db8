import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deleteUiaSession, type UiaSessionRow, uiaSession, uiaSessionHas, updateUiaSession } from '../../store/uia.ts'
import type { ThreepidPurpose } from '../accounts/request-email-token.ts'
import { write } from '../write.ts'
import { type Proofs, purposeOf, type UiaRequest, uiaKey, uiaRow } from './begin-uia.ts'

/** A session as it was read. What is written about it holds only while nobody else has gone on with it. */
export interface OpenUia {
  readonly session: string
  /** null: nobody is logged in yet. */
  readonly userId: string | null
  readonly endpoint: string
  readonly completed: string
  readonly proofs: Proofs
  readonly purpose: ThreepidPurpose | undefined
}

/** The session of this very request. Errors: M_FORBIDDEN: unknown, old, used, or of another user, device or request. */
export async function continueUia(app: App, id: string, request: UiaRequest): Promise<OpenUia> {
  const wanted = uiaRow(id, request)
  const row = await uiaSession(app.db, wanted.session, app.clock.now())
  const known = row?.endpoint === wanted.endpoint && row.user_id === wanted.userId && row.body_hash === wanted.bodyHash
  const open = known ? opened(row) : undefined
  if (open === undefined) throw notOfThisRequest()
  return open
}

/** The session of a page in a browser, which knows its id alone. Undefined: unknown, old or used. */
export async function uiaOfPage(app: App, id: string): Promise<OpenUia | undefined> {
  const row = await uiaSession(app.db, uiaKey(id), app.clock.now())
  return row && opened(row)
}

/** Notes that a stage is passed. Errors: M_FORBIDDEN when the session went on without us. */
export async function passUiaStage(app: App, uia: OpenUia, stage: string, proof: string): Promise<Proofs> {
  const proofs = { ...uia.proofs, [stage]: proof }
  const writes = [updateUiaSession(uia.session, JSON.stringify(proofs))]
  const written = await write(app, { guards: [uiaSessionHas(uia.session, uia.completed)], writes, log: [] })
  if (written === undefined) throw notOfThisRequest()
  return proofs
}

/** Uses up the session. Errors: M_FORBIDDEN when somebody else was faster. */
export async function finishUia(app: App, uia: OpenUia): Promise<void> {
  const writes = [deleteUiaSession(uia.session)]
  const written = await write(app, { guards: [uiaSessionHas(uia.session, uia.completed)], writes, log: [] })
  if (written === undefined) throw notOfThisRequest()
}

/** Undefined for a session that an account came of. */
function opened(row: UiaSessionRow): OpenUia | undefined {
  const proofs = JSON.parse(row.completed) as Proofs | string
  if (typeof proofs === 'string') return undefined
  return {
    session: row.session,
    userId: row.user_id,
    endpoint: row.endpoint,
    completed: row.completed,
    proofs,
    purpose: purposeOf(row.endpoint),
  }
}

function notOfThisRequest(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'This authentication session does not belong to this request.')
}
