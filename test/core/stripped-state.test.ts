import { describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/core/json.ts'
import {
  pruneStrippedState,
  STRIPPED_STATE_MAX_ENTRIES,
  strippedEvent,
  strippedEventJson,
  strippedStateKeys,
} from '../../src/core/stripped-state.ts'

const CREATE = { type: 'm.room.create', stateKey: '', sender: '@a:x', content: { room_version: '12' } }
const WIRE = { type: 'm.room.create', state_key: '', sender: '@a:x', content: { room_version: '12' } }

test('the keys hold the create event and each member once', () => {
  const keys = strippedStateKeys(['@a:x', '@b:x', '@a:x'])
  expect(keys).toContainEqual(['m.room.create', ''])
  expect(keys).toContainEqual(['m.room.encryption', ''])
  expect(keys.filter(([type]) => type === 'm.room.member')).toEqual([
    ['m.room.member', '@a:x'],
    ['m.room.member', '@b:x'],
  ])
})

test('object and text forms agree', () => {
  expect(strippedEvent(CREATE)).toEqual(WIRE)
  const text = strippedEventJson({ ...CREATE, contentText: JSON.stringify(CREATE.content) })
  expect(JSON.parse(text)).toEqual(WIRE)
})

describe('pruneStrippedState', () => {
  test('drops what is no state event, and the keys that clients must not get', () => {
    const hostile: JsonValue = [
      null,
      7,
      'm.room.name',
      [],
      {},
      { ...WIRE, state_key: null },
      { ...WIRE, content: [] },
      { ...WIRE, content: null },
      { ...WIRE, sender: { toString: 'x' } },
      JSON.parse('{"__proto__":{"type":"m.room.name","state_key":"","sender":"@a:x","content":{}}}'),
      { ...WIRE, event_id: '$x', auth_events: [], unsigned: { age: 1 }, signatures: {} },
    ]
    expect(pruneStrippedState(hostile)).toEqual([WIRE])
  })

  test('the last of two entries for one key counts', () => {
    const name = (text: string) => ({ type: 'm.room.name', state_key: '', sender: '@a:x', content: { name: text } })
    expect(pruneStrippedState([name('one'), name('two')])).toEqual([name('two')])
  })

  test('no list is an empty list, and a long one is cut', () => {
    for (const value of [undefined, null, 'x', { 0: WIRE }]) expect(pruneStrippedState(value)).toEqual([])
    const many = Array.from({ length: 5_000 }, (_, index) => ({ ...WIRE, state_key: String(index) }))
    expect(pruneStrippedState(many)).toHaveLength(STRIPPED_STATE_MAX_ENTRIES)
  })
})
