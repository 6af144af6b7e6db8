import type { App } from '../../app.ts'
import type { Batch } from '../../db/database.ts'
import { registrationTokenStaysGood, useRegistrationToken } from '../../store/registration-tokens.ts'
import { insertThreepid, threepidIsOf } from '../../store/threepids.ts'
import { noteConsent } from '../../store/users.ts'
import { provedBySession, useUp } from '../accounts/proved-threepid.ts'
import type { Proofs } from '../sessions/begin-uia.ts'

type Part = Pick<Batch, 'guards' | 'writes'>

const NOTHING: Part = { guards: [], writes: [] }

/**
 * What becomes of the proofs of a registration: the batch that makes the account uses them up. Errors:
 * M_THREEPID_AUTH_FAILED.
 */
export async function redeemProofs(app: App, userId: string, proofs: Proofs): Promise<Part> {
  const { 'm.login.registration_token': token, 'm.login.terms': terms } = proofs
  const sids = [proofs['m.login.email.identity'], proofs['m.login.msisdn']].filter((sid) => sid !== undefined)
  const parts = [
    token === undefined ? NOTHING : tokenPart(token, app.clock.now()),
    terms === undefined ? NOTHING : { guards: [], writes: [noteConsent(userId, terms)] },
    ...(await Promise.all(sids.map((sid) => threepidPart(app, userId, sid)))),
  ]
  return { guards: parts.flatMap(({ guards }) => guards), writes: parts.flatMap(({ writes }) => writes) }
}

function tokenPart(token: string, nowMs: number): Part {
  return { guards: [registrationTokenStaysGood(token, nowMs)], writes: [useRegistrationToken(token)] }
}

async function threepidPart(app: App, userId: string, sid: string): Promise<Part> {
  const proved = await provedBySession(app, sid)
  const used = useUp(app, proved)
  return {
    guards: [...used.guards, threepidIsOf(proved, null)],
    writes: [...used.writes, insertThreepid(proved, userId, proved.validatedMs, app.clock.now())],
  }
}
