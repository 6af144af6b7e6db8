import { describe, expect, test } from 'vitest'
import { authorise, checkAuthEvents } from '../../src/core/auth/authorise.ts'
import { authStateKeys } from '../../src/core/auth/select.ts'
import { authoriseSigned } from '../../src/core/auth/signed.ts'
import { buildEvent, type Event, type EventDraft, parseEvent } from '../../src/core/event.ts'
import { contentHashHolds, eventIdOf } from '../../src/core/hash.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { canonicalJson, type JsonObject, own, parseJson } from '../../src/core/json.ts'
import { signingKeyFromSeed } from '../../src/core/keys.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import { powerLevelsOf } from '../../src/core/power-levels.ts'
import { redactPdu } from '../../src/core/redact.ts'
import { ROOM_VERSIONS } from '../../src/core/room-version.ts'
import { pduSignatureHolds, requiredSigners, signaturesOf } from '../../src/core/sign.ts'

const KEY = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(3))
const SERVER = 'example.org' as ServerName
/** Keys that JavaScript has ideas about. */
const KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__', '']
const MANY = 10_000
const MOMENT_MS = 1_000

describe.each([...ROOM_VERSIONS.values()])('events of room version $id from servers that mean no good', (version) => {
  const draft: EventDraft = {
    roomId: '!room:example.org' as RoomId,
    type: 'm.room.message',
    stateKey: null,
    sender: '@alice:example.org' as UserId,
    content: {},
    originServerTs: 1,
    depth: 1,
    prevEvents: ['$prev:example.org' as EventId],
    authEvents: ['$auth:example.org' as EventId],
  }
  const build = (changes: Partial<EventDraft>) => buildEvent(version, { ...draft, ...changes }, SERVER, KEY)
  /** Over the network, so that every key is data. */
  const received = (pdu: JsonObject): Event => {
    return parseEvent(version, parseJson(new TextEncoder().encode(canonicalJson(pdu))) as JsonObject)
  }

  test.each(KEYS)('the key %j is data wherever it stands', (key) => {
    const map = parseJson(`{${JSON.stringify(key)}:{${JSON.stringify(key)}:100}}`) as JsonObject
    const levels = parseJson(`{${JSON.stringify(key)}:100}`) as JsonObject
    const types = key === '' ? ['m.room.power_levels'] : [key, 'm.room.power_levels', 'm.room.member', 'm.room.create']
    for (const type of types) {
      const isHashedCreate = version.roomIdIsCreateHash && type === 'm.room.create'
      const content = { ...map, users: levels, events: levels, notifications: levels, third_party_invite: map }
      const event = build({ type, stateKey: key, content, ...(isHashedCreate ? { roomId: undefined } : {}) })
      const again = received(event.pdu)
      expect(again.eventId).toBe(event.eventId)
      expect(Object.hasOwn(again.content, key)).toBe(true)
      expect(contentHashHolds(again.pdu)).toBe(true)
      expect(pduSignatureHolds(version, again.pdu, SERVER, KEY.keyId, KEY.publicKey)).toBe(true)
      expect(eventIdOf(version, redactPdu(version, again.pdu))).toBe(event.eventId)
      const known = powerLevelsOf(version, again, again)
      for (const other of KEYS.filter((name) => name !== key)) {
        expect([known.ofUser(other), known.toSend(other, true)]).toEqual([0, 50])
      }
      expect(known.toSend(key, true)).toBe(100)
      // A state in which the event stands under any key.
      expect(typeof authorise(version, again, () => again).allowed).toBe('boolean')
      expect(authStateKeys(version, again).every((pair) => pair.length === 2)).toBe(true)
      expect(authoriseSigned(version, again, new Set())).toEqual({ allowed: true })
      expect(requiredSigners(again)).toContain(SERVER)
    }
  })

  test.each(KEYS)('signatures and hashes under %j are none', (key) => {
    const { pdu } = build({})
    const forged = parseJson(`{${JSON.stringify(key)}:{"ed25519:1":"AAAA",${JSON.stringify(key)}:{}}}`) as JsonObject
    const event = received({ ...pdu, signatures: forged, hashes: forged })
    expect(contentHashHolds(event.pdu)).toBe(false)
    expect(signaturesOf(event.pdu, SERVER)).toEqual([])
    for (const other of KEYS) {
      const found = signaturesOf(event.pdu, other)
      expect(found.map(([keyId]) => keyId)).toEqual(other === key ? ['ed25519:1'] : [])
      expect(pduSignatureHolds(version, event.pdu, other, 'ed25519:1', KEY.publicKey)).toBe(false)
    }
  })

  test('ten thousand auth events are refused at once, of the event and of the rules', () => {
    const { pdu, ...event } = build({})
    const reference = (own(pdu, 'auth_events') as JsonObject[])[0]!
    const began = performance.now()
    for (const key of ['auth_events', 'prev_events']) {
      const refused = () => received({ ...pdu, [key]: Array<JsonObject>(MANY).fill(reference) })
      expect(refused).toThrow(MatrixError)
      expect(refused).toThrow(`${MANY} entries`)
    }
    const members = Array.from({ length: MANY }, (_, n) => ({ ...event, type: 'm.room.member', stateKey: `@${n}:a` }))
    expect(checkAuthEvents(version, event, members, () => false)).toMatchObject({ allowed: false })
    const doubles = Array<typeof event>(MANY).fill({ ...event, type: 'm.room.power_levels', stateKey: '' })
    expect(checkAuthEvents(version, event, doubles, () => false)).toMatchObject({ reason: /two auth events/ })
    expect(performance.now() - began).toBeLessThan(MOMENT_MS)
  })

  test('an event that names itself rests on nothing', () => {
    const id = '$itself:example.org' as EventId
    const itself = { ...build({ type: 'm.room.member', stateKey: draft.sender }), eventId: id, authEvents: [id] }
    const verdict = checkAuthEvents(version, itself, [itself], () => false)
    // Version 12 misses no create event among them; there the state decides.
    expect(verdict.allowed).toBe(version.roomIdIsCreateHash)
    expect(
      authorise(version, itself, (type, key) => (type === itself.type && key === '@a' ? itself : undefined)),
    ).toEqual(expect.objectContaining({ allowed: false }))
  })
})
