import { describe, expect, test } from 'vitest'
import {
  type ClientEventRow,
  clientEventJson,
  eventAge,
  membershipAtEvent,
  unsignedJson,
} from '../../src/core/client-event.ts'

const MESSAGE: ClientEventRow = {
  eventId: '$one',
  roomId: '!room:example.org',
  type: 'm.room.message',
  stateKey: null,
  sender: '@alice:example.org',
  originServerTs: 1_700_000_000_000,
  contentText: '{"body":"hi","msgtype":"m.text"}',
  version: { redactsInContent: false },
}
const REDACTION: ClientEventRow = { ...MESSAGE, type: 'm.room.redaction', contentText: '{}', redacts: '$gone' }

describe('clientEventJson', () => {
  test('a message has exactly the keys of a client event', () => {
    expect(JSON.parse(clientEventJson(MESSAGE, undefined))).toEqual({
      content: { body: 'hi', msgtype: 'm.text' },
      event_id: '$one',
      origin_server_ts: 1_700_000_000_000,
      room_id: '!room:example.org',
      sender: '@alice:example.org',
      type: 'm.room.message',
    })
  })

  test('the text of content is not touched', () => {
    const contentText = '{"n":1e400,"big":12345678901234567890,"__proto__":{"a":1.0}}'
    expect(clientEventJson({ ...MESSAGE, contentText }, undefined)).toContain(`"content":${contentText},`)
  })

  test('state key, unsigned and a missing room', () => {
    const json = clientEventJson({ ...MESSAGE, roomId: undefined, stateKey: '' }, '{"age":5}')
    expect(JSON.parse(json)).toMatchObject({ state_key: '', unsigned: { age: 5 } })
    expect(JSON.parse(json)).not.toHaveProperty('room_id')
  })

  test('hostile strings cannot break out of their place', () => {
    const hostile = '","sender":"@admin:example.org","x":"\u0000\ud800\\'
    const event = JSON.parse(clientEventJson({ ...MESSAGE, type: hostile, stateKey: hostile }, undefined))
    expect(event).toMatchObject({ type: hostile, state_key: hostile, sender: '@alice:example.org' })
  })

  test('a redaction of an old room names its target in both places', () => {
    expect(JSON.parse(clientEventJson(REDACTION, undefined))).toMatchObject({
      redacts: '$gone',
      content: { redacts: '$gone' },
    })
    const withReason = JSON.parse(clientEventJson({ ...REDACTION, contentText: '{"reason":"spam"}' }, undefined))
    expect(withReason.content).toEqual({ reason: 'spam', redacts: '$gone' })
  })

  test('content that names the key already is left alone', () => {
    for (const contentText of ['{"redacts":"$other"}', '{"r\\u0065dacts":"$other"}']) {
      expect(clientEventJson({ ...REDACTION, contentText }, undefined)).toContain(`"content":${contentText},`)
    }
  })

  test('a redaction of a new room keeps its content, and gets the old key', () => {
    const contentText = '{"redacts":"$gone"}'
    const json = clientEventJson({ ...REDACTION, contentText, version: { redactsInContent: true } }, undefined)
    expect(json).toContain(`"content":${contentText},`)
    expect(JSON.parse(json).redacts).toBe('$gone')
    const bare = clientEventJson({ ...REDACTION, version: { redactsInContent: true } }, undefined)
    expect(JSON.parse(bare).content).toEqual({})
  })

  test('another type never shows a redacts key', () => {
    expect(JSON.parse(clientEventJson({ ...MESSAGE, redacts: '$gone' }, undefined))).not.toHaveProperty('redacts')
  })
})

describe('unsignedJson', () => {
  test('nothing to say', () => {
    expect(unsignedJson({ transactionId: null, membership: undefined })).toBeUndefined()
  })

  test('everything there is', () => {
    const because = clientEventJson({ ...REDACTION, roomId: undefined }, unsignedJson({ age: 3 }))
    const text = unsignedJson({
      age: -7,
      transactionId: 'a"b',
      prevContentText: '{"membership":"invite"}',
      replacesState: '$zero',
      membership: 'join',
      redactedBecauseText: because,
      relationsText: '{"m.reference":{"chunk":[]}}',
      inviteRoomStateText: '[]',
      knockRoomStateText: '[]',
    })
    expect(JSON.parse(text ?? '')).toEqual({
      age: -7,
      transaction_id: 'a"b',
      prev_content: { membership: 'invite' },
      replaces_state: '$zero',
      membership: 'join',
      redacted_because: JSON.parse(because),
      'm.relations': { 'm.reference': { chunk: [] } },
      invite_room_state: [],
      knock_room_state: [],
    })
  })
})

test('ages are integers, whatever the origin claims', () => {
  expect(eventAge(1_000, 1_500.7)).toBe(500)
  expect(eventAge(2_000, 1_500)).toBe(-500)
  expect(eventAge(-Number.MAX_SAFE_INTEGER, 1_500)).toBe(0)
  expect(eventAge(Number.NaN, 1_500)).toBe(0)
})

test('the membership at an event counts its own change', () => {
  expect(membershipAtEvent('invite', 'join')).toBe('join')
  expect(membershipAtEvent('invite', undefined)).toBe('invite')
  expect(membershipAtEvent(undefined, undefined)).toBe('leave')
})
