import { describe, expect, test } from 'vitest'
import type { AuthEvent } from '../../src/core/event.ts'
import { type JsonObject, type JsonValue, parseJson } from '../../src/core/json.ts'
import { creatorsOf, levelOf, powerLevelsOf } from '../../src/core/power-levels.ts'
import { ROOM_VERSIONS } from '../../src/core/room-version.ts'

const V1 = ROOM_VERSIONS.get('1')!
const V9 = ROOM_VERSIONS.get('9')!
const V10 = ROOM_VERSIONS.get('10')!
const V11 = ROOM_VERSIONS.get('11')!
const V12 = ROOM_VERSIONS.get('12')!
const BEYOND = 2n ** 53n

describe('a level', () => {
  test.each([
    ['50', 50],
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740993', BEYOND + 1n],
    ['-9007199254740993', -BEYOND - 1n],
    ['"50"', 50],
    ['"-000100"', -100],
    ['" \\t\\n +100  "', 100],
    ['"9007199254740993"', BEYOND + 1n],
    [`"${'0'.repeat(500)}7${' '.repeat(500)}"`, 7],
    [`"1${'0'.repeat(60)}"`, 10n ** 60n],
  ])('is read without loss from %s in versions 1 to 9', (source, expected) => {
    expect(levelOf(V1, parseJson(source))).toBe(expected)
    if (source.startsWith('"') || typeof expected === 'number') expect(levelOf(V9, parseJson(source))).toBe(expected)
  })

  test.each([
    ['-0', 0],
    ['50.57', 50],
    ['-50.57', -50],
    ['1.0', 1],
    ['-1.0', -1],
    ['0.9', 0],
    ['-0.9', 0],
    ['5.114698E4', 51_146],
    ['1e3', 1000],
    ['12e-1', 1],
    ['0.0012e4', 12],
    ['1e-400', 0],
    ['0e99999999999', 0],
    ['0.000e99999999999', 0],
    ['9007199254740993.9', BEYOND + 1n],
    ['9.0071992547409939e15', BEYOND + 1n],
    ['1e23', 10n ** 23n],
    ['1e+23', 10n ** 23n],
    ['1e308', 10n ** 308n],
    [`0.${'0'.repeat(300)}1e302`, 10],
  ])('may be the float %s in versions 1 to 5: exponent first, then the fraction is cut off', (source, expected) => {
    expect(levelOf(V1, parseJson(source))).toBe(expected)
    expect(levelOf(V9, parseJson(source))).toBeUndefined()
  })

  test.each(['null', 'true', '[]', '[5]', '{}', '{"raw":"5"}', '""', '" "', '"+"', '"1_0"', '"1.0"', '"1e3"', '"٣"'])(
    'is never %s',
    (source) => {
      for (const version of ROOM_VERSIONS.values()) expect(levelOf(version, parseJson(source))).toBeUndefined()
    },
  )

  test.each(['1e309', '-1e309', `1${'0'.repeat(400)}`])('is not what no double holds: %s', (source) => {
    for (const version of ROOM_VERSIONS.values()) expect(levelOf(version, parseJson(source))).toBeUndefined()
  })

  test('is an integer from version 10 on', () => {
    for (const source of ['"50"', '1.5', '1.0', '9007199254740993']) {
      expect(levelOf(V10, parseJson(source))).toBeUndefined()
    }
    expect(levelOf(V10, 50)).toBe(50)
    expect(levelOf(V10, -0)).toBe(0)
    expect(levelOf(V10, undefined)).toBeUndefined()
  })
})

describe('the levels of a room', () => {
  const users = { '@a:x': '9007199254740992', '@b:x': '9007199254740993' }

  test('tell huge levels apart', () => {
    const levels = powerLevelsOf(V9, create({ creator: '@a:x' }), event({ users, ban: '9007199254740993' }))
    expect(levels.ofUser('@a:x') >= levels.ban).toBe(false)
    expect(levels.ofUser('@b:x') >= levels.ban).toBe(true)
    expect(levels.ofUser('@a:x') === levels.ofUser('@b:x')).toBe(false)
    expect(levels.ofUser('@c:x')).toBe(0)
  })

  test('have defaults where the event or a key is missing, or says nothing that is a level', () => {
    for (const content of [undefined, {}, { ban: null, kick: 'x', events: null, users: [], notifications: 1 }]) {
      const levels = powerLevelsOf(V10, create({ creator: '@a:x' }), content && event(content as JsonObject))
      expect(levels).toMatchObject({ invite: 0, kick: 50, ban: 50, redact: 50, notificationsRoom: 50 })
      expect(levels).toMatchObject({ usersDefault: 0, eventsDefault: 0, stateDefault: 50 })
      expect(levels.toSend('x', true)).toBe(50)
      expect(levels.toSend('x', false)).toBe(0)
      // Without the event its creator has 100; with it, what it says.
      expect(levels.ofUser('@a:x')).toBe(content === undefined ? 100 : 0)
      expect(levels.ofUser('@b:x')).toBe(0)
    }
  })

  test('are what the event says', () => {
    const content = {
      ...{ invite: 1, kick: 2, ban: 3, redact: 4, users_default: 5, events_default: 6, state_default: 7 },
      ...{ users: { '@a:x': 8 }, events: { y: 9 }, notifications: { room: 10 } },
    }
    const levels = powerLevelsOf(V10, create({}), event(content))
    expect(levels).toMatchObject({ invite: 1, kick: 2, ban: 3, redact: 4, notificationsRoom: 10 })
    expect([levels.usersDefault, levels.eventsDefault, levels.stateDefault]).toEqual([5, 6, 7])
    expect([levels.ofUser('@a:x'), levels.ofUser('@b:x')]).toEqual([8, 5])
    expect([levels.toSend('y', true), levels.toSend('x', true), levels.toSend('x', false)]).toEqual([9, 7, 6])
  })

  test('do not find what objects inherit', () => {
    for (const content of [{ users: {}, events: {} }, parseJson('{"__proto__":{"ban":1,"users":{"@a:x":9}}}')]) {
      const levels = powerLevelsOf(V10, create({}), event(content as JsonObject))
      expect(levels.ban).toBe(50)
      for (const key of ['__proto__', 'constructor', 'toString', '@a:x']) {
        expect(levels.ofUser(key)).toBe(0)
        expect(levels.toSend(key, true)).toBe(50)
      }
    }
  })

  test('put creators of version 12 above all', () => {
    const levels = powerLevelsOf(V12, create({ additional_creators: ['@b:x', 1] }), event({ users: { '@a:x': 5 } }))
    for (const creator of ['@sender:x', '@b:x']) expect(levels.ofUser(creator)).toBe(Number.POSITIVE_INFINITY)
    expect(levels.ofUser('@a:x')).toBe(5)
    expect(powerLevelsOf(V12, undefined, undefined).ofUser('@sender:x')).toBe(0)
  })
})

test('the creator is named in the content, and from version 11 on is the sender', () => {
  const named = create({ creator: '@a:x', additional_creators: ['@b:x', 1, '@c:x'] })
  expect(creatorsOf(V10, named)).toEqual(['@a:x'])
  expect(creatorsOf(V10, create({ creator: 1 }))).toEqual([])
  expect(creatorsOf(V11, named)).toEqual(['@sender:x'])
  expect(creatorsOf(V12, named)).toEqual(['@sender:x', '@b:x', '@c:x'])
  expect(creatorsOf(V12, create({ additional_creators: '@b:x' }))).toEqual(['@sender:x'])
})

function create(content: JsonObject): AuthEvent {
  return { sender: '@sender:x', content } as AuthEvent
}

function event(content: Readonly<Record<string, JsonValue>>): AuthEvent {
  return { content } as unknown as AuthEvent
}
