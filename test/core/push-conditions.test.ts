import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/core/json.ts'
import {
  conditionHolds,
  notificationLevel,
  type PushContext,
  pushEvent,
  splitPath,
} from '../../src/core/push-conditions.ts'

const CONTEXT: PushContext = {
  userId: '@me:x',
  displayName: 'Cake *',
  memberCount: 10,
  senderMayNotify: (key) => key === 'room',
}
const CONTENT: JsonObject = {
  body: 'An example event for cake *, and more',
  'm.federate': true,
  'a\\b': 'backslash',
  nothing: null,
  count: 3,
  huge: 2 ** 60,
  list: ['one', 2, null, true, { deep: 1 }, ['x']],
  object: { deep: 1 },
}
const EVENT = pushEvent({
  eventId: '$e',
  roomId: '!r:x',
  type: 'org.example.Thing',
  stateKey: '',
  sender: '@a:x',
  originServerTs: 7,
  content: CONTENT,
})

function holds(condition: JsonValue, context: Partial<PushContext> = {}): boolean {
  return conditionHolds(condition, EVENT, { ...CONTEXT, ...context }, { left: 1_000_000 })
}

describe('conditions', () => {
  test.each<[JsonValue, boolean]>([
    [{ kind: 'event_match', key: 'type', pattern: 'org.example.thing' }, true],
    [{ kind: 'event_match', key: 'type', pattern: 'ORG.*' }, true],
    [{ kind: 'event_match', key: 'type', pattern: 'example' }, false],
    [{ kind: 'event_match', key: 'state_key', pattern: '' }, true],
    [{ kind: 'event_match', key: 'room_id', pattern: '!r:x' }, true],
    [{ kind: 'event_match', key: 'content.body', pattern: 'ex*ple' }, true],
    [{ kind: 'event_match', key: 'content.body', pattern: 'xample' }, false],
    [{ kind: 'event_match', key: 'content.absent', pattern: '*' }, false],
    [{ kind: 'event_match', key: 'content.nothing', pattern: '*' }, false],
    [{ kind: 'event_match', key: 'content.count', pattern: '3' }, false],
    [{ kind: 'event_match', key: 'content.a\\\\b', pattern: 'back*' }, true],
    [{ kind: 'event_match', key: 'content.constructor.name', pattern: '*' }, false],
    [{ kind: 'event_match', key: '__proto__', pattern: '*' }, false],
    [{ kind: 'event_match', key: 'type' }, false],
    [{ kind: 'event_match', pattern: '*' }, false],
    [{ kind: 'event_property_is', key: 'content.m\\.federate', value: true }, true],
    [{ kind: 'event_property_is', key: 'content.m\\.federate', value: 'true' }, false],
    [{ kind: 'event_property_is', key: 'content.m\\.federate', value: 1 }, false],
    [{ kind: 'event_property_is', key: 'content.m.federate', value: true }, false],
    [{ kind: 'event_property_is', key: 'content.nothing', value: null }, true],
    [{ kind: 'event_property_is', key: 'content.absent', value: null }, false],
    [{ kind: 'event_property_is', key: 'content.absent' }, false],
    [{ kind: 'event_property_is', key: 'content.count', value: 3 }, true],
    [{ kind: 'event_property_is', key: 'content.huge', value: 2 ** 60 }, false],
    [{ kind: 'event_property_is', key: 'content.object', value: { deep: 1 } }, false],
    [{ kind: 'event_property_contains', key: 'content.list', value: 'one' }, true],
    [{ kind: 'event_property_contains', key: 'content.list', value: 2 }, true],
    [{ kind: 'event_property_contains', key: 'content.list', value: null }, true],
    [{ kind: 'event_property_contains', key: 'content.list', value: 'on' }, false],
    [{ kind: 'event_property_contains', key: 'content.list', value: { deep: 1 } }, false],
    [{ kind: 'event_property_contains', key: 'content.body', value: 'An' }, false],
    [{ kind: 'contains_display_name' }, true],
    [{ kind: 'sender_notification_permission', key: 'room' }, true],
    [{ kind: 'sender_notification_permission', key: 'constructor' }, false],
    [{ kind: 'sender_notification_permission' }, false],
    [{ kind: 'org.example.unknown' }, false],
    [{}, false],
    [null, false],
    [['event_match'], false],
    ['event_match', false],
    [{ kind: { toString: 'event_match' } }, false],
  ])('%j: %s', (condition, expected) => {
    expect(holds(condition)).toBe(expected)
  })

  test.each<[JsonValue, boolean]>([
    ['10', true],
    ['==10', true],
    ['<10', false],
    ['<=10', true],
    ['>9', true],
    ['>=11', false],
    ['9', false],
    ['', false],
    ['<', false],
    ['-10', false],
    ['10.0', false],
    ['9'.repeat(400), false],
    [10, false],
  ])('a room of ten and %j: %s', (is, expected) => {
    expect(holds({ kind: 'room_member_count', is })).toBe(expected)
  })

  test('no display name, no match', () => {
    expect(holds({ kind: 'contains_display_name' }, { displayName: undefined })).toBe(false)
    expect(holds({ kind: 'contains_display_name' }, { displayName: '' })).toBe(false)
    expect(holds({ kind: 'contains_display_name' }, { displayName: 'c?ke' })).toBe(false)
  })

  test('an event without state key has none', () => {
    const source = { eventId: '$e', roomId: '!r', type: 't', stateKey: null, sender: '@a:x', originServerTs: 1 }
    expect(pushEvent({ ...source, content: {} }).property('state_key')).toBeUndefined()
  })

  test('deep content and long paths are walked without recursion', () => {
    let content: JsonObject = { a: 'end' }
    for (let depth = 0; depth < 50_000; depth++) content = { a: content }
    const source = { eventId: '$e', roomId: '!r', type: 't', stateKey: null, sender: '@a:x', originServerTs: 1 }
    const event = pushEvent({ ...source, content })
    expect(event.property(`content${'.a'.repeat(50_001)}`)).toBeUndefined()
    expect(event.property(`content${'.a'.repeat(500)}`)).toBeTypeOf('object')
  })
})

test('paths', () => {
  expect(splitPath('content.m\\.relates_to.rel_type')).toEqual(['content', 'm.relates_to', 'rel_type'])
  expect(splitPath('content.m\\\\foo')).toEqual(['content', 'm\\foo'])
  expect(splitPath('content.\\x.')).toEqual(['content', '\\x', ''])
  expect(splitPath('\\')).toEqual(['\\'])
  expect(splitPath('')).toEqual([''])
})

test('notification levels', () => {
  expect(notificationLevel(undefined, 'room')).toBe(50)
  expect(notificationLevel({ notifications: { room: 20 } }, 'room')).toBe(20)
  expect(notificationLevel({ notifications: { room: ' 20 ' } }, 'room')).toBe(20)
  expect(notificationLevel({ notifications: { room: 20 } }, 'constructor')).toBe(50)
  for (const room of ['x', 1.5, null, [], {}, true])
    expect(notificationLevel({ notifications: { room } }, 'room')).toBe(50)
  expect(notificationLevel({ notifications: [] }, 'room')).toBe(50)
})
