import { authorise } from '../../src/core/auth/authorise.ts'
import { buildEvent, parseEvent } from '../../src/core/event.ts'
import { contentHashHolds } from '../../src/core/hash.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { canonicalJson, isObject, type JsonObject, parseJson } from '../../src/core/json.ts'
import { signingKeyFromSeed } from '../../src/core/keys.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import { redactPdu } from '../../src/core/redact.ts'
import { ROOM_VERSIONS } from '../../src/core/room-version.ts'
import { requiredSigners } from '../../src/core/sign.ts'
import { diceOf } from './state/dice.ts'

const VERSIONS = [...ROOM_VERSIONS.values()]
const KEY = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(3))
const LENGTH_MAX = 400
/** Pieces that lead further into the parser than bytes of chance do. */
const PIECES =
  '{ } [ ] , : " "" \\ \\u \\ud800 \\udc00 -0 0 1e 1e9 -1.5 9007199254740993 null true __proto__ constructor'
    .split(' ')
    .concat([
      '"type":"m.room.member"',
      '"content":{',
      '"auth_events":[',
      '"depth":',
      '\0',
      '\u2028',
      '😀',
      '\ufeff',
      ' ',
    ])

export interface Tally {
  /** Not JSON, not an event, or an event. */
  refused: number
  json: number
  events: number
}

/** What a received PDU meets in the core, in the order of its way. The result is canonical JSON, or a MatrixError. */
export function receivedBytes(bytes: Uint8Array, tally: Tally): void {
  const value = parseJson(bytes)
  tally.json += 1
  const canonical = canonicalJson(value)
  if (canonicalJson(parseJson(canonical)) !== canonical) throw new Error('canonical JSON does not survive parsing')
  for (const version of isObject(value) ? VERSIONS : []) {
    try {
      const event = parseEvent(version, value as JsonObject)
      contentHashHolds(event.pdu)
      requiredSigners(event)
      parseEvent(version, redactPdu(version, event.pdu))
      authorise(version, event, () => event)
      tally.events += 1
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
    }
  }
}

/** Feeds byte strings of chance to `receive`. What it throws beside MatrixError comes out, with the bytes. */
export function feed(count: number, seed: number, receive: typeof receivedBytes = receivedBytes): Tally {
  const tally: Tally = { refused: 0, json: 0, events: 0 }
  const dice = diceOf(seed)
  const seeds = VERSIONS.map((version) => Buffer.from(JSON.stringify(eventOf(version.id).pdu)))
  for (let n = 0; n < count; n++) {
    const bytes = n % 3 === 0 ? bytesOfChance(dice) : n % 3 === 1 ? piecesOfChance(dice) : bent(dice, seeds)
    try {
      receive(bytes, tally)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw new Error(`after ${bytes.toString('hex')}`, { cause: error })
      tally.refused += 1
    }
  }
  return tally
}

type Dice = ReturnType<typeof diceOf>

function bytesOfChance(dice: Dice): Buffer {
  return Buffer.from(Array.from({ length: dice.below(LENGTH_MAX) }, () => dice.below(256)))
}

function piecesOfChance(dice: Dice): Buffer {
  return Buffer.from(Array.from({ length: dice.below(40) }, () => dice.pick(PIECES)).join(''))
}

/** A real event with some bytes of chance, and perhaps a piece that does not belong there. */
function bent(dice: Dice, events: readonly Buffer[]): Buffer {
  const bytes = Buffer.from(dice.pick(events))
  for (let times = dice.below(4); times > 0; times--) bytes[dice.below(bytes.length)] = dice.below(256)
  if (dice.below(2) === 0) return bytes
  const at = dice.below(bytes.length)
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(dice.pick(PIECES)), bytes.subarray(at)])
}

function eventOf(id: string) {
  const version = ROOM_VERSIONS.get(id)!
  const draft = {
    roomId: '!room:example.org' as RoomId,
    type: 'm.room.member',
    stateKey: '@alice:example.org',
    sender: '@alice:example.org' as UserId,
    content: { membership: 'join', displayname: 'A "B" \\ ä 😀', list: [1, -2, { a: null, b: true }] },
    originServerTs: 1_700_000_000_000,
    depth: 7,
    prevEvents: ['$prev:example.org' as EventId],
    authEvents: ['$create:example.org' as EventId],
  }
  return buildEvent(version, draft, 'example.org' as ServerName, KEY)
}
