import type { App } from '../app.ts'
import type { Batch } from '../db/database.ts'
import { registrationTokenStaysGood, useRegistrationToken } from '../store/registration-tokens.ts'
import { noteConsent } from '../store/users.ts'
import type { Proofs } from './begin-uia.ts'

/** What becomes of the proofs of a registration: the batch that makes the account uses them up. */
export function redeemProofs(app: App, userId: string, proofs: Proofs): Pick<Batch, 'guards' | 'writes'> {
  const { 'm.login.registration_token': token, 'm.login.terms': terms } = proofs
  const nowMs = app.clock.now()
  return {
    guards: [...(token === undefined ? [] : [registrationTokenStaysGood(token, nowMs)])],
    writes: [
      ...(token === undefined ? [] : [useRegistrationToken(token)]),
      ...(terms === undefined ? [] : [noteConsent(userId, terms)]),
    ],
  }
}
