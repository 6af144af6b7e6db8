import type { App } from '../../app.ts'
import { type Event, parseEvent } from '../../core/event.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { isObject, own } from '../../core/json.ts'
import { ERRCODES, type Errcode, MatrixError } from '../../core/matrix-error.ts'
import { addSignature, pduSignatureHolds, signatureOf } from '../../core/sign.ts'
import { askServer, Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { type Draft, entryOf } from './room-draft.ts'

/** Server-Server API, "Policy Servers": the only key that counts is the one that the room's state names. */
const KEY_ID = 'ed25519:policy_server'
/** The room waits meanwhile. */
const TIMEOUT_MS = 5_000
const ANSWER_BYTES_MAX = 16_384

interface PolicyServer {
  readonly name: ServerName
  readonly publicKey: string
}

/**
 * The event as this server may send it: where the room uses a policy server, with its signature. When it cannot be
 * asked nothing is sent; whoever may set `m.room.policy` can end that, as that event needs no signature.
 * Errors: what the policy server answered, word for word; M_UNKNOWN (502) when it does not answer.
 */
export async function approved(app: App, draft: Draft, event: Event): Promise<Event> {
  const policy = await policyServerOf(app, draft, event)
  if (policy === undefined) return event
  try {
    return await askToSign(app, policy, event)
  } catch (error) {
    throw refusal(error, policy)
  }
}

/**
 * Whether an event that was received is recommended for the room (check 7 on receipt of a PDU). A signature that is
 * missing, or not by the key of today, is asked for.
 */
export async function isRecommended(app: App, draft: Draft, event: Event): Promise<boolean> {
  const policy = await policyServerOf(app, draft, event)
  if (policy === undefined || isSigned(event, policy)) return true
  try {
    await askToSign(app, policy, event)
    return true
  } catch (error) {
    if (!isAnswer(error)) throw error
    app.log.info({ room: draft.tip.roomId, event: event.eventId, reason: error.message }, 'an event is not recommended')
    return false
  }
}

/** The policy server that the room uses for such an event; undefined: none. */
async function policyServerOf(app: App, draft: Draft, event: Event): Promise<PolicyServer | undefined> {
  if (draft.isNew || (event.type === 'm.room.policy' && event.stateKey === '')) return undefined
  const content = (await entryOf(app, draft, 'm.room.policy', ''))?.value.content
  if (content === undefined) return undefined
  const [name, keys] = [own(content, 'via'), own(content, 'public_keys')]
  const publicKey = keys !== undefined && isObject(keys) ? own(keys, 'ed25519') : undefined
  if (typeof name !== 'string' || typeof publicKey !== 'string' || !isServerName(name)) return undefined
  // A room cannot make anybody its policy server who is not in it.
  return (await serverIsIn(app.db, draft.tip.room, name)) ? { name, publicKey } : undefined
}

function isSigned(event: Event, { name, publicKey }: PolicyServer): boolean {
  return pduSignatureHolds(event.version, event.pdu, name, KEY_ID, publicKey)
}

async function askToSign(app: App, policy: PolicyServer, event: Event): Promise<Event> {
  if (policy.name === app.serverName) throw new MatrixError('M_FORBIDDEN', 'This server judges no events.')
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
  const question = { method: 'POST', uri: '/_matrix/policy/v1/sign', content: event.pdu, ...limits } as const
  const signature = signatureOf({ signatures: await askServer(app, policy.name, question) }, policy.name, KEY_ID)
  const pdu = signature === undefined ? event.pdu : addSignature(event.pdu, policy.name, KEY_ID, signature)
  const signed = parseEvent(event.version, pdu)
  if (isSigned(signed, policy)) return signed
  throw new MatrixError('M_FORBIDDEN', `The signature of ${policy.name} does not hold.`)
}

function isAnswer(error: unknown): error is Error {
  return error instanceof Refused || error instanceof Unreachable || error instanceof MatrixError
}

function refusal(error: unknown, { name }: PolicyServer): unknown {
  if (error instanceof Unreachable)
    return new MatrixError('M_UNKNOWN', `The policy server ${name} of this room cannot be asked.`, {}, 502)
  if (!(error instanceof Refused)) return error
  const errcode = Object.hasOwn(ERRCODES, error.errcode) ? (error.errcode as Errcode) : 'M_FORBIDDEN'
  const status = error.status >= 400 && error.status < 500 ? error.status : 502
  return new MatrixError(errcode, error.message, {}, status)
}
