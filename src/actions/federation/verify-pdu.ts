import type { App } from '../../app.ts'
import { type Event, exceedsByteLimits, parseEvent } from '../../core/event.ts'
import { contentHashHolds } from '../../core/hash.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { redactPdu } from '../../core/redact.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { pduSignatureCheck, requiredSigners, signaturesOf } from '../../core/sign.ts'
import { serverKey } from './server-keys.ts'

declare const verified: unique symbol

/** An event of another server whose format, signatures and hashes were checked: only such are stored. */
export type VerifiedEvent = Event & { readonly [verified]: true }

/** Signatures of one server that are looked at. */
const SIGNATURES_MAX = 5

/**
 * The first three checks on receipt of a PDU (Server-Server API, "Checks performed on receipt of a PDU"), the same for
 * every way by which a PDU comes in. An event whose content hash is wrong is kept as redaction leaves it.
 * Errors: MatrixError that says what is wrong.
 */
export async function verifyPdu(app: App, version: RoomVersion, pdu: JsonValue): Promise<VerifiedEvent> {
  return verifyEvent(app, readPdu(version, pdu))
}

/** 1. It is an event of this room version. What stands in `unsigned` is the sender's talk, and not kept. */
export function readPdu(version: RoomVersion, pdu: JsonValue): Event {
  if (!isObject(pdu)) throw new MatrixError('M_BAD_JSON', 'The PDU is not an object')
  return parseEvent(version, withoutUnsigned(pdu))
}

/** The rest of `verifyPdu`, for an event that was read by `readPdu`. */
export async function verifyEvent(app: App, event: Event): Promise<VerifiedEvent> {
  const { version } = event
  if (exceedsByteLimits(event)) throw new MatrixError('M_TOO_LARGE', 'A field of the event has over 255 bytes')
  // 2. The servers that have to sign it did.
  for (const server of requiredSigners(event)) {
    if (!(await isSigned(app, event, server)))
      throw new MatrixError('M_FORBIDDEN', `The event bears no signature of ${server} that verifies`)
  }
  // 3. What was hashed is what came.
  return (contentHashHolds(event.pdu) ? event : parseEvent(version, redactPdu(version, event.pdu))) as VerifiedEvent
}

/** PDUs checked at the same time: enough for the thread pool, and few enough for others to come to their turn. */
const AT_ONCE = 16

/**
 * Those of the PDUs that verify, in their order, and `refused` hears of the others. Many are checked side by side, and
 * the loop goes on with other work between.
 */
export async function verifyPdus(
  app: App,
  version: RoomVersion,
  pdus: readonly JsonValue[],
  refused: (error: MatrixError) => void,
): Promise<VerifiedEvent[]> {
  const verified: VerifiedEvent[] = []
  const check = (pdu: JsonValue) =>
    verifyPdu(app, version, pdu).catch((error: unknown) => {
      if (!(error instanceof MatrixError)) throw error
      refused(error)
    })
  for (let start = 0; start < pdus.length; start += AT_ONCE) {
    const some = await Promise.all(pdus.slice(start, start + AT_ONCE).map(check))
    verified.push(...some.flatMap((event) => event ?? []))
  }
  return verified
}

/** An event that this server built itself. */
export function ownEvent(event: Event): VerifiedEvent {
  return event as VerifiedEvent
}

async function isSigned(app: App, event: Event, server: ServerName): Promise<boolean> {
  if (!isServerName(server)) return false
  const atMs = event.version.enforceKeyValidity ? event.originServerTs : 'anyTime'
  for (const [keyId] of signaturesOf(event.pdu, server).slice(0, SIGNATURES_MAX)) {
    const publicKey = await serverKey(app, server, keyId, atMs)
    const check = publicKey && pduSignatureCheck(event.version, event.pdu, server, keyId, publicKey)
    if (check && (await app.signatureHolds(check))) return true
  }
  return false
}

function withoutUnsigned(pdu: JsonObject): JsonObject {
  const { unsigned: _, ...rest } = pdu
  return rest
}
