import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Batch } from '../../db/database.ts'
import {
  deleteThreepidSession,
  type ThreepidSessionRow,
  threepidSession,
  threepidSessionIsProved,
} from '../../store/threepid-sessions.ts'
import { phoneSession } from './prove-phone.ts'
import { hashSecret, type ThreepidPurpose } from './request-email-token.ts'

/** An address that somebody has proved, and has not used for anything yet. */
export interface ProvedThreepid {
  readonly sid: string
  readonly medium: string
  readonly address: string
  readonly validatedMs: number
}

export interface ThreepidCredentials {
  readonly sid: string
  readonly client_secret: string
}

/** Errors: M_THREEPID_AUTH_FAILED: not proved (yet), not with this secret, for something else, or used. */
export async function provedThreepid(
  app: App,
  { sid, client_secret }: ThreepidCredentials,
  purpose: ThreepidPurpose,
): Promise<ProvedThreepid> {
  const row = await threepidSession(app.db, sid, app.clock.now())
  if (row?.purpose !== purpose || row.client_secret !== hashSecret(client_secret)) throw notProved()
  return provedBy(row.medium === 'msisdn' ? await phoneSession(app, row) : row)
}

/** The same by the session alone, whose secret was checked when it was noted down. */
export async function provedBySession(app: App, sid: string): Promise<ProvedThreepid> {
  const row = await threepidSession(app.db, sid, app.clock.now())
  if (row === undefined) throw notProved()
  return provedBy(row)
}

/** What proves an address proves it once: for the batch that takes it. */
export function useUp(app: App, { sid, ...proved }: ProvedThreepid): Pick<Batch, 'guards' | 'writes'> {
  const guard = threepidSessionIsProved(sid, proved.validatedMs, app.clock.now())
  return { guards: [guard], writes: [deleteThreepidSession(sid)] }
}

function provedBy(row: ThreepidSessionRow): ProvedThreepid {
  const { sid, medium, address, validated_ts: validatedMs } = row
  if (validatedMs === null) throw notProved()
  return { sid, medium, address, validatedMs }
}

function notProved(): MatrixError {
  return new MatrixError('M_THREEPID_AUTH_FAILED', 'The address is not confirmed: see the newest message to it.')
}
