import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { Config } from '../../config/schema.ts'
import { type Errcode, MatrixError } from '../../core/matrix-error.ts'
import { OAuthError, type OAuthErrorCode } from '../../core/oauth/error.ts'
import { formFields } from '../pages.ts'
import { readTexts } from '../validate.ts'

export const OAUTH_PATH = '/_dendrite/client/oauth'

export function hasOAuth({ client_api: { oauth } }: Config): boolean {
  return oauth.enabled
}

/** What of our own errors a client of OAuth 2.0 reads as which of its own. */
const CODES: ReadonlyMap<Errcode, OAuthErrorCode> = new Map([
  ['M_FORBIDDEN', 'invalid_grant'],
  ['M_UNKNOWN_TOKEN', 'invalid_grant'],
  ['M_USER_DEACTIVATED', 'invalid_grant'],
  ['M_USER_LOCKED', 'invalid_grant'],
  ['M_BAD_JSON', 'invalid_client_metadata'],
  ['M_NOT_JSON', 'invalid_client_metadata'],
  ['M_INVALID_PARAM', 'invalid_request'],
  ['M_MISSING_PARAM', 'invalid_request'],
] as const)

const STATUS: Partial<Record<OAuthErrorCode, number>> = { invalid_client: 401, temporarily_unavailable: 503 }

/** Answers a client with JSON that is stored nowhere, errors too (RFC 6749, section 5.2). */
export async function answerClient(reply: FastifyReply, ask: () => Promise<object>): Promise<object> {
  reply.header('Cache-Control', 'no-store')
  try {
    return await ask()
  } catch (error) {
    const known = error instanceof MatrixError ? CODES.get(error.errcode) : undefined
    if (known === undefined && !(error instanceof OAuthError)) throw error
    const code = error instanceof OAuthError ? error.code : known!
    reply.code(STATUS[code] ?? 400)
    return { error: code, error_description: ascii((error as Error).message) }
  }
}

/** The fields of a request of a client, of which none may be repeated (RFC 6749, section 3.2). */
export function readClientForm<S extends TSchema>(schema: S, bytes: unknown): Static<S> {
  const fields = formFields(bytes)
  if (new Set(fields.keys()).size !== fields.size)
    throw new OAuthError('invalid_request', 'A parameter is there more than once.')
  return readTexts(schema, Object.fromEntries(fields)) as Static<S>
}

/** The characters of error_description. */
function ascii(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?')
}
