import type { Event } from './event.ts'
import { signedText, without } from './hash.ts'
import { isServerName, type ServerName, serverNameOf } from './ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own } from './json.ts'
import { type SignatureCheck, type SigningKey, signatureCheck, verifySignature } from './keys.ts'
import type { RoomVersion } from './room-version.ts'

/** The object with a signature of `name` added (Appendices, "Signing Details"). Other signatures stay. */
export function signJson(object: JsonObject, name: string, key: SigningKey): JsonObject {
  return addSignature(object, name, key.keyId, key.sign(signedTextOfJson(object)))
}

/** Whether the object bears a signature of `name` by this key that verifies. */
export function jsonSignatureHolds(object: JsonObject, name: string, keyId: string, publicKey: string): boolean {
  const signature = signatureOf(object, name, keyId)
  return signature !== undefined && verifySignature(publicKey, signedTextOfJson(object), signature)
}

/** The PDU with a signature of the server added, over what redaction keeps of it. */
export function signPdu(version: RoomVersion, pdu: JsonObject, serverName: string, key: SigningKey): JsonObject {
  return addSignature(pdu, serverName, key.keyId, key.sign(signedText(version, pdu)))
}

/** Whether the PDU bears a signature of the server by this key that verifies. */
export function pduSignatureHolds(
  version: RoomVersion,
  pdu: JsonObject,
  serverName: string,
  keyId: string,
  publicKey: string,
): boolean {
  const signature = signatureOf(pdu, serverName, keyId)
  return signature !== undefined && verifySignature(publicKey, signedText(version, pdu), signature)
}

/** The same as a check that is still to be made; undefined where nothing could verify. */
export function pduSignatureCheck(
  version: RoomVersion,
  pdu: JsonObject,
  serverName: string,
  keyId: string,
  publicKey: string,
): SignatureCheck | undefined {
  const signature = signatureOf(pdu, serverName, keyId)
  return signature === undefined ? undefined : signatureCheck(publicKey, signedText(version, pdu), signature)
}

/** The text that the signatures of a JSON object cover. */
export function signedTextOfJson(object: JsonObject): string {
  return canonicalJson(without(object, ['signatures', 'unsigned']))
}

export function signatureOf(object: JsonObject, name: string, keyId: string): string | undefined {
  const signature = signaturesOf(object, name).find(([id]) => id === keyId)?.[1]
  return signature
}

/** The ed25519 signatures of `name`, as pairs of key id and unpadded base64. */
export function signaturesOf(object: JsonObject, name: string): readonly (readonly [keyId: string, string])[] {
  const signatures = own(object, 'signatures')
  const ofName = isObject(signatures) ? own(signatures, name) : undefined
  if (!isObject(ofName)) return []
  const found: (readonly [string, string])[] = []
  for (const [keyId, signature] of Object.entries(ofName)) {
    if (keyId.startsWith('ed25519:') && typeof signature === 'string') found.push([keyId, signature])
  }
  return found
}

/** Replaces what is under `signatures[name][keyId]`. */
export function addSignature(object: JsonObject, name: string, keyId: string, signature: string): JsonObject {
  const signatures = own(object, 'signatures')
  const others = isObject(signatures) ? signatures : {}
  const ofName = own(others, name)
  // A computed key in a literal defines data, `__proto__` too.
  return {
    ...object,
    signatures: { ...others, [name]: { ...(isObject(ofName) ? ofName : {}), [keyId]: signature } },
  }
}

/** The servers that must have signed an event that came over federation (Server-Server API, "Validating hashes…"). */
export function requiredSigners(event: Event): readonly ServerName[] {
  const signers = new Set<ServerName>()
  const isMember = event.type === 'm.room.member'
  const isInvite = isMember && own(event.content, 'membership') === 'invite'
  // Third-party invites are signed by the identity server; the auth rules check that.
  if (!isInvite || own(event.content, 'third_party_invite') === undefined) signers.add(serverNameOf(event.sender))
  if (event.version.eventIdFormat === 'server') signers.add(serverNameOf(event.eventId))
  const voucher: JsonValue | undefined = own(event.content, 'join_authorised_via_users_server')
  if (event.version.restricted && isMember && voucher !== undefined) {
    // What is no user has no server, and nobody can sign for that.
    signers.add(typeof voucher === 'string' ? serverNameOf(voucher) : ('' as ServerName))
  }
  return [...signers]
}

/** What an X-Matrix header signs (Server-Server API, "Request Authentication"). */
export interface FederationRequest {
  readonly method: string
  /** Path and query as on the wire. */
  readonly uri: string
  readonly origin: string
  readonly destination: string
  /** undefined: a request without a body. */
  readonly content?: JsonValue | undefined
}

export interface XMatrix {
  readonly origin: ServerName
  /** undefined: an old server did not name it. */
  readonly destination: ServerName | undefined
  readonly keyId: string
  readonly signature: string
}

/** Characters of an Authorization header that are read. */
const HEADER_MAX = 4096
const PARAMETER = /\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)/y

/** The object whose signature the header carries. */
export function requestToSign(request: FederationRequest): JsonObject {
  const { method, uri, origin, destination, content } = request
  return content === undefined ? { destination, method, origin, uri } : { content, destination, method, origin, uri }
}

/** The value of the Authorization header of a request that we send. */
export function authorizationHeader(request: FederationRequest, key: SigningKey): string {
  const signature = key.sign(canonicalJson(requestToSign(request)))
  const { origin, destination } = request
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key.keyId}",sig="${signature}"`
}

/** Reads an X-Matrix header, quoted or not, in any order; undefined if it is malformed. */
export function parseAuthorization(header: string): XMatrix | undefined {
  if (header.length > HEADER_MAX || !/^X-Matrix\s/i.test(header)) return undefined
  const parameters = new Map<string, string>()
  PARAMETER.lastIndex = 'X-Matrix '.length
  while (PARAMETER.lastIndex < header.length) {
    const parameter = PARAMETER.exec(header)
    if (parameter === null) return undefined
    const [, name = '', quoted, token = ''] = parameter
    // Of two values servers could read different ones.
    if (parameters.has(name.toLowerCase())) return undefined
    parameters.set(name.toLowerCase(), quoted === undefined ? token : quoted.replace(/\\(.)/g, '$1'))
  }
  const origin = parameters.get('origin')
  const destination = parameters.get('destination')
  const keyId = parameters.get('key')
  const signature = parameters.get('sig')
  if (origin === undefined || keyId === undefined || signature === undefined || !isServerName(origin)) return undefined
  if (destination !== undefined && !isServerName(destination)) return undefined
  return { origin, destination, keyId, signature }
}
