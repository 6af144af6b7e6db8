import type { JWTPayload, JWTVerifyOptions } from 'jose'
import type { App } from '../../app.ts'
import { localpartFault, userId as makeUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { userById } from '../../store/users.ts'
import { createAccount } from '../accounts/create-account.ts'

/**
 * The user whom a JSON Web Token names, made with the key of the configuration; the account is made at the first login.
 * Errors: M_FORBIDDEN.
 */
export async function userOfJwt(app: App, token: string): Promise<UserId> {
  const { subject_claim: subjectClaim, display_name_claim: nameClaim } = app.config.client_api.jwt
  const claims = await verifiedClaims(app, token)
  const localpart = claims[subjectClaim]
  if (typeof localpart !== 'string' || localpartFault(localpart) !== undefined)
    throw new MatrixError('M_FORBIDDEN', `The token names no user in ${subjectClaim}.`)
  const userId = makeUserId(localpart, app.serverName)
  if ((await userById(app.db, userId)) !== undefined) return userId
  const displayName = nameClaim === '' ? undefined : claims[nameClaim]
  const account = { localpart, password: undefined, admin: false }
  try {
    await createAccount(app, typeof displayName === 'string' ? { ...account, displayName } : account)
  } catch (error) {
    // Two first logins at once: the other one has made it.
    if (!(error instanceof MatrixError && error.errcode === 'M_USER_IN_USE')) throw error
  }
  return userId
}

/** The algorithm is that of the configuration, whatever the token says of itself. */
async function verifiedClaims(app: App, token: string): Promise<JWTPayload> {
  const { algorithm, secret, public_key: publicKey, issuer, audiences } = app.config.client_api.jwt
  const { errors, importSPKI, jwtVerify } = await import('jose')
  const key = algorithm.startsWith('HS') ? Buffer.from(secret) : await importSPKI(publicKey, algorithm)
  const options: JWTVerifyOptions = { algorithms: [algorithm], currentDate: new Date(app.clock.now()) }
  if (issuer !== '') options.issuer = issuer
  if (audiences.length > 0) options.audience = [...audiences]
  try {
    return (await jwtVerify(token, key, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    throw new MatrixError('M_FORBIDDEN', 'The token is not valid.')
  }
}
