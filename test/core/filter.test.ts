import { describe, expect, test } from 'vitest'
import {
  eventFilterMatches,
  FILTER_MAX_BYTES,
  FILTER_MAX_ENTRIES,
  FILTER_MAX_LIMIT,
  filterExcludesAll,
  parseEventFilter,
  parseEventFilterText,
  parseFilter,
  parseFilterText,
  roomFilterMatches,
} from '../../src/core/filter.ts'
import type { JsonValue } from '../../src/core/json.ts'
import { MatrixError } from '../../src/core/matrix-error.ts'

function errcodeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof MatrixError) return `${error.status} ${error.errcode}`
    throw error
  }
  return 'nothing thrown'
}

const timeline = (value: JsonValue): JsonValue => ({ room: { timeline: value } })

describe('parseFilter', () => {
  test('the empty filter lets everything pass', () => {
    const filter = parseFilter({})
    expect(filter.eventFormat).toBe('client')
    expect(filter.room.includeLeave).toBe(false)
    expect(filter.room.timeline.lazyLoadMembers).toBe(false)
    expect(eventFilterMatches(filter.room.timeline, { type: 'm.any', sender: '@a:x', roomId: '!r' })).toBe(true)
  })

  test('every key of the specification is read', () => {
    const filter = parseFilter({
      event_fields: ['type', 'content.body'],
      event_format: 'federation',
      presence: { not_senders: ['@a:x'] },
      account_data: { types: ['m.push_rules'] },
      room: {
        rooms: ['!r:x'],
        not_rooms: ['!s:x'],
        include_leave: true,
        state: { lazy_load_members: true, include_redundant_members: true },
        timeline: { limit: 5, contains_url: true, unread_thread_notifications: true },
        ephemeral: { not_types: ['*'] },
        account_data: { related_by_rel_types: ['m.thread'], related_by_senders: ['@b:x'] },
      },
      'org.example.unknown': { anything: null },
    })
    expect(filter.eventFields).toEqual(['type', 'content.body'])
    expect(filter.eventFormat).toBe('federation')
    expect(filter.presence.notSenders.has('@a:x')).toBe(true)
    expect(filter.accountData.types).toEqual(['m.push_rules'])
    expect(filter.room).toMatchObject({
      includeLeave: true,
      state: { lazyLoadMembers: true, includeRedundantMembers: true },
      timeline: { limit: 5, containsUrl: true, unreadThreadNotifications: true },
      ephemeral: { notTypes: ['*'] },
      accountData: { relatedByRelTypes: new Set(['m.thread']), relatedBySenders: new Set(['@b:x']) },
    })
    expect(['!r:x', '!s:x', '!t:x'].filter((room) => roomFilterMatches(filter.room, room))).toEqual(['!r:x'])
  })

  test.each<[JsonValue]>([
    [null],
    [[]],
    ['{}'],
    [{ room: [] }],
    [{ room: { timeline: null } }],
    [{ room: { state: 'x' } }],
    [{ room: { include_leave: 'true' } }],
    [{ presence: 7 }],
    [{ event_format: 'xml' }],
    [{ event_fields: 'body' }],
    [timeline({ limit: '5' })],
    [timeline({ limit: 1.5 })],
    [timeline({ limit: Number.NaN })],
    [timeline({ types: 'm.room.message' })],
    [timeline({ types: [['m.room.message']] })],
    [timeline({ types: null })],
    [timeline({ senders: [1] })],
    [timeline({ lazy_load_members: 'true' })],
    [timeline({ include_redundant_members: 1 })],
    [timeline({ contains_url: 'yes' })],
  ])('%j has the wrong shape', (value) => {
    expect(errcodeOf(() => parseFilter(value))).toBe('400 M_BAD_JSON')
  })

  test.each<[JsonValue]>([
    [timeline({ limit: -1 })],
    [timeline({ senders: ['alice'] })],
    [timeline({ not_rooms: ['#alias:x'] })],
    [timeline({ types: ['x'.repeat(256)] })],
    [timeline({ types: Array.from({ length: FILTER_MAX_ENTRIES + 1 }, () => 'm.x') })],
  ])('an impossible value', (value) => {
    expect(errcodeOf(() => parseFilter(value))).toBe('400 M_INVALID_PARAM')
  })

  test('limits hold at their edges', () => {
    expect(parseEventFilter({ limit: 0 }).limit).toBe(0)
    expect(parseEventFilter({ limit: FILTER_MAX_LIMIT + 1 }).limit).toBe(FILTER_MAX_LIMIT)
    expect(parseEventFilter({}).limit).toBeUndefined()
    const full = Array.from({ length: FILTER_MAX_ENTRIES }, () => 'x'.repeat(255))
    expect(parseEventFilter({ types: full }).types).toHaveLength(FILTER_MAX_ENTRIES)
  })

  test('texts', () => {
    expect(parseFilterText('{"room":{"timeline":{"limit":2}}}').room.timeline.limit).toBe(2)
    expect(parseEventFilterText('{"types":["a"]}').types).toEqual(['a'])
    expect(errcodeOf(() => parseFilterText('{"room":'))).toBe('400 M_NOT_JSON')
    expect(errcodeOf(() => parseFilterText(`{"a":"${'x'.repeat(FILTER_MAX_BYTES)}"}`))).toBe('400 M_INVALID_PARAM')
  })

  test('keys of the prototype are no keys', () => {
    const filter = parseFilterText('{"__proto__":{"event_format":"xml"},"constructor":7}')
    expect(filter.eventFormat).toBe('client')
  })
})

describe('eventFilterMatches', () => {
  const event = { type: 'm.room.message', sender: '@a:x', roomId: '!r:x', content: '{"body":"hi"}' }

  test.each<[JsonValue, boolean]>([
    [{ types: ['m.room.message'] }, true],
    [{ types: ['m.room.*'] }, true],
    [{ types: ['m.room.membe?', 'm.room.messag?'] }, false],
    [{ types: [] }, false],
    [{ types: ['M.ROOM.MESSAGE'] }, false],
    [{ types: ['*'], not_types: ['m.*.message'] }, false],
    [{ senders: ['@a:x'] }, true],
    [{ senders: ['@b:x'] }, false],
    [{ senders: [] }, false],
    [{ senders: ['@a:x'], not_senders: ['@a:x'] }, false],
    [{ rooms: ['!r:x'] }, true],
    [{ rooms: [] }, false],
    [{ not_rooms: ['!r:x'] }, false],
    [{ contains_url: false }, true],
    [{ contains_url: true }, false],
    [{ related_by_rel_types: ['m.thread'] }, false],
  ])('%j: %s', (filter, expected) => {
    expect(eventFilterMatches(parseEventFilter(filter), event)).toBe(expected)
  })

  test.each<[string, boolean]>([
    ['{"url":"mxc://x/y"}', true],
    ['{"url":null}', true],
    ['{"u\\u0072l":1}', true],
    ['{"body":"url"}', false],
    ['{"info":{"url":"mxc://x/y"}}', false],
  ])('url in %s: %s', (content, expected) => {
    const wanted = parseEventFilter({ contains_url: true })
    expect(eventFilterMatches(wanted, { ...event, content })).toBe(expected)
    expect(eventFilterMatches(wanted, { ...event, content: JSON.parse(content) })).toBe(expected)
  })

  test('a relation must fit both keys at once', () => {
    const filter = parseEventFilter({ related_by_rel_types: ['m.thread'], related_by_senders: ['@b:x'] })
    const thread = { relType: 'm.thread', sender: '@b:x' }
    expect(eventFilterMatches(filter, { ...event, relatedBy: [thread] })).toBe(true)
    const apart = [
      { ...thread, relType: 'm.annotation' },
      { ...thread, sender: '@c:x' },
    ]
    expect(eventFilterMatches(filter, { ...event, relatedBy: apart })).toBe(false)
  })

  test('what no event can pass is known beforehand', () => {
    for (const filter of [{ types: [] }, { senders: [] }, { rooms: [] }, { not_types: ['*'] }]) {
      expect(filterExcludesAll(parseEventFilter(filter))).toBe(true)
    }
    expect(filterExcludesAll(parseEventFilter({ types: ['m.x'], not_types: ['m.y'] }))).toBe(false)
  })
})
