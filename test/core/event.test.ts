import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildEvent, type EventDraft, exceedsByteLimits, parseEvent } from '../../src/core/event.ts'
import { contentHash, eventIdOf } from '../../src/core/hash.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { canonicalJson, type JsonObject, type JsonValue, own, parseJson } from '../../src/core/json.ts'
import { signingKeyFromSeed } from '../../src/core/keys.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'
import { redactPdu } from '../../src/core/redact.ts'
import { ROOM_VERSIONS, type RoomVersion } from '../../src/core/room-version.ts'
import { pduSignatureHolds } from '../../src/core/sign.ts'

const KEY = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(3))
const SERVER = 'example.org' as ServerName
const VERSIONS = [...ROOM_VERSIONS.values()]
const V1 = ROOM_VERSIONS.get('1')!
const V11 = ROOM_VERSIONS.get('11')!
const V12 = ROOM_VERSIONS.get('12')!

const DRAFT: EventDraft = {
  roomId: '!room:example.org' as RoomId,
  type: 'm.room.message',
  stateKey: null,
  sender: '@alice:example.org' as UserId,
  content: { msgtype: 'm.text', body: 'Hello' },
  originServerTs: 1_700_000_000_000,
  depth: 7,
  prevEvents: ['$prev:example.org' as EventId],
  authEvents: ['$create:example.org' as EventId, '$member:example.org' as EventId],
}
const build = (version: RoomVersion, changes: Partial<EventDraft> = {}) =>
  buildEvent(version, { ...DRAFT, ...changes }, SERVER, KEY)
const errorOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    if (error instanceof MatrixError) return `${error.errcode}: ${error.message}`
    throw error
  }
  return undefined
}

describe.each(VERSIONS.map((version) => [version.id, version] as const))(
  'an event of room version %s',
  (_, version) => {
    test('is built with hash, id and signature, and parses to the same', () => {
      const event = build(version, { stateKey: '', unsigned: { age: 5 } })
      const parsed = parseEvent(version, parseJson(canonicalJson(event.pdu)) as JsonObject)
      expect(parsed).toEqual(event)
      expect(event).toMatchObject({ ...DRAFT, stateKey: '', version, redacts: undefined })
      expect(own(event.pdu, 'hashes')).toEqual({ sha256: contentHash(event.pdu) })
      expect(pduSignatureHolds(version, event.pdu, SERVER, KEY.keyId, KEY.publicKey)).toBe(true)
      expect(eventIdOf(version, event.pdu)).toBe(event.eventId)
    })

    test('has an id in the form of the version', () => {
      const form = {
        server: /^\$[A-Za-z0-9_]{43}:example\.org$/,
        base64: /^\$[A-Za-z0-9+/]{43}$/,
        base64url: /^\$[\w-]{43}$/,
      }
      for (let depth = 0; depth < 20; depth++)
        expect(build(version, { depth }).eventId).toMatch(form[version.eventIdFormat])
    })

    test('keeps id and signatures when it is redacted, and loses its hash', () => {
      const event = build(version)
      const redacted = redactPdu(version, event.pdu)
      expect(own(redacted, 'content')).toEqual({})
      expect(eventIdOf(version, redacted)).toBe(event.eventId)
      expect(pduSignatureHolds(version, redacted, SERVER, KEY.keyId, KEY.publicKey)).toBe(true)
      expect(contentHash(redacted)).not.toBe(contentHash(event.pdu))
    })

    test('says what it redacts where the version wants it', () => {
      const redacts = '$target' as EventId
      const event = build(version, { type: 'm.room.redaction', redacts, content: { reason: 'x' } })
      expect(event.redacts).toBe(redacts)
      expect(own(event.pdu, 'redacts')).toBe(version.redactsInContent ? undefined : redacts)
      expect(event.content).toEqual(version.redactsInContent ? { reason: 'x', redacts } : { reason: 'x' })
      const parsed = parseEvent(version, event.pdu)
      expect(parsed.redacts).toBe(redacts)
      expect(parseEvent(version, { ...event.pdu, type: 'x' }).redacts).toBeUndefined()
    })

    test('property: every content that may be sent survives the way over the network', () => {
      const value = fc.jsonValue({ noUnicodeString: false, maxDepth: 4 }).map(withoutFloats)
      fc.assert(
        fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), value), (content) => {
          const event = build(version, { content })
          const parsed = parseEvent(
            version,
            parseJson(new TextEncoder().encode(JSON.stringify(event.pdu))) as JsonObject,
          )
          expect(parsed.eventId).toBe(event.eventId)
          expect(contentHash(parsed.pdu)).toBe(own(own(event.pdu, 'hashes') as JsonObject, 'sha256'))
          expect(pduSignatureHolds(version, parsed.pdu, SERVER, KEY.keyId, KEY.publicKey)).toBe(true)
        }),
        { numRuns: 25 },
      )
    })
  },
)

test('versions 1 and 2 refer to events by pairs, with the hashes that the author knows', () => {
  const referenceHashes = new Map([['$prev:example.org' as EventId, 'abc']])
  const event = build(V1, { referenceHashes })
  expect(own(event.pdu, 'prev_events')).toEqual([['$prev:example.org', { sha256: 'abc' }]])
  expect(own(event.pdu, 'auth_events')).toEqual([
    ['$create:example.org', {}],
    ['$member:example.org', {}],
  ])
  expect(event.authEvents).toEqual(DRAFT.authEvents)
})

test('the room of version 12 is named after its create event', () => {
  const create = build(V12, { roomId: undefined, type: 'm.room.create', stateKey: '', prevEvents: [], authEvents: [] })
  expect(create.roomId).toBe(`!${create.eventId.slice(1)}`)
  expect(create.pdu).not.toHaveProperty('room_id')
  expect(parseEvent(V12, create.pdu).roomId).toBe(create.roomId)
  expect(build(V12, { roomId: create.roomId }).roomId).toBe(create.roomId)
  expect(errorOf(() => build(V12, { type: 'm.room.create', stateKey: '' }))).toContain('create event')
  expect(errorOf(() => build(V11, { roomId: undefined, type: 'm.room.create', stateKey: '' }))).toContain('room_id')
})

describe('buildEvent refuses', () => {
  test.each([
    ['a fraction', { content: { a: 1.5 } }, 'M_BAD_JSON'],
    ['a number from the source of an old room', { content: parseJson('{"a":1.0}') as JsonObject }, 'M_BAD_JSON'],
    ['half of a surrogate pair', { content: { a: '\ud800' } }, 'M_BAD_JSON'],
    ['a sender that is none', { sender: 'alice' as UserId }, 'M_BAD_JSON'],
    ['no room', { roomId: undefined }, 'M_BAD_JSON'],
    ['more than 20 events before', { prevEvents: Array(21).fill('$a:b') }, 'M_BAD_JSON'],
    ['more than 10 events of authorisation', { authEvents: Array(11).fill('$a:b') }, 'M_BAD_JSON'],
    ['a negative depth', { depth: -1 }, 'M_BAD_JSON'],
    ['a type of 256 bytes', { type: 'ä'.repeat(128) }, 'M_TOO_LARGE'],
    ['a state key of 256 bytes', { stateKey: 'ä'.repeat(128) }, 'M_TOO_LARGE'],
    ['65 KiB', { content: { body: 'x'.repeat(65_536) } }, 'M_TOO_LARGE'],
    ['65 KiB in fewer characters', { content: { body: '漢'.repeat(22_000) } }, 'M_TOO_LARGE'],
  ] as [string, Partial<EventDraft>, string][])('%s, in every version', (_, changes, errcode) => {
    for (const version of VERSIONS) expect(errorOf(() => build(version, changes))).toContain(`${errcode}:`)
  })

  test('the byte after 65,536, and no sooner', () => {
    const size = (event: { pdu: JsonObject }) => Buffer.byteLength(canonicalJson(event.pdu))
    const room = 65_536 - size(build(V11, { content: { body: '' } }))
    const event = build(V11, { content: { body: 'x'.repeat(room) } })
    expect(size(event)).toBe(65_536)
    expect(parseEvent(V11, event.pdu).eventId).toBe(event.eventId)
    expect(errorOf(() => build(V11, { content: { body: 'x'.repeat(room + 1) } }))).toContain('M_TOO_LARGE')
    expect(errorOf(() => parseEvent(V11, { ...event.pdu, extra: '' }))).toContain('M_TOO_LARGE')
  })

  test('content deeper than 100 levels together with the event', () => {
    expect(build(V11, { content: { a: nested(98) } }).eventId).toHaveLength(44)
    expect(errorOf(() => build(V11, { content: { a: nested(99) } }))).toBe(
      'M_BAD_JSON: JSON is nested deeper than 100 levels',
    )
    expect(errorOf(() => build(V1, { content: { a: nested(32_000) } }))).toContain('deeper than 100')
  })
})

describe('parseEvent', () => {
  test.each([...VERSIONS])('refuses 32,000 levels in room version $id, without overflow', (version) => {
    const pdu = { ...build(version).pdu, content: { a: nested(32_000) } }
    expect(errorOf(() => parseEvent(version, pdu))).toBe('M_BAD_JSON: JSON is nested deeper than 1000 levels')
    expect(parseEvent(version, { ...pdu, content: { a: nested(998) } }).type).toBe('m.room.message')
  })

  test('drops what other servers have no say in, and nothing else', () => {
    const ours = ['redacted_because', 'transaction_id', 'prev_content', 'm.relations', 'membership', 'constructor']
    for (const version of VERSIONS) {
      const { pdu } = build(version, { content: { body: 'x'.repeat(60_000) } })
      const theirs = { age: 5, invite_room_state: [{}], knock_room_state: [] }
      const said = parseJson(
        JSON.stringify({ ...theirs, __proto: 1, ...Object.fromEntries(ours.map((key) => [key, 1])) }),
      )
      const event = parseEvent(version, { ...pdu, unsigned: said })
      expect(event.pdu).toEqual({ ...pdu, unsigned: theirs })
      expect(event.eventId).toBe(parseEvent(version, pdu).eventId)
      expect(parseEvent(version, { ...pdu, unsigned: { redacted_because: {} } }).pdu).toEqual(pdu)
      // It does not count to the size either.
      const long = { redacted_because: 'x'.repeat(10_000) }
      expect(parseEvent(version, { ...pdu, unsigned: long }).pdu).toEqual(pdu)
    }
  })

  test('keeps numbers of old rooms as they were written, and refuses them from version 6 on', () => {
    const source = canonicalJson(build(V1).pdu).replace('"body":"Hello"', '"a":1.0,"b":12345678901234567890')
    for (const version of VERSIONS) {
      const pdu = { ...(parseJson(source) as JsonObject) }
      const { event_id: _, ...hashed } = pdu
      const references = { prev_events: ['$a'], auth_events: ['$b'] }
      const read = () => parseEvent(version, version.eventIdFormat === 'server' ? pdu : { ...hashed, ...references })
      if (version.strictJson) expect(errorOf(read)).toContain('M_BAD_JSON: The number')
      else expect(canonicalJson(read().content)).toContain('"a":1.0,"b":12345678901234567890')
    }
  })

  test('takes names beyond 255 bytes but not beyond 255 characters, up to version 10', () => {
    const long = { type: 'ä'.repeat(255), sender: `@${'ä'.repeat(200)}:example.org` }
    for (const version of VERSIONS) {
      const pdu = { ...build(version).pdu, ...long }
      if (version.strictByteLimits) expect(errorOf(() => parseEvent(version, pdu))).toContain('255 bytes')
      else expect(exceedsByteLimits(parseEvent(version, pdu))).toBe(true)
      const longer = { ...pdu, type: '😀'.repeat(256) }
      expect(errorOf(() => parseEvent(version, longer))).toMatch(/more than 255 (characters|bytes)/)
    }
    expect(exceedsByteLimits(build(V1))).toBe(false)
  })
})

function nested(levels: number): JsonValue {
  let value: JsonValue = []
  for (let level = 1; level < levels; level++) value = [value]
  return value
}

/** Events carry integers only. */
function withoutFloats(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value), (_, item) =>
    typeof item === 'number' ? Math.trunc(item % 2 ** 53) + 0 : item,
  )
}
