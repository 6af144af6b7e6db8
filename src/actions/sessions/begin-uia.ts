import { createHash, createHmac } from 'node:crypto'
import type { App } from '../../app.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { insertUiaSession } from '../../store/uia.ts'
import type { ThreepidPurpose } from '../accounts/request-email-token.ts'
import { write } from '../write.ts'
import { sealBody } from './seal-body.ts'

/** The request that a session of User-Interactive Authentication is good for. */
export interface UiaRequest {
  /** Method and path, the parameters filled in. */
  readonly endpoint: string
  /** Without `auth`. */
  readonly body: JsonObject
  readonly user: { readonly userId: string; readonly deviceId: string } | undefined
}

/** Requests in which an address is proved, and what it is proved for. */
const PURPOSES: ReadonlyMap<string, ThreepidPurpose> = new Map([
  ['POST /register', 'register'],
  ['POST /account/password', 'password'],
])

export function purposeOf(endpoint: string): ThreepidPurpose | undefined {
  return PURPOSES.get(endpoint)
}

/** What passed each stage: a registration token, the session of an e-mail address; empty where nothing need be kept. */
export type Proofs = Readonly<Record<string, string>>

const SESSION_BYTES = 24
export const SESSION_LIFETIME_MS = 15 * 60_000

/**
 * Opens a session of User-Interactive Authentication, of which some stages may be passed, and answers its id: a new
 * one, or `known`, of a session that may be open already.
 */
export async function beginUia(app: App, request: UiaRequest, proofs: Proofs, known?: string): Promise<string> {
  const id = known ?? app.random.bytes(SESSION_BYTES).toString('base64url')
  const nowMs = app.clock.now()
  // Who registers may leave out on the second try what the first one said.
  const params = request.user === undefined ? sealBody(app, id, request.body) : ''
  const completed = JSON.stringify(proofs)
  const row = { ...uiaRow(id, request), params, completed, expiresMs: nowMs + SESSION_LIFETIME_MS }
  await write(app, { guards: [], writes: insertUiaSession(row, nowMs), log: [] })
  return id
}

/** Bodies hold passwords: their hash is keyed by the session id, which the database does not have. */
export function uiaRow(id: string, { endpoint, body, user }: UiaRequest) {
  return {
    session: uiaKey(id),
    userId: user?.userId ?? null,
    endpoint,
    bodyHash: createHmac('sha256', id)
      .update(canonicalJson({ body, device: user?.deviceId ?? null }))
      .digest('hex'),
  }
}

/** The database has the hash of a session's id alone. */
export function uiaKey(id: string): string {
  return createHash('sha256').update(id).digest('hex')
}
