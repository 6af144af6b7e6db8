import type { FastifyRequest } from 'fastify'
import { serverKey } from '../actions/federation/server-keys.ts'
import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { canonicalJson, type JsonValue } from '../core/json.ts'
import { verifySignature } from '../core/keys.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { parseAuthorization, requestToSign, type XMatrix } from '../core/sign.ts'

/** Signatures looked at in one request. */
const HEADERS_MAX = 10

/**
 * Which server sends the request (Server-Server API, "Request Authentication"). `content`: the body, or undefined
 * without one. Errors: M_UNAUTHORIZED, M_INVALID_PARAM for a header that is malformed.
 */
export async function authenticateServer(
  app: App,
  request: FastifyRequest,
  content: JsonValue | undefined,
): Promise<ServerName> {
  const signatures = signaturesIn(request)
  const [first] = signatures
  if (first === undefined) throw withoutSignature(request)
  for (const signature of signatures) {
    // Signed by one server for several keys: all of one origin.
    if (signature.origin !== first.origin) throw new MatrixError('M_UNAUTHORIZED', 'The request has several origins.')
    // Old servers do not name the destination in the header; it is signed all the same.
    if (signature.destination !== undefined && signature.destination !== app.serverName)
      throw new MatrixError('M_UNAUTHORIZED', `The request is for ${signature.destination}, not for this server.`)
    if (await holds(app, request, content, signature)) return first.origin
  }
  throw new MatrixError('M_UNAUTHORIZED', `The request bears no signature of ${first.origin} that verifies.`)
}

/** A header that cannot be read is a fault of the request; without one the request is nobody's. */
function withoutSignature(request: FastifyRequest): MatrixError {
  return /^X-Matrix\b/i.test(request.headers.authorization ?? '')
    ? new MatrixError('M_INVALID_PARAM', 'The X-Matrix header is malformed.')
    : new MatrixError('M_UNAUTHORIZED', 'The request bears no X-Matrix signature.')
}

async function holds(
  app: App,
  request: FastifyRequest,
  content: JsonValue | undefined,
  signature: XMatrix,
): Promise<boolean> {
  const { origin } = signature
  if (origin === app.serverName) return false
  const publicKey = await serverKey(app, origin, signature.keyId, app.clock.now())
  if (publicKey === undefined) return false
  const uri = request.raw.url ?? ''
  const signed = requestToSign({ method: request.method, uri, origin, destination: app.serverName, content })
  return verifySignature(publicKey, canonicalJson(signed), signature.signature)
}

function signaturesIn(request: FastifyRequest): readonly XMatrix[] {
  const raw = request.raw.rawHeaders
  const found: XMatrix[] = []
  for (let index = 0; index < raw.length && found.length < HEADERS_MAX; index += 2) {
    if (raw[index]?.toLowerCase() !== 'authorization') continue
    const signature = parseAuthorization(raw[index + 1] ?? '')
    if (signature !== undefined) found.push(signature)
  }
  return found
}
