import { describe, expect, test } from 'vitest'
import { eventFault } from '../../src/core/event-format.ts'
import { type JsonObject, type JsonValue, parseJson } from '../../src/core/json.ts'
import { ROOM_VERSIONS, type RoomVersion } from '../../src/core/room-version.ts'

const VERSIONS = [...ROOM_VERSIONS.values()]
const pduOf = (version: RoomVersion): JsonObject => ({
  auth_events: version.referencesAsPairs ? [['$a:b', { sha256: 'x' }]] : ['$a'],
  content: {},
  depth: 1,
  ...(version.eventIdFormat === 'server' ? { event_id: '$x:example.org' } : {}),
  hashes: { sha256: 'x' },
  origin_server_ts: 1,
  prev_events: version.referencesAsPairs ? [['$a:b', {}]] : ['$a'],
  room_id: '!room:example.org',
  sender: '@alice:example.org',
  signatures: { 'example.org': { 'ed25519:1': 'x' } },
  type: 'x',
})

describe.each(VERSIONS.map((version) => [version.id, version] as const))('room version %s', (id, version) => {
  const pdu = pduOf(version)
  const faultWith = (changes: JsonObject) => eventFault(version, { ...pdu, ...changes })

  test('lets a right event pass, and keys that nobody knows', () => {
    expect(eventFault(version, pdu)).toBeUndefined()
    expect(faultWith({ 'org.example': [], origin: 'x', unsigned: { age: 1 }, state_key: '' })).toBeUndefined()
    expect(faultWith({ prev_events: [], auth_events: [] })).toBeUndefined()
  })

  test.each(Object.keys(pduOf(VERSIONS[0]!)))('needs %s, in the right type', (key) => {
    if (key === 'event_id' && version.eventIdFormat !== 'server') {
      expect(faultWith({ event_id: '$x' })).toContain('event_id does not belong')
      return
    }
    const { [key]: _, ...rest } = pdu
    expect(eventFault(version, rest)).toContain(key)
    const wrong: JsonValue[] = [null, true]
    if (typeof pdu[key] !== 'string') wrong.push('x')
    if (typeof pdu[key] !== 'number') wrong.push(1)
    if (!Array.isArray(pdu[key])) wrong.push([])
    if (Array.isArray(pdu[key]) || typeof pdu[key] !== 'object') wrong.push({})
    for (const value of wrong) expect(faultWith({ [key]: value })).toContain(key)
  })

  test.each([
    ['state_key', [null, 1, {}]],
    ['unsigned', [null, [], 'x']],
    ['sender', ['', 'alice', '@alice', '@alice:', '@a:b:c', '@a:b c', '!a:b']],
    ['room_id', ['', 'x', '#a:b']],
  ] as [string, JsonValue[]][])('refuses wrong values of %s', (key, values) => {
    for (const value of values) expect(faultWith({ [key]: value })).toContain(key)
  })

  test('limits the number of references, and wants them in the form of the version', () => {
    const reference: JsonValue = version.referencesAsPairs ? ['$a:b', {}] : '$a'
    const other: JsonValue = version.referencesAsPairs ? '$a' : ['$a:b', {}]
    for (const [key, max] of [
      ['prev_events', 20],
      ['auth_events', 10],
    ] as const) {
      expect(faultWith({ [key]: Array(max).fill(reference) })).toBeUndefined()
      expect(faultWith({ [key]: Array(max + 1).fill(reference) })).toContain(`${max} are allowed`)
      for (const bad of [
        other,
        'x',
        1,
        null,
        ['$a:b'],
        ['$a:b', {}, 1],
        ['x', {}],
        ['$a:b', 'x'],
        `$${'x'.repeat(255)}`,
      ]) {
        expect(faultWith({ [key]: [reference, bad] })).toContain('no event')
      }
    }
  })

  test('limits depth', () => {
    const withDepth = (depth: string) => faultWith(parseJson(`{"depth":${depth}}`) as JsonObject)
    const max = version.depthMax
    for (const depth of ['0', '1', String(max)]) expect(withDepth(depth)).toBeUndefined()
    for (const depth of ['-1', String(max + 1n), '1.5', '1.0', '1e3', '"1"', '99999999999999999999999']) {
      expect(withDepth(depth)).toBeDefined()
    }
    expect(withDepth('-0') === undefined).toBe(!version.strictJson)
  })

  test('limits origin_server_ts', () => {
    const withTs = (ts: string) => faultWith(parseJson(`{"origin_server_ts":${ts}}`) as JsonObject)
    for (const ts of ['0', '-1', '9007199254740991']) expect(withTs(ts)).toBeUndefined()
    expect(withTs('9223372036854775807') === undefined).toBe(!version.strictJson)
    for (const ts of ['9223372036854775808', '1.5', '"1"', 'null']) expect(withTs(ts)).toBeDefined()
  })

  test('does not take inherited keys for keys of the event', () => {
    expect(eventFault(version, Object.create(pdu) as JsonObject)).toBeDefined()
    const hostile = parseJson('{"__proto__":{"type":"x"}}') as JsonObject
    expect(eventFault(version, hostile)).toBeDefined()
  })

  test('names hold neither NUL nor half of a surrogate pair', () => {
    for (const key of ['type', 'state_key', 'sender', 'room_id']) {
      const value = typeof pdu[key] === 'string' ? pdu[key] : ''
      for (const bad of ['\0', '\ud800']) expect(faultWith({ [key]: bad + value })).toMatch(/half of a surrogate pair/)
      expect(faultWith({ content: { [key]: '\0' } })).toBeUndefined()
    }
  })

  test('names with 255 bytes fit', () => {
    expect(faultWith({ type: 'x'.repeat(255), state_key: 'x'.repeat(255) })).toBeUndefined()
    for (const key of ['type', 'state_key']) {
      expect(faultWith({ [key]: 'x'.repeat(256) })).toContain(`${key} has more than 255`)
      const lenient = Number(id) <= 10
      expect(faultWith({ [key]: 'ä'.repeat(128) }) === undefined).toBe(lenient)
    }
  })
})

test('the room id of version 12 is a hash, and the create event has none', () => {
  const version = ROOM_VERSIONS.get('12')!
  const { room_id: _, ...pdu } = pduOf(version)
  expect(eventFault(version, { ...pdu, room_id: `!${'x'.repeat(43)}` })).toBeUndefined()
  expect(eventFault(version, { ...pdu, type: 'm.room.create' })).toBeUndefined()
  expect(eventFault(version, { ...pdu, type: 'm.room.create', room_id: '!x' })).toContain('create event')
  expect(eventFault(version, pdu)).toContain('room_id')
})

test('the id of an event of versions 1 and 2 names a server', () => {
  const version = ROOM_VERSIONS.get('1')!
  for (const eventId of ['x:y', '$x', '$x:', '']) {
    expect(eventFault(version, { ...pduOf(version), event_id: eventId })).toContain('event_id')
  }
})
